"""Red Hat's VEX documents: a CSAF 2.0 document for each CVE (security.access.redhat.com/data/csaf/v2/vex).

    product_tree   branches: products with their CPE, components with their purl · relationships: which is in which
                   a component may be in a module, and that in a product
    vulnerability  product_status: fixed, known_affected … of such pairs · remediations: why one is not fixed

A product counts if its CPE is of Red Hat Enterprise Linux itself: extended support has fixes of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

import msgspec

from holdfast.model import cvss, severities
from holdfast.model.advisories import DESCRIPTION_CHARACTERS, RANGES, REFERENCES, Advisory, Range, Status, up_to
from holdfast.model.ecosystems import spelled
from holdfast.model.feeds.reading import CVE, FAULTS, instant, line_of_text, records, url
from holdfast.model.packages import stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.model.advisories import Problems

_DEPTH = 16
_PAIRS = 4  # of a component in a module in a product, and what more there may be
_CPE = re.compile(r"cpe:/[ao]:redhat:enterprise_linux:([0-9]+)(?:[.:].*)?")
_PURL = re.compile(r"pkg:(rpm|rpmmod)/redhat/([^@?]+)(?:@([^?]+))?(?:\?(.*))?")
_UNFIXED = {"no_fix_planned": Status.WILL_NOT_FIX, "none_available": Status.AFFECTED}


class _Helper(msgspec.Struct):
    cpe: str = ""
    purl: str = ""


class _Product(msgspec.Struct):
    product_id: str
    product_identification_helper: _Helper = msgspec.field(default_factory=_Helper)


class _Branch(msgspec.Struct):
    branches: list[_Branch] = []
    product: _Product | None = None


class _Named(msgspec.Struct):
    product_id: str


class _Relationship(msgspec.Struct):
    full_product_name: _Named
    product_reference: str
    relates_to_product_reference: str


class _Tree(msgspec.Struct):
    branches: list[_Branch] = []
    relationships: list[_Relationship] = []


class _Remediation(msgspec.Struct):
    category: str = ""
    product_ids: list[str] = []


class _Score(msgspec.Struct):
    cvss_v3: dict[str, Any] = {}
    cvss_v2: dict[str, Any] = {}


class _Note(msgspec.Struct):
    category: str = ""
    text: str = ""


class _Vulnerability(msgspec.Struct):
    cve: str
    product_status: dict[str, list[str]] = {}
    remediations: list[_Remediation] = []
    scores: list[_Score] = []
    notes: list[_Note] = []
    references: list[dict[str, Any]] = []
    release_date: Any = None


class _Tracking(msgspec.Struct):
    current_release_date: Any = None


class _Severity(msgspec.Struct):
    text: Any = None


class _Document(msgspec.Struct):
    tracking: _Tracking = msgspec.field(default_factory=_Tracking)
    aggregate_severity: _Severity = msgspec.field(default_factory=_Severity)


class _Record(msgspec.Struct):
    document: _Document
    product_tree: _Tree
    vulnerabilities: list[_Vulnerability]


_DECODER = msgspec.json.Decoder(_Record)


def read(file: IO[bytes], problems: Problems) -> Iterator[Advisory]:
    """The advisories of an archive of documents."""
    for name, content in records(file, problems):
        try:
            yield from parse(content)
        except FAULTS as fault:
            problems.add(name, fault)


def parse(content: bytes) -> list[Advisory]:
    """The vulnerabilities of a document; there is one, as a rule."""
    record = _DECODER.decode(content)
    products: dict[str, _Helper] = {}
    _walk(record.product_tree.branches, products, _DEPTH)
    pairs = {one.full_product_name.product_id: one for one in record.product_tree.relationships}
    components = {name: found for name in pairs if (found := _component(products, pairs, name)) is not None}
    return [_advisory(record.document, one, components) for one in record.vulnerabilities]


def _walk(branches: list[_Branch], products: dict[str, _Helper], depth: int) -> None:
    if depth == 0:
        raise ValueError("its products are nested too deeply")
    for branch in branches:
        if branch.product is not None:
            products[branch.product.product_id] = branch.product.product_identification_helper
        _walk(branch.branches, products, depth - 1)


@dataclass(frozen=True, slots=True)
class _Component:
    """A package of a release of Red Hat Enterprise Linux."""

    ecosystem: str
    name: str
    version: str | None
    module: str

    @property
    def range(self) -> Range:
        """All of its versions."""
        return Range(*spelled(self.ecosystem, self.name), module=self.module)


def _component(products: dict[str, _Helper], pairs: dict[str, _Relationship], name: str) -> _Component | None:
    """What a pair is about, if that is a package of Red Hat Enterprise Linux."""
    parts = [products[part] for part in _parts(pairs, name, _PAIRS) if part in products]
    release = next((found[1] for part in parts if (found := _CPE.fullmatch(part.cpe))), None)
    purls = [found for part in parts if (found := _PURL.fullmatch(part.purl))]
    package = next((purl for purl in purls if purl[1] == "rpm"), None)
    if release is None or package is None:
        return None
    qualifiers = parse_qs(package[4] or "")
    modules = [f"{unquote(purl[2])}:{unquote(purl[3] or '')}" for purl in purls if purl[1] == "rpmmod"]
    modules += qualifiers.get("rpmmod", [])
    if any(":" not in one.strip(":") for one in modules):
        return None  # flatpaks are told as modules without a stream
    version = f"{qualifiers.get('epoch', ['0'])[0]}:{unquote(package[3])}" if package[3] else None
    name = unquote(package[2]).rpartition("/")[2]
    return _Component(f"Red Hat:{release}", name, version, stream(modules[0]) if modules else "")


def _parts(pairs: dict[str, _Relationship], name: str, depth: int) -> Iterator[str]:
    """The products and components of a pair, each half of which may be a pair."""
    pair = pairs.get(name)
    if pair is None or depth == 0:
        yield name
    else:
        yield from _parts(pairs, pair.product_reference, depth - 1)
        yield from _parts(pairs, pair.relates_to_product_reference, depth - 1)


def _advisory(document: _Document, one: _Vulnerability, components: dict[str, _Component]) -> Advisory:
    if not CVE.fullmatch(one.cve):
        raise ValueError("it is about no CVE")
    severity = severities.of_word(document.aggregate_severity.text)
    statuses = {
        product: _UNFIXED[remediation.category]
        for remediation in one.remediations
        if remediation.category in _UNFIXED
        for product in remediation.product_ids
    }
    ranges: dict[Range, tuple[Range, ...]] = {}  # by what they are about
    for product in one.product_status.get("fixed", []):
        component = components.get(product)
        if component is None or component.version is None:
            continue
        about = component.range
        found = up_to(replace(about, severity=severity), component.version)
        before, high = ranges.get(about), found[0].high
        # Several architectures and repositories have it, in which the first fix counts; streams are apart.
        if before is None or (high is not None and before[0].high is not None and high < before[0].high):
            ranges[about] = found
    for kind, status in (("known_affected", Status.AFFECTED), ("under_investigation", Status.UNDER_INVESTIGATION)):
        for product in one.product_status.get(kind, []):
            component = components.get(product)
            if component is not None and component.range not in ranges:
                about = component.range
                ranges[about] = (replace(about, status=statuses.get(product, status), severity=severity),)
    if len(ranges) > RANGES:
        raise ValueError(f"it is about more than {RANGES} packages")
    vectors = (kind.get("vectorString") for score in one.scores[:20] for kind in (score.cvss_v3, score.cvss_v2))
    scores = (cvss.parse(vector) for vector in vectors if isinstance(vector, str))
    notes = {note.category: note.text for note in one.notes[:50]}
    return Advisory(
        one.cve,
        tuple(one for some in ranges.values() for one in some),
        published_at=instant(one.release_date),
        modified_at=instant(document.tracking.current_release_date),
        title=line_of_text(notes.get("summary", ""), 300),
        description=line_of_text(notes.get("description", ""), DESCRIPTION_CHARACTERS),
        severity=severity,
        cvss=tuple(dict.fromkeys(score for score in scores if score is not None)),
        url=f"https://access.redhat.com/security/cve/{one.cve}",
        references=tuple(filter(None, (url(at.get("url")) for at in one.references[:REFERENCES]))),
    )
