"""What is to be told, to whom, and what could not be."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import JSON

from holdfast.store.tables.basis import Instant, RowId, metadata

events = Table(  # the outbox: written in the transaction of the change, delivered afterwards
    "events",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("event_id", String(36), nullable=False),
    Column("account_id", String(12), nullable=False),
    Column("region", String(25), nullable=False),
    Column("source", String(64), nullable=False),
    Column("detail_type", String(128), nullable=False),
    Column("resources", JSON, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("occurred_at", Instant, nullable=False, index=True),
    Column("position", BigInteger, index=True),  # given once it is committed: numbers are not in the order of commits
    sqlite_autoincrement=True,
)
Index("ix_events_unplaced", events.c.id, sqlite_where=events.c.position.is_(None),
      postgresql_where=events.c.position.is_(None))  # fmt: skip

event_targets = Table(  # to whom events are told, and how far each of them is
    "event_targets",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("account_id", String(12), nullable=False),  # `*` is every account
    Column("region", String(25), nullable=False),  # `*` is every region
    Column("name", String(64), nullable=False),
    Column("wishes", JSON, nullable=False),
    Column("wants_pulls", Boolean, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # its credentials
    Column("cursor", BigInteger, nullable=False),  # the position of the last event that needs no more of it
    Column("taken", JSON, nullable=False),  # positions after it that need no more either
    Column("attempts", Integer, nullable=False),  # of what comes next
    Column("refusals", Integer, nullable=False),  # of them, those that were of the event itself
    Column("failures", Integer, nullable=False),  # in a row
    Column("failing_since", Instant),
    Column("resting_until", Instant),
    Column("fault", Text),
    Column("delivered", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),  # attempts
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("account_id", "region", "name"),
    sqlite_autoincrement=True,
)

event_dead_letters = Table(  # what a target did not get
    "event_dead_letters",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("target_id", ForeignKey("event_targets.id", ondelete="CASCADE"), nullable=False),
    Column("envelope", JSON, nullable=False),
    Column("reason", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("died_at", Instant, nullable=False, index=True),
    Column("is_wanted_again", Boolean, nullable=False),
    Index("ix_event_dead_letters_target_id_is_wanted_again_id", "target_id", "is_wanted_again", "id"),
    sqlite_autoincrement=True,
)
