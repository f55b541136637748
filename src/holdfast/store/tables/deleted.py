"""What was deleted and may still be restored, and what tags named before.

Nobody who reads images looks here. What a deleted image needs stays held by `deleted_references`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text
from sqlalchemy.types import JSON

from holdfast.store.tables.basis import Instant, RowId, metadata

deleted_repositories = Table(  # the rest stays where it is; `repositories.name` is one that nobody can ask for
    "deleted_repositories",
    metadata,
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("registry_id", ForeignKey("registries.id"), nullable=False),
    Column("name", String(256), nullable=False),
    Column("deleted_at", Instant, nullable=False, index=True),
    Column("is_purging", Boolean, nullable=False),  # some of it is gone already, so it cannot come back
    Index("ix_deleted_repositories_registry_id_repository_id", "registry_id", "repository_id"),
    Index("ix_deleted_repositories_registry_id_name", "registry_id", "name"),
)

deleted_images = Table(  # its id is the one that it had as a manifest, and has again when it is restored
    "deleted_images",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=False),
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    Column("digest", String(140), nullable=False),
    Column("media_type", String(255), nullable=False),
    Column("artifact_type", Text),
    Column("config_media_type", Text),
    Column("subject", String(140)),
    Column("manifest_bytes", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("pushed_at", Instant, nullable=False),
    Column("pulled_at", Instant),
    Column("status", String(16), nullable=False),
    Column("archived_at", Instant),
    Column("activated_at", Instant),
    Column("deleted_at", Instant, nullable=False, index=True),
    Column("tags", JSON, nullable=False),  # each a name and when it was set, in microseconds since 1970
    Column("facts", JSON, nullable=False),  # its scan, replications and signings, and what it is a copy of
    Column("annotations", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),  # last, so that lists need not read past it
    Index("ix_deleted_images_repository_id_id", "repository_id", "id"),
    Index("ix_deleted_images_repository_id_digest", "repository_id", "digest"),
    Index("ix_deleted_images_repository_id_subject", "repository_id", "subject"),
)

deleted_references = Table(
    "deleted_references",
    metadata,
    Column("image_id", ForeignKey("deleted_images.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", String(140), primary_key=True),
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    Column("is_manifest", Boolean, nullable=False),
    Column("media_type", Text, nullable=False),
    Index("ix_deleted_references_repository_id", "repository_id"),
    Index("ix_deleted_references_digest_repository_id", "digest", "repository_id"),
)

tag_history = Table(  # a row each time that a tag was moved or removed
    "tag_history",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(300), nullable=False),
    Column("digest", String(140), nullable=False),
    Column("tagged_at", Instant, nullable=False),
    Column("until_at", Instant, nullable=False, index=True),
    Index("ix_tag_history_repository_id_name_id", "repository_id", "name", "id"),
    Index("ix_tag_history_repository_id_id", "repository_id", "id"),
    sqlite_autoincrement=True,
)
