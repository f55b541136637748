"""PostgreSQL: its transactions, and what is peculiar to it.

    a write that says nothing   BEGIN ─► the writers' lock, alone ─► statements ─► COMMIT
    one within some things      BEGIN ─► the writers' lock, shared ─► a lock for each thing ─► statements ─► COMMIT
    a snapshot                  BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY ─► statements ─► COMMIT

The program finds and then inserts, checks and then deletes, as if nobody wrote meanwhile. So a write takes a lock that
all writers of all nodes share, and each of its statements sees what every writer before it committed. A deed that says
what it touches waits only for those that touch the same; locks are taken in one order, so nobody waits in a circle.
The locks are of the transaction: they end with its commit, its connection, or its time.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.numeric import IntLoader
from sqlalchemy.pool import NullPool

from holdfast.model.errors import DatabaseUnavailable, StorageFull
from holdfast.model.names import RepositoryRef
from holdfast.store.database import Content, Transaction, WouldWait
from holdfast.store.hot import HotReads
from holdfast.store.remembered import Peers, RememberedReads, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from holdfast.store.database import Thing
    from holdfast.store.statements import Row, Statement, Worded

    Connection = psycopg.Connection[Any]

log = logging.getLogger(__name__)

WRITERS = 0x686F6C6466617374  # "holdfast": the lock of writers, and of migrations
ORDER: tuple[type, ...] = (str, RepositoryRef, Content)  # in which the locks of things are taken

# A node that stops in the middle of a transaction holds up the others for as long as this, and no longer.
SETTINGS = {
    "lock_timeout": "20s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "10s",
    "timezone": "UTC",
}
# A server that vanished is noticed; seconds, and milliseconds for the last one.
CONNECTION: dict[str, Any] = {
    "application_name": "holdfast",
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
PREPARE_AFTER = 2  # runs of a statement on a connection
CLOCK_ERROR = 0.25  # seconds that asking for the time may take for the answer to count

CLOCK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# A message in the log of the database is a commit of its own, and the log is written in order.
FLUSH = "SELECT pg_logical_emit_message(true, 'holdfast', 'flush')"
HAS_SCHEMA = "SELECT to_regclass('accounts') IS NOT NULL"
HAS_ACCOUNTS = "SELECT EXISTS (SELECT FROM accounts)"
PASSING = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,  # it was the first server until a moment ago
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.UniqueViolation,  # somebody else made the same at the same time
)

# Names are sorted by their bytes, as SQLite and the registry protocol do, whatever the language of the database.
SORT_BY_BYTES = """
DO $$ DECLARE found record; BEGIN
  FOR found IN
      SELECT a.attrelid::regclass::text AS place, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS kind
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_collation l ON l.oid = a.attcollation
      WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace AND a.attnum > 0
        AND NOT a.attisdropped AND l.collname <> 'C' ORDER BY 1, 2
  LOOP EXECUTE 'ALTER TABLE ' || found.place || ' ALTER COLUMN ' || quote_ident(found.name)
            || ' TYPE ' || found.kind || ' COLLATE "C"';
  END LOOP;
