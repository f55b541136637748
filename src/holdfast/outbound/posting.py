"""Posts to addresses that somebody else chose: one look-up, one address that may be reached, one answer.

Plain HTTP is spoken only in networks that the operator allows; nothing is followed, and all of it has an end.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from holdfast.outbound.addresses import is_in_any
from holdfast.outbound.fetch import ADDRESSES, USER_AGENT, Fetcher, Target, Unreachable, dial

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from holdfast.outbound.addresses import Address

CONNECT_SECONDS = 5.0  # for each of the addresses of a name
SECONDS = 10.0  # for each piece of an answer
ANSWER_SECONDS = 20.0  # for a whole one
ANSWER_BYTES = 256 * 1024
URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>[/?][!-\"$-~]*)?",
    re.ASCII,
)
_FAULTS = (OSError, urllib3.exceptions.HTTPError)


class Heard(NamedTuple):
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Place(NamedTuple):
    """A URL taken apart."""

    is_secure: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """What stands in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_secure else 80) else f"{host}:{self.port}"


def place_of(url: str) -> Place | None:
    """A URL taken apart; None if it is none that is posted to."""
    found = URL.fullmatch(url)
    if found is None:
        return None
    is_secure = found["scheme"] == "https"
    port = int(found["port"] or (443 if is_secure else 80))
    if not 0 < port < 65536:
        return None
    path = found["path"] or "/"
    return Place(is_secure, found["host"].strip("[]").lower(), port, path if path.startswith("/") else f"/{path}")


class Poster(Fetcher):
    """Opens lines; one a process."""

    def line(self) -> Line:
        """Something to post with, which keeps its connection from one time to the next."""
        return Line(self)

    def connect(self, place: Place) -> HTTPConnection:
        """A connection to the first address of a place that may be reached, and takes one."""
        try:
            return dial(self._reachable(place), lambda address: self._connection(place, address))
        except _FAULTS as fault:
            raise Unreachable(f"{place.authority} refuses connections: {fault}") from None

    def _reachable(self, place: Place) -> list[Address]:
        if place.is_secure:
            return self._addresses(Target(place.host, place.port, place.path))
        found = self._resolve(place.host, place.port)
        allowed = [one for one in found if is_in_any(one, self._allowed)]
        if not allowed:
            raise Unreachable(
                f"{place.host} is not spoken to in plain HTTP: it is in no network that {self._allowing} allows"
            )
        return allowed[:ADDRESSES]

    def _connection(self, place: Place, address: str) -> HTTPConnection:
        if place.is_secure:
            return HTTPSConnection(
                address, place.port, timeout=CONNECT_SECONDS, ssl_context=self._tls, server_hostname=place.host
            )
        return HTTPConnection(address, place.port, timeout=CONNECT_SECONDS)


class Line:
    """A connection to wherever was posted to last; one thread uses it."""

    def __init__(self, poster: Poster) -> None:
        self._poster = poster
        self._place: Place | None = None
        self._connection: HTTPConnection | None = None
        self._is_late = False

    def post(self, url: str, headers: Mapping[str, str], body: bytes, method: str = "POST") -> Heard:
        """What a server answers to a body. Raises `Unreachable`."""
        place = place_of(url)
        if place is None:
            raise Unreachable(f"{url[:200]!r} is not a plain http or https URL")
        with _bounded(place, self):
            if self._place is not None and (place.host, place.port) == (self._place.host, self._place.port):
                with suppress(ConnectionError, urllib3.exceptions.ProtocolError):  # it was idle for too long
                    return self._ask(place, method, headers, body)
            self.close()
            if self._is_late:
                raise Unreachable(f"{place.authority} did not answer within {ANSWER_SECONDS:g} seconds")
            self._connection, self._place = self._poster.connect(place), place
            self._connection.timeout = SECONDS
            return self._ask(place, method, headers, body)

    def _ask(self, place: Place, method: str, headers: Mapping[str, str], body: bytes) -> Heard:
        assert self._connection is not None
        sent = {**headers, "Host": place.authority, "Accept-Encoding": "identity"}
        if not any(name.lower() == "user-agent" for name in sent):
            sent["User-Agent"] = USER_AGENT
        self._connection.request(method, place.path, body=body, headers=sent, preload_content=False,
                                 decode_content=False)  # fmt: skip
        response = self._connection.getresponse()
        try:
            found = response.read(ANSWER_BYTES + 1, decode_content=False)
        finally:
            response.close()
        names = {name.lower(): value for name, value in response.headers.items()}
        if len(found) > ANSWER_BYTES or names.get("connection", "").lower() == "close":
            self.close()
        return Heard(response.status, names, found[:ANSWER_BYTES])

    def hang_up(self) -> None:
        """Let whoever waits for an answer wait no more; from another thread."""
        self._is_late, connection = True, self._connection
        with suppress(OSError, AttributeError):
            connection.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]

    def close(self) -> None:
        """Keep no connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._place = None


@contextmanager
def _bounded(place: Place, line: Line) -> Iterator[None]:
    """A block in which whatever goes wrong is the other side's fault, and which does not last for ever."""
    timer = threading.Timer(ANSWER_SECONDS, line.hang_up)  # nothing else bounds an answer that comes in drops
    timer.daemon = True
    line._is_late = False  # noqa: SLF001 - they are one
    timer.start()
    try:
        yield
    except Unreachable:
        line.close()
        raise
    except (*_FAULTS, ssl.SSLError, ValueError) as fault:
        line.close()
        raise Unreachable(f"{place.authority}: {type(fault).__name__}: {str(fault)[:200]}") from None
    finally:
        timer.cancel()
