"""Our refusals in OCI's words: a status and a code for each, looked up along the ancestry of the class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from holdfast.http import Response
from holdfast.model import errors
from holdfast.model.uploads import Upload

if TYPE_CHECKING:
    from holdfast.http import Request
    from holdfast.model.errors import Refusal

RETRY_SECONDS = "5"
API_VERSION = ("Docker-Distribution-Api-Version", "registry/2.0")

# distribution-spec, "Error Codes"; where it leaves the status open, that of the ECR service.
WORDS: dict[type[Exception], tuple[int, str]] = {
    errors.Invalid: (400, "UNSUPPORTED"),
    errors.NotFound: (404, "NOT_FOUND"),
    errors.AlreadyExists: (405, "UNSUPPORTED"),
    errors.Denied: (403, "DENIED"),
    errors.LimitExceeded: (403, "DENIED"),
    errors.Throttling: (429, "TOOMANYREQUESTS"),
    errors.UpstreamTooManyRequests: (429, "TOOMANYREQUESTS"),
    errors.Unavailable: (503, "UNAVAILABLE"),
    errors.Unauthenticated: (401, "UNAUTHORIZED"),
    errors.TokenExpired: (401, "UNAUTHORIZED"),
    errors.NameInvalid: (400, "NAME_INVALID"),
    errors.RepositoryNotFound: (404, "NAME_UNKNOWN"),
    errors.ManifestInvalid: (400, "MANIFEST_INVALID"),
    errors.ManifestTooLarge: (413, "MANIFEST_INVALID"),
    errors.ImageDigestDoesNotMatch: (400, "DIGEST_INVALID"),
    errors.ImageNotFound: (404, "MANIFEST_UNKNOWN"),
    errors.ImageTagHistoryNotFound: (404, "MANIFEST_UNKNOWN"),
    errors.ImageDamaged: (404, "MANIFEST_UNKNOWN"),
    errors.LayersNotFound: (404, "MANIFEST_BLOB_UNKNOWN"),
    errors.ReferencedImagesNotFound: (404, "MANIFEST_BLOB_UNKNOWN"),
    errors.ImageInUse: (409, "DENIED"),
    errors.ImageTagAlreadyExists: (400, "TAG_INVALID"),
    errors.TagInvalid: (400, "TAG_INVALID"),
    errors.BlobNotFound: (404, "BLOB_UNKNOWN"),
    errors.LayerDamaged: (404, "BLOB_UNKNOWN"),
    errors.UploadNotFound: (404, "BLOB_UPLOAD_UNKNOWN"),
    errors.RangeInvalid: (416, "BLOB_UPLOAD_INVALID"),
    errors.LayerPartTooSmall: (400, "BLOB_UPLOAD_INVALID"),
    errors.InvalidLayer: (400, "BLOB_UPLOAD_INVALID"),
    errors.DigestInvalid: (400, "DIGEST_INVALID"),
    errors.SizeInvalid: (400, "SIZE_INVALID"),
    errors.LayerTooLarge: (413, "SIZE_INVALID"),
    errors.Kms: (403, "DENIED"),
    errors.StorageFull: (507, "UNAVAILABLE"),
    errors.BytesDamaged: (500, "UNKNOWN"),
}

# Where Amazon ECR differs (measured on the service).
STRICT_WORDS: dict[type[Exception], tuple[int, str]] = {
    errors.TokenExpired: (403, "DENIED"),
    errors.Unsupported: (405, "UNSUPPORTED"),
    errors.InvalidParameter: (405, "UNSUPPORTED"),
    errors.ImageDigestDoesNotMatch: (400, "MANIFEST_INVALID"),
}


def words(kind: type[Exception], *, strict: bool) -> tuple[int, str]:
    """Status and code of a refusal's class."""
    for table in (STRICT_WORDS, WORDS) if strict else (WORDS,):
        for ancestor in kind.__mro__:
            if ancestor in table and (table is WORDS or ancestor is kind):
                return table[ancestor]
    return 500, "UNKNOWN"


def refuse(request: Request, refusal: Refusal, *, strict: bool) -> Response:
    """The answer to a refusal."""
    status, code = words(type(refusal), strict=strict)
    if status == 401:
        return _challenge(request, refusal, code)
    message = "Requested image not found" if isinstance(refusal, errors.ImageNotFound) else refusal.message
    response = error(request, status, code, message)
    if status in {429, 503}:
        response.headers.append(("Retry-After", RETRY_SECONDS))
    if isinstance(refusal, errors.RangeInvalid):
        received = refusal.details.get("received")
        if isinstance(received, Upload):
            response.headers += [
                ("Location", request.path),
                ("Range", f"0-{max(received.received_bytes - 1, 0)}"),
                ("Docker-Upload-UUID", received.id),
            ]
    return response


def error(request: Request, status: int, code: str, message: str) -> Response:
    """An answer in the specified form of errors."""
    body = msgspec.json.encode({"errors": [{"code": code, "message": message, "detail": {"requestId": request.id}}]})
    return Response(status, [("Content-Type", "application/json"), API_VERSION, ("X-Request-Id", request.id)], body)


def _challenge(request: Request, refusal: Refusal, code: str) -> Response:
    """Ask for credentials, in the words that ECR's clients know."""
    headers = [
        API_VERSION,
        ("Www-Authenticate", f'Basic realm="{request.origin}/",service="ecr.amazonaws.com"'),
        ("X-Request-Id", request.id),
    ]
    if isinstance(refusal, errors.Unauthenticated):
        return Response(401, [*headers, ("Content-Type", "text/plain; charset=utf-8")], b"Not Authorized\n")
    response = error(request, 401, code, refusal.message)
    response.headers += headers[1:2]
    return response
