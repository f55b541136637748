"""Requests to addresses that were judged, each within a time; connections are kept for the next one.

URL ── resolved once ── addresses that may be reached ── TLS for the URL's own host ── a head in time ── body in pieces

A plain URL reaches only networks that the operator allows.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import urllib3

from holdfast.outbound import fetch
from holdfast.outbound.deadline import Watch
from holdfast.outbound.distribution.faults import Lied, OutOfBounds, Unreachable
from holdfast.outbound.faults import worded
from holdfast.outbound.fetch import USER_AGENT, Target, connection_to, dial, reachable, resolve, target_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from urllib3.connection import HTTPConnection

    from holdfast.outbound.addresses import Network
    from holdfast.outbound.deadline import Deadline
    from holdfast.outbound.fetch import Resolve

    Body: TypeAlias = bytes | Callable[[], Iterable[bytes]] | None

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0  # for each piece, and for an answer to begin; a longer time of the whole is for that
PIECE_BYTES = 256 * 1024
KEPT = 32  # idle connections of one wire
KEPT_SECONDS = 20.0
_HUNG_UP = (ConnectionError, http.client.RemoteDisconnected, urllib3.exceptions.ProtocolError)
_FAULTS = (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException, ValueError)


class Wire:
    """Connections to one remote and to where it sends us; threads may share it, forked processes may not."""

    def __init__(
        self,
        allowed: Collection[Network] = (),
        ca_pem: str | None = None,
        *,
        resolve: Resolve = resolve,
        allowing: str = "--upstream-allow",
    ) -> None:
        self._lock = threading.Lock()
        self._watch = Watch()
        self._kept: list[tuple[float, tuple[str, int, bool], HTTPConnection]] = []
        self._allowed = tuple(allowed)
        self._allowing = allowing
        self._resolve = resolve
        if ca_pem is not None:
            self._tls.load_verify_locations(cadata=ca_pem)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Whom it trusts; to read the system's certificates takes 20 ms, so it waits until somebody needs them."""
        return ssl.create_default_context()

    def __del__(self) -> None:
        self.close()

    def open(
        self, method: str, target: Target, headers: Mapping[str, str], body: Body = None, *, seconds: float
    ) -> Answer:
        """Send a request and read the head of its answer. Raises `Unreachable`."""
        headers = {"Host": target.authority, "Accept-Encoding": "identity", "User-Agent": USER_AGENT, **headers}
        kept = self._take(target)
        try:
            if kept is not None and not callable(body):
                with suppress(*_HUNG_UP):  # between two requests, as servers do
                    return self._exchange(kept, method, target, headers, body, seconds)
                kept = None
            # A long body is not sent twice: its sender asks first how much of it came.
            return self._exchange(kept or self._dial(target), method, target, headers, body, seconds)
        except _FAULTS as fault:
            raise Unreachable(f"{target.authority}: {worded(fault)}") from None

    def close(self) -> None:
        """Hang up what is kept."""
        with self._lock:
            kept, self._kept = self._kept, []
        for *_, connection in kept:
            connection.close()

    def keep(self, target: Target, connection: HTTPConnection) -> None:
        """Keep a connection whose answer was read to its end."""
        origin = target.origin
        with self._lock:
            self._kept.append((time.monotonic(), origin, connection))
            dropped = self._kept[:-KEPT]
            del self._kept[:-KEPT]
        for *_, other in dropped:
            other.close()

    def _take(self, target: Target) -> HTTPConnection | None:
        origin, now = target.origin, time.monotonic()
        found = None
        with self._lock:
            old = [one for one in self._kept if now - one[0] > KEPT_SECONDS]
            self._kept = [one for one in self._kept if now - one[0] <= KEPT_SECONDS]
            for index in reversed(range(len(self._kept))):
                if self._kept[index][1] == origin:
                    found = self._kept.pop(index)[2]
                    break
        if found is not None and not found.is_connected:
            found.close()
            found = None
        for *_, connection in old:
            connection.close()
        return found

    def _exchange(
        self,
        connection: HTTPConnection,
        method: str,
        target: Target,
        headers: Mapping[str, str],
        body: Body,
        seconds: float,
    ) -> Answer:
        limit = self._watch.deadline(seconds, connection.sock)
        try:
            patience = READ_SECONDS if callable(body) else max(READ_SECONDS, seconds - READ_SECONDS)
            response = _asked(connection, method, target.path, headers, body, patience)
        except BaseException as fault:
            limit.end()
            connection.close()
            if limit.is_over and isinstance(fault, _FAULTS):
                raise Unreachable(f"{target.authority} did not answer within {seconds:g} seconds") from None
            raise
        return Answer(self, target, connection, response, limit)

    def _dial(self, target: Target) -> HTTPConnection:
        try:
            addresses = reachable(target, self._resolve, self._allowed, self._allowing)
        except fetch.Unreachable as fault:
            raise OutOfBounds(str(fault)) from None
        tls = self._tls if target.is_secure else None
        return dial(addresses, lambda address: connection_to(address, target, tls, CONNECT_SECONDS))


