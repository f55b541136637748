"""Blobs on their way from an upstream: each is fetched once, whoever wants it, and read while it comes.

    a row of `cache_fetches`, with a lease ── nobody else fetches it; they wait, or read along in this process
    │
    upstream ─► a thread ─┬─► PartWriter ─► proved, durable ─► a blob of every repository that wanted it
                          └─► Spool ─► readers, all but the last bytes ─────────────────────► and now those

The last byte is held back until the digest is proved: who reads along gets all of it, or fewer bytes than he was
promised. If the process dies, the lease ends, somebody else begins, and the sweep removes the object.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.blobs.spool import Spool
from holdfast.model.errors import DigestInvalid, LayerTooLarge, Refusal, StorageFull, UpstreamUnavailable
from holdfast.outbound.distribution import Lied, NotThere, RemoteFault
from holdfast.registry import keys, layers, uploads
from holdfast.registry.objects import PartWriter
from holdfast.registry.pull_through import sharing
from holdfast.registry.pull_through.upstreams import refusal_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from holdfast.model.caching import CacheRule
    from holdfast.model.names import RepositoryRef
    from holdfast.registry.backends import Backends
    from holdfast.registry.damage import Guarded
    from holdfast.store import Transaction
    from holdfast.store.cached import Fetch

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=12)
BEAT_SECONDS = 3.0
LOOKS = 6  # of each beat, for what is wanted elsewhere


@dataclass(frozen=True, slots=True)
class Wanted:
    """A blob that a repository shall have, and the rule by which."""

    at: RepositoryRef
    digest: str
    rule: CacheRule
    key_scope: str

    @property
    def key(self) -> str:
        """One blob is one flight by a rule, for all repositories that seal under the same key."""
        registry = self.at.registry
        return key_of(registry.account_id, registry.region, self.rule.prefix, self.key_scope, self.digest)

    @property
    def upstream_name(self) -> str:
        """What the repository is called there."""
        return self.rule.upstream_name(self.at.name)


def key_of(*parts: str) -> str:
    """The name of something that is fetched once."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@dataclass(slots=True)
class Flight:
    """A blob on its way."""

    wanted: Wanted
    spool: Spool
    size_bytes: int = 0
    received_bytes: int = 0
    refusal: Refusal | None = None
    is_absent: bool = False  # the upstream does not have it
    is_following: bool = False  # that of another process, which keeps the blob
    is_shared: bool = False  # with other machines
    also: set[RepositoryRef] = field(default_factory=set)
    opened: threading.Event = field(default_factory=threading.Event)  # its size is known, or that it does not come
    ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _wakes: list[Callable[[], None]] = field(default_factory=list)
    _shown: int = 0  # bytes that may be read

    def has(self, position: int, wake: Callable[[], None]) -> bool:
        """Whether a read from a position would not wait; else `wake` is called when it may not."""
        with self._lock:
            if position < self._shown or self.ended.is_set():
                return True
            self._wakes.append(wake)
            return False

    @property
    def is_in_a_file(self) -> bool:
        """Whether all has come and is kept, and what is read of it lies on disk once more."""
        return self.ended.is_set() and self.refusal is None and self.spool.has_file

    def read(self, position: int) -> memoryview:
        """Bytes from a position on."""
        with self._lock:
            shown, refusal = self._shown, self.refusal
        if position >= shown:
            raise refusal or UpstreamUnavailable(self.wanted.rule.upstream.url, "it sent fewer bytes than it promised")
        return memoryview(self.spool.read(position))[: shown - position]

    def show(self, amount: int) -> None:
        """Let readers see so many bytes."""
        with self._lock:
            self._shown = max(amount, self._shown)
            wakes, self._wakes = self._wakes, []
        for wake in wakes:
            wake()

    def end(self, refusal: Refusal | None) -> None:
        """It has come, or it does not."""
        with self._lock:
            self.refusal = refusal
            self.ended.set()
        self.opened.set()
        self.show(0 if refusal is not None else self.size_bytes)


