"""A plugged scanner: an adapter of Harbor's scanner API, version 1.2, at an address that the operator names.

    GET /api/v1/metadata ── POST /api/v1/scan ── GET /api/v1/scan/{id}/report: 302 and a pause, until 200

The setting itself allows a private address. What the adapter answers is believed no further: no redirect is followed,
each answer has a limit of bytes and of time, and nothing that it says becomes a URL.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from holdfast.model.scan_reports import BadReport, Metadata, read_accepted, read_metadata
from holdfast.outbound.fetch import ADDRESSES, USER_AGENT, Unreachable, dial, resolve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECONDS = 10.0  # for a look-up, a connection, or a piece of an answer
ANSWER_SECONDS = 60.0  # for a whole one
LATE = f"did not answer within {ANSWER_SECONDS:g} seconds"
SMALL_BYTES = 1024 * 1024
REPORT_BYTES = 32 * 1024 * 1024
PIECE_BYTES = 256 * 1024
LONGEST_PAUSE = 60
METADATA_TYPE = "application/vnd.scanner.adapter.metadata+json; version=1.1"
REQUEST_TYPE = "application/vnd.scanner.adapter.scan.request+json; version=1.1"
ACCEPTED_TYPE = "application/vnd.scanner.adapter.scan.response+json; version=1.0"
SCAN_ID = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,199}", re.ASCII)


class ScannerRefused(Exception):
    """The scanner will not, or cannot, and asking again would not help; the message says why."""


class Answer(NamedTuple):
    """What a scanner says of a scan: its report, or in how many seconds to ask again; neither if it knows of none."""

    report: bytes | None = None
    pause_seconds: int | None = None


class _Heard(NamedTuple):
    status: int
    media_type: str
    refresh_after: str
    body: bytes


class Scanner:
    """A client of one adapter; it keeps no connection. What it cannot reach is `Unreachable`."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        ca_file: Path | None = None,
        *,
        registry_url: str,
        is_beside: bool = False,
    ) -> None:
        self.registry_url = registry_url
        self.is_beside = is_beside  # our own engine, and not in place of it
        parts = urlsplit(url)
        self._is_secure = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._is_secure else 80)
        self._path, self._authority = parts.path.rstrip("/"), parts.netloc
        self._token = token
        self._tls = ssl.create_default_context()
        if ca_file is not None:
            self._tls.load_verify_locations(ca_file)

    def metadata(self) -> Metadata:
        """What it is and can; `BadReport` if it does not say."""
        heard = self._ask("GET", "/metadata", METADATA_TYPE, SMALL_BYTES)
        if heard.status != 200:
            raise ScannerRefused(_worded(heard))
        return read_metadata(heard.body)

    def begin(self, request: bytes) -> str:
        """Ask for a scan; its id there."""
        heard = self._ask("POST", "/scan", ACCEPTED_TYPE, SMALL_BYTES, body=request)
        if heard.status != 202:
            raise _fault(heard)
        id_ = read_accepted(heard.body).id
        if not SCAN_ID.fullmatch(id_):
            raise BadReport("the id of its scan is none that can be asked for")
        return id_

    def report(self, id_: str, media_type: str, watch: Callable[[], None] = lambda: None) -> Answer:
        """How a scan stands; `watch` is called between pieces of its report."""
        heard = self._ask("GET", f"/scan/{id_}/report", media_type, REPORT_BYTES, watch=watch)
        if heard.status == 302:
            told = heard.refresh_after
            return Answer(
                pause_seconds=min(max(int(told), 1), LONGEST_PAUSE) if re.fullmatch("[0-9]{1,6}", told) else 5
            )
        if heard.status == 404:
            return Answer()
        if heard.status != 200:
            raise ScannerRefused(_worded(heard))
        kind = heard.media_type.partition(";")[0].strip().lower()
        if kind not in {media_type.partition(";")[0], "application/json"}:
            raise BadReport(f"its report is of the type {kind[:100]!r}")
        return Answer(heard.body)

    def _ask(
        self,
        method: str,
        path: str,
        accept: str,
        limit: int,
        *,
        body: bytes | None = None,
        watch: Callable[[], None] = lambda: None,
    ) -> _Heard:
        headers = {"Host": self._authority, "Accept": accept, "Accept-Encoding": "identity", "Connection": "close",
                   "User-Agent": USER_AGENT}  # fmt: skip
        if body is not None:
            headers["Content-Type"] = REQUEST_TYPE
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        connection: HTTPConnection | None = None
        is_late = threading.Event()
        try:
            connection = self._connect()
            timer = threading.Timer(ANSWER_SECONDS, _cut, (connection, is_late))  # an answer may come in drops
            timer.daemon = True
            timer.start()
            try:
                url = f"{self._path}/api/v1{path}"
                connection.request(method, url, body, headers, preload_content=False, decode_content=False)
                heard = _read(connection.getresponse(), limit, watch)
            finally:
                timer.cancel()
        except (OSError, urllib3.exceptions.HTTPError, ValueError) as fault:
            why = LATE if is_late.is_set() else f"{fault!s:.200}"
            raise Unreachable(f"the scanner {self._authority}: {why}") from None
        finally:
            if connection is not None:
                connection.close()
        if is_late.is_set():  # what came until then may look whole
            raise Unreachable(f"the scanner {self._authority}: {LATE}")
        return heard

    def _connect(self) -> HTTPConnection:
        found = resolve(self._host, self._port)
        reachable = [one for one in found if not (one.is_link_local or one.is_multicast or one.is_unspecified)]
        if not reachable:  # where machines ask for their own credentials
            raise OSError(f"it has no address that may be reached ({', '.join(map(str, found[:ADDRESSES]))})")
        return dial(reachable[:ADDRESSES], self._connection)

    def _connection(self, address: str) -> HTTPConnection:
        if not self._is_secure:
            return HTTPConnection(address, self._port, timeout=SECONDS)
        return HTTPSConnection(address, self._port, timeout=SECONDS, ssl_context=self._tls, server_hostname=self._host)


def _cut(connection: HTTPConnection, is_late: threading.Event) -> None:
    is_late.set()
    with suppress(OSError, AttributeError):  # it may be closing at this very moment
        connection.sock.shutdown(socket.SHUT_RDWR)


def _read(response: urllib3.BaseHTTPResponse, limit: int, watch: Callable[[], None]) -> _Heard:
    """What was answered; the socket is the response's by now, and goes with it."""
    try:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise BadReport("it answered in an encoding that was not asked for")
        body = bytearray()
        while piece := response.read(min(PIECE_BYTES, limit + 1 - len(body)), decode_content=False):
            body += piece
            if len(body) > limit:
                raise BadReport(f"limit: its answer has more than {limit} bytes")
            watch()
    finally:
        response.close()
    told = response.headers
    return _Heard(response.status, told.get("content-type", ""), told.get("refresh-after", "").strip(), bytes(body))


def _fault(heard: _Heard) -> Exception:
    """Of a scan that it did not take on: it is too busy, or it will not."""
    return Unreachable(_worded(heard)) if heard.status in {429, 502, 503, 504} else ScannerRefused(_worded(heard))


def _worded(heard: _Heard) -> str:
    text = heard.body[:500].decode(errors="replace").replace("\0", "").strip()
    return f"the scanner answered {heard.status}" + (f": {text}" if text else "")
