"""CycloneDX with vulnerabilities and their analysis (cyclonedx.org/docs/1.6/json, `vulnerabilities`)."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import msgspec
from packageurl import PackageURL

from holdfast.model.vex.products import named, parsed, product
from holdfast.model.vex.statements import (
    IDENT_CHARACTERS,
    THIS,
    BadVex,
    Document,
    Form,
    Product,
    Statement,
    Status,
    instant,
    names,
    text,
)

COMPONENTS = 200_000
_STATES = {
    "resolved": Status.FIXED,
    "resolved_with_pedigree": Status.FIXED,
    "exploitable": Status.AFFECTED,
    "in_triage": Status.UNDER_INVESTIGATION,
    "false_positive": Status.NOT_AFFECTED,
    "not_affected": Status.NOT_AFFECTED,
}


class _Hash(msgspec.Struct):
    alg: str = ""
    content: str = ""


class _Component(msgspec.Struct):
    ref: str = msgspec.field(name="bom-ref", default="")
    purl: str = ""
    hashes: list[_Hash] = []
    components: list[_Component] = []


class _Party(msgspec.Struct):
    name: str = ""


class _Metadata(msgspec.Struct):
    timestamp: Any = None
    component: _Component | None = None
    authors: list[_Party] = []
    supplier: _Party | None = None
    manufacturer: _Party | None = None


class _Analysis(msgspec.Struct, rename="camel"):
    state: str = ""
    justification: str = ""
    detail: str = ""
    first_issued: Any = None
    last_updated: Any = None


class _Version(msgspec.Struct):
    version: str = ""
    range: str = ""
    status: str = "affected"


class _Affected(msgspec.Struct):
    ref: str
    versions: list[_Version] = []


class _Reference(msgspec.Struct):
    id: str = ""


class _Vulnerability(msgspec.Struct):
    id: str = ""
    references: list[_Reference] = []
    analysis: _Analysis | None = None
    affects: list[_Affected] = []


class _Document(msgspec.Struct, rename="camel"):
    serial_number: str = ""
    version: Any = None
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    components: list[_Component] = []
    vulnerabilities: list[_Vulnerability] = []


_DECODER = msgspec.json.Decoder(_Document)


def read(data: bytes, *, is_of_image: bool) -> Document:
    """What a document says of vulnerabilities that it analysed; of the others it says nothing."""
    document = _DECODER.decode(data)
    known = _Known(document, is_of_image=is_of_image)
    statements = []
    for one in document.vulnerabilities:
        if one.analysis is None or not one.analysis.state:
            continue
        status = _STATES.get(one.analysis.state)
        if status is None:
            raise BadVex(f"the state {one.analysis.state[:50]!r} is none of CycloneDX")
        products = known.products(one.affects)
        found = names([one.id, *(reference.id for reference in one.references)])
        if products and found:
            said_at = instant(one.analysis.last_updated) or instant(one.analysis.first_issued)
            why, detail = text(one.analysis.justification), text(one.analysis.detail)
            statements.append(Statement(found, status, products, said_at, why, detail))
    metadata = document.metadata
    parties = [*metadata.authors, *filter(None, (metadata.supplier, metadata.manufacturer))]
    return Document(
        Form.CYCLONEDX,
        text(document.serial_number, IDENT_CHARACTERS),
        text(str(document.version) if isinstance(document.version, str | int) else "", 100),
        text(next((one.name for one in parties if one.name), "")),
        instant(metadata.timestamp),
        tuple(statements),
        known.left_out,
    )


class _Known:
    """The components of a document, and how many could not be told from others."""

    def __init__(self, document: _Document, *, is_of_image: bool) -> None:
        root = document.metadata.component
        self._root = _named(root) if root else ("", "")
        self._root_ref = root.ref if root else ""
        self._is_of_image = is_of_image
        self._by_ref: dict[str, tuple[str, str]] = {}
        self.left_out = 0
        waiting, count = [*document.components, *(root.components if root else ())], 0
        while waiting:
            one = waiting.pop()
            count += 1
            if count > COMPONENTS:
                raise BadVex(f"it has more than {COMPONENTS} components")
            if one.ref:
                self._by_ref[one.ref] = _named(one)
            waiting += one.components

    def products(self, affects: list[_Affected]) -> tuple[Product, ...]:
        """What a vulnerability is said to be in."""
        if not affects and self._is_of_image:
            return (Product(THIS),)
        found = [some for one in affects for some in self._products(one)]
        self.left_out += sum(some is None for some in found) + (not affects)
        return tuple(dict.fromkeys(some for some in found if some is not None))

    def _products(self, one: _Affected) -> list[Product | None]:
        ref = unquote(one.ref.partition("#")[2]) if one.ref.startswith("urn:cdx:") else one.ref
        if ref and ref == self._root_ref:
            if one.versions:
                return [None]  # of the whole, its versions cannot be compared
            if self._root == ("", "") and self._is_of_image:
                return [Product(THIS)]
            return [product(self._root, None)]
        whole = self._by_ref.get(ref) or named([ref])
        if whole[0] or not one.versions:
            return [self._within(whole)]
        return [self._within(("", _with_version(whole[1], told))) for told in one.versions if told.status == "affected"]

    def _within(self, one: tuple[str, str]) -> Product | None:
        """A component of what the document is about, if that is an image; else whatever it is."""
        if self._root[0] and not one[0]:
            return product(self._root, [one])
        return product(one, None)


def _named(one: _Component) -> tuple[str, str]:
    return named([one.purl, one.ref], {some.alg: some.content for some in one.hashes})


def _with_version(purl: str, told: _Version) -> str:
    """The package URL of one version; empty if a range is told, which only its own scheme could compare."""
    found = parsed(purl) if purl else None
    if found is None or told.range or not told.version:
        return ""
    return str(PackageURL(found.type, found.namespace, found.name, told.version, found.qualifiers, found.subpath))
