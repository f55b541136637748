"""Where the chains of the audit log stand, whose files lie in folders of the nodes."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, String, Table

from holdfast.store.tables.basis import metadata

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("chain", String(200), primary_key=True),
    Column("folder", String(32), nullable=False),
    Column("file", String(255), nullable=False),  # the newest one
    Column("sequence", BigInteger, nullable=False),  # of its last line
    Column("digest", String(64), nullable=False),
    Index("ix_audit_heads_folder", "folder"),
)