END $$
"""


COUNTED = """
SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = current_schema() AND last_value IS NOT NULL
"""


class PostgresTransaction(Transaction):
    """An open transaction of PostgreSQL."""

    def __init__(self, driver: Connection) -> None:
        super().__init__(driver)
        self.outdated: set[str] = set()

    def _worded(self, statement: Statement) -> Worded:
        return statement.for_postgresql

    def outdate(self, at: RepositoryRef | str) -> None:
        """Say what other processes may not remember any more."""
        self.outdated.add(name_of(at))

    def portions(self, statement: Statement, size: int, **parameters: Any) -> Iterator[list[Row]]:
        """Every row that a statement finds, so many at a time; the server keeps the rest."""
        worded = statement.for_postgresql
        with self._driver.cursor(name="portions") as cursor:
            cursor.execute(*worded.bound(parameters))
            while found := cursor.fetchmany(size):
                yield worded.rows(found)

    def counted(self) -> dict[str, int]:
        """The last number that each table gave to a row."""
        rows = self._driver.execute(COUNTED).fetchall()
        return {sequence.removesuffix("_id_seq"): last for sequence, last in rows}


class PostgresDatabase:
    """A database of a server, which several nodes share."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[Connection] = []  # used from the end, so that as few as possible are
        self._clock = _ServerClock()
        self._peers = Peers(self._connect, _seconds)
        self._here = _Here()

    @contextmanager
    def transaction(
        self, *, durable: bool = True, within: Sequence[Thing] | None = None
    ) -> Iterator[PostgresTransaction]:
        """One write transaction: all of it happens, or nothing; on disk when it returns, if it is durable."""
        with self._begun(_write(within, durable=durable)) as tx:
            yield tx
            if tx.outdated:
                self._peers.forget(tx._driver, tx.outdated, self._notify)  # noqa: SLF001 - it is ours

    @contextmanager
    def snapshot(self) -> Iterator[PostgresTransaction]:
        """One read transaction: everything seen is of the same moment."""
        with self._begun(READ) as tx:
            yield tx

    def flush(self) -> None:
        """Return when everything that was committed is on disk."""
        self._read(FLUSH)

    def now(self) -> datetime:
        """This moment, by the clock of the server: the clocks of nodes may differ."""
        if self._clock.is_unknown:
            asked = _seconds()
            self._clock.set(self._read(CLOCK).fetchone()[0], asked, is_first=True)
        return self._clock()

    @contextmanager
    def migration(self) -> Iterator[sqlalchemy.Connection]:
        """A write transaction for changes of the schema, in the words of the migration tool."""
        engine = sqlalchemy.create_engine(
            "postgresql+psycopg://", creator=lambda: self._connect(autocommit=False), poolclass=NullPool
        )
        with _refusing(), engine.connect() as connection, connection.begin():
            for setting in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
                connection.exec_driver_sql(f"SET LOCAL {setting} = 0")  # another node may be migrating for minutes
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS})")
            yield connection
            connection.exec_driver_sql(SORT_BY_BYTES)

    @property
    def hot(self) -> HotReads:
        """The few reads that decide how fast a pull is."""
        memory = self._peers.memory
        return HotReads(self._read) if memory is None else RememberedReads(self._read, memory, self._beside_writers)

    def remember(self) -> None:
        """Let hot reads remember what is asked often."""
        self._peers.remember()

    def without_waiting(self) -> AbstractContextManager[None]:
        """A block, on this thread, in which `WouldWait` is raised instead of asking the server."""
        return self._here

    def is_new(self) -> bool:
        """Whether nothing is kept in it, whether or not it has a schema."""
        return not (self._read(HAS_SCHEMA).fetchone()[0] and self._read(HAS_ACCOUNTS).fetchone()[0])

    def close(self) -> None:
        """Close every connection; a thread that goes on opens another."""
        self._peers.stop()
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _begun(self, begin: str) -> Iterator[PostgresTransaction]:
        asked = _seconds()
        with self._until_commit(begin) as (driver, answer):
            if answer.nextset():
                self._clock.set(answer.fetchall()[0][0], asked)
            yield PostgresTransaction(driver)

    @contextmanager
    def _until_commit(self, begin: str) -> Iterator[tuple[Connection, psycopg.Cursor[Any]]]:
        """A connection in a transaction, with what was answered to its beginning; rolled back if the block raises."""
        with _refusing():
            driver, answer = self._run(begin)
            try:
                yield driver, answer
                driver.execute("COMMIT", prepare=False)
            except BaseException as fault:
                self._give_up(driver, fault)
                raise
            self._idle.append(driver)

    def _read(self, text: str, values: tuple[object, ...] = ()) -> Any:
        """Run a read outside of a transaction; where it has values, their places are question marks."""
        words = text.replace("?", "%s")
        with _refusing():
            driver, answer = self._run(words, values or None, prepare=None, binary=True)
            self._idle.append(driver)
        return answer

    @contextmanager
    def _beside_writers(self, at: RepositoryRef | str) -> Iterator[tuple[Any, bool]]:
        """How to run reads while nobody writes, and whether nobody does."""
        words = ["BEGIN", _ask_for_locks(at)]
        with self._until_commit("; ".join(words)) as (driver, answer):
            answer.nextset()
            is_alone = bool(answer.fetchall()[0][0])
            yield lambda text, values=(): driver.execute(text.replace("?", "%s"), values, binary=True), is_alone

    def _notify(self, channel: str, text: str) -> None:
        self._read("SELECT pg_notify(?, ?)", (channel, text))

    def _run(
        self, text: str, values: tuple[object, ...] | None = None, *, prepare: bool | None = False, binary: bool = False
    ) -> tuple[Connection, psycopg.Cursor[Any]]:
        """Run the first statement on a connection that works: the server may have ended those that were idle."""
        if self._here.may_not_wait:
            raise WouldWait
        while True:
            try:
                driver, was_idle = self._idle.pop(), True
            except IndexError:
                driver, was_idle = self._connect(), False
            try:
                return driver, driver.execute(text, values, prepare=prepare, binary=binary)
            except psycopg.Error:
                is_lost = was_idle and driver.closed
                driver.close()
                if not is_lost:
                    raise

    def _give_up(self, driver: Connection, fault: BaseException) -> None:
        """Roll back; a connection on which the server failed is not used again."""
        with suppress(psycopg.Error):
            if not isinstance(fault, psycopg.OperationalError | psycopg.InternalError | psycopg.InterfaceError):
                driver.execute("ROLLBACK", prepare=False)
                self._idle.append(driver)
                return
        driver.close()

    def _connect(self, *, autocommit: bool = True) -> Connection:
        given = conninfo_to_dict(self._url)
        settings = [f"-c {name}={value}" for name, value in SETTINGS.items()]
        options = " ".join([*settings, str(given.pop("options", ""))])  # what the operator says goes before ours
        words = make_conninfo(**(CONNECTION | given), options=options)
        connection = psycopg.connect(words, prepare_threshold=PREPARE_AFTER, autocommit=autocommit)
        connection.adapters.register_loader("numeric", IntLoader)  # sums of sizes; nothing here has fractions
        return connection


