"""Look at, pull and delete blobs."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.http import Later, Response, Stream
from holdfast.model import digests
from holdfast.model.errors import BlobNotFound
from holdfast.oci import errors
from holdfast.oci.errors import API_VERSION
from holdfast.oci.manifests import matches

if TYPE_CHECKING:
    from holdfast.http import Body, Request
    from holdfast.http.messages import Growing
    from holdfast.oci.call import Call

RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{1,18})?|-(\d{1,18}))", re.ASCII)


def stat(call: Call) -> Response | Later:
    """Say how long a blob is; of one that only an upstream may have, it is asked."""
    _check(call)
    try:
        return _stated(call, registry.layers.size(call.on, call.at, call.reference))
    except BlobNotFound:
        if not registry.pull_through.may_have(call.on, call.at):
            raise
    return Later(lambda: _stated(call, registry.pull_through.blob_size(call.on, call.at, call.reference, call.leave)))


def _stated(call: Call, size: int) -> Response:
    wanted = call.request.header("if-none-match")
    if wanted is not None and matches(wanted, f'"{call.reference}"'):
        return Response(304, _headers(call.reference))
    return Response(200, [*_headers(call.reference), ("Content-Length", str(size))])


def pull(call: Call) -> Response | Later:
    """Serve a blob, or a range of it; or say where it is, as ECR does."""
    _check(call)
    if call.is_strict:
        with suppress(BlobNotFound):
            registry.layers.size(call.on, call.at, call.reference)
            return _redirect(call)
        if not registry.pull_through.may_have(call.on, call.at):
            raise BlobNotFound(call.at, call.reference)
        return Later(lambda: _redirect_if(call))
    return serve(call)


def _redirect_if(call: Call) -> Response:
    registry.pull_through.blob_size(call.on, call.at, call.reference, call.leave)
    return _redirect(call)


def _redirect(call: Call) -> Response:
    """Say where a blob is, as ECR does."""
    token = call.tokens.sign_layer(call.caller, call.at.arn, call.reference)
    address = f"{call.request.origin}/layers/{token}"
    return Response(307, [("Location", address), ("Docker-Content-Digest", call.reference), API_VERSION])


def delete(call: Call) -> Response:
    """Take a blob out of the repository."""
    digests.check_digest(call.reference)
    registry.layers.delete(call.on, call.at, call.reference)
    return Response(202, [API_VERSION])


def _check(call: Call) -> None:
    if not digests.is_digest(call.reference):
        registry.repositories.require(call.on, call.at)
        if digests.looks_like_digest(call.reference):
            raise BlobNotFound(call.at, call.reference)
        digests.check_digest(call.reference)


def serve(call: Call) -> Response | Later:
    """Serve a blob, or a range of it; one that only an upstream may have as it comes from there."""
    try:
        return _kept(call)
    except BlobNotFound:
        if not registry.pull_through.may_have(call.on, call.at):
            raise
    return Later(lambda: _from_upstream(call))


def _kept(call: Call) -> Response:
    on, request, at, digest = call.on, call.request, call.at, call.reference
    etag = f'"{digest}"'
    wanted = request.header("if-none-match")
    if wanted is not None and matches(wanted, etag):
        registry.layers.size(on, at, digest)
        return Response(304, _headers(digest))
    address = registry.layers.address(on, at, digest)
    if address is not None:
        return Response(307, [("Location", address), ("Docker-Content-Digest", digest), API_VERSION])
    body = registry.layers.open_blob(on, at, digest)
    return _ranged(call, body, body.size_bytes)


def _from_upstream(call: Call, wait: registry.pull_through.Wait | None = None) -> Response | Later:
    """Serve a blob while it is fetched; while nothing of it is there yet, look again in a moment."""
    if wait is not None and not wait.is_over():
        return Later(lambda: _from_upstream(call, wait), registry.pull_through.LOOK_SECONDS)
    found = registry.pull_through.blob(call.on, call.at, call.reference, call.leave)
    if found is None:
        return _kept(call)
    if isinstance(found, registry.pull_through.Wait):
        return Later(lambda: _from_upstream(call, found), registry.pull_through.LOOK_SECONDS)
    return _ranged(call, found, found.size_bytes, growing=found)


def _ranged(call: Call, body: Body, size: int, growing: Growing | None = None) -> Response:
    headers = _headers(call.reference)
    span = _range(call.request, size, f'"{call.reference}"')
    if span is None:
        return Response(200, headers, Stream(body, 0, size, growing))
    start, end = span
    if start >= end:
        body.close()
        refused = errors.error(call.request, 416, "SIZE_INVALID", f"The range lies outside the blob's {size} bytes")
        refused.headers.append(("Content-Range", f"bytes */{size}"))
        return refused
    headers.append(("Content-Range", f"bytes {start}-{end - 1}/{size}"))
    return Response(206, headers, Stream(body, start, end - start, growing))


def _headers(digest: str) -> list[tuple[str, str]]:
    return [
        ("Content-Type", "application/octet-stream"),
        ("Docker-Content-Digest", digest),
        ("ETag", f'"{digest}"'),
        ("Accept-Ranges", "bytes"),
        ("Cache-Control", "private, max-age=31536000, immutable"),
        API_VERSION,
    ]


def _range(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """Start and end of the one range that is asked for; None to serve all (RFC 9110, section 14.2)."""
    text = request.header("range")
    if text is None or request.method != "GET":
        return None
    condition = request.header("if-range")
    if condition is not None and condition.strip() != etag:
        return None
    found = RANGE.fullmatch(text.strip())
    if found is None:
        return None  # another unit, several ranges or nonsense: a server may ignore it
    first, last, suffix = found.groups()
    if suffix is not None:
        return max(size - int(suffix), 0) if int(suffix) else size, size
    start, end = int(first), size if last is None else min(int(last) + 1, size)
    if last is not None and int(last) < start:
        return None
    return (start, end) if start < size else (size, size)