def _asked(
    connection: HTTPConnection, method: str, path: str, headers: Mapping[str, str], body: Body, patience: float
) -> urllib3.BaseHTTPResponse:
    sent, connected = body() if callable(body) else body, connection.sock
    connection.timeout = READ_SECONDS  # which urllib3 sets anew with each request and each answer
    try:
        connection.request(
            method, path, sent, headers, chunked=False, preload_content=False, decode_content=False,
            enforce_content_length=True,
        )  # fmt: skip
    except (BrokenPipeError, ConnectionResetError):
        if not callable(body):
            raise
        # It may have answered before it took all.
    connection.timeout = patience
    response = connection.getresponse()
    with suppress(OSError, AttributeError):
        connected.settimeout(READ_SECONDS)
    return response


class Answer:
    """An answer whose head was read; its body is read once, or not."""

    def __init__(
        self,
        wire: Wire,
        target: Target,
        connection: HTTPConnection,
        response: urllib3.BaseHTTPResponse,
        limit: Deadline,
    ) -> None:
        self.target = target
        self.status = response.status
        self.headers = response.headers
        self._wire = wire
        self._connection = connection
        self._response = response
        self._limit = limit
        self._is_over = False

    def whole(self, maximum_bytes: int) -> bytes:
        """All of a small body, within the time of the request. Raises `Unreachable` and `Lied`."""
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            self.close()
            raise Lied(f"{self.target.authority} answered in an encoding that was not asked for")
        body = bytearray()
        while piece := self._read(min(PIECE_BYTES, maximum_bytes + 1 - len(body))):
            body += piece
            if len(body) > maximum_bytes:
                self.close()
                raise Lied(f"{self.target.authority} answered with more than {maximum_bytes} bytes")
        self._end()
        return bytes(body)

    def read(self) -> bytes:
        """The next piece of a long body, empty at its end; its limit is set by `within`."""
        piece = self._read(PIECE_BYTES)
        if not piece:
            self._end()
        return piece

    def within(self, seconds: float) -> None:
        """Let the rest of the body come within another time than the head."""
        self._limit.begin_again(seconds)

    def close(self) -> None:
        """Hang up, unless all was read; what was not is not wanted."""
        if self._is_over:
            return
        self._is_over = True
        self._limit.end()
        self._response.close()
        self._connection.close()

    def drain(self) -> None:
        """Read what little there may be, so that the connection can be kept; else hang up."""
        with suppress(Unreachable, Lied):
            self.whole(64 * 1024)

    def _read(self, amount: int) -> bytes:
        try:
            piece = self._response.read1(amount, decode_content=False)
        except _FAULTS as fault:
            self.close()
            late = "it took too long" if self._limit.is_over else worded(fault)
            raise Unreachable(f"{self.target.authority} broke off: {late}") from None
        if self._limit.is_over:  # what came until then may look whole
            self.close()
            raise Unreachable(f"{self.target.authority} broke off: it took too long")
        return piece

    def _end(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._limit.end()
        if self._connection.sock is not None and not self._limit.is_over and self._connection.is_connected:
            self._wire.keep(self.target, self._connection)
        else:
            self._connection.close()
        self._response.close()


def vouches(ca_pem: str) -> bool:
    """Whether a text is certificates of CAs in PEM."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=ca_pem)
    except (ssl.SSLError, ValueError, UnicodeEncodeError):
        return False
    return True


def at(url: str) -> Target:
    """A URL taken apart. Raises `Unreachable` if it is none that is called."""
    try:
        return target_of(url, may_be_plain=True)
    except fetch.Unreachable as fault:
        raise Unreachable(str(fault)) from None