class Reader:
    """One who reads along; when it has come he reads what is kept, and not a file that is held for him alone."""

    def __init__(self, flight: Flight, on: Backends | None = None) -> None:
        self._flight = flight
        self._on = on
        self._kept: Guarded | None = None
        self.size_bytes = flight.size_bytes
        self._is_open = True
        flight.spool.hold()

    def has(self, position: int, wake: Callable[[], None]) -> bool:
        """Whether a read would not wait."""
        return self._flight.has(position, wake)

    def read(self, position: int) -> memoryview:
        """Bytes from a position on. Raises a `Refusal` if no more come."""
        if self._kept is None and self._flight.is_in_a_file:
            self._open()
        return self._flight.read(position) if self._kept is None else self._kept.read(position)

    def _open(self) -> None:
        if self._on is None:
            return
        on, self._on = self._on, None
        with suppress(Refusal):  # it went in the meantime
            self._kept = layers.open_blob(on, self._flight.wanted.at, self._flight.wanted.digest)
            self._flight.spool.let_go()

    @property
    def is_over(self) -> bool:
        """Whether all has come. Raises a `Refusal` if it does not come."""
        if not self._flight.ended.is_set():
            return False
        if self._flight.refusal is not None and not self._flight.is_following:  # else somebody else may bring it
            raise self._flight.refusal
        return True

    def close(self) -> None:
        """Read no more."""
        if self._is_open:
            self._is_open = False
            if self._kept is None:
                self._flight.spool.let_go()
            else:
                self._kept.close()


def find(on: Backends, wanted: Wanted) -> Flight | None:
    """The flight of a blob in this process, if there is one."""
    with on.upstreams.lock:
        return on.upstreams.flights.get(wanted.key)


def join(on: Backends, flight: Flight, at: RepositoryRef) -> Reader | None:
    """Read along, and let another repository have the blob as well; None if it is over."""
    with on.upstreams.lock:
        if on.upstreams.flights.get(flight.wanted.key) is not flight:
            return None
        if at != flight.wanted.at:
            flight.also.add(at)
        return Reader(flight, on)


def begin(on: Backends, wanted: Wanted, most: int | None = None) -> Flight | None:
    """Begin to fetch a blob; None if it is here, if somebody else does, or if as many are fetched as may be."""
    keys.require(on, wanted.at)
    now, most = on.clock(), most or wanted.rule.options.at_once
    with on.database.snapshot() as tx:  # whoever has to wait looks often, and must not write for that
        registry_id = store.accounts.find_registry(tx, wanted.at.registry)
        if registry_id is not None and not store.cached.may_claim(
            tx, wanted.key, registry_id, wanted.rule.prefix, now, most
        ):
            return None
    with on.database.transaction(durable=False, within=[store.Content(wanted.at.registry, wanted.digest)]) as tx:
        if on.database.hot.blob(wanted.at, wanted.digest) is not None:  # it came since the caller looked
            return None
        if not store.cached.claim(tx, _fetch(on, tx, wanted, now), now, most):
            return None
    flight = Flight(wanted, Spool(on.upstreams.spool, on.upstreams.room))
    on.upstreams.fly(flight, lambda: _fly(on, flight))
    with on.upstreams.lock:
        beats, on.upstreams.is_beating = on.upstreams.is_beating, True
    if not beats:
        try:
            on.upstreams.begin(lambda: _beat(on))
        except RuntimeError:  # no thread for now: the next flight tries it again, and till then leases are short
            on.upstreams.is_beating = False
    return flight


def link(on: Backends, wanted: Wanted) -> bool:
    """Let a repository have what its upstream sent for another one; False if it went meanwhile."""
    with on.database.transaction(within=[store.Content(wanted.at.registry, wanted.digest)]) as tx:
        repository = store.repositories.get(tx, wanted.at)
        found = store.cached.find_sent(tx, repository, wanted.digest, wanted.rule.prefix)
        if found is not None:
            store.blobs.keep(tx, repository, found, on.clock(), on.limits.push_time)
    return found is not None


def _fetch(on: Backends, tx: Transaction, wanted: Wanted, now: datetime) -> Fetch:
    return store.cached.Fetch(
        key=wanted.key,
        registry_id=store.accounts.registry_id(tx, wanted.at.registry, now),
        prefix=wanted.rule.prefix,
        repository_name=wanted.at.name,
        reference=wanted.digest,
        owner=on.upstreams.owner,
        started_at=now,
        expires_at=now + LEASE,
        received_bytes=0,
        size_bytes=1,  # that it is a blob; how large one is told with the first beat
        failure=None,
    )


