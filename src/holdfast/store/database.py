"""What a database must do: transactions in which statements are run, and the few reads of a pull."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from holdfast.model.names import Registry, RepositoryRef

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    import sqlalchemy

    from holdfast.store.hot import HotReads
    from holdfast.store.statements import Row, Statement, Worded


class Content(NamedTuple):
    """Bytes of a digest, wherever in a registry they are."""

    registry: Registry
    digest: str


Thing = str | RepositoryRef | Content


class WouldWait(BaseException):
    """A thread that may not wait would have to. It is nobody's fault, so nobody who words faults catches it."""


class Transaction(ABC):
    """An open transaction, in which statements are run by a connection of the driver."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    @abstractmethod
    def _worded(self, statement: Statement) -> Worded:
        """A statement in the words of the database."""

    def run(self, statement: Statement, **parameters: Any) -> int:
        """Run a statement; how many rows it changed."""
        count: int = self._driver.execute(*self._worded(statement).bound(parameters)).rowcount
        return count

    def run_each(self, statement: Statement, rows: Sequence[Row]) -> None:
        """Run a statement once for each row of parameters."""
        worded = self._worded(statement)
        text = worded.bound(rows[0])[0]
        self._driver.cursor().executemany(text, [worded.bound(row)[1] for row in rows])

    def all(self, statement: Statement, **parameters: Any) -> list[Row]:
        """Every row that a statement finds."""
        worded = self._worded(statement)
        return worded.rows(self._driver.execute(*worded.bound(parameters)).fetchall())

    def first(self, statement: Statement, **parameters: Any) -> Row | None:
        """The first row that a statement finds."""
        worded = self._worded(statement)
        found = self._driver.execute(*worded.bound(parameters)).fetchone()
        return worded.rows([found])[0] if found else None

    @abstractmethod
    def portions(self, statement: Statement, size: int, **parameters: Any) -> Iterator[list[Row]]:
        """Every row that a statement finds, so many at a time: for more than fit into memory."""

    @abstractmethod
    def counted(self) -> dict[str, int]:
        """The last number that each table gave to a row."""

    def outdate(self, at: RepositoryRef | str) -> None:  # noqa: B027 - nothing where nobody remembers
        """Say that tags or images of a repository move or go, or that access to an account changes.

        Other processes may remember it, and have forgotten it when the transaction commits.
        """

    def column(self, statement: Statement, **parameters: Any) -> list[Any]:
        """The first value of every row."""
        worded = self._worded(statement)
        return worded.column(self._driver.execute(*worded.bound(parameters)).fetchall())

    def value(self, statement: Statement, **parameters: Any) -> Any:
        """The first value of the first row, or None."""
        row = self.first(statement, **parameters)
        return next(iter(row.values())) if row else None


class Database(Protocol):
    """An open database. Cheap to make; each thread connects on first use, so a process may fork after making one."""

    def transaction(
        self, *, durable: bool = True, within: Sequence[Thing] | None = None
    ) -> AbstractContextManager[Transaction]:
        """One write transaction: all of it happens, or nothing.

        It returns after the commit is on disk. With `durable=False` the commit survives the death of any process but
        perhaps not that of the machine: enough for work in progress that a client will simply begin again.

        Nobody else writes meanwhile. A deed that says `within` which things may, if they have to, keep out only those
        that say one of the same, and those that say nothing; everything else that it finds may change under its hands.
        """

    def snapshot(self) -> AbstractContextManager[Transaction]:
        """One read transaction: everything seen is of the same moment."""

    def now(self) -> datetime:
        """This moment, by the one clock of everybody who uses this database."""

    def flush(self) -> None:
        """Return when everything that was committed is on disk."""

    def migration(self) -> AbstractContextManager[sqlalchemy.Connection]:
        """A write transaction for changes of the schema, in the words of the migration tool."""

    @property
    def hot(self) -> HotReads:
        """This thread's connection for the few reads that decide how fast a pull is."""

    def remember(self) -> None:
        """Let hot reads remember what is asked often, if reading it again would cost more."""

    def without_waiting(self) -> AbstractContextManager[None]:
        """A block, on this thread, in which `WouldWait` is raised where the answer is far away."""

    def is_new(self) -> bool:
        """Whether nothing was ever kept in it."""

    def close(self) -> None:
        """Close every connection; a thread that goes on opens another."""
