"""A machine that is simulated: its clock, its chance, its disk, its database file and its processes; and its bad luck.

process dies     what it committed stays, what it wrote stays, open transactions roll back
power cut        every process dies; commits after the last flush are lost but for a beginning of the log,
                 bytes that were not made durable are torn or gone, deletions that were not may be undone
"""

from __future__ import annotations

import os
import random
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from holdfast import store
from holdfast.blobs import BlobStore, FileStore, StoreUnavailable
from holdfast.simulation.disk import Disk
from holdfast.simulation.facts import SimulatedDatabase
from holdfast.simulation.filesystem import Filesystem
from holdfast.simulation.ground import START
from holdfast.simulation.history import History, Violation
from holdfast.simulation.leases import Leases
from holdfast.simulation.nodes import LIMITS, Node
from holdfast.simulation.schedule import Killed, Scheduler
from holdfast.simulation.upstream import SimulatedUpstream

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import datetime

    from holdfast.model.names import RepositoryRef
    from holdfast.simulation.ground import Ground

T = TypeVar("T")
CACHED_EVERY = 4  # seeds
LEAPS = (timedelta(minutes=2), timedelta(hours=2), timedelta(hours=25), timedelta(hours=60))
# A request that takes longer than an object is announced for is cut off by the server long before.
LONGEST_REQUEST = timedelta(hours=70)


@dataclass(frozen=True, slots=True)
class Weather:
    """How likely each misfortune is at each switch; some seeds have none of a kind, so that others are seen whole."""

    eagerness: float  # that another task goes on
    death: float
    power_cut: float
    fault: float  # at each call that may fail
    leap: float  # of the clock

    @classmethod
    def drawn(cls, chance: random.Random) -> Weather:
        """Of one seed."""
        return cls(
            eagerness=chance.choice([0.1, 0.4, 1.0]),
            death=chance.choice([0, 0.002, 0.006]),
            power_cut=chance.choice([0, 0.001, 0.004]),
            fault=chance.choice([0, 0, 0.005, 0.02]),
            leap=chance.choice([0, 0.001, 0.01]),
        )


