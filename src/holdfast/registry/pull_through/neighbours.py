"""Blobs that a process of another machine fetches, read in parts while they come to it.

What was read so is shown, all but the last byte; the rest is read from the blob, which is there when it is proved. If
the other process dies, or was lied to, who reads along is cut off.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.blobs.spool import Spool
from holdfast.model.errors import BytesDamaged, Refusal, UpstreamUnavailable
from holdfast.registry import damage, objects
from holdfast.registry.pull_through.flights import Flight
from holdfast.registry.pull_through.upstreams import LOOK_SECONDS

if TYPE_CHECKING:
    from holdfast.registry.backends import Backends
    from holdfast.registry.pull_through.flights import Wanted
    from holdfast.store.cached import Fetch

log = logging.getLogger(__name__)


def follow(on: Backends, wanted: Wanted, fetch: Fetch) -> Flight:
    """A flight that follows one of another machine; `wanted` is what that one fetches."""
    flight = Flight(wanted, Spool(on.upstreams.spool, on.upstreams.room), is_following=True)
    on.upstreams.fly(flight, lambda: _read(on, flight, fetch.owner))
    return flight


def _read(on: Backends, flight: Flight, owner: str) -> None:
    url, digest = flight.wanted.rule.upstream.url, flight.wanted.digest
    refusal: Refusal | None = UpstreamUnavailable(url, "the process that fetches it sends no more")
    try:
        with on.database.transaction(durable=False, within=()) as tx:
            store.cached.want_fetch(tx, flight.wanted.key)
        while _read_parts(on, flight, owner):
            on.sleep(LOOK_SECONDS)
        if flight.opened.is_set():  # else all of it is here, or it does not come: both is seen by looking again
            _read_rest(on, flight)
            refusal = None
    except (OSError, Refusal, damage.Damaged, damage.Unreadable) as fault:
        log.info("%s does not come from the machine that fetches it: %s", digest, fault)
    except Exception:
        log.exception("%s does not come from the machine that fetches it", digest)
    finally:
        on.upstreams.landed(flight)
        flight.end(refusal)
        flight.spool.let_go()


def _read_parts(on: Backends, flight: Flight, owner: str) -> bool:
    """Read the parts that there are by now; whether more may come."""
    key = flight.wanted.key
    with on.database.snapshot() as tx:
        fetch = store.cached.find_fetch(tx, key)
        parts = store.cached.parts(tx, key, owner, flight.received_bytes)
    for part, whole_bytes in parts:
        flight.size_bytes = whole_bytes
        flight.opened.set()
        try:
            for view in objects.read(on, part, f"sha256:{part.sha256}"):
                _append(flight, bytes(view))
        except BytesDamaged:
            break  # it goes when the fetch is over
    return fetch is not None and fetch.owner == owner and fetch.failure is None and fetch.expires_at > on.clock()


def _read_rest(on: Backends, flight: Flight) -> None:
    """Read what is missing from the blob that has come of it, if one has."""
    wanted = flight.wanted
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, wanted.at)
        blob = store.cached.find_sent(tx, repository, wanted.digest, wanted.rule.prefix)
    if blob is None or blob.size_bytes != flight.size_bytes:
        raise UpstreamUnavailable(wanted.rule.upstream.url, "the process that fetched it has not kept it")
    body = damage.open_guarded(on, blob.object_key, blob.size_bytes, wanted.digest)
    try:
        while flight.received_bytes < blob.size_bytes:
            _append(flight, bytes(body.read(flight.received_bytes)))
    finally:
        body.close()


def _append(flight: Flight, data: bytes) -> None:
    flight.spool.append(data)
    flight.received_bytes += len(data)
    flight.show(flight.received_bytes)
