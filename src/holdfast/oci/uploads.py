"""Push blobs: whole, in a stream, or in chunks."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.http import Receive, Response
from holdfast.model import digests
from holdfast.model.errors import (
    DigestInvalid,
    LayerPartTooSmall,
    LayerTooLarge,
    NameInvalid,
    RangeInvalid,
    Refusal,
    SizeInvalid,
    UploadNotFound,
)
from holdfast.model.names import RepositoryRef
from holdfast.model.uploads import MINIMUM_PART_BYTES, PART_BYTES, Upload
from holdfast.oci import errors
from holdfast.oci.errors import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.http import Answer
    from holdfast.oci.call import Call
    from holdfast.registry.objects import PartWriter

log = logging.getLogger(__name__)

CONTENT_RANGE = re.compile(r"(?:bytes[ =])?(\d{1,18})-(\d{1,18})(?:/.*)?", re.ASCII)


def begin(call: Call) -> Answer:
    """Open an upload; or mount a blob that is there; or take a whole blob at once."""
    mounted, digest = call.query("mount"), call.query("digest")
    whole = digest if mounted is None and not call.is_strict else None
    if whole is not None:
        for action in ("ecr:UploadLayerPart", "ecr:CompleteLayerUpload"):
            call.require(action)
        digests.check_digest(whole)
        _check_length(call, 0)
    call.ensure_repository()
    if mounted is not None and _mount(call, mounted):
        return _created(call, mounted)
    if whole is not None:
        writer = registry.uploads.receive_whole(call.on, call.at)
        return Receive(_Sink(call, writer, lambda: _whole(call, writer, whole)))
    upload_id = registry.uploads.begin(call.on, call.at)
    return Response(202, _progress(call, upload_id, 0))


def _mount(call: Call, digest: str) -> bool:
    """Whether a blob could be mounted from where the caller may read it; if not, he uploads it."""
    source = call.query("from")
    if source is None or not digests.is_digest(digest):
        return False
    try:
        origin = RepositoryRef(call.registry, source)
    except NameInvalid:
        return False
    if not call.may("ecr:GetDownloadUrlForLayer", origin):
        return False
    return registry.uploads.mount(call.on, call.at, origin, digest)


def _whole(call: Call, writer: PartWriter, digest: str) -> Response:
    registry.uploads.complete_whole(call.on, call.at, writer, digest)
    return _created(call, digest)


def status(call: Call) -> Response:
    """Say how far an upload is; ECR does not."""
    if call.is_strict:
        raise UploadNotFound(call.at, call.reference)
    upload = registry.uploads.get(call.on, call.at, call.reference)
    return Response(204, _progress(call, upload.id, upload.received_bytes))


def append(call: Call) -> Answer:
    """Take the next bytes of an upload."""
    upload = registry.uploads.get(call.on, call.at, call.reference)
    writer = _receive(call, upload)

    def keep() -> Response:
        received = registry.uploads.append(call.on, call.at, upload, writer)
        if call.is_strict:  # ECR's answer never tells of later chunks (containers-roadmap 2831)
            return Response(201, _progress(call, upload.id, PART_BYTES))
        return Response(202, _progress(call, upload.id, received))

    def keep_what_came() -> None:
        registry.uploads.append(call.on, call.at, upload, writer)

    return Receive(_Sink(call, writer, keep, keep_what_came))


def complete(call: Call) -> Answer:
    """Take the last bytes of an upload, if any, and make it a blob."""
    digest = call.query("digest")
    if digest is None:
        raise DigestInvalid("The query parameter 'digest' is missing: it names the blob that this upload becomes")
    digests.check_digest(digest)
    try:
        upload = registry.uploads.get(call.on, call.at, call.reference)
    except UploadNotFound:
        return _repeat(call, digest)
    length = call.request.content_length
    if length == 0 or (length is None and call.request.header("transfer-encoding") is None):
        return _finish(call, upload, digest)
    call.require("ecr:UploadLayerPart")
    writer = _receive(call, upload)
    return Receive(_Sink(call, writer, lambda: _finish(call, upload, digest, writer)))


def _finish(call: Call, upload: Upload, digest: str, last: PartWriter | None = None) -> Response:
    try:
        registry.uploads.complete(call.on, call.at, upload, [digest], last)
    except UploadNotFound:
        return _repeat(call, digest)
    return _created(call, digest)


def _repeat(call: Call, digest: str) -> Response:
    """Answer a client that repeats what was done, since the answer was lost; or it never was, or came to nothing."""
    if registry.uploads.confirm(call.on, call.at, digest):
        return _created(call, digest)
    raise UploadNotFound(call.at, call.reference)


def cancel(call: Call) -> Response:
    """Give an upload up."""
    registry.uploads.cancel(call.on, call.at, call.reference)
    return Response(204, [API_VERSION])


class _Sink:
    """Feeds a request's body to a part of a layer."""

    def __init__(
        self,
        call: Call,
        writer: PartWriter,
        keep: Callable[[], Response],
        keep_what_came: Callable[[], None] | None = None,
    ) -> None:
        self._call = call
        self._writer = writer
        self._keep = keep
        self._keep_what_came = keep_what_came

    def write(self, pieces: list[bytes]) -> None:
        """Take more bytes."""
        for piece in pieces:
            self._writer.write(piece)

    def finish(self) -> Response:
        """The body is complete."""
        _check_announced(self._call, self._writer.size_bytes)
        return self._keep()

    def refuse(self, fault: Exception) -> Response:
        """Leave nothing of what came, and say why."""
        self._writer.discard()
        if isinstance(fault, Refusal):
            return errors.refuse(self._call.request, fault, strict=self._call.is_strict)
        request = self._call.request
        log.error("request %s failed: %s %s", request.id, request.method, request.path, exc_info=fault)
        return errors.error(request, 500, "UNKNOWN", "The registry failed to answer; its log has the request id")

    def interrupted(self) -> None:
        """The client hung up: what came of a stream is kept, so that it may go on from there."""
        if self._keep_what_came is None or self._call.request.header("content-range") is not None:
            self._writer.discard()
            return
        try:
            self._keep_what_came()
        except Refusal as refusal:
            log.info("request %s: the interrupted part is dropped: %s", self._call.request.id, refusal)
            self._writer.discard()


