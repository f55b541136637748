"""Large files from https addresses that the operator chose: checked as all calls outward are, and gone on with.

file.partial ── Range, If-Range ──► 206 goes on, 200 begins anew ── whole, on disk ──► file
file         ── If-None-Match, If-Modified-Since ──► 304: there is nothing new
"""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import time
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import urllib3

from holdfast.outbound.faults import worded
from holdfast.outbound.fetch import USER_AGENT, Fetcher, Unreachable, connection_to, dial, target_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from urllib3.connection import HTTPConnection

    from holdfast.outbound.fetch import Target

READ_SECONDS = 30.0  # for each piece
SECONDS = 3600.0  # for all of them
PIECE_BYTES = 256 * 1024
REDIRECTS = 3
_FAULTS = (OSError, urllib3.exceptions.HTTPError, ssl.SSLError)


@dataclass(frozen=True, slots=True)
class Version:
    """What a server calls the version of a file that it sent."""

    url: str
    etag: str = ""
    last_modified: str = ""

    @property
    def modified_at(self) -> datetime | None:
        """When it was changed, if the server says so."""
        with suppress(ValueError, TypeError):
            found = parsedate_to_datetime(self.last_modified)
            return found if found.tzinfo else None
        return None


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file that is whole and on disk."""

    version: Version
    sha256: str
    size_bytes: int


class Downloader(Fetcher):
    """Downloads files; an attempt that was cut off is gone on with by the next one."""

    def download(
        self, url: str, path: Path, maximum_bytes: int, have: Version | None, moved: Callable[[int, int], None]
    ) -> Downloaded | None:
        """Bring a file to a path; None if the server has what is there already. Raises `Unreachable`.

        `moved` is told how many bytes are there, and of how many, which is 0 if nobody knows.
        """
        partial = path.with_name(f"{path.name}.partial")
        at = url
        for _ in range(REDIRECTS + 1):
            target = target_of(at)
            with closing(self._open_connection(target)) as connection:
                try:
                    found = self._one(connection, target, url, partial, maximum_bytes, have, moved)
                except _FAULTS as fault:
                    raise Unreachable(f"{target.authority}: {worded(fault)}") from None
            if isinstance(found, str):
                at = found
                continue
            if found is not None:
                partial.replace(path)
            return found
        raise Unreachable(f"{target_of(url).authority} redirects more than {REDIRECTS} times")

    def _open_connection(self, target: Target) -> HTTPConnection:
        try:
            return dial(
                self._addresses(target), lambda address: connection_to(address, target, self._tls, READ_SECONDS)
            )
        except _FAULTS as fault:
            raise Unreachable(f"{target.authority} refuses connections: {worded(fault)}") from None

    def _one(
        self,
        connection: HTTPConnection,
        target: Target,
        url: str,
        partial: Path,
        maximum_bytes: int,
        have: Version | None,
        moved: Callable[[int, int], None],
    ) -> Downloaded | str | None:
        """One request; the address that it is sent on to, if it is."""
        start = partial.stat().st_size if (begun := _begun(partial, url)) else 0
        headers = {
            "Host": target.authority,
            "Accept-Encoding": "identity",
            "User-Agent": USER_AGENT,
            "Connection": "close",
            **(_going_on(begun, start) if begun and start else _unless_had(have, url)),
        }
        connection.request("GET", target.path, headers=headers, preload_content=False, decode_content=False)
        with closing(connection.getresponse()) as response:  # the socket is its own by now
            return self._heard(response, target, url, partial, start, maximum_bytes, moved)

    def _heard(
        self,
        response: urllib3.BaseHTTPResponse,
        target: Target,
        url: str,
        partial: Path,
        start: int,
        maximum_bytes: int,
        moved: Callable[[int, int], None],
    ) -> Downloaded | str | None:
        if response.status in {301, 302, 303, 307, 308}:
            return str(response.headers.get("location", ""))
        if response.status == 304:
            return None
        if response.status == 416:
            _forget(partial)
            raise Unreachable(f"{target.authority} has another version by now; try again")
        if response.status not in {200, 206}:
            raise Unreachable(f"{target.authority} answered {response.status} for {target.path[:200]}")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise Unreachable(f"{target.authority} answered in an encoding that was not asked for")
        version = Version(url, response.headers.get("etag", ""), response.headers.get("last-modified", ""))
        if response.status == 200:
            start = 0
            _note(partial, version)
        elif not response.headers.get("content-range", "").startswith(f"bytes {start}-"):
            _forget(partial)
            raise Unreachable(f"{target.authority} sent another part than was asked for; try again")
        length = response.headers.get("content-length", "")
        total = start + int(length) if length.isdecimal() else 0
        return self._receive(response, target, partial, version, start, total, maximum_bytes, moved)

    def _receive(
        self,
        response: urllib3.BaseHTTPResponse,
        target: Target,
        partial: Path,
        version: Version,
        start: int,
        total: int,
        maximum_bytes: int,
        moved: Callable[[int, int], None],
    ) -> Downloaded:
        until = time.monotonic() + SECONDS
        hashed = hashlib.sha256()
        with partial.open("r+b" if start else "wb") as file:
            while piece := file.read(min(PIECE_BYTES, start - file.tell())) if file.tell() < start else b"":
                hashed.update(piece)
            size = start
            while True:
                if max(size, total) > maximum_bytes:
                    _forget(partial)
                    raise Unreachable(f"{target.authority} has more than {maximum_bytes} bytes")
                if time.monotonic() > until:
                    raise Unreachable(f"{target.authority} took longer than {SECONDS:g} seconds; the next try goes on")
                piece = response.read(PIECE_BYTES, decode_content=False)
                if not piece:
                    break
                file.write(piece)
                hashed.update(piece)
                size += len(piece)
                moved(size, total)
            if total and size != total:
                raise Unreachable(f"{target.authority} sent {size} of {total} bytes; the next try goes on")
            file.flush()
            os.fsync(file.fileno())
        _state(partial).unlink(missing_ok=True)
        return Downloaded(version, hashed.hexdigest(), size)


def _going_on(begun: Version, start: int) -> dict[str, str]:
    return {"Range": f"bytes={start}-", "If-Range": begun.etag or begun.last_modified}


def _unless_had(have: Version | None, url: str) -> dict[str, str]:
    if have is None or have.url != url:
        return {}
    asked = {"If-None-Match": have.etag, "If-Modified-Since": have.last_modified}
    return {name: value for name, value in asked.items() if value}


def _state(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _begun(partial: Path, url: str) -> Version | None:
    """The version of which a part is there, if it can be gone on with."""
    try:
        version = Version(**json.loads(_state(partial).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    is_sure = version.last_modified or (version.etag and not version.etag.startswith("W/"))
    return version if partial.exists() and version.url == url and is_sure else None


def _note(partial: Path, version: Version) -> None:
    partial.unlink(missing_ok=True)
    _state(partial).write_text(json.dumps(asdict(version)))


def _forget(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    _state(partial).unlink(missing_ok=True)
