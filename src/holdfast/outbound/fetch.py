"""Small JSON documents from https addresses that somebody else chose: one look-up, one address, one answer.

URL ── https, no user, no fragment
 └── resolved once ── addresses that may be reached ── TLS for the URL's own host name ── 200, JSON, 64 KiB
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from holdfast.outbound import pins
from holdfast.outbound.addresses import Address, Network, is_in_any, may_reach
from holdfast.outbound.faults import worded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from pathlib import Path

__all__ = ["Fetched", "Fetcher", "Network", "Unreachable"]

SECONDS = 5.0  # for all of it
BODY_BYTES = 64 * 1024
ADDRESSES = 4  # of one name that are tried
USER_AGENT = "Holdfast"
URL = re.compile(  # no user, no fragment, nothing that would have to be escaped
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?P<path>[/?][!-\"$-~]*)?",
    re.ASCII,
)
MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,9})", re.ASCII | re.IGNORECASE)
NO_CACHE = re.compile(r"(?:^|[\s,])no-(?:cache|store)\b", re.ASCII | re.IGNORECASE)

Resolve: TypeAlias = "Callable[[str, int], Sequence[Address]]"
Connection = TypeVar("Connection", bound=HTTPConnection)


class Unreachable(Exception):
    """An address that did not give what was asked of it; the message says why, for the log."""


class Fetched(NamedTuple):
    """A JSON object, and for how many seconds its server lets it be kept, if it says so."""

    document: dict[str, Any]
    max_age: int | None


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart."""

    host: str
    port: int
    path: str
    is_secure: bool = True

    @property
    def authority(self) -> str:
        """What stands in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_secure else 80) else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, int, bool]:
        """Where a connection leads, and whether it is secured: what is of one origin may share it, and credentials."""
        return self.host, self.port, self.is_secure


def resolve(host: str, port: int) -> list[Address]:
    """The addresses of a name, in the system's order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(ipaddress.ip_address(where[0]) for *_, where in found))


def dial(addresses: Iterable[Address], connect: Callable[[str], Connection]) -> Connection:
    """A connection to the first of some addresses that takes one; what the last one said is raised."""
    fault: Exception | None = None
    for address in addresses:
        connection = connect(str(address))
        try:
            connection.connect()
        except (OSError, urllib3.exceptions.HTTPError) as another:
            connection.close()
            fault = another
        else:
            return connection
    assert fault is not None, "there is an address"
    raise fault


def reachable(target: Target, resolve: Resolve, allowed: Collection[Network], allowing: str) -> list[Address]:
    """The addresses of a target that may be called, or `Unreachable`; over plain HTTP only those that are allowed."""
    found = resolve(target.host, target.port)
    judge = may_reach if target.is_secure else is_in_any
    good = [address for address in found if judge(address, allowed)]
    if not good:
        told = ", ".join(map(str, found[:ADDRESSES]))
        if target.is_secure:
            raise Unreachable(f"{target.host} has no address that may be reached ({told}); {allowing} allows networks")
        raise Unreachable(
            f"{target.host}{f' ({told})' if told != target.host else ''} is not spoken to in plain HTTP "
            f"unless {allowing} allows its network"
        )
    return good[:ADDRESSES]


def connection_to(address: str, target: Target, tls: ssl.SSLContext | None, seconds: float) -> HTTPConnection:
    """A connection to one address of a target, not yet opened; secured for the name of its host, if it is to be."""
    if not target.is_secure:
        return HTTPConnection(address, target.port, timeout=seconds)
    return HTTPSConnection(address, target.port, timeout=seconds, ssl_context=tls, server_hostname=target.host)


class Fetcher:
    """Fetches documents; one a process."""

    def __init__(
        self,
        allowed: Collection[Network] = (),
        ca_file: Path | None = None,
        *,
        resolve: Resolve = resolve,
        allowing: str = "--oidc-allow",
    ) -> None:
        self._allowing = allowing
        self._allowed = tuple(allowed)
        self._resolve = resolve
        if ca_file is not None:
            self._tls.load_verify_locations(ca_file)

    def get_json(self, url: str, thumbprints: Collection[str] = ()) -> Fetched:
        """The JSON object at a URL; or `Unreachable`.

        The thumbprints pin a private CA: they count only if no CA of the system's store vouches for the host.
        """
        target = target_of(url)
        attempt = _Attempt(target, thumbprints, self._tls, lambda: self._addresses(target))
        # In a thread of its own, because nothing else bounds a look-up of names or an answer that comes in drops.
        threading.Thread(target=attempt.run, name=f"fetch {target.host}", daemon=True).start()
        if not attempt.is_over.wait(SECONDS):
            attempt.abandon()
            raise Unreachable(f"{target.authority} did not answer within {SECONDS:g} seconds")
        if attempt.fault is not None:
            raise attempt.fault
        assert attempt.fetched is not None
        return attempt.fetched

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Whom it trusts; to read the system's certificates takes 20 ms, so it waits until somebody needs them."""
        return ssl.create_default_context()

    def _addresses(self, target: Target) -> list[Address]:
        return reachable(target, self._resolve, self._allowed, self._allowing)


