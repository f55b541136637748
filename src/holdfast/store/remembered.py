"""What the processes of several nodes remember of PostgreSQL, and how none of them ever serves what is over.

    a process that remembers (R)          the database            a process that writes (W)
    ────────────────────────────          ────────────            ─────────────────────────
    LISTEN ──────────────────────────────►
    lease: ends in 3 s ──────────────────► memory_leases
    read, with W's locks shared ─────────►                        BEGIN, locks, statements
    …serves from memory…                  memory_leases ─────────► whose leases run?
                                          ◄─ NOTIFY: the names ── of what is about to change
    ◄────────────────────────────────────
    forget the names
    acknowledge by NOTIFY ───────────────►──────────────────────► all have, or their leases are over
    read: the locks are W's, so the                               COMMIT, and only then the answer
      answer is not remembered

- Everybody forgets before the commit, so after it nobody can serve what was before, and before it nobody can see what
  comes after: a tag is one register for all nodes.
- What R reads is remembered only if it could share the writers' locks for it, and nothing was to be forgotten since it
  began: whoever writes has the lock until its commit.
- W reads the leases before it notifies, and R listens before it takes one: whoever is waited for hears of it. Who takes
  one later finds the locks taken.
- The lease ends for R by its own counting from before it sent for it, and for W by the server's clock, which is later.
  R goes on only with a lease that was lengthened before the old one ended; else it forgets everything first.
  So R may be stopped, cut off or dead: W waits three seconds at most, once.
- If the connection that listens breaks, R forgets everything and serves from the database until it listens again.

Digests name bytes that never change, but an image may go: it is remembered under its repository's name, as tags are.
What is remembered is bounded in bytes, and in time as well, for whoever would forget to say that something changes.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import msgspec
import psycopg

from holdfast.model.guardrails import ALL
from holdfast.store.counters import ACCESS
from holdfast.store.hot import HotReads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from holdfast.model.names import RepositoryRef
    from holdfast.store.hot import StoredManifest

    Connection = psycopg.Connection[Any]
    Execute = Callable[..., Any]

log = logging.getLogger(__name__)

LEASE_SECONDS = 3.0
RENEW_SECONDS = 1.0
LISTEN_SECONDS = 0.2  # between two looks whether to stop
TIME_TO_LIVE_SECONDS = 10.0
MOST_BYTES = 32 * 1024 * 1024
ENTRY_BYTES = 500  # of one entry beside the manifest itself
NAMES_AT_ONCE = 20  # whoever changes more has everything forgotten; a message has 8000 bytes

EVERYTHING = "*"
TOLD = "holdfast_told"  # the channel of what is about to change
HEARD = "holdfast_heard_"  # and those of acknowledgements, one for each process

LEASE = """
INSERT INTO memory_leases (id, ends_at)
VALUES (%s, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + %s)
    ON CONFLICT (id) DO UPDATE SET ends_at = excluded.ends_at
