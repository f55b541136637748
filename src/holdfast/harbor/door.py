"""Harbor's scanner adapter API: what we can, a scan that is asked for, and its report once it ended."""

from __future__ import annotations

import base64
import binascii
import logging
import re
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast import __version__, registry
from holdfast.http import ReadBody, Response
from holdfast.model import harbor
from holdfast.model.errors import LimitExceeded
from holdfast.model.image_findings import unpack

if TYPE_CHECKING:
    from holdfast.http import Answer, Request
    from holdfast.registry import Backends

PREFIX = "/api/v1/"
BODY_BYTES = 64 * 1024
PAUSE = "5"  # seconds after which to ask again
_REPORT = re.compile(r"/api/v1/scan/([A-Za-z0-9-]{1,64})/report", re.ASCII)
log = logging.getLogger(__name__)


class Door:
    """Everything under `/api/v1/`."""

    def __init__(self, on: Backends) -> None:
        self._on = on

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        if not self._knows(request):
            log.info("request %s: a scanner's client of %s is refused", request.id, request.peer)
            return _error(401, "The token of this scanner is needed", [("WWW-Authenticate", 'Basic realm="scanner"')])
        found = _REPORT.fullmatch(request.path)
        wanted = "POST" if request.path == "/api/v1/scan" else "GET"
        if not found and request.path not in {"/api/v1/scan", "/api/v1/metadata"}:
            return _error(404, "There is nothing here")
        if request.method != wanted:
            return _error(405, f"Only {wanted} is allowed here", [("Allow", wanted)])
        if found:
            return self._report(request, found[1])
        if request.path == "/api/v1/metadata":
            told = harbor.metadata(__version__, registry.harbor_scans.updated_at(self._on))
            return _answer(200, harbor.METADATA_TYPE, told)
        return ReadBody(BODY_BYTES, self._begin, lambda: _error(413, f"A request has at most {BODY_BYTES} bytes"))

    def failed(self, request: Request, fault: Exception) -> Response:
        """The answer to a fault that nobody expected."""
        log.error("request %s failed: %s %s", request.id, request.method, request.path, exc_info=fault)
        return _error(500, f"The scanner failed to answer; its log has the request {request.id}")

    def _knows(self, request: Request) -> bool:
        harbors = self._on.harbors
        return harbors is not None and any(harbors.knows(token) for token in _tokens(request))

    def _begin(self, body: bytes) -> Response:
        try:
            asked = harbor.read(body)
            number = registry.harbor_scans.begin(self._on, asked)
        except harbor.Unprocessable as fault:
            return _error(422, str(fault))
        except LimitExceeded as refusal:
            return _error(429, refusal.message, [("Retry-After", "60")])
        log.info("the scan %s of %s@%s in %s is asked for", number, asked.repository, asked.digest, asked.url)
        return _answer(202, harbor.ACCEPTED_TYPE, {"id": number})

    def _report(self, request: Request, number: str) -> Response:
        kind = harbor.report_type(request.header("accept"))
        if kind is None:
            return _error(406, f"A report is one of {', '.join(harbor.PRODUCED)}")
        found = registry.harbor_scans.find(self._on, number)
        if found is None:
            return _error(404, "There is no such scan: ask for it again")
        if found.ended_at is None:
            return Response(302, [("Location", request.path), ("Refresh-After", PAUSE)])
        if found.findings is None:
            return _error(500, found.reason or "It failed")
        findings = unpack(found.findings)
        if kind == harbor.RAW_TYPE:
            return _answer(200, kind, [msgspec.structs.asdict(one) for one in findings])
        told = harbor.report(__version__, found.repository, found.digest, found.media_type, findings, found.ended_at)
        return _answer(200, kind, told)


def _tokens(request: Request) -> list[str]:
    """What a request proves itself by: Harbor sends a bearer token, a password, or a key of its own."""
    scheme, _, rest = (request.header("authorization") or "").partition(" ")
    found = [request.header("x-scanneradapter-api-key") or ""]
    if scheme.lower() == "bearer":
        found.append(rest.strip())
    elif scheme.lower() == "basic":
        try:
            found.append(base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2])
        except (binascii.Error, UnicodeDecodeError):
            return []
    return [one for one in found if one]


def _answer(status: int, media_type: str, told: Any) -> Response:
    return Response(status, [("Content-Type", media_type)], msgspec.json.encode(told))


def _error(status: int, message: str, headers: list[tuple[str, str]] | None = None) -> Response:
    body = msgspec.json.encode({"error": {"message": message}})
    return Response(status, [("Content-Type", harbor.ERROR_TYPE), *(headers or [])], body)
