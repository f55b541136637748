"""What a plugged scanner says of itself and of an image (Harbor's scanner adapter API, version 1.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from holdfast.model import severities
from holdfast.model.advisories import REFERENCES
from holdfast.model.ecosystems import NAME_CHARACTERS, clipped
from holdfast.model.image_findings import MOST, ImageFinding, Vulnerable
from holdfast.model.instants import read as read_instant
from holdfast.model.scanning import ScanType
from holdfast.model.severities import ORDER
from holdfast.model.versions import VERSION_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from holdfast.model.inventory import Installed, Inventory

REPORT_TYPES = (  # the better one first; both have the same members
    "application/vnd.security.vulnerability.report; version=1.1",
    "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0",
)
DATABASE_UPDATED_AT = "harbor.scanner-adapter/vulnerability-database-updated-at"
IDENT_CHARACTERS = 100
DESCRIPTION_CHARACTERS = 4000
URL_CHARACTERS = 1000
T = TypeVar("T")
_NANOSECONDS = re.compile(r"(\.\d{6})\d+", re.ASCII)
_CVSS = re.compile(r"CVSS:(\d\.\d)/", re.ASCII)


class BadReport(Exception):
    """An answer that is none of the API, or not about what was asked; the message says why."""


class _Scanner(msgspec.Struct):
    name: str
    vendor: str = ""
    version: str = ""


class _Capability(msgspec.Struct):
    consumes_mime_types: list[str] = []
    produces_mime_types: list[str] = []


class Metadata(msgspec.Struct):
    """Which scanner it is, and what it can."""

    scanner: _Scanner
    capabilities: list[_Capability]
    properties: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """Its name and version."""
        return clipped(f"{self.scanner.name} {self.scanner.version}".strip(), IDENT_CHARACTERS)

    @property
    def updated_at(self) -> datetime | None:
        """Of when its advisories are, if it tells."""
        told = self.properties.get(DATABASE_UPDATED_AT)
        return read_instant(_NANOSECONDS.sub(r"\1", told)) if isinstance(told, str) else None

    def report_type(self, media_type: str) -> str | None:
        """The best report that it makes of manifests of a type; None if it makes none of them."""
        made = {
            _plain(one)
            for capability in self.capabilities
            if _plain(media_type) in map(_plain, capability.consumes_mime_types)
            for one in capability.produces_mime_types
        }
        return next((one for one in REPORT_TYPES if _plain(one) in made), None)


class _Layer(msgspec.Struct):
    digest: str | None = None


class _Scores(msgspec.Struct):
    score_v3: float | None = None
    score_v2: float | None = None
    vector_v3: str | None = None
    vector_v2: str | None = None


class _Item(msgspec.Struct):
    id: str
    package: str
    version: str = ""
    fix_version: str | None = None
    severity: str | None = None
    description: str | None = None
    links: list[str] | None = None
    layer: _Layer | None = None
    preferred_cvss: _Scores | None = None


class _Artifact(msgspec.Struct):
    digest: str = ""


class _Report(msgspec.Struct):
    vulnerabilities: list[_Item] | None  # an answer without them says nothing
    artifact: _Artifact | None = None


class Accepted(msgspec.Struct):
    """That a scan was taken on."""

    id: str


def read_metadata(body: bytes) -> Metadata:
    """What a scanner says of itself; or `BadReport`."""
    return _decoded(body, Metadata)


def read_accepted(body: bytes) -> Accepted:
    """Which scan was taken on; or `BadReport`."""
    return _decoded(body, Accepted)


def findings(
    body: bytes, digest: str, type_: ScanType, feed: str, inventory: Inventory | None, layer_digests: Sequence[str]
) -> list[ImageFinding]:
    """The findings of a report on an image, in the order in which they are shown; or `BadReport`.

    Where a package is, and what its source is called, is known of those that the inventory has.
    """
    report = _decoded(body, _Report)
    if report.artifact is not None and report.artifact.digest not in {"", digest}:
        raise BadReport(f"its report is about {clipped(report.artifact.digest, IDENT_CHARACTERS)}")
    items = report.vulnerabilities or []
    if len(items) > MOST:
        raise BadReport(f"limit: its report has more than {MOST} findings")
    places = _places(inventory.packages if inventory else ())
    groups: dict[tuple[str, ...], ImageFinding] = {}
    for item in items:
        one = _finding(item, feed, places, layer_digests)
        key = (one.name,) if type_ is ScanType.ENHANCED else (one.name, one.package, one.version)
        groups[key] = _joined(groups[key], one) if key in groups else one
    return sorted(groups.values(), key=lambda one: one.place)


def _decoded(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        raise BadReport(f"its answer cannot be understood: {str(fault)[:200]}") from None


def _plain(media_type: str) -> str:
    return media_type.replace(" ", "").replace('"', "").lower()


def _places(packages: Iterable[Installed]) -> dict[tuple[str, str], Installed]:
    """Packages by their name and version, and by those of their source."""
    found: dict[tuple[str, str], Installed] = {}
    for one in packages:
        found.setdefault((one.package.name, one.package.version), one)
    for one in packages:
        source = one.package.source_name or one.package.name, one.package.source_version or one.package.version
        found.setdefault(source, one)
    return found


def _finding(
    item: _Item, feed: str, places: Mapping[tuple[str, str], Installed], layer_digests: Sequence[str]
) -> ImageFinding:
    name, version = clipped(item.package, NAME_CHARACTERS), clipped(item.version, VERSION_CHARACTERS)
    source, source_version = name, version
    layer = clipped(item.layer.digest or "", 140) if item.layer else ""
    part = Vulnerable("", name, version, "", "", layer)
    if (installed := places.get((name, version))) is not None:
        package = installed.package
        source, source_version = package.source_name or name, package.source_version or version
        layer = layer or layer_digests[installed.layer]
        part = Vulnerable(
            package.type, name, version, package.architecture, installed.file_path, layer,
            source=package.source_name, source_version=package.source_version,
        )  # fmt: skip
    links = [clipped(one, URL_CHARACTERS) for one in item.links or () if one.startswith(("https://", "http://"))]
    return ImageFinding(
        clipped(item.id, IDENT_CHARACTERS),
        severities.of_word(item.severity),
        source,
        source_version,
        (msgspec.structs.replace(part, fixed=clipped(item.fix_version or "", VERSION_CHARACTERS) or None),),
        feed,
        description=clipped(item.description or "", DESCRIPTION_CHARACTERS),
        url=links[0] if links else "",
        references=tuple(dict.fromkeys(links))[:REFERENCES],
        cvss=tuple(_scores(item.preferred_cvss)) if item.preferred_cvss else (),
    )


def _scores(told: _Scores) -> Iterable[tuple[str, str, float | None]]:
    for usual, vector, score in (("3.1", told.vector_v3, told.score_v3), ("2.0", told.vector_v2, told.score_v2)):
        if vector:
            found = _CVSS.match(vector)
            is_score = score is not None and 0 <= score <= 10
            yield found[1] if found else usual, clipped(vector, 200), score if is_score else None


def _joined(one: ImageFinding, other: ImageFinding) -> ImageFinding:
    """Two findings of one vulnerability, as bad as the worse of them."""
    return msgspec.structs.replace(
        one,
        severity=min(one.severity, other.severity, key=ORDER.index),
        packages=tuple(dict.fromkeys((*one.packages, *other.packages))),
    )
