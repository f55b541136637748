"""What a remote registry has: manifests by their exact bytes, blobs from any offset on, tags, referrers."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urljoin

import msgspec

from holdfast.model import digests, manifests, referrer_lists
from holdfast.outbound.distribution.faults import Lied, NotThere, RemoteFault, TooManyRequests, Unreachable
from holdfast.outbound.distribution.session import Session, path_of, scope_of
from holdfast.outbound.distribution.wire import at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.outbound.distribution.wire import Answer
    from holdfast.outbound.fetch import Target

ACCEPT = ", ".join(sorted(manifests.MANIFEST_TYPES))
LIST_BYTES = 4 * 1024 * 1024  # of one page of a list
PAGE = 1000
PAGES = 1000  # of one list
REFERRERS = 2000  # of one manifest
REFERRER_PAGES = 20  # on which they are
SLOWEST = 32 * 1024  # bytes a second that a blob must come with, after a first minute
BREAKS = 5  # of one blob, without a byte in between
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.ASCII)
_NEXT = re.compile(r'<([^<>]+)>\s*;\s*rel="?next"?', re.ASCII)


@dataclass(frozen=True, slots=True)
class Described:
    """A manifest without its bytes."""

    digest: str
    media_type: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The exact bytes of a manifest; its digest was computed from them."""

    digest: str
    media_type: str  # as the remote says; empty if it does not
    body: bytes


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest that refers to another one."""

    digest: str
    media_type: str
    size_bytes: int
    artifact_type: str | None


class Blob:
    """Bytes of a blob on their way, from an offset on; its digest is proved by whoever has the bytes before it."""

    def __init__(self, answer: Answer, begins: int, start: int, size_bytes: int) -> None:
        self.size_bytes = size_bytes  # of all of it
        self._answer = answer
        self._position = begins
        self._start = start  # what comes before it goes by once more if its server knows no ranges

    def read(self) -> bytes:
        """The next piece, empty when all is there. Raises `Unreachable` if it breaks off, and `Lied`."""
        while True:
            piece = self._answer.read()
            self._position += len(piece)
            if self._position > self.size_bytes:
                self._answer.close()
                raise Lied(f"{self._answer.target.authority} sent more than the {self.size_bytes} bytes of a blob")
            if not piece and self._position < self.size_bytes:
                raise Unreachable(
                    f"{self._answer.target.authority} broke off after {self._position} of {self.size_bytes} bytes"
                )
            if self._position > self._start or not piece:
                return piece[-(self._position - self._start) :] if piece else b""


class Puller(Session):
    """Reads from one remote registry."""

    # ---- Manifests

    def manifest(self, name: str, reference: str) -> Manifest:
        """A manifest by tag or digest. Raises `NotThere`, and `Lied` if it is not what it is called."""
        answer = self.ask("GET", path_of(name, "manifests", reference), _pull(name), {"Accept": ACCEPT})
        told = answer.headers.get("docker-content-digest", "")
        media_type = _media_type(answer)
        body = answer.whole(manifests.MAXIMUM_BYTES)
        wanted = reference if ":" in reference else told
        algorithm = digests.algorithm(wanted) if digests.is_digest(wanted) else "sha256"
        digest = digests.digest_of(body, algorithm)
        for claimed in {told if digests.is_digest(told) else "", reference if ":" in reference else ""} - {""}:
            # Another algorithm's digest of the same bytes is no lie.
            if claimed != digests.digest_of(body, digests.algorithm(digests.check_digest(claimed))):
                raise Lied(f"{self.authority} sent bytes of {digest} as the manifest {claimed}")
        return Manifest(digest, media_type, body)

    def stat_manifest(self, name: str, reference: str) -> Described:
        """What a tag or digest names, without its bytes if the remote can say that. Raises `NotThere`."""
        answer = self.ask("HEAD", path_of(name, "manifests", reference), _pull(name), {"Accept": ACCEPT})
        digest, length = answer.headers.get("docker-content-digest", ""), answer.headers.get("content-length", "")
        answer.drain()
        if ":" in reference and digests.is_digest(reference):
            if digests.is_digest(digest) and digest != reference and _is_same_kind(digest, reference):
                raise Lied(f"{self.authority} answered for {digest} when asked for {reference}")
            digest = reference
        if not digests.is_digest(digest) or not length.isdecimal():
            found = self.manifest(name, reference)
            return Described(found.digest, found.media_type, len(found.body))
        return Described(digest, _media_type(answer), int(length[:18]))

    # ---- Blobs

    def stat_blob(self, name: str, digest: str) -> int:
        """How many bytes a blob has. Raises `NotThere`."""
        answer = self.ask("HEAD", path_of(name, "blobs", digest), _pull(name))
        length = answer.headers.get("content-length", "")
        answer.drain()
        if not length.isdecimal():
            raise Lied(f"{self.authority} does not say how long the blob {digest} is")
        return int(length[:18])

    @contextmanager
    def blob(self, name: str, digest: str, start: int = 0, size_bytes: int | None = None) -> Iterator[Blob]:
        """A blob from an offset on; `size_bytes` is what it must have in all, if that is known.

        Raises `NotThere`, `Unreachable`, and `Lied` if sizes or ranges are not what they should be.
        """
        headers = {"Range": f"bytes={start}-"} if start else {}
        expected = (200, 206) if start else (200,)
        answer = self.ask("GET", path_of(name, "blobs", digest), _pull(name), headers, expected=expected)
        try:
            begins, size = _span(answer, start, size_bytes)
            if size_bytes is not None and size != size_bytes:
                raise Lied(f"{self.authority} has {size} bytes for {digest}, which must have {size_bytes}")
            answer.within(60 + (size - begins) / SLOWEST)
            yield Blob(answer, begins, start, size)
        finally:
            answer.close()

    def read_blob(
        self,
        name: str,
        digest: str,
        start: int = 0,
        size_bytes: int | None = None,
        *,
        opened: Callable[[int], None] = lambda _: None,
        is_proved_elsewhere: bool = False,
        pause: Callable[[float], None] = time.sleep,
    ) -> Iterator[bytes]:
        """The pieces of a blob from an offset on; what breaks off is gone on with a few times.

        `opened` is told how many bytes it has in all, once that is known. A blob that is read from its beginning is
        proved, unless the caller does that: `Lied` is raised after its last piece if that was not it.
        """
        proof = digests.hasher(digests.algorithm(digest)) if start == 0 and not is_proved_elsewhere else None
        position, breaks = start, 0
        while True:
            try:
                with self.blob(name, digest, position, size_bytes) as stream:
                    if position == start and not breaks:
                        opened(stream.size_bytes)
                    size_bytes = stream.size_bytes
                    while piece := stream.read():
                        if proof is not None:
                            proof.update(piece)
                        position += len(piece)
                        breaks = 0
                        yield piece
                break
            except Unreachable:
                breaks += 1
                if breaks > BREAKS or position == start:  # one that never came is not insisted on
                    raise
                pause(min(0.1 * 4**breaks, 10.0))
        if proof is not None and f"{digests.algorithm(digest)}:{proof.hexdigest()}" != digest:
            raise Lied(f"{self.authority} sent other bytes as the blob {digest}")

    # ---- Lists

    def tags(self, name: str, after: str = "") -> Iterator[str]:
        """The tags of a repository, in the remote's order, as far as a thousand pages of a thousand."""
        query = urlencode({"n": str(PAGE)} | ({"last": after} if after else {}))
        for told in self._pages(f"{path_of(name, 'tags', 'list')}?{query}", _pull(name), "application/json"):
            for tag in told.get("tags") or ():
                if isinstance(tag, str):
                    yield tag

    def referrers(self, name: str, digest: str, artifact_type: str | None = None) -> list[Referrer]:
        """What refers to a manifest: by the API, or by the tag that stands in for it (distribution-spec)."""
        query = f"?artifactType={quote(artifact_type, safe='')}" if artifact_type else ""
        found: list[Any] = []
        try:
            pages = self._pages(path_of(name, "referrers", digest) + query, _pull(name), manifests.OCI_INDEX)
            for number, told in enumerate(pages, 1):
                found += _listed(told)
                if len(found) > REFERRERS or number > REFERRER_PAGES:
                    raise Lied(f"{self.authority} has more than {REFERRERS} referrers of {digest}, or an endless list")
        except NotThere:
            try:
                body = self.manifest(name, referrer_lists.tag_of(digest)).body
            except NotThere:
                return []
            found = _listed(self._decoded(body))
        referrers = dict.fromkeys(_referrer(one) for one in found)
        return [one for one in referrers if one is not None and artifact_type in {None, one.artifact_type}]

    def lists_referrers(self, name: str, digest: str) -> bool:
        """Whether it has the referrers API, as far as it answers for one manifest."""
        try:
            path = path_of(name, "referrers", digest)
            answer = self.ask("GET", path, _pull(name), {"Accept": manifests.OCI_INDEX})
        except (Unreachable, TooManyRequests):
            raise
        except RemoteFault:
            return False
        answer.drain()
        return _media_type(answer) == manifests.OCI_INDEX

    def _pages(self, path: str, scope: tuple[str, ...], accept: str) -> Iterator[dict[str, Any]]:
        for _ in range(PAGES):
            answer = self.ask("GET", path, scope, {"Accept": accept})
            further = _NEXT.search(answer.headers.get("link", ""))
            here = answer.target
            yield self._decoded(answer.whole(LIST_BYTES))
            if further is None:
                return
            path = urljoin(self.url_of(here), further[1])
            self._require_own(at(path), here)
        raise Lied(f"{self.authority} has a list without end")

    def _require_own(self, target: Target, here: Target) -> None:
        if target.origin != here.origin:
            raise Lied(f"{self.authority} goes on with a list at {target.authority}")

    def _decoded(self, body: bytes) -> dict[str, Any]:
        try:
            told = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise Lied(f"{self.authority} answered a list with something else")
        return told


