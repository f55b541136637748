"""Blobs that another process of this machine fetches, read while they come to it.

    the process that fetches ─► spool ─┬─► its own readers
                                       └─► its socket in the folder of spools ─► a flight that follows ─► readers

Its name is that of the lease's owner. The last byte is sent when the digest is proved, as to any reader: whoever has
all of them has the right ones. Where the owner cannot be reached, on another machine, one reads its parts.
"""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.blobs.spool import Spool
from holdfast.model.errors import Refusal, UpstreamUnavailable
from holdfast.model.names import RepositoryRef
from holdfast.registry.pull_through import flights, neighbours
from holdfast.registry.pull_through.flights import Flight, Reader

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.registry.backends import Backends
    from holdfast.registry.pull_through.flights import Wanted
    from holdfast.store.cached import Fetch

log = logging.getLogger(__name__)

KEY_BYTES = 64
SIZE_BYTES = 8
PIECE_BYTES = 256 * 1024
TROUBLED_SECONDS = 0.5  # until connections are accepted again that could not be
QUIET_SECONDS = 45.0  # in which an owner says nothing; an upstream may take that long to begin


def listen(on: Backends) -> None:
    """Let siblings read what this process fetches; once a process."""
    folder = on.upstreams.spool
    with on.upstreams.lock:
        if folder is None or on.upstreams.is_heard:
            return
        on.upstreams.is_heard = True
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for place in folder.glob("*.socket"):
            if (connection := _connected(place)) is not None:
                connection.close()
        place, unheard = _place(folder, on.upstreams.owner), folder / f"{on.upstreams.owner[:16]}.unheard"
        listener.bind(str(unheard))
        listener.listen(64)
        unheard.rename(place)  # a sibling would take one that does not listen yet for one that is gone
    except OSError as fault:  # the path is too long, or the file system has no sockets
        listener.close()
        log.info("other processes wait for what this one fetches: %s", fault)
        return
    on.upstreams.begin(lambda: _accept(on, listener))


def _accept(on: Backends, listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
            on.upstreams.begin(lambda connection=connection: _serve(on, connection))  # type: ignore[misc]
        except (OSError, RuntimeError) as fault:  # no descriptors, memory or threads for now, or a sibling hung up
            log.warning("a process that wants to read what this one fetches has to wait: %s", fault)
            on.sleep(TROUBLED_SECONDS)


def _serve(on: Backends, connection: socket.socket) -> None:
    """Send one flight to one sibling; it breaks off if the flight does."""
    with connection, suppress(OSError, Refusal):
        connection.settimeout(QUIET_SECONDS)
        key = _exactly(connection, KEY_BYTES).decode("ascii", "replace")
        with on.upstreams.lock:
            flight = on.upstreams.flights.get(key)
            reader = Reader(flight) if flight is not None else None
        if flight is None or reader is None:
            return
        try:
            flight.opened.wait(QUIET_SECONDS)
            if flight.refusal is not None or not flight.opened.is_set():
                return
            connection.sendall(flight.size_bytes.to_bytes(SIZE_BYTES, "big"))
            position = 0
            while position < flight.size_bytes:
                more = threading.Event()
                if not reader.has(position, more.set):
                    more.wait()
                    continue
                piece = reader.read(position)
                connection.sendall(piece)
                position += len(piece)
        finally:
            reader.close()


def follow(on: Backends, wanted: Wanted) -> Flight | None:
    """A flight that follows that of a sibling, or of another machine; None if nobody else fetches the blob."""
    if on.upstreams.spool is None:
        return None
    with on.database.snapshot() as tx:
        fetch = store.cached.find_fetch(tx, wanted.key)
    if fetch is None or fetch.owner == on.upstreams.owner or fetch.expires_at <= on.clock():
        return None
    wanted = replace(wanted, at=RepositoryRef(wanted.at.registry, fetch.repository_name))  # for which it is fetched
    with on.upstreams.once(f"follow {wanted.key}") as is_first:
        return _followed(on, wanted, fetch) if is_first else flights.find(on, wanted)


def _followed(on: Backends, wanted: Wanted, fetch: Fetch) -> Flight:
    known = flights.find(on, wanted)
    if known is not None:
        return known
    assert on.upstreams.spool is not None, "it was asked for"
    connection = _connected(_place(on.upstreams.spool, fetch.owner))
    if connection is None:
        return neighbours.follow(on, wanted, fetch)
    flight = Flight(wanted, Spool(on.upstreams.spool, on.upstreams.room), is_following=True)
    on.upstreams.fly(flight, lambda: _receive(on, flight, connection))
    return flight


def _receive(on: Backends, flight: Flight, connection: socket.socket) -> None:
    reason = "the process that fetches it sends no more"
    refusal: Refusal | None = UpstreamUnavailable(flight.wanted.rule.upstream.url, reason)
    try:
        with connection:
            connection.sendall(flight.wanted.key.encode())
            flight.size_bytes = int.from_bytes(_exactly(connection, SIZE_BYTES), "big")
            flight.opened.set()
            while flight.received_bytes < flight.size_bytes:
                piece = connection.recv(PIECE_BYTES)
                if not piece:
                    raise ConnectionError("it breaks off")
                flight.spool.append(piece)
                flight.received_bytes += len(piece)
                flight.show(flight.received_bytes)
        refusal = None
    except OSError as fault:
        log.info("%s does not come from the process that fetches it: %s", flight.wanted.digest, fault)
    finally:
        on.upstreams.landed(flight)
        flight.end(refusal)
        flight.spool.let_go()


def _connected(place: Path) -> socket.socket | None:
    """A connection to a sibling; None if it does not listen, and its place is tidied up if it is gone."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(QUIET_SECONDS)
    try:
        connection.connect(str(place))
    except OSError as fault:
        connection.close()
        if isinstance(fault, ConnectionRefusedError):
            place.unlink(missing_ok=True)
        return None
    return connection


def _exactly(connection: socket.socket, amount: int) -> bytes:
    """So many bytes; ConnectionError if fewer come."""
    data = b""
    while len(data) < amount:
        piece = connection.recv(amount - len(data))
        if not piece:
            raise ConnectionError("it hangs up")
        data += piece
    return data


def _place(folder: Path, owner: str) -> Path:
    return folder / f"{owner[:16]}.socket"  # a whole path has 107 bytes at most
