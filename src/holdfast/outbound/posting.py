"""Posts to addresses that somebody else chose: one look-up, one address that may be reached, one answer.

Plain HTTP is spoken only in networks that the operator allows; nothing is followed, and all of it has an end.
"""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import urllib3

from holdfast.outbound.fetch import USER_AGENT, Fetcher, Unreachable, connection_to, dial, target_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from urllib3.connection import HTTPConnection

    from holdfast.outbound.fetch import Target

CONNECT_SECONDS = 5.0  # for each of the addresses of a name
SECONDS = 10.0  # for each piece of an answer
ANSWER_SECONDS = 20.0  # for a whole one
ANSWER_BYTES = 256 * 1024
_FAULTS = (OSError, urllib3.exceptions.HTTPError)


class Heard(NamedTuple):
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def is_called(url: str) -> bool:
    """Whether a URL is one that is posted to."""
    try:
        target_of(url, may_be_plain=True)
    except Unreachable:
        return False
    return True


class Poster(Fetcher):
    """Opens lines; one a process."""

    def line(self) -> Line:
        """Something to post with, which keeps its connection from one time to the next."""
        return Line(self)

    def connect(self, target: Target) -> HTTPConnection:
        """A connection to the first address of a target that may be reached, and takes one."""
        try:
            return dial(
                self._addresses(target), lambda address: connection_to(address, target, self._tls, CONNECT_SECONDS)
            )
        except _FAULTS as fault:
            raise Unreachable(f"{target.authority} refuses connections: {fault}") from None


class Line:
    """A connection to wherever was posted to last; one thread uses it."""

    def __init__(self, poster: Poster) -> None:
        self._poster = poster
        self._target: Target | None = None
        self._connection: HTTPConnection | None = None
        self._is_late = False

    def post(self, url: str, headers: Mapping[str, str], body: bytes, method: str = "POST") -> Heard:
        """What a server answers to a body. Raises `Unreachable`."""
        target = target_of(url, may_be_plain=True)
        with _bounded(target, self):
            if self._target is not None and (target.host, target.port) == (self._target.host, self._target.port):
                with suppress(ConnectionError, urllib3.exceptions.ProtocolError):  # it was idle for too long
                    return self._ask(target, method, headers, body)
            self.close()
            if self._is_late:
                raise Unreachable(f"{target.authority} did not answer within {ANSWER_SECONDS:g} seconds")
            self._connection, self._target = self._poster.connect(target), target
            if self._is_late:  # nobody will hang up any more
                raise Unreachable(f"{target.authority} took more than {ANSWER_SECONDS:g} seconds to be reached")
            self._connection.timeout = SECONDS
            return self._ask(target, method, headers, body)

    def _ask(self, target: Target, method: str, headers: Mapping[str, str], body: bytes) -> Heard:
        assert self._connection is not None
        sent = {**headers, "Host": target.authority, "Accept-Encoding": "identity"}
        if not any(name.lower() == "user-agent" for name in sent):
            sent["User-Agent"] = USER_AGENT
        self._connection.request(method, target.path, body=body, headers=sent, preload_content=False,
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
        self._connection = self._target = None


@contextmanager
def _bounded(target: Target, line: Line) -> Iterator[None]:
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
        raise Unreachable(f"{target.authority}: {type(fault).__name__}: {str(fault)[:200]}") from None
    finally:
        timer.cancel()
