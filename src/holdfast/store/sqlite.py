"""SQLite: its transactions, and what is peculiar to it."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.pool import NullPool

from holdfast.model.errors import StorageFull
from holdfast.store.database import Transaction
from holdfast.store.hot import HotReads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from holdfast.store.database import Thing
    from holdfast.store.statements import Row, Statement, Worded

log = logging.getLogger(__name__)

BUSY_SECONDS = 30
PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "temp_store=MEMORY")


class SqliteTransaction(Transaction):
    """An open transaction of SQLite."""

    def _worded(self, statement: Statement) -> Worded:
        return statement.for_sqlite

    def portions(self, statement: Statement, size: int, **parameters: Any) -> Iterator[list[Row]]:
        """Every row that a statement finds, so many at a time."""
        cursor = self._driver.execute(*statement.for_sqlite.bound(parameters))
        while found := cursor.fetchmany(size):
            yield statement.for_sqlite.rows(found)

    def counted(self) -> dict[str, int]:
        """The last number that each table gave to a row."""
        return dict(self._driver.execute("SELECT name, seq FROM sqlite_sequence").fetchall())


class SqliteDatabase:
    """A file, with its log beside it.

    `turn` is held by one writer at a time, and `sync` makes an open file durable; a simulation brings its own.
    """

    def __init__(
        self,
        path: Path,
        *,
        turn: AbstractContextManager[None] | None = None,
        sync: Callable[[int], None] = os.fdatasync,
    ) -> None:
        self._path = path
        self._local = threading.local()
        self._opened: WeakSet[_Held] = WeakSet()
        self._opening = threading.Lock()
        self._turn = turn or _Turn(path)
        self._log = _WriteAheadLog(path, sync)

    @contextmanager
    def transaction(
        self,
        *,
        durable: bool = True,
        within: Sequence[Thing] | None = None,  # noqa: ARG002 - one writes at a time
    ) -> Iterator[SqliteTransaction]:
        """One write transaction: all of it happens, or nothing; on disk when it returns, if it is durable."""
        try:
            with self._turn, self._begun("BEGIN IMMEDIATE") as tx:
                yield tx
        except sqlite3.OperationalError as fault:
            if "full" in str(fault):
                raise StorageFull from fault
            raise
        if durable:
            self.flush()

    def now(self) -> datetime:
        """This moment, by the clock of the machine."""
        return datetime.now(UTC)

    def flush(self) -> None:
        """Return when everything that was committed is on disk."""
        self._log.flush()

    @contextmanager
    def snapshot(self) -> Iterator[SqliteTransaction]:
        """One read transaction: everything seen is of the same moment."""
        with self._begun("BEGIN") as tx:
            yield tx

    @contextmanager
    def _begun(self, begin: str) -> Iterator[SqliteTransaction]:
        driver: sqlite3.Connection | None = getattr(self._local, "driver", None)
        if driver is None:
            driver = self._local.driver = self._connect()
        driver.execute(begin)
        try:
            yield SqliteTransaction(driver)
            driver.execute("COMMIT")
        except BaseException:
            if driver.in_transaction:
                driver.execute("ROLLBACK")
            raise

    @contextmanager
    def migration(self) -> Iterator[sqlalchemy.Connection]:
        """A write transaction for changes of the schema, in the words of the migration tool."""
        engine = sqlalchemy.create_engine("sqlite://", creator=lambda: _connect(self._path), poolclass=NullPool)
        # pysqlite commits before it changes a schema unless transactions are begun by hand.
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        with self._turn, engine.begin() as connection:
            yield connection

    @property
    def hot(self) -> HotReads:
        """This thread's read-only connection for the few reads that decide how fast a pull is."""
        reads: HotReads | None = getattr(self._local, "hot", None)
        if reads is None:
            connection = self._connect()
            connection.execute("PRAGMA query_only=ON")
            reads = self._local.hot = HotReads(connection.execute)
        return reads

    def remember(self) -> None:
        """Nothing: a read costs as much as to ask whether it is still true."""

    def without_waiting(self) -> AbstractContextManager[None]:
        """A block like any other: reads take microseconds."""
        return nullcontext()

    def is_new(self) -> bool:
        """Whether there is no file yet."""
        return not self._path.exists()

    def close(self) -> None:
        """Close every connection; a thread that goes on opens another."""
        self._local = threading.local()
        with self._opening:
            opened = list(self._opened)
        for held in opened:
            held.close()

    def _connect(self) -> sqlite3.Connection:
        held = _Held(_connect(self._path))
        with self._opening:
            self._opened.add(held)
        self._local.held = (*getattr(self._local, "held", ()), held)
        return held.connection


class _Held:
    """A connection of one thread, which ends with it; by itself it would stay, for it refers to itself."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def close(self) -> None:
        """Close it."""
        self.connection.close()

    def __del__(self) -> None:
        self.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    return connection


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

    def __init__(self, path: Path, sync: Callable[[int], None]) -> None:
        self._sync = sync
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
            try:
                with suppress(FileNotFoundError):
                    self._sync(self._open())
            except OSError:
                # The system reports a failed write once and then forgets it: nothing that follows can be trusted.
                log.critical("the log of the database cannot be flushed; this process ends at once", exc_info=True)
                logging.shutdown()
                os._exit(os.EX_IOERR)
            self._done = covered

    def _open(self) -> int:
        """The log; SQLite makes a new one when the last connection was closed in between."""
        if self._fd < 0 or os.fstat(self._fd).st_nlink == 0:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
            self._fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        return self._fd
