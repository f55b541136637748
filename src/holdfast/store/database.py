"""The engine and its transactions, and what differs between the databases."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from holdfast.model.errors import StorageFull
from holdfast.store.hot import HotReads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Engine

Transaction = sqlalchemy.Connection

BUSY_SECONDS = 30
CONNECTIONS = 16

# In WAL, NORMAL leaves out the flush after each commit.
_DURABLE = ("PRAGMA synchronous=FULL", "BEGIN IMMEDIATE")
_RELAXED = ("PRAGMA synchronous=NORMAL", "BEGIN IMMEDIATE")
_READ = ("BEGIN",)


class Database:
    """An open database. Cheap to make; it connects on first use, so a process may fork after making one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"
        self._engine = _sqlite_engine(path)
        self._local = threading.local()
        self._writer = threading.Lock()

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[Transaction]:
        """One write transaction: all of it happens, or nothing.

        It returns after the commit is on disk. With `durable=False` the commit survives the death of any process but
        perhaps not that of the machine: enough for work in progress that a client will simply begin again.
        """
        # SQLite has one writer at a time and lets the others sleep; a lock wakes the next one of this process at once.
        with self._writer, self._engine.connect() as connection:
            connection.info["begin"] = _DURABLE if durable else _RELAXED
            try:
                with connection.begin():
                    yield connection
            except OperationalError as fault:
                if "full" in str(fault.orig):
                    raise StorageFull from fault
                raise

    @contextmanager
    def snapshot(self) -> Iterator[Transaction]:
        """One read transaction: everything seen is of the same moment."""
        with self._engine.connect() as connection:
            connection.info["begin"] = _READ
            with connection.begin():
                yield connection

    @property
    def hot(self) -> HotReads:
        """This thread's read-only connection for the few reads that decide how fast a pull is."""
        reads = getattr(self._local, "hot", None)
        if reads is None:
            reads = self._local.hot = HotReads(_connect(self.path))
        return reads

    @property
    def engine(self) -> Engine:
        """The engine, for migrations."""
        return self._engine

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY", "cache_size=-8000"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _sqlite_engine(path: Path) -> Engine:
    engine = sqlalchemy.create_engine(
        "sqlite://",
        creator=lambda: _connect(path),
        poolclass=QueuePool,
        pool_size=CONNECTIONS,
        max_overflow=CONNECTIONS,
        pool_reset_on_return="rollback",
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: Transaction) -> None:
        # pysqlite opens transactions late and as readers; two readers that both want to write cannot (SQLITE_BUSY).
        for statement in connection.info.get("begin", _DURABLE):
            connection.exec_driver_sql(statement)

    return engine