def _pull(name: str) -> tuple[str, ...]:
    return (scope_of(name, "pull"),)


def _media_type(answer: Answer) -> str:
    told = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return "" if told in {"application/json", "text/plain", "application/octet-stream"} else told[:255]


def _is_same_kind(one: str, other: str) -> bool:
    return digests.algorithm(one) == digests.algorithm(other)


def _span(answer: Answer, start: int, size_bytes: int | None) -> tuple[int, int]:
    """Where an answer begins, and how many bytes the blob has in all."""
    who, length = answer.target.authority, answer.headers.get("content-length", "")
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        raise Lied(f"{who} answered in an encoding that was not asked for")
    if answer.status == 206:
        found = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", "").strip())
        if found is None or found[3] == "*" or int(found[1]) != start or int(found[2]) + 1 != int(found[3]):
            raise Lied(f"{who} sent another range than was asked for")
        return start, int(found[3])
    if length.isdecimal():
        return 0, int(length[:18])
    if size_bytes is None:
        raise Lied(f"{who} does not say how long a blob is")
    return 0, size_bytes


def _listed(told: dict[str, Any]) -> list[Any]:
    found = told.get("manifests")
    return found if isinstance(found, list) else []


def _referrer(told: Any) -> Referrer | None:
    try:
        descriptor = msgspec.convert(told, manifests.Descriptor)
    except msgspec.ValidationError:
        return None
    if not digests.is_digest(descriptor.digest) or descriptor.media_type not in manifests.MANIFEST_TYPES:
        return None
    return Referrer(descriptor.digest, descriptor.media_type, descriptor.size, descriptor.artifact_type)
