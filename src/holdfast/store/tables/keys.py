"""The keys that wrap the data keys of objects, and the keys that repositories may name."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Integer, LargeBinary, String, Table

from holdfast.store.tables.basis import Instant, metadata

wrapping_keys = Table(  # versions of the keys of each key scope; each sealed by whoever keeps its master key
    "wrapping_keys",
    metadata,
    Column("scope", String(2100), primary_key=True),
    Column("layer", Integer, primary_key=True, autoincrement=False),  # 0 is the innermost
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("sealed_by", String(2048), nullable=False),  # a key of a key service; empty: the registry's own
    Column("made_at", Instant, nullable=False),
)

kms_keys = Table(  # keys that encryptionConfiguration may name where no key service is asked
    "kms_keys",
    metadata,
    Column("arn", String(256), primary_key=True),
    Column("account_id", String(12), nullable=False),
    Column("region", String(25), nullable=False),
    Column("description", String(256), nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
)

kms_aliases = Table(
    "kms_aliases",
    metadata,
    Column("account_id", String(12), primary_key=True),
    Column("region", String(25), primary_key=True),
    Column("name", String(256), primary_key=True),  # alias/…
    Column("key_arn", ForeignKey("kms_keys.arn", ondelete="CASCADE"), nullable=False, index=True),
)