class _Here(threading.local):
    """Whether this thread may wait, which it may not inside of the block."""

    may_not_wait = False

    def __enter__(self) -> None:
        self.may_not_wait = True

    def __exit__(self, *_: object) -> None:
        self.may_not_wait = False


class _ServerClock:
    """The server's clock, told from when it was last asked by the time that passed since."""

    def __init__(self) -> None:
        self._offset = 0.0  # seconds, from our own counting to the server's time
        self.is_unknown = True

    def set(self, microseconds: int, asked: float, *, is_first: bool = False) -> None:
        """Take the server's time, if the answer to what was asked came soon enough to tell it."""
        if is_first or _seconds() - asked < CLOCK_ERROR:
            self._offset = microseconds / 1e6 - asked
            self.is_unknown = False

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(_seconds() + self._offset, UTC)


def _seconds() -> float:
    """Seconds that pass even while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _write(within: Sequence[Thing] | None, *, durable: bool) -> str:
    """How a write begins: the server's time, and the locks."""
    words = ["BEGIN", CLOCK]
    if not durable:
        words.append("SET LOCAL synchronous_commit = off")
    if within is None:
        words.append(f"SELECT pg_advisory_xact_lock({WRITERS})")
    else:
        words.append(f"SELECT pg_advisory_xact_lock_shared({WRITERS})")
        numbers = sorted({(ORDER.index(type(thing)), _number(thing)) for thing in within})
        words += [f"SELECT pg_advisory_xact_lock({kind}, {number})" for kind, number in numbers]
    return "; ".join(words)


def _ask_for_locks(at: RepositoryRef | str) -> str:
    """Ask for what keeps those out who write in a repository, or those who write alone, without waiting for them."""
    asked = [f"pg_try_advisory_xact_lock_shared({WRITERS})"]
    if not isinstance(at, str):
        asked.append(f"pg_try_advisory_xact_lock_shared({ORDER.index(RepositoryRef)}, {_number(at)})")
    return "SELECT " + " AND ".join(asked)


def _number(thing: Thing) -> int:
    """The number of a thing's lock; that two things may share one costs a wait and nothing else."""
    return int.from_bytes(blake2b(repr(thing).encode(), digest_size=4).digest(), signed=True)


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn a server that cannot be had, and a wait for others that was too long, into a refusal: try again."""
    try:
        yield
    except (psycopg.Error, sqlalchemy.exc.DBAPIError) as fault:
        cause = fault.orig if isinstance(fault, sqlalchemy.exc.DBAPIError) else fault
        if isinstance(cause, psycopg.errors.DiskFull):
            raise StorageFull from fault
        if not isinstance(cause, PASSING):
            raise
        log.warning("the database: %s", " ".join(str(cause).split()))
        raise DatabaseUnavailable from fault
