"""What comes from upstream registries: images on their way, those that came, and what is being fetched."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from holdfast.store.tables.basis import Instant, RowId, metadata

cache_imports = Table(  # manifests that are served already, while what they need is still being fetched
    "cache_imports",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    Column("tag", String(300), nullable=False),  # empty for one that was asked for by its digest
    Column("digest", String(140), nullable=False),
    Column("media_type", String(255), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("requested_at", Instant, nullable=False, index=True),
    Column("failure", Text),  # why it was given up
    UniqueConstraint("repository_id", "tag", "digest"),
    Index("ix_cache_imports_repository_id_digest", "repository_id", "digest"),
    sqlite_autoincrement=True,
)

cache_images = Table(  # images that an upstream has as well; only these make room for others
    "cache_images",
    metadata,
    Column("manifest_id", ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("registry_id", ForeignKey("registries.id"), nullable=False),
    Column("prefix", String(30), nullable=False),  # of the rule
    Column("cached_at", Instant, nullable=False),
    Column("referrers_at", Instant, nullable=False),  # when the upstream was last asked what refers to it
    Index("ix_cache_images_registry_id_prefix", "registry_id", "prefix"),
)

cache_blobs = Table(  # bytes that the upstream of a rule has sent, so its word suffices for who else it gives them to
    "cache_blobs",
    metadata,
    Column("blob_id", ForeignKey("blobs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("registry_id", ForeignKey("registries.id"), primary_key=True, autoincrement=False),
    Column("prefix", String(30), primary_key=True),
)

cache_fetches = Table(  # what is being fetched, by whom, so that nobody else does; or why it could not be
    "cache_fetches",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("registry_id", ForeignKey("registries.id"), nullable=False),
    Column("prefix", String(30), nullable=False),  # of the rule
    Column("repository_name", String(256), nullable=False),
    Column("reference", String(300), nullable=False),
    Column("owner", String(64), nullable=False),  # a process
    Column("started_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),  # of the owner's lease
    Column("received_bytes", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),  # 0 if it is no blob
    Column("failure", Text),
    Column("is_wanted", Boolean, nullable=False, server_default=false()),  # on another machine, which reads parts
    Index("ix_cache_fetches_registry_id_prefix", "registry_id", "prefix"),
)

cache_parts = Table(  # of blobs that are being fetched: objects that nothing holds, which go with the fetch
    "cache_parts",
    metadata,
    Column("object_key", ForeignKey("objects.key", ondelete="CASCADE"), primary_key=True),
    Column("key", String(64), nullable=False),  # of the fetch
    Column("owner", String(64), nullable=False),
    Column("first_byte", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("whole_bytes", BigInteger, nullable=False),  # of the blob
    Index("ix_cache_parts_key_owner_first_byte", "key", "owner", "first_byte"),
)
