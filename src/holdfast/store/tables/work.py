"""What is still to be done."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, String, Table, Text, UniqueConstraint
from sqlalchemy.types import JSON

from holdfast.store.tables.basis import Instant, RowId, metadata

work = Table(  # what is still to be done, by whichever process comes first
    "work",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("key", String(300), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("due_at", Instant, index=True),  # while it is done: when its lease ends. Null once it was given up
    Column("again_at", Instant),  # wanted once more while it was being done
    Column("attempts", Integer, nullable=False),
    Column("fence", Integer, nullable=False),  # counts claims: who holds an older number has lost his
    Column("owner", String(128)),  # who does it now
    Column("is_cancelled", Boolean, nullable=False),
    Column("progress", JSON(none_as_null=True)),
    Column("error", Text),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("kind", "key"),
    sqlite_autoincrement=True,
)

peer_uploads = Table(  # layers on their way to registries elsewhere: who sends one, and what was begun of it
    "peer_uploads",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("work_id", BigInteger),  # the work that sends it, as long as that is held by the same fence; null if none
    Column("fence", Integer, nullable=False),
    Column("target", String(64), nullable=False),  # where the upload was begun, and as whom
    Column("sealed", LargeBinary),  # its URL there
    Column("received_bytes", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("changed_at", Instant, nullable=False, index=True),
)
