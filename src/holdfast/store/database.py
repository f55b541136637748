"""The engine and its transactions, and what differs between the databases."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from contextlib import contextmanager, suppress
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
CONNECTIONS = 32
PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "temp_store=MEMORY", "cache_size=-8000")


class Database:
    """An open database. Cheap to make; it connects on first use, so a process may fork after making one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = _sqlite_engine(path)
        self._local = threading.local()
        self._turn = _Turn(path)
        self._log = _WriteAheadLog(path)

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[Transaction]:
        """One write transaction: all of it happens, or nothing.

        It returns after the commit is on disk. With `durable=False` the commit survives the death of any process but
        perhaps not that of the machine: enough for work in progress that a client will simply begin again.
        """
        try:
            with self._turn, self._engine.connect() as connection:
                connection.info["begin"] = "BEGIN IMMEDIATE"
                with connection.begin():
                    yield connection
        except OperationalError as fault:
            if "full" in str(fault.orig):
                raise StorageFull from fault
            raise
        if durable:
            self._log.flush()

    @contextmanager
    def snapshot(self) -> Iterator[Transaction]:
        """One read transaction: everything seen is of the same moment."""
        with self._engine.connect() as connection:
            connection.info["begin"] = "BEGIN"
            with connection.begin():
                yield connection

    @property
    def hot(self) -> HotReads:
        """This thread's read-only connection for the few reads that decide how fast a pull is."""
        reads: HotReads | None = getattr(self._local, "hot", None)
        if reads is None:
            reads = self._local.hot = HotReads(_connect(self._path))
        return reads

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()


class _Turn:
    """One writer at a time, of all processes of a node.

    SQLite would let the others sleep and try again, for longer each time; a file lock wakes the next one at once, and
    the system releases it when its holder dies.
    """

    def __init__(self, path: Path) -> None:
        self._path = f"{path}.turn"
        self._lock = threading.Lock()
        self._fd = self._pid = -1

    def __enter__(self) -> None:
        self._lock.acquire()
        try:
            if self._pid != os.getpid():  # a forked process needs an open file of its own
                self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                self._pid = os.getpid()
            fcntl.flock(self._fd, fcntl.LOCK_EX)
        except BaseException:
            self._lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        self._lock.release()


class _WriteAheadLog:
    """Flushes SQLite's log after a commit, for several commits at once.

    SQLite flushes inside the commit, with the whole database locked: a thousand commits a second at best. Here commits
    are not flushed (synchronous=NORMAL), and who needs to know that his is on disk flushes the log afterwards; one
    flush does for everybody who committed before it. A commit can be seen before it is flushed, but nobody was told
    that it is there to stay.
    """

    def __init__(self, path: Path) -> None:
        self._path = f"{path}-wal"
        self._folder = path.parent
        self._flushing = threading.Lock()
        self._counting = threading.Lock()
        self._asked = self._done = 0
        self._fd = -1

    def flush(self) -> None:
        """Return when every commit before the call is on disk."""
        with self._counting:
            self._asked += 1
            mine = self._asked
        with self._flushing:
            if self._done >= mine:
                return
            covered = self._asked
            # Without a log there is nothing to do: SQLite flushed all of it when the last connection closed.
            with suppress(FileNotFoundError):
                os.fdatasync(self._open())
            self._done = covered

    def _open(self) -> int:
        """The log; SQLite makes a new one when the last connection was closed in between."""
        if self._fd < 0 or os.fstat(self._fd).st_nlink == 0:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(folder)
            os.close(folder)
        return self._fd


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _sqlite_engine(path: Path) -> Engine:
    engine = sqlalchemy.create_engine(
        "sqlite://",
        creator=lambda: _connect(path),
        poolclass=QueuePool,
        pool_size=CONNECTIONS,
        max_overflow=CONNECTIONS,
        pool_reset_on_return=None,  # a transaction always ends before its connection goes back
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: Transaction) -> None:
        # pysqlite opens transactions late and as readers; two readers that both want to write cannot (SQLITE_BUSY).
        driver = connection.connection.dbapi_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.execute(connection.info.get("begin", "BEGIN IMMEDIATE"))

    return engine