def _fly(on: Backends, flight: Flight) -> None:
    """Fetch, in a thread that does nothing else meanwhile. Whatever happens, readers and waiters are told."""
    wanted = flight.wanted
    refusal: Refusal | None = UpstreamUnavailable(
        wanted.rule.upstream.url, "this registry failed to keep it; its log says why"
    )
    try:
        refusal = _brought(on, flight)
        with on.database.transaction(durable=False, within=()) as tx:
            if refusal is None:
                store.cached.end_fetch(tx, wanted.key, on.upstreams.owner)
                repository = store.repositories.find(tx, wanted.at)
                if repository is not None:
                    store.cached.note_sent(tx, repository, wanted.digest, wanted.rule.prefix)
            else:
                store.cached.fail_fetch(tx, wanted.key, on.upstreams.owner, refusal.message, on.clock())
    except Exception:
        log.exception("fetching %s from %s failed, and its lease ends by itself", wanted.digest, wanted.rule.remote.url)
    finally:
        on.upstreams.landed(flight)
        flight.end(refusal)
        flight.spool.let_go()


def _brought(on: Backends, flight: Flight) -> Refusal | None:
    """Fetch; what readers are told if it does not come."""
    wanted = flight.wanted
    try:
        _bring(on, flight)
    except RemoteFault as fault:
        flight.is_absent = isinstance(fault, NotThere)
        on.upstreams.failed(on, wanted.rule, wanted.upstream_name, wanted.digest, fault)
        return refusal_of(wanted.rule, fault)
    except Refusal as fault:
        return fault
    return None


def _bring(on: Backends, flight: Flight) -> None:
    wanted = flight.wanted
    puller = on.upstreams.puller(on, wanted.rule)
    on.upstreams.require_awake(on, wanted.rule, wanted.upstream_name, wanted.digest)

    def opened(size_bytes: int) -> None:
        if size_bytes > on.limits.layer_bytes:
            raise LayerTooLarge(on.limits.layer_bytes)
        on.upstreams.answered(on, wanted.rule)
        flight.size_bytes = size_bytes
        flight.opened.set()

    writer = PartWriter(on, 0, wanted.key_scope)
    is_spooled = True
    try:
        pieces = puller.read_blob(wanted.upstream_name, wanted.digest, opened=opened, is_proved_elsewhere=True)
        for piece in pieces:
            writer.write(piece)
            flight.received_bytes += len(piece)
            if is_spooled:
                is_spooled = _spool(flight, piece)
    except BaseException:
        writer.discard()
        raise
    if flight.received_bytes == flight.size_bytes and wanted.digest == f"sha256:{writer.sha256()}" and is_spooled:
        flight.show(flight.size_bytes)  # they are the right ones: whoever reads need not wait for the disk
    try:
        uploads.complete_whole(on, wanted.at, writer, wanted.digest)
    except DigestInvalid:
        raise Lied(f"{wanted.rule.upstream.url} sent other bytes as the blob {wanted.digest}") from None
    if not is_spooled:
        raise StorageFull  # for those who read along; the bytes are kept
    with on.upstreams.lock:
        on.upstreams.landed(flight)
        also = sorted(flight.also, key=lambda at: at.name)
    for at in also:
        with suppress(Refusal):  # it went in the meantime
            uploads.mount(on, at, wanted.at, wanted.digest)


def _spool(flight: Flight, piece: bytes) -> bool:
    """Let readers have a piece, all but the last one; False if there is no room for that."""
    try:
        flight.spool.append(piece)
    except OSError as fault:
        log.warning("%s is not sent along while it is fetched: %s", flight.wanted.digest, fault)
        return False
    flight.show(min(flight.received_bytes, flight.size_bytes - 1))
    return True


def _beat(on: Backends) -> None:
    """Lengthen the leases of this process while it has any, and see what of it is wanted elsewhere."""
    for beat in count():
        with on.upstreams.lock:
            flights = [flight for flight in on.upstreams.flights.values() if not flight.is_following]
            if not flights:
                on.upstreams.is_beating = False
                return
        try:
            if beat % LOOKS == 0:
                _hold(on, flights)
            _share(on, flights)
        except Exception:
            log.exception("the leases of what is being fetched could not be lengthened")
        on.sleep(BEAT_SECONDS / LOOKS)


def _hold(on: Backends, flights: Sequence[Flight]) -> None:
    with on.database.transaction(durable=False, within=()) as tx:
        until = on.clock() + LEASE
        for flight in flights:
            store.cached.hold_fetch(tx, flight.wanted.key, on.upstreams.owner, until, flight.received_bytes,
                                    max(flight.size_bytes, 1))  # fmt: skip


def _share(on: Backends, flights: Sequence[Flight]) -> None:
    """Begin to write parts of what is wanted on other machines."""
    with on.database.snapshot() as tx:
        wanted = store.cached.wanted(tx, on.upstreams.owner)
    for flight in flights:
        if flight.wanted.key in wanted and not flight.is_shared:
            flight.is_shared = True
            on.upstreams.begin(partial(sharing.share, on, flight, Reader(flight)))
