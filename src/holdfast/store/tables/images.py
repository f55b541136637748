"""Manifests, what they need, the tags that name them, and what was done with them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)
from sqlalchemy.types import JSON

from holdfast.store.tables.basis import Instant, RowId, metadata
from holdfast.store.tables.blobs import ONLY_DAMAGED

manifests = Table(
    "manifests",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    Column("digest", String(140), nullable=False),
    Column("media_type", String(255), nullable=False),
    Column("artifact_type", Text),
    Column("config_media_type", Text),
    Column("subject", String(140)),
    Column("manifest_bytes", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("annotations", JSON, nullable=False),
    Column("pushed_at", Instant, nullable=False),
    Column("pulled_at", Instant),
    Column("status", String(16), nullable=False, server_default="ACTIVE"),
    Column("archived_at", Instant),
    Column("activated_at", Instant),
    Column("is_tagged", Boolean, nullable=False, server_default=false()),  # so that each filter of a list is a range
    Column("verified_at", Instant, nullable=False, server_default="0"),  # when its body was last seen to be right
    Column("damaged_at", Instant),  # found then not to be; such a body is not served
    UniqueConstraint("repository_id", "digest"),
    Index("ix_manifests_repository_id_subject_status_id", "repository_id", "subject", "status", "id"),
    Index("ix_manifests_repository_id_status_is_tagged_id", "repository_id", "status", "is_tagged", "id"),
    Index("ix_manifests_verified_at_id", "verified_at", "id"),
    Index("ix_manifests_damaged_at", "damaged_at", **ONLY_DAMAGED),
    sqlite_autoincrement=True,
)

manifest_bodies = Table(  # apart, so that lists do not read past megabytes
    "manifest_bodies",
    metadata,
    Column("manifest_id", ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

manifest_references = Table(
    "manifest_references",
    metadata,
    Column("manifest_id", ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", String(140), primary_key=True),
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    Column("is_manifest", Boolean, nullable=False),
    Column("media_type", Text, nullable=False),
    Index("ix_manifest_references_repository_id_digest", "repository_id", "digest"),
    Index("ix_manifest_references_digest", "digest"),  # whether a blob may go is asked over all repositories
)

tags = Table(
    "tags",
    metadata,
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(300), primary_key=True),
    Column("manifest_id", ForeignKey("manifests.id"), nullable=False),
    Column("tagged_at", Instant, nullable=False),
    Column("is_active", Boolean, nullable=False, server_default=true()),  # whether its image is: others are not listed
    Column("stale_at", Instant),  # from when on its upstream is to be asked; null for a tag that was pushed here
    Index("ix_tags_manifest_id_name", "manifest_id", "name"),
    Index("ix_tags_repository_id_is_active_name", "repository_id", "is_active", "name"),
)

image_pullers = Table(  # who pulled which image; sessions of a role are that role
    "image_pullers",
    metadata,
    Column("manifest_id", ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True),
    Column("principal", String(500), primary_key=True),
    Column("first_pulled_at", Instant, nullable=False),
    Column("last_pulled_at", Instant, nullable=False),
)

image_scans = Table(  # the latest scan of each image
    "image_scans",
    metadata,
    Column("manifest_id", ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("registry_id", ForeignKey("registries.id"), nullable=False),
    Column("status", String(32), nullable=False),
    Column("description", Text, nullable=False),
    Column("requested_at", Instant, nullable=False),
    Column("completed_at", Instant),
    Column("scan_type", String(8), nullable=False, server_default="BASIC"),
    Column("is_live", Boolean, nullable=False, server_default=false()),  # what it found is read anew each time
    Column("counts", JSON(none_as_null=True)),  # of what it found, by severity, unless it is live
    Column("ecosystems", JSON(none_as_null=True)),  # of the packages that it looked at
    Column("source_updated_at", Instant),
    Index("ix_image_scans_registry_id_requested_at", "registry_id", "requested_at"),
)

image_leases = Table(  # images that somebody says are in use
    "image_leases",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    Column("digest", String(140), nullable=False),  # of an image that lives, or was deleted and may live again
    Column("holder", String(256), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("detail", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("renewed_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    UniqueConstraint("repository_id", "digest", "holder"),
    Index("ix_image_leases_repository_id_id", "repository_id", "id"),
)

image_findings = Table(  # of scans that are not live, as they were found
    "image_findings",
    metadata,
    Column("manifest_id", ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("findings", LargeBinary, nullable=False),
)

image_replications = Table(
    "image_replications",
    metadata,
    Column("manifest_id", ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True),
    Column("region", String(25), primary_key=True),
    Column("account_id", String(12), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("failure_code", String(64)),
    Column("updated_at", Instant, nullable=False),
    Index("ix_image_replications_status_updated_at", "status", "updated_at"),
)

replication_checks = Table(  # how a repository agreed with a copy of it when they were compared last
    "replication_checks",
    metadata,
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("region", String(25), primary_key=True),
    Column("account_id", String(12), primary_key=True),
    Column("checked_at", Instant, nullable=False),
    Column("state", String(16), nullable=False),
    Column("failure", Text),  # why it could not be compared
    Column("counts", JSON, nullable=False),
    Column("digest", String(140), nullable=False),  # of what the repository held
    Index("ix_replication_checks_state", "state"),
)

setting_leaders = Table(  # repositories whose settings come from elsewhere, or go there
    "setting_leaders",
    metadata,
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("own_id", String(64), nullable=False),  # what it calls itself to others
    Column("leaders", JSON, nullable=False),  # who sets it, and when that was said last, in microseconds since 1970
)

image_signings = Table(
    "image_signings",
    metadata,
    Column("manifest_id", ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True),
    Column("profile_arn", String(200), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("failure_code", String(64)),
    Column("failure_reason", Text),
)
