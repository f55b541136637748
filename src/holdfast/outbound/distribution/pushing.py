"""What a remote registry is given: blobs, resumed where they broke off, and manifests.

HEAD ── there ──► done
 └── POST ── mounted ──► done          an upload that was begun before, by whomever
      │                                 │
      └── PATCH, PATCH, … ── broken off ┴─► GET: how far? ──► PATCH from there, or begin anew
           └── PUT ?digest= ──► 201     (a small blob comes with it, without a PATCH)
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode, urljoin

from holdfast.outbound.distribution.faults import (
    Full,
    Lied,
    NotThere,
    OutOfBounds,
    Rejected,
    RemoteFault,
    Unreachable,
    printable,
)
from holdfast.outbound.distribution.pulling import SLOWEST, Puller
from holdfast.outbound.distribution.session import path_of, scope_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from holdfast.outbound.distribution.wire import Answer

    Source = Callable[[int], Iterable[bytes]]  # the pieces of a blob from an offset on

log = logging.getLogger(__name__)

SMALL_BYTES = 256 * 1024  # sent as a whole, with the PUT
TICK_SECONDS = 2.0  # between two looks, while a chunk is sent, whether somebody wants that it goes on
CHUNK_BYTES = 64 * 1024 * 1024  # of one PATCH; ECR takes none under 5 MiB but the last
SLOWEST_HASH = 16 * 1024 * 1024  # bytes a second that a remote may need to hash or move an upload once more
BREAKS = 5  # without a byte in between
MOST_BEGINNINGS = 3  # of one blob, where a remote forgot what it had
_RANGE = re.compile(r"(?:bytes=)?0-([0-9]{1,18})", re.ASCII)


class Put(NamedTuple):
    """What a remote says of a manifest that it was given."""

    digest: str
    knows_subject: bool  # it lists it as a referrer by itself (distribution-spec, "OCI-Subject")


class Upload(NamedTuple):
    """A blob on its way, as far as the remote has it; who has the URL may go on with it."""

    url: str
    received_bytes: int


Watch = Callable[[Upload], None]


class _Wanted(NamedTuple):
    """A blob that the remote shall have."""

    digest: str
    size_bytes: int
    source: Source
    chunk_bytes: int
    scope: tuple[str, ...]
    watch: Watch

    @property
    def called(self) -> str:
        """In place of the URL of its upload, with which anybody might go on."""
        return f"an upload of {self.digest}"


COPIED_FROM = "Holdfast-Copied-From"  # account/region


class Pusher(Puller):
    """Writes to one remote registry, and reads from it."""

    def push_blob(
        self,
        name: str,
        digest: str,
        size_bytes: int,
        source: Source,
        *,
        mount_from: str | None = None,
        begun: str = "",
        is_missing: bool = False,
        chunk_bytes: int | None = None,
        watch: Watch = lambda _: None,
        pause: Callable[[float], None] = time.sleep,
    ) -> bool:
        """Give a blob, unless it is there; whether bytes were sent. One that is known to be missing is not asked for.

        `begun` is the URL of an upload that somebody did not end. `watch` is told how far it is.
        Raises a `RemoteFault`, and what `watch` and `source` raise unless it looks like a fault of the network.
        """
        wanted = _Wanted(digest, size_bytes, source, chunk_bytes or CHUNK_BYTES, _push(name), watch)
        if not is_missing and self.has_blob(name, digest, size_bytes):
            return False
        fault: RemoteFault | None = None
        upload = self._resumed(begun, wanted) if begun else None
        for _ in range(MOST_BEGINNINGS):
            upload = upload or self._begin(name, digest, mount_from)
            if upload is None:
                return False
            watch(upload)
            fault = self._go_on(upload, wanted, pause)
            if fault is None or self.has_blob(name, digest, size_bytes):  # or the answer that said so was lost
                return True
            upload = None
        assert fault is not None, "it was begun once at least"
        raise fault

    def _resumed(self, begun: str, wanted: _Wanted) -> Upload | None:
        """An upload that was begun before; None if for any reason it cannot be gone on with."""
        try:
            return self._status(Upload(begun, 0), wanted)
        except RemoteFault as fault:
            log.info("an upload of %s to %s is begun anew: %s", wanted.digest, self.authority, fault)
            return None

    def _go_on(self, upload: Upload, wanted: _Wanted, pause: Callable[[float], None]) -> RemoteFault | None:
        """Send the rest of an upload and end it; after what the remote forgot it, if it did."""
        breaks = 0
        while True:
            try:
                whole = upload.received_bytes == 0 and wanted.size_bytes <= SMALL_BYTES
                while upload.received_bytes < wanted.size_bytes and not whole:
                    upload = self._send(upload, wanted)
                    breaks = 0
                    wanted.watch(upload)
                self._finish(upload, wanted, b"".join(wanted.source(0)) if whole else b"")
            except (Full, OutOfBounds):
                raise
            except (Unreachable, Rejected, NotThere) as fault:
                breaks += 1
                if breaks > BREAKS or (isinstance(fault, Rejected) and fault.status not in {400, 416}):
                    raise
                pause(min(0.1 * 4**breaks, 10.0))
                continued = self._continued(upload, wanted)
                if continued is None:
                    return fault
                breaks = 0 if continued.received_bytes > upload.received_bytes else breaks
                upload = continued
            else:
                return None

    def has_blob(self, name: str, digest: str, size_bytes: int) -> bool:
        """Whether a repository there has a blob of that size, as far as the remote says."""
        try:
            answer = self.ask("HEAD", path_of(name, "blobs", digest), _push(name))
        except NotThere:
            return False
        length, told = (answer.headers.get(header, "") for header in ("content-length", "docker-content-digest"))
        answer.drain()
        if (length.isdecimal() and int(length[:18]) != size_bytes) or _is_another(told, digest):
            log.warning("%s has %s bytes as %s for %s, which has %d: it is not believed",
                        self.authority, length[:18], printable(told), digest, size_bytes)  # fmt: skip
            return False
        return True

    def mount(self, name: str, digest: str, source: str) -> bool:
        """Let a repository of the remote have a blob that another one there has; False if the remote will not."""
        upload = self._begin(name, digest, source)
        if upload is not None:
            self._cancel(upload, _push(name))
        return upload is None

    def push_manifest(self, name: str, reference: str, media_type: str, body: bytes, *, copied_from: str = "") -> Put:
        """Give a manifest under a tag or its digest. Raises `Rejected`, as for a tag that may not be moved.

        Another Holdfast is told which registry's it is a copy of, if it is, so that it copies it no further.
        """
        answer = self.ask(
            "PUT", path_of(name, "manifests", reference), _push(name),
            {"Content-Type": media_type} | _mark(copied_from), body, expected=(200, 201, 202),
        )  # fmt: skip
        told = Put(answer.headers.get("docker-content-digest", ""), "oci-subject" in answer.headers)
        answer.drain()
        return told

    def delete_manifest(self, name: str, reference: str, *, copied_from: str = "", of: str = "") -> bool:
        """Remove a manifest by its digest, or a tag; False if it was not there. `copied_from` is as for a push.

        Another Holdfast keeps a tag that by now names something else than the digest `of`.
        """
        scope = (scope_of(name, "pull", "push", "delete"),)
        try:
            path, headers = (
                path_of(name, "manifests", reference),
                _mark(copied_from) | ({"If-Match": f'"{of}"'} if of else {}),
            )
            self.ask("DELETE", path, scope, headers, expected=(200, 202, 204)).drain()
        except NotThere:
            return False
        return True

    # ---- Uploads

    def _begin(self, name: str, digest: str, mount_from: str | None) -> Upload | None:
        """A fresh upload; None if the blob was mounted in place of it."""
        query, scope = "", _push(name)
        if mount_from is not None:
            query = "?" + urlencode({"mount": digest, "from": mount_from})
            scope = (*scope, scope_of(mount_from, "pull"))
        answer = self.ask(
            "POST", f"{path_of(name, 'blobs', 'uploads')}/{query}", scope, {"Content-Length": "0"}, b"",
            expected=(201, 202),
        )  # fmt: skip
        answer.drain()
        if answer.status == 201 and mount_from is not None:
            return None
        return Upload(self._location(answer, ""), 0)

    def _send(self, upload: Upload, wanted: _Wanted) -> Upload:
        """The next chunk of an upload."""
        start = upload.received_bytes
        looked = [time.monotonic()]

        def tick() -> None:
            if time.monotonic() > looked[0] + TICK_SECONDS:
                wanted.watch(upload)
                looked[0] = time.monotonic()

        end = min(start + wanted.chunk_bytes, wanted.size_bytes)
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(end - start),
            "Content-Range": f"{start}-{end - 1}",
        }
        answer = self.ask(
            "PATCH", upload.url, wanted.scope, headers, lambda: _exactly(wanted.source(start), end - start, tick),
            expected=(200, 201, 202, 204), seconds=60 + (end - start) / SLOWEST, called=wanted.called,
        )  # fmt: skip
        answer.drain()
        return Upload(self._location(answer, upload.url), end)

    def _finish(self, upload: Upload, wanted: _Wanted, rest: bytes) -> None:
        joint = "&" if "?" in upload.url else "?"
        answer = self.ask(
            "PUT", f"{upload.url}{joint}{urlencode({'digest': wanted.digest})}", wanted.scope,
            {"Content-Type": "application/octet-stream", "Content-Length": str(len(rest))}, rest,
            expected=(200, 201, 204), seconds=60 + wanted.size_bytes / SLOWEST_HASH, called=wanted.called,
        )  # fmt: skip
        told = answer.headers.get("docker-content-digest", wanted.digest)
        answer.drain()
        if _is_another(told, wanted.digest):
            raise Lied(f"{self.authority} keeps the blob {wanted.digest} as {printable(told)}")

    def _continued(self, upload: Upload, wanted: _Wanted) -> Upload | None:
        """An upload as far as the remote has it; None if it has forgotten it."""
        try:
            return self._status(upload, wanted)
        except (NotThere, Rejected):
            self._cancel(upload, wanted.scope)
            return None
        except Unreachable:
            return upload  # another break; it is asked again

    def _status(self, upload: Upload, wanted: _Wanted) -> Upload | None:
        """How far the remote has an upload; None if that is further than the blob goes."""
        answer = self.ask("GET", upload.url, wanted.scope, expected=(200, 204), called=wanted.called)
        answer.drain()
        found = _RANGE.fullmatch(answer.headers.get("range", "").strip())
        received = int(found[1]) + 1 if found is not None and found[1] != "0" else 0
        if received > wanted.size_bytes:
            self._cancel(upload, wanted.scope)
            return None
        return Upload(self._location(answer, upload.url), received)

    def _cancel(self, upload: Upload, scope: tuple[str, ...]) -> None:
        with suppress(RemoteFault):
            self.ask("DELETE", upload.url, scope, expected=(200, 202, 204)).drain()

    def _location(self, answer: Answer, otherwise: str) -> str:
        told = answer.headers.get("location", "")
        if not told and not otherwise:
            raise Lied(f"{self.authority} began an upload and does not say where")
        return urljoin(self.url_of(answer.target), told) if told else otherwise


def _mark(copied_from: str) -> dict[str, str]:
    return {COPIED_FROM: copied_from} if copied_from else {}


def _push(name: str) -> tuple[str, ...]:
    return (scope_of(name, "pull", "push"),)


def _is_another(told: str, digest: str) -> bool:
    """Whether a remote tells another digest, and not one of another algorithm, or none."""
    return told.partition(":")[0] == digest.partition(":")[0] and told != digest


def _exactly(pieces: Iterable[bytes], amount: int, tick: Callable[[], None]) -> Iterator[bytes]:
    """So many bytes of a source."""
    for piece in pieces:
        tick()
        if len(piece) >= amount:
            yield piece[:amount]
            return
        amount -= len(piece)
        yield piece
    if amount:
        raise RuntimeError(f"{amount} bytes of the source are missing")