def _receive(call: Call, upload: Upload) -> PartWriter:
    span = _content_range(call)
    _check_length(call, upload.received_bytes)
    if call.is_strict and any(part.size_bytes < MINIMUM_PART_BYTES for part in upload.parts):
        raise LayerPartTooSmall(MINIMUM_PART_BYTES)
    return registry.uploads.receive(call.on, upload, span[0] if span else None)


def _content_range(call: Call) -> tuple[int, int] | None:
    text = call.request.header("content-range")
    if text is None:
        return None
    found = CONTENT_RANGE.fullmatch(text.strip())
    if found is None or int(found[1]) > int(found[2]):
        raise RangeInvalid(f"The header Content-Range '{text[:100]}' is not of the form <first>-<last>")
    return int(found[1]), int(found[2])


def _check_length(call: Call, received: int) -> None:
    """Refuse before the first byte what would be refused after the last."""
    limit = call.on.limits.layer_bytes
    if received + (call.request.content_length or 0) > limit:
        raise LayerTooLarge(limit)
    _check_announced(call, call.request.content_length)


def _check_announced(call: Call, size: int | None) -> None:
    span = _content_range(call)
    if span is not None and size is not None and span[1] - span[0] + 1 != size:
        raise SizeInvalid(f"The body has {size} bytes, but Content-Range announces {span[1] - span[0] + 1}")


def _progress(call: Call, upload_id: str, received: int) -> list[tuple[str, str]]:
    return [
        ("Location", call.url(call.repository_path(f"blobs/uploads/{upload_id}"))),
        ("Range", f"0-{max(received - 1, 0)}"),
        ("Docker-Upload-UUID", upload_id),
        API_VERSION,
    ]


def _created(call: Call, digest: str) -> Response:
    return Response(
        201,
        [
            ("Location", call.url(call.repository_path(f"blobs/{digest}"))),
            ("Docker-Content-Digest", digest),
            API_VERSION,
        ],
    )
