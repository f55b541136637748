"""Bytes: under which key they lie, who holds them, and those still on their way in."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, UniqueConstraint

from holdfast.store.tables.basis import Instant, RowId, metadata

objects = Table(  # every key ever written to the blob store, recorded before its first byte is
    "objects",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("expires_at", Instant, index=True),  # null once a blob keeps it; until then it is swept after this
    Column("sealed", LargeBinary),  # the bytes themselves, if they are few
    Column("key_scope", String(2100), nullable=False, server_default="AES256"),
    Column("key_version", Integer, nullable=False, server_default="0"),  # 0 while only the object itself tells it
    Column("wrapped_key", LargeBinary),  # goes before the one that the object carries
    Index("ix_objects_key_scope_key_version", "key_scope", "key_version"),
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
