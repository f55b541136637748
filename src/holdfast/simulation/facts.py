"""The real database on a machine that is simulated: its writers take turns by chance, and its flushes can be undone."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from holdfast.model.errors import StorageFull
from holdfast.store import SqliteDatabase

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from holdfast.simulation.machine import Machine
    from holdfast.store.database import Thing
    from holdfast.store.hot import HotReads
    from holdfast.store.sqlite import SqliteTransaction


class DatabaseBusy(Exception):
    """Another writer did not come to an end in time."""


class SimulatedDatabase(SqliteDatabase):
    """SQLite as it is, with a switch at each begin, commit, flush and hot read."""

    def __init__(self, machine: Machine, path: Path) -> None:
        super().__init__(path, turn=_Turn(machine), sync=machine.flushed)
        self._machine = machine

    @contextmanager
    def transaction(
        self, *, durable: bool = True, within: Sequence[Thing] | None = None
    ) -> Iterator[SqliteTransaction]:
        """One write transaction."""
        with super().transaction(durable=durable, within=within) as tx:
            yield tx
            self._machine.may_break("commit", StorageFull())

    @contextmanager
    def snapshot(self) -> Iterator[SqliteTransaction]:
        """One read transaction."""
        self._machine.point("snapshot")
        with super().snapshot() as tx:
            yield tx

    def flush(self) -> None:
        """Return when everything that was committed is on disk."""
        self._machine.point("flush")
        super().flush()
        self._machine.point("flushed")

    @property
    def hot(self) -> HotReads:
        """The hot reads, with a switch before each."""
        return cast("HotReads", _Hot(self._machine, super().hot))

    def empty_log(self) -> None:
        """Let the log begin anew, with everything in the database itself."""
        self._connect().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        connection.execute("PRAGMA wal_autocheckpoint=0")  # what is flushed is a beginning of the log
        connection.execute("PRAGMA synchronous=OFF")  # a real disk has no part in this
        return connection


class _Hot:
    def __init__(self, machine: Machine, reads: HotReads) -> None:
        self._machine = machine
        self._reads = reads

    def __getattr__(self, name: str) -> Any:
        self._machine.point(name)
        return getattr(self._reads, name)


class _Turn:
    """The turn to write, for which tasks wait as processes do for a file lock."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def __enter__(self) -> None:
        machine = self._machine
        machine.point("begin")
        machine.may_break("begin", DatabaseBusy())
        if not machine.is_quiet:
            machine.scheduler.wait(lambda: machine.writer is None)
        machine.writer = self
        try:
            machine.point("begun")
        except BaseException:
            machine.writer = None
            raise

    def __exit__(self, kind: object, *_: object) -> None:
        self._machine.writer = None
        if kind is None:
            self._machine.committed()
            self._machine.point("committed")