"""
END_LEASE = "DELETE FROM memory_leases WHERE id = %s"
FORGET_LEASES = "DELETE FROM memory_leases WHERE ends_at < (extract(epoch FROM clock_timestamp()) - 3600) * 1000000"
LEASES = """
SELECT id, (ends_at - extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM memory_leases
 WHERE ends_at > extract(epoch FROM clock_timestamp()) * 1000000 AND id <> %s
"""
NOTIFY = "SELECT pg_notify(%s, %s)"


class Told(msgspec.Struct, array_like=True):
    """What is about to change, and whom to tell that it was forgotten."""

    writer: str
    number: int
    names: list[str]


class Heard(msgspec.Struct, array_like=True):
    """That a process has forgotten what it was told of."""

    number: int
    reader: str


class Memory:
    """What one process remembers, for as long as it has a lease; used by many threads."""

    def __init__(self, seconds: Callable[[], float], most_bytes: int = MOST_BYTES) -> None:
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._generation = 0  # of what was forgotten
        self._until = 0.0
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._by_name: dict[str, set[str]] = {}
        self._bytes = 0

    def find(self, name: str, what: str) -> Any:
        """What is remembered of a thing; None if nothing is."""
        with self._lock:
            found = self._entries.get((name, what))
            if found is None or self._seconds() >= min(self._until, found.until):
                return None
            self._entries.move_to_end((name, what))
            return found.value

    def begin(self) -> int | None:
        """Begin a read that may be remembered, with what `keep` wants to be given; None if there is no lease."""
        with self._lock:
            return self._generation if self._seconds() < self._until else None

    def keep(self, generation: int, name: str, what: str, value: Any, size_bytes: int) -> None:
        """Remember the answer of a read, unless anything was forgotten since it began."""
        with self._lock:
            if generation != self._generation:
                return
            self._drop(name, what)
            entry = _Entry(value, size_bytes + ENTRY_BYTES, self._seconds() + TIME_TO_LIVE_SECONDS)
            self._entries[name, what] = entry
            self._by_name.setdefault(name, set()).add(what)
            self._bytes += entry.size_bytes
            while self._bytes > self._most_bytes:
                self._drop(*next(iter(self._entries)))

    def forget(self, names: Iterable[str]) -> None:
        """Forget things, and what is being read at the moment."""
        with self._lock:
            self._generation += 1
            for name in names:
                if name == EVERYTHING:
                    self._clear()
                for what in tuple(self._by_name.get(name, ())):
                    self._drop(name, what)

    def lengthen(self, sent: float) -> None:
        """Take a lease that was sent for at a time; what was remembered under one that ended meanwhile goes."""
        with self._lock:
            if self._seconds() >= self._until:
                self._generation += 1
                self._clear()
            self._until = sent + LEASE_SECONDS

    def end(self) -> None:
        """Remember nothing until there is another lease."""
        with self._lock:
            self._generation += 1
            self._until = 0.0
            self._clear()

    def _drop(self, name: str, what: str) -> None:
        entry = self._entries.pop((name, what), None)
        if entry is not None:
            self._bytes -= entry.size_bytes
            self._by_name[name].discard(what)
            if not self._by_name[name]:
                del self._by_name[name]

    def _clear(self) -> None:
        self._entries.clear()
        self._by_name.clear()
        self._bytes = 0


class _Entry(NamedTuple):
    value: Any
    size_bytes: int
    until: float


class RememberedReads(HotReads):
    """Hot reads, two of which ask the memory first."""

    def __init__(
        self,
        execute: Execute,
        memory: Memory,
        beside_writers: Callable[[RepositoryRef | str], AbstractContextManager[tuple[Execute, bool]]],
    ) -> None:
        super().__init__(execute)
        self._memory = memory
        self._beside_writers = beside_writers

    def access_version(self, account_id: str) -> int:
        """How often anything was changed that decides who may do what in an account, or in all of them."""
        found: int = self._remembered(account_id, "", lambda hot: hot.access_version(account_id), lambda _: 0)
        return found

    def manifest(self, at: RepositoryRef, reference: str, *, by_tag: bool) -> StoredManifest | None:
        """The manifest that a tag or digest names in a repository."""
        found: StoredManifest | None = self._remembered(
            at, reference, lambda hot: hot.manifest(at, reference, by_tag=by_tag), lambda one: len(one.body)
        )
        return found

    def _remembered(
        self, at: RepositoryRef | str, what: str, read: Callable[[HotReads], Any], size: Callable[[Any], int]
    ) -> Any:
        name = name_of(at)
        found = self._memory.find(name, what)
        if found is not None:
            return found
        generation = self._memory.begin()
        if generation is None:
            return read(HotReads(self._execute))
        with self._beside_writers(at) as (execute, is_kept):
            found = read(HotReads(execute))
        if is_kept and found is not None:
            self._memory.keep(generation, name, what, found, size(found))
        return found


def name_of(at: RepositoryRef | str) -> str:
    """The name under which what is in a repository, or who may do what in an account, is remembered and told of."""
    if isinstance(at, str):
        return EVERYTHING if at == ALL else ACCESS + at
    return f"{at.registry.account_id}/{at.registry.region}/{at.name}"


class Peers:
    """The other processes: hears what they are about to change, and has them forget what this one is."""

    def __init__(self, connect: Callable[[], Connection], seconds: Callable[[], float]) -> None:
        self.id = uuid4().hex
        self.memory: Memory | None = None
        self._connect = connect
        self._seconds = seconds
        self._numbers = itertools.count(1)
        self._waiting: dict[int, set[str]] = {}  # who has not yet acknowledged which message
        self._changed = threading.Condition()
        self._is_listening = threading.Event()
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def remember(self) -> None:
        """Keep a memory from now on, as soon as there is a lease for it."""
        self.id = uuid4().hex  # not that of the process which this one was forked from, and its siblings as well
        self.memory = Memory(self._seconds)
        self._start()

    def stop(self) -> None:
        """Listen no more, and give the lease back."""
        thread, self._thread = self._thread, None
        self._is_stopping.set()
        if thread is not None:
            thread.join()
        self.memory = None
        self._is_stopping.clear()

    def forget(self, driver: Connection, names: Iterable[str], notify: Callable[[str, str], None]) -> None:
        """Return when nobody remembers what the open transaction of a connection changes."""
        told = sorted(set(names))
        if len(told) > NAMES_AT_ONCE:
            told = [EVERYTHING]
        if self.memory is not None:
            self.memory.forget(told)
        leases = driver.execute(LEASES, (self.id,)).fetchall()
        if not leases:
            return
        self._start()
        if not self._is_listening.wait(LEASE_SECONDS):
            raise psycopg.OperationalError("the connection on which other processes answer cannot be had")
        ends = {reader: self._seconds() + left / 1e6 for reader, left in leases}
        number = next(self._numbers)
        with self._changed:
            self._waiting[number] = set(ends)
        try:
            notify(TOLD, msgspec.json.encode(Told(self.id, number, told)).decode())
            with self._changed:
                while waiting := {reader for reader in self._waiting[number] if ends[reader] > self._seconds()}:
                    self._changed.wait(max(0.0, max(ends[reader] for reader in waiting) - self._seconds()))
        finally:
            with self._changed:
                late = self._waiting.pop(number)
        if late:
            log.info("%d processes did not say that they forget, and their leases ended", len(late))

    def _start(self) -> None:
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._live, name="peers", daemon=True)
                self._thread.start()

    def _live(self) -> None:
        """Listen until told to stop; if the connection breaks, forget everything and make another."""
        while not self._is_stopping.is_set():
            try:
                with self._connect() as connection:
                    self._listen(connection)
            except psycopg.Error as fault:
                log.warning("nothing is remembered until the database can be listened to: %s", fault)
            finally:
                self._is_listening.clear()
                if self.memory is not None:
                    self.memory.end()
            self._is_stopping.wait(LISTEN_SECONDS)

    def _listen(self, connection: Connection) -> None:
        connection.execute(f"LISTEN {HEARD}{self.id}")
        connection.execute(f"LISTEN {TOLD}")
        connection.execute(FORGET_LEASES)
        self._is_listening.set()
        renew_at = self._seconds()
        while not self._is_stopping.is_set():
            if self.memory is not None and self._seconds() >= renew_at:
                sent = self._seconds()
                connection.execute(LEASE, (self.id, int(LEASE_SECONDS * 1e6)))
                self.memory.lengthen(sent)
                renew_at = sent + RENEW_SECONDS
            # All of them first: the connection is the generator's until it ends.
            for note in tuple(connection.notifies(timeout=LISTEN_SECONDS, stop_after=1)):
                try:
                    self._hear(connection, note)
                except msgspec.MsgspecError as fault:
                    log.warning("everything is forgotten for a message that is nobody's: %s", fault)
                    if self.memory is not None:
                        self.memory.forget([EVERYTHING])
        if self.memory is not None:
            self.memory.end()
            connection.execute(END_LEASE, (self.id,))

    def _hear(self, connection: Connection, note: psycopg.Notify) -> None:
        if note.channel != TOLD:
            heard = msgspec.json.decode(note.payload, type=Heard)
            with self._changed:
                self._waiting.get(heard.number, set()).discard(heard.reader)
                self._changed.notify_all()
            return
        told = msgspec.json.decode(note.payload, type=Told)
        if told.writer != self.id and self.memory is not None:
            self.memory.forget(told.names)
            answer = msgspec.json.encode(Heard(told.number, self.id)).decode()
            connection.execute(NOTIFY, (f"{HEARD}{told.writer}", answer))
