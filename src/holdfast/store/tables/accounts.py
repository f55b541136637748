"""Accounts, their keys, and the keys of the installation itself."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Integer, LargeBinary, String, Table

from holdfast.store.tables.basis import Instant, metadata

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
    Column("user_id", ForeignKey("iam_users.id"), index=True),  # null: the account's root
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("description", String(256), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("used_at", Instant),
    Column("used_for", String(64)),
    Column("used_in", String(25)),
)

secrets = Table(  # keys of the installation itself, each sealed by the key provider
    "secrets",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
)
