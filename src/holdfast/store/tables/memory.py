"""What the processes that share a database remember of it; see `store/remembered.py`."""

from __future__ import annotations

from sqlalchemy import Column, String, Table

from holdfast.store.tables.basis import Instant, metadata

memory_leases = Table(  # until when each process may serve what it remembers
    "memory_leases",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("ends_at", Instant, nullable=False),
)
