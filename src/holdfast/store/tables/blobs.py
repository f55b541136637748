"""Bytes: under which key they lie, who holds them, and those still on their way in."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from holdfast.store.tables.basis import Instant, RowId, metadata

# An index of the few that are damaged costs nothing for the others.
_is_damaged = text("damaged_at IS NOT NULL")
ONLY_DAMAGED: dict[str, Any] = {"sqlite_where": _is_damaged, "postgresql_where": _is_damaged}

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
    Column("verified_at", Instant, nullable=False, server_default="0"),  # when all bytes were last seen to be right
    Column("damaged_at", Instant),  # found then not to be; such a blob is neither shown nor served
    Column("damage", Text),  # what was found
    UniqueConstraint("registry_id", "key_scope", "digest"),
    Index("ix_blobs_verified_at_id", "verified_at", "id"),
    Index("ix_blobs_damaged_at", "damaged_at", **ONLY_DAMAGED),
    Index("ix_blobs_digest", "digest"),
    sqlite_autoincrement=True,
)

damaged_objects = Table(  # bytes that others took the place of; kept for a while for whoever examines them
    "damaged_objects",
    metadata,
    Column("object_key", ForeignKey("objects.key"), primary_key=True),
    Column("registry_id", ForeignKey("registries.id"), nullable=False),
    Column("digest", String(140), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("damage", Text, nullable=False),
    Column("replaced_at", Instant, nullable=False, index=True),
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

deletion_holds = Table(  # while one stands, no bytes are deleted from the blob store
    "deletion_holds",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("reason", String(256), nullable=False),
    Column("expires_at", Instant, nullable=False),
)