class _Attempt:
    """One fetch, which its owner may abandon."""

    def __init__(
        self,
        target: Target,
        thumbprints: Collection[str],
        tls: ssl.SSLContext,
        addresses: Callable[[], Sequence[Address]],
    ) -> None:
        self.is_over = threading.Event()
        self.fetched: Fetched | None = None
        self.fault: Unreachable | None = None
        self._target = target
        self._thumbprints = {text.lower() for text in thumbprints}
        self._tls = tls
        self._addresses = addresses
        self._is_abandoned = False
        self._connection: HTTPSConnection | None = None

    def run(self) -> None:
        """Fetch; whatever goes wrong is the other side's fault."""
        try:
            self.fetched = self._fetch()
        except Unreachable as fault:
            self.fault = fault
        except Exception as fault:  # noqa: BLE001 - anything may come of what a stranger sends
            self.fault = Unreachable(f"{self._target.authority}: {worded(fault)}")
        finally:
            if self._connection is not None:
                self._connection.close()
            self.is_over.set()

    def abandon(self) -> None:
        """Let the thread end at its next step."""
        self._is_abandoned = True
        connection = self._connection
        with suppress(OSError, AttributeError):  # it may be closing at this very moment
            connection.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]

    def _fetch(self) -> Fetched:
        connection = self._connect()
        if self._is_abandoned:
            raise Unreachable("abandoned")
        headers = {
            "Host": self._target.authority,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": USER_AGENT,
            "Connection": "close",
        }
        connection.request("GET", self._target.path, headers=headers, preload_content=False, decode_content=False)
        response = connection.getresponse()
        try:
            return _read(self._target, response)
        finally:
            response.close()

    def _connect(self) -> HTTPSConnection:
        fault: Exception = OSError("no address")
        for address in self._addresses():
            try:
                return self._connect_to(str(address))
            except ssl.SSLError:
                raise
            except (OSError, urllib3.exceptions.HTTPError) as another:
                fault = another
        raise Unreachable(f"{self._target.authority} refuses connections: {worded(fault)}")

    def _connect_to(self, address: str) -> HTTPSConnection:
        try:
            return self._open(address, self._tls)
        except ssl.SSLCertVerificationError as fault:
            if not self._thumbprints or fault.verify_code not in pins.NO_TRUSTED_CA:
                raise
        pinned = pins.context(address, self._target.port, self._target.host, self._thumbprints, SECONDS)
        if pinned is None:
            raise Unreachable(f"No CA that is trusted vouches for {self._target.authority}, and no thumbprint does")
        return self._open(address, pinned)

    def _open(self, address: str, tls: ssl.SSLContext) -> HTTPSConnection:
        # The name is not looked up again: it might lead elsewhere the second time.
        connection = HTTPSConnection(
            address, self._target.port, timeout=SECONDS, ssl_context=tls, server_hostname=self._target.host
        )
        self._connection = connection
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection


def target_of(url: str, *, may_be_plain: bool = False) -> Target:
    """A URL taken apart; `Unreachable` if it is none that is called."""
    found = URL.fullmatch(url)
    is_secure = found is not None and found["scheme"] == "https"
    port = int(found["port"] or (443 if is_secure else 80)) if found else 0
    if not found or not (is_secure or may_be_plain) or not 0 < port < 65536:
        raise Unreachable(f"{url[:200]!r} is not a plain {'http or https' if may_be_plain else 'https'} URL")
    path = found["path"] or "/"
    return Target(found["host"].strip("[]").lower(), port, path if path.startswith("/") else f"/{path}", is_secure)


def _read(target: Target, response: urllib3.BaseHTTPResponse) -> Fetched:
    if response.status != 200:
        also = "; redirects are not followed" if 300 <= response.status < 400 else ""
        raise Unreachable(f"{target.authority} answered {response.status} for {target.path[:200]}{also}")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise Unreachable(f"{target.authority} answered in an encoding that was not asked for")
    body = response.read(BODY_BYTES + 1, decode_content=False)
    if len(body) > BODY_BYTES:
        raise Unreachable(f"{target.authority} answered with more than {BODY_BYTES} bytes")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise Unreachable(f"{target.authority} did not answer with JSON") from None
    if not isinstance(document, dict):
        raise Unreachable(f"{target.authority} did not answer with a JSON object")
    return Fetched(document, _max_age(response.headers.get("cache-control", "")))


def _max_age(cache_control: str) -> int | None:
    if NO_CACHE.search(cache_control):
        return 0
    found = MAX_AGE.search(cache_control)
    return int(found[1]) if found else None
