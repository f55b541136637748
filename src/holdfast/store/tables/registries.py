"""Registries, repositories, and what is set on either."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint
from sqlalchemy.types import JSON

from holdfast.store.tables.basis import Instant, RowId, metadata

registries = Table(
    "registries",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("region", String(25), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("repository_count", Integer, nullable=False, server_default="0"),
    UniqueConstraint("account_id", "region"),
)

registry_settings = Table(  # one document a setting: policy, replication, scanning, signing, account settings
    "registry_settings",
    metadata,
    Column("registry_id", ForeignKey("registries.id"), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

creation_templates = Table(
    "creation_templates",
    metadata,
    Column("registry_id", ForeignKey("registries.id"), primary_key=True),
    Column("prefix", String(256), primary_key=True),
    Column("document", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

cache_rules = Table(
    "cache_rules",
    metadata,
    Column("registry_id", ForeignKey("registries.id"), primary_key=True),
    Column("prefix", String(30), primary_key=True),
    Column("upstream_url", Text, nullable=False),
    Column("upstream_registry", String(64), nullable=False),
    Column("upstream_prefix", String(30), nullable=False),
    Column("credential_arn", String(612)),
    Column("custom_role_arn", String(2048)),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("options", JSON(none_as_null=True)),  # what ECR's rules do not have; null where all are the default
    Column("failure", Text),  # what the upstream last did wrong
    Column("failed_at", Instant),
)

pull_exclusions = Table(  # principals whose pulls are not recorded
    "pull_exclusions",
    metadata,
    Column("registry_id", ForeignKey("registries.id"), primary_key=True),
    Column("principal_arn", String(200), primary_key=True),
    Column("created_at", Instant, nullable=False),
)

backfills = Table(  # copies of what was pushed before its replication rule
    "backfills",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("registry_id", ForeignKey("registries.id"), nullable=False),
    Column("region", String(25), nullable=False),
    Column("account_id", String(12), nullable=False),
    Column("status", String(16), nullable=False),
    Column("failure_code", String(64)),
    Column("total", Integer),  # null while they are being counted
    Column("completed", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("failure_codes", JSON, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant, index=True),
    Index("ix_backfills_registry_id_started_at_id", "registry_id", "started_at", "id"),
)

backfill_results = Table(
    "backfill_results",
    metadata,
    Column("backfill_id", ForeignKey("backfills.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("repository_name", String(256), nullable=False),
    Column("digest", String(140), nullable=False),
    Column("tag", String(300)),
    Column("status", String(16), nullable=False),
    Column("failure_code", String(64)),
    Column("member_failure_codes", JSON, nullable=False),
    Index("ix_backfill_results_backfill_id_status_position", "backfill_id", "status", "position"),
)

repositories = Table(
    "repositories",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("registry_id", ForeignKey("registries.id"), nullable=False),
    Column("name", String(256), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("mutability", String(32), nullable=False),
    Column("mutability_filters", JSON, nullable=False),
    Column("scan_on_push", Boolean, nullable=False),
    Column("encryption_type", String(16), nullable=False),
    Column("kms_key", String(2048)),
    Column("policy", Text),
    Column("image_count", Integer, nullable=False, server_default="0"),
    Column("departures", Integer, nullable=False, server_default="0"),  # counts what a count of images rests on
    Column("deleted_at", Instant),  # null while it lives; a deleted one has a name that nobody can ask for
    UniqueConstraint("registry_id", "name"),
    sqlite_autoincrement=True,  # an id is never given twice: stale references must not find a stranger
)

repository_tags = Table(
    "repository_tags",
    metadata,
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("value", String(256), nullable=False),
)
