"""The whole schema on one page.

    accounts ── access_keys
    registries ── repositories ── repository_tags
         │             ├── manifests ── manifest_bodies, manifest_references
         │             │       └── tags
         │             ├── uploads ── upload_parts ─┐
         │             └── repository_blobs         │
         └── blobs ────────────┘  └── objects ──────┘   (an object is bytes under one key of the blob store)

References are rows: what a manifest needs is in `manifest_references`, and nothing it names may go while it is there.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.types import JSON

if TYPE_CHECKING:
    from sqlalchemy import Dialect

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant, kept as whole microseconds since 1970: exact, and sorted alike in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> int | None:
        """From the program to the database."""
        return None if value is None else (value - EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, _dialect: Dialect) -> datetime | None:
        """From the database to the program."""
        return None if value is None else EPOCH + timedelta(microseconds=value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite counts rows up by itself only in a plain INTEGER key.
RowId = BigInteger().with_variant(Integer(), "sqlite")

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("created_at", Instant, nullable=False),
)

access_keys = Table(
    "access_keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("description", String(256), nullable=False),
    Column("created_at", Instant, nullable=False),
)

secrets = Table(  # keys of the installation itself, each sealed by the key provider
    "secrets",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
)

registries = Table(
    "registries",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("region", String(25), nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("account_id", "region"),
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

objects = Table(  # every key ever written to the blob store, recorded before its first byte is
    "objects",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("expires_at", Instant, index=True),  # null once a blob keeps it; until then it is swept after this
    Column("sealed", LargeBinary),  # the bytes themselves, if they are few
)

blobs = Table(
    "blobs",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("registry_id", ForeignKey("registries.id"), nullable=False),
    Column("key_scope", String(2100), nullable=False),
    Column("digest", String(140), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("object_key", ForeignKey("objects.key"), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("registry_id", "key_scope", "digest"),
    sqlite_autoincrement=True,
)

repository_blobs = Table(  # a caller sees a blob only through a repository that he may read
    "repository_blobs",
    metadata,
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", String(140), primary_key=True),
    Column("blob_id", ForeignKey("blobs.id"), nullable=False, index=True),
    Column("added_at", Instant, nullable=False),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("received_bytes", BigInteger, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)

upload_parts = Table(
    "upload_parts",
    metadata,
    Column("upload_id", ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("first_byte", BigInteger, primary_key=True, autoincrement=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("object_key", ForeignKey("objects.key"), nullable=False, index=True),
    Column("sha256", String(64), nullable=False),
)

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
    UniqueConstraint("repository_id", "digest"),
    Index("ix_manifests_repository_id_subject", "repository_id", "subject"),
    Index("ix_manifests_repository_id_id", "repository_id", "id"),
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
)

tags = Table(
    "tags",
    metadata,
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(300), primary_key=True),
    Column("manifest_id", ForeignKey("manifests.id"), nullable=False),
    Column("tagged_at", Instant, nullable=False),
    Index("ix_tags_manifest_id_name", "manifest_id", "name"),
)

schedules = Table(  # what is done from time to time, by whichever process comes first
    "schedules",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("due_at", Instant, nullable=False),
)
