"""What may be garbage, what is on its way out, and what the collector did.

repository_blobs ── nobody refers to it ──► quarantined_links ── in time ──► its blob goes with the last one
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, false
from sqlalchemy.types import JSON

from holdfast.store.tables.basis import Instant, RowId, metadata

gc_candidates = Table(  # links of repositories to blobs that may have lost their last reference, or never had one
    "gc_candidates",
    metadata,
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", String(140), primary_key=True),
    Column("due_at", Instant, nullable=False, index=True),
)

quarantined_links = Table(  # a row for each link that was taken away, from a repository that may be gone itself
    "quarantined_links",
    metadata,
    Column("blob_id", ForeignKey("blobs.id"), primary_key=True),
    Column("repository_id", RowId, primary_key=True, autoincrement=False),
    Column("digest", String(140), nullable=False),
    Column("added_at", Instant, nullable=False),
    Column("quarantined_at", Instant, nullable=False, index=True),
    Column("is_deleted", Boolean, nullable=False),  # somebody deleted the blob: no push finds it here
    Column("is_evicted", Boolean, nullable=False, server_default=false()),  # a cache made room, so it goes sooner
    Index("ix_quarantined_links_repository_id_digest", "repository_id", "digest"),
)

gc_runs = Table(
    "gc_runs",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("outcome", JSON, nullable=False),
    sqlite_autoincrement=True,
)

gc_halts = Table(  # one row at most: why nothing more is collected until somebody confirms it
    "gc_halts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("reason", Text, nullable=False),
    Column("halted_at", Instant, nullable=False),
    Column("planned", Integer, nullable=False),  # how many blobs may go once it is confirmed
    Column("is_confirmed", Boolean, nullable=False),
)