class Machine:
    """Everything that the processes of a run share."""

    def __init__(self, seed: int, ground: Ground, folder: Path) -> None:
        self.seed = seed
        self.chance = random.Random(seed)  # noqa: S311 - it is to be repeated
        self.weather = Weather.drawn(self.chance)
        self.scheduler = Scheduler(self.chance, self.weather.eagerness)
        self.history = History()
        self.disk: Disk | Filesystem = Disk(self) if self.chance.random() < 0.5 else Filesystem(self)
        self.now = START
        self.is_quiet = False  # while nobody but an auditor acts
        self.is_closing = False  # no misfortunes any more: what runs comes to its end
        self.writer: object | None = None
        self.commits = 0
        self.complaints: list[str] = []  # in the program's log, without a fault that explains them
        self.upstream = SimulatedUpstream(self)
        self.nodes = [Node(self, f"node-{number}") for number in (1, 2)]
        self._folder = folder
        self._leases = Leases(LIMITS)
        self._durable_bytes = 0  # of the database's log
        self._generation = 0
        self.database_path = folder / "0" / "holdfast.db"
        self.database_path.parent.mkdir()
        self.database_path.write_bytes(ground.database)
        self.key_file = folder / "local.json"
        self.key_file.write_bytes(ground.keys)
        self.auditor = self._open_for_audit()

    # ---- What is handed to a process

    def clock(self) -> datetime:
        """This moment."""
        self.point("clock")
        return self.now

    def monotonic(self) -> float:
        """Seconds that passed."""
        return (self.now - START).total_seconds()

    def sleep(self, seconds: float) -> None:
        """Leave others some time."""
        self.now += timedelta(seconds=max(seconds, 0.001))  # time that is told in microseconds must not stand still
        self.point("sleep")

    def new_id(self) -> str:
        """An id that nobody else is given."""
        text = self.chance.randbytes(16).hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def is_past(self, at: datetime) -> bool:
        """Whether a moment has come, or nobody waits for anything any more."""
        return self.is_closing or self.now >= at

    def blob_store(self) -> BlobStore:
        """The place for bytes, as a process that begins opens it."""
        return FileStore(Path("/objects"), self.disk) if isinstance(self.disk, Filesystem) else self.disk

    @property
    def is_cached(self) -> bool:
        """Whether some of it is pulled through a cache."""
        return self.seed % CACHED_EVERY == 1

    # ---- Switches and misfortunes

    def point(self, _what: str) -> None:
        """A moment at which another task may go on, and anything may happen."""
        task = self.scheduler.current
        if task.is_doomed:
            raise Killed
        if self.is_quiet or task.node is None:
            return
        self.now += timedelta(microseconds=self.chance.randint(100, 20_000))
        if not self.is_closing:
            self._try_luck()
        self.scheduler.switch()

    def store_fault(self) -> Exception:
        """What a blob store raises on a bad day."""
        return self.chance.choice([StoreUnavailable("simulated fault"), OSError("simulated fault")])

    def may_break(self, what: str, fault: Exception) -> None:
        """Raise a fault, if chance wills."""
        task = self.scheduler.current
        if self.is_quiet or self.is_closing or task.node is None or self.chance.random() >= self.weather.fault:
            return
        task.faults += 1
        self.history.incident(f"{task.name} on {task.node.name}: {what} fails: {fault!r}")
        raise fault

    def _try_luck(self) -> None:
        chance, weather = self.chance, self.weather
        if chance.random() < weather.death:
            node = chance.choice(self.nodes)
            if node.is_up:
                self.history.incident(f"{node.name} is killed")
                self._kill(node)
        if chance.random() < weather.power_cut:
            self.history.incident("the power goes")
            for node in self.nodes:
                self._kill(node)
            self.scheduler.afterwards.append(self._lose_power)
        if chance.random() < weather.leap:
            self.leap(chance.choice(LEAPS))

    def leap(self, by: timedelta) -> None:
        """Let time pass, unless somebody's request would last impossibly long."""
        began = [task.began_at for task in self.scheduler.tasks if task.began_at is not None and not task.is_over]
        if not began or self.now + by - min(began) < LONGEST_REQUEST:
            self.now += by
            self.history.incident(f"{by} pass")

    def _kill(self, node: Node) -> None:
        node.is_up = False
        for task in self.scheduler.tasks:
            task.is_doomed = task.is_doomed or (task.node is node and not task.is_over)
        self.scheduler.afterwards.append(node.bury)

    def _lose_power(self) -> None:
        """Leave of the database's log what was flushed, and as much of the rest as chance wills."""
        self.history.incident("what was not durable is lost", is_cut=True)
        self.disk.lose_power()
        self._leases.forget()
        before = self.database_path
        log = before.with_name(f"{before.name}-wal")
        length = log.stat().st_size if log.exists() else 0
        kept = self.chance.choice([self._durable_bytes, self.chance.randint(self._durable_bytes, length), length])
        self._generation += 1
        self.database_path = self._folder / str(self._generation) / before.name
        self.database_path.parent.mkdir()
        shutil.copyfile(before, self.database_path)
        if length:
            content = log.read_bytes()[:kept]
            self.database_path.with_name(log.name).write_bytes(content)
        self.auditor.close()
        shutil.rmtree(before.parent, ignore_errors=True)  # a thread that ends closes its connection meanwhile
        self.auditor = self._open_for_audit()

    def _open_for_audit(self) -> SimulatedDatabase:
        """A connection that stays open, so that SQLite does not tidy its log away when a process dies."""
        auditor = SimulatedDatabase(self, self.database_path)
        auditor.empty_log()
        self._durable_bytes = 0
        return auditor

    # ---- What the database tells

    def flushed(self, log: int) -> None:
        """The database's log was made durable as it is now."""
        self._durable_bytes = os.fstat(log).st_size

    def committed(self) -> None:
        """A transaction was committed: whatever it was, some things hold."""
        self.commits += 1
        with self.quiet(), self.auditor.snapshot() as tx:
            broken = store.invariants.broken(tx)
            broken += self._leases.look(store.invariants.links(tx), self.now)
            needed = store.invariants.needed_objects(tx)
        objects = self.disk.objects()
        missing = [key for key in needed if not objects.get(key)]
        if missing:
            broken.append(f"the bytes of {missing[0]} are needed and gone")
        if broken:
            raise Violation("; ".join(broken))

    def unneeded(self) -> int:
        """How many blobs living repositories hold that no image needs."""
        with self.auditor.snapshot() as tx:
            return store.invariants.unneeded(tx)

    def check_refused(self, what: str, at: RepositoryRef, digests: Collection[str]) -> None:
        """A manifest was refused since a blob is missing; what the collector took must still be had."""
        with self.quiet(), self.auditor.snapshot() as tx:
            repository = store.repositories.find(tx, at)
            there = {
                link.digest
                for link in store.invariants.links(tx)
                if repository is not None and link.repository_id == repository.id and not link.is_deleted
            }
        if there.issuperset(digests):
            raise Violation(f"{what} is refused, although every blob is there or in quarantine")

    def left_over(self) -> list[str]:
        """What is still kept of images that are gone."""
        with self.auditor.snapshot() as tx:
            left = store.invariants.left_over(tx)
        stray = len(self.disk.objects())
        if stray:
            left.append(f"{stray} objects on the disk")
        return left

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Time stands still for everybody else."""
        before, self.is_quiet = self.is_quiet, True
        try:
            yield
        finally:
            self.is_quiet = before

    # ---- Acting in a process

    def run_on(self, node: Node, act: Callable[[], T]) -> T | None:
        """Do something in a process; None if it was killed meanwhile."""
        task = self.scheduler.current
        task.node, task.began_at, task.faults = node, self.now, 0
        try:
            return act()
        except Killed:
            task.is_doomed = False
            return None
        finally:
            task.node = task.began_at = None
            if self.complaints:
                raise Violation(f"the program complains for no reason: {self.complaints[0]}")

    def close(self) -> None:
        """Let go of everything."""
        for node in self.nodes:
            node.bury()
        self.auditor.close()
