"""Accounts, their keys, and the keys of the installation itself."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Integer, LargeBinary, String, Table, Text, UniqueConstraint
from sqlalchemy.types import JSON

from holdfast.store.tables.basis import Instant, RowId, metadata

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

account_secrets = Table(  # that an account keeps here, as in AWS Secrets Manager
    "account_secrets",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("region", String(25), nullable=False),
    Column("name", String(512), nullable=False),
    Column("suffix", String(6), nullable=False),
    Column("description", Text, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("gone_at", Instant, index=True),  # null, unless it is deleted: until then it can be restored
    Column("used_at", Instant),  # the day on which a value was read last
    UniqueConstraint("account_id", "region", "name"),
    sqlite_autoincrement=True,  # the number is what values are sealed for
)

account_secret_versions = Table(
    "account_secret_versions",
    metadata,
    Column("secret_id", ForeignKey("account_secrets.id", ondelete="CASCADE"), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("stages", JSON, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
)
