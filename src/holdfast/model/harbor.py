"""Harbor's scanner adapter API as its server: what is asked for, and how a report is written (version 1.2)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from holdfast.model import digests
from holdfast.model.errors import InvalidParameter
from holdfast.model.manifests import IMAGE_TYPES
from holdfast.model.remotes import Password, Remote
from holdfast.model.scan_reports import DATABASE_UPDATED_AT, REPORT_TYPES
from holdfast.model.severities import ORDER, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from holdfast.model.image_findings import ImageFinding

METADATA_TYPE = "application/vnd.scanner.adapter.metadata+json; version=1.1"
ACCEPTED_TYPE = "application/vnd.scanner.adapter.scan.response+json; version=1.0"
ERROR_TYPE = "application/vnd.scanner.adapter.error+json; version=1.0"
RAW_TYPE = "application/vnd.scanner.adapter.vuln.report.raw"
PRODUCED = (*REPORT_TYPES, RAW_TYPE)
AUTHORIZATION_CHARACTERS = 16_384
# Of distribution-spec, "Pulling manifests"; each part ends where the next begins, so it takes linear time.
_NAME = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*", re.ASCII)
_WORDS = {
    Severity.CRITICAL: "Critical",
    Severity.HIGH: "High",
    Severity.MEDIUM: "Medium",
    Severity.LOW: "Low",
    Severity.INFORMATIONAL: "Negligible",
    Severity.UNDEFINED: "Unknown",
}


class Unprocessable(Exception):
    """A scan that can be asked for but not be done; the message says why."""


class _Registry(msgspec.Struct):
    url: str
    authorization: str = ""


class _Artifact(msgspec.Struct):
    repository: str
    digest: str
    mime_type: str = ""


class _Capability(msgspec.Struct):
    type: str = ""
    produces_mime_types: list[str] = []


class _Asked(msgspec.Struct):
    registry: _Registry
    artifact: _Artifact
    enabled_capabilities: list[_Capability] | None = None


class Request(msgspec.Struct, frozen=True):
    """An image of another registry, and as whom it is pulled."""

    url: str
    username: str
    password: str
    repository: str
    digest: str
    media_type: str

    @property
    def remote(self) -> tuple[str, bool]:
        """The registry's host and port, and whether it speaks plain HTTP."""
        parts = urlsplit(self.url)
        return parts.netloc, parts.scheme == "http"

    @property
    def credentials(self) -> Password | None:
        """As whom it is pulled; None: as nobody."""
        return Password(self.username, self.password) if self.username or self.password else None


def read(body: bytes) -> Request:
    """What is asked for. Raises `Unprocessable`."""
    try:
        asked = msgspec.json.decode(body, type=_Asked)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        raise Unprocessable(f"The request cannot be understood: {str(fault)[:200]}") from None
    kinds = {one.type for one in asked.enabled_capabilities or ()}
    if kinds and "vulnerability" not in kinds:
        raise Unprocessable("Only the capability vulnerability is there")
    artifact = asked.artifact
    if len(artifact.repository) > 255 or not _NAME.fullmatch(artifact.repository):
        raise Unprocessable("artifact.repository is no name of a repository")
    if not digests.is_digest(artifact.digest):
        raise Unprocessable("artifact.digest is no digest")
    if artifact.mime_type and artifact.mime_type not in IMAGE_TYPES:
        raise Unprocessable(f"What is of the type {artifact.mime_type[:200]!r} is not scanned")
    try:
        parts = urlsplit(asked.registry.url)
        if parts.scheme not in {"http", "https"} or parts.path.strip("/") or parts.query or parts.username:
            raise Unprocessable("registry.url must be an address without a path, such as https://harbor.example.com")
        Remote(parts.netloc)
    except (ValueError, InvalidParameter):
        raise Unprocessable("registry.url is no address") from None
    username, password = _login(asked.registry.authorization)
    return Request(
        f"{parts.scheme}://{parts.netloc}", username, password, artifact.repository, artifact.digest, artifact.mime_type
    )


def _login(authorization: str) -> tuple[str, str]:
    if not authorization:
        return "", ""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "basic" or len(authorization) > AUTHORIZATION_CHARACTERS:
        raise Unprocessable("registry.authorization must be of the scheme Basic, as the metadata says")
    try:
        name, colon, password = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = ""
    if not colon:
        raise Unprocessable("registry.authorization is none of the scheme Basic")
    return name, password


def metadata(version: str, updated_at: datetime | None) -> dict[str, Any]:
    """What this scanner says of itself."""
    properties = {
        "harbor.scanner-adapter/scanner-type": "os-package-vulnerability",
        "harbor.scanner-adapter/registry-authorization-type": "Basic",
    }
    if updated_at is not None:
        properties[DATABASE_UPDATED_AT] = f"{updated_at:%Y-%m-%dT%H:%M:%SZ}"
    return {
        "scanner": _scanner(version),
        "capabilities": [
            {
                "type": "vulnerability",
                "consumes_mime_types": sorted(IMAGE_TYPES),
                "produces_mime_types": list(PRODUCED),
            }
        ],
        "properties": properties,
    }


def report_type(accept: str | None) -> str | None:
    """The report that a header asks for; the best one if it asks for any, None if there is none such."""
    if not accept or "*/*" in accept or accept.strip() == "application/json":
        return REPORT_TYPES[0]
    wanted = [re.sub(r'[\s"]', "", one).lower() for one in accept.split(",")]
    return next((one for one in PRODUCED if re.sub(r"\s", "", one) in wanted), None)


def report(
    version: str, repository: str, digest: str, media_type: str, found: Sequence[ImageFinding], ended_at: datetime
) -> dict[str, Any]:
    """The report of a scan that ended."""
    worst = min((one.severity for one in found), key=ORDER.index, default=None)
    return {
        "generated_at": f"{ended_at:%Y-%m-%dT%H:%M:%SZ}",
        "artifact": {"repository": repository, "digest": digest, "mime_type": media_type},
        "scanner": _scanner(version),
        "severity": _WORDS[worst] if worst else "None",
        "vulnerabilities": [item for one in found for item in _items(one)],
    }


def _scanner(version: str) -> dict[str, str]:
    return {"name": "Holdfast", "vendor": "Holdfast", "version": version}


def _items(one: ImageFinding) -> list[dict[str, Any]]:
    """One vulnerability of each package, however many files it is in."""
    links = list(dict.fromkeys(filter(None, (one.url, *one.references))))
    scores: dict[str, Any] = {}
    for version, vector, score in one.cvss:
        kind = f"v{version[0]}"
        if kind in {"v2", "v3"} and f"vector_{kind}" not in scores:
            scores |= {f"vector_{kind}": vector, f"score_{kind}": score}
    packages = {(part.name, part.version): part for part in reversed(one.packages)}
    return [
        {
            "id": one.name,
            "package": part.name,
            "version": part.version,
            "fix_version": part.fixed or "",
            "severity": _WORDS[one.severity],
            "description": one.description or one.title,
            "links": links,
            "layer": {"digest": part.layer_digest},
            "preferred_cvss": scores or None,
            "cwe_ids": [],
            "vendor_attributes": {},
        }
        for part in reversed(packages.values())
    ]
