"""Posts to addresses that somebody else chose: one look-up, one address that may be reached, one answer.

Plain HTTP is spoken only in networks that the operator allows; nothing is followed, and all of it has an end.
"""

from __future__ import annotations

import http.client
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import urllib3

from holdfast.outbound.deadline import Watch
from holdfast.outbound.faults import worded
from holdfast.outbound.fetch import USER_AGENT, Fetcher, Unreachable, connection_to, dial, resolve, target_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from urllib3.connection import HTTPConnection

    from holdfast.outbound.addresses import Network
    from holdfast.outbound.deadline import Deadline
    from holdfast.outbound.fetch import Resolve, Target

CONNECT_SECONDS = 5.0  # for each of the addresses of a name
SECONDS = 10.0  # for each piece of an answer
ANSWER_SECONDS = 20.0  # for a whole one
ANSWER_BYTES = 256 * 1024
_FAULTS = (OSError, urllib3.exceptions.HTTPError)
_ANYTHING = (*_FAULTS, ssl.SSLError, http.client.HTTPException, ValueError)  # that a stranger's answer may cause


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

    def __init__(
        self,
        allowed: Collection[Network] = (),
        ca_file: Path | None = None,
        *,
        resolve: Resolve = resolve,
        allowing: str = "--event-allow",
    ) -> None:
        super().__init__(allowed, ca_file, resolve=resolve, allowing=allowing)
        self.watch = Watch()

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
            raise Unreachable(f"{target.authority} refuses connections: {worded(fault)}") from None


class Line:
    """A connection to wherever was posted to last; one thread uses it."""

    def __init__(self, poster: Poster) -> None:
        self._poster = poster
        self._target: Target | None = None
        self._connection: HTTPConnection | None = None

    def post(self, url: str, headers: Mapping[str, str], body: bytes, method: str = "POST") -> Heard:
        """What a server answers to a body. Raises `Unreachable`: whatever goes wrong is the other side's fault."""
        target = target_of(url, may_be_plain=True)
        deadline = self._poster.watch.deadline(ANSWER_SECONDS)
        try:
            return self._post(target, deadline, method, headers, body)
        except Unreachable:
            self.close()
            raise
        except _ANYTHING as fault:
            self.close()
            late = f"it did not answer within {ANSWER_SECONDS:g} seconds"
            told = late if deadline.is_over else worded(fault)
            raise Unreachable(f"{target.authority}: {told}") from None
        finally:
            deadline.end()

    def _post(self, target: Target, deadline: Deadline, method: str, headers: Mapping[str, str], body: bytes) -> Heard:
        if self._target is not None and target.origin == self._target.origin:
            with suppress(ConnectionError, urllib3.exceptions.ProtocolError):  # it was idle for too long
                return self._ask(target, deadline, method, headers, body)
        self.close()
        if deadline.is_over:
            raise Unreachable(f"{target.authority} did not answer within {ANSWER_SECONDS:g} seconds")
        self._connection, self._target = self._poster.connect(target), target
        self._connection.timeout = SECONDS
        return self._ask(target, deadline, method, headers, body)

    def _ask(self, target: Target, deadline: Deadline, method: str, headers: Mapping[str, str], body: bytes) -> Heard:
        assert self._connection is not None
        deadline.binds(self._connection.sock)
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
        if deadline.is_over:  # what came until then may look whole
            raise Unreachable(f"{target.authority} did not answer within {ANSWER_SECONDS:g} seconds")
        names = {name.lower(): value for name, value in response.headers.items()}
        if len(found) > ANSWER_BYTES or names.get("connection", "").lower() == "close":
            self.close()
        return Heard(response.status, names, found[:ANSWER_BYTES])

    def close(self) -> None:
        """Keep no connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._target = None
