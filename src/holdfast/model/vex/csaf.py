"""CSAF 2.0 documents of the VEX profile (docs.oasis-open.org/csaf/csaf/v2.0, section 4.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from packageurl import PackageURL

from holdfast.model.vex.products import named, parsed, product
from holdfast.model.vex.statements import (
    IDENT_CHARACTERS,
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

if TYPE_CHECKING:
    from collections.abc import Iterable

PROFILE = "csaf_vex"
_DEPTH = 16
_STATUSES = {
    "known_not_affected": Status.NOT_AFFECTED,
    "fixed": Status.FIXED,
    "first_fixed": Status.FIXED,
    "known_affected": Status.AFFECTED,
    "first_affected": Status.AFFECTED,
    "last_affected": Status.AFFECTED,
    "under_investigation": Status.UNDER_INVESTIGATION,
}


class _Helper(msgspec.Struct):
    purl: str = ""


class _Product(msgspec.Struct):
    product_id: str
    product_identification_helper: _Helper = msgspec.field(default_factory=_Helper)


class _Branch(msgspec.Struct):
    category: str = ""
    name: str = ""
    branches: list[_Branch] = []
    product: _Product | None = None


class _Relationship(msgspec.Struct):
    full_product_name: _Product
    product_reference: str
    relates_to_product_reference: str


class _Tree(msgspec.Struct):
    branches: list[_Branch] = []
    full_product_names: list[_Product] = []
    relationships: list[_Relationship] = []


class _Flag(msgspec.Struct):
    label: str = ""


class _Threat(msgspec.Struct):
    category: str = ""
    details: str = ""


class _Id(msgspec.Struct):
    text: str = ""


class _Vulnerability(msgspec.Struct):
    cve: str = ""
    ids: list[_Id] = []
    product_status: dict[str, list[str]] = {}
    flags: list[_Flag] = []
    threats: list[_Threat] = []


class _Tracking(msgspec.Struct):
    id: str = ""
    version: Any = None
    status: str = ""
    current_release_date: Any = None


class _Publisher(msgspec.Struct):
    name: str = ""


class _About(msgspec.Struct):
    category: str = ""
    publisher: _Publisher = msgspec.field(default_factory=_Publisher)
    tracking: _Tracking = msgspec.field(default_factory=_Tracking)


class _Document(msgspec.Struct):
    document: _About
    product_tree: _Tree = msgspec.field(default_factory=_Tree)
    vulnerabilities: list[_Vulnerability] = []


_DECODER = msgspec.json.Decoder(_Document)


def read(data: bytes, *, is_of_image: bool) -> Document:  # noqa: ARG001 - every product has a name here
    """The statements of a document of the VEX profile."""
    read_ = _DECODER.decode(data)
    about = read_.document
    if about.category != PROFILE:
        raise BadVex(f"its category is {about.category[:50]!r} and not {PROFILE}")
    if about.tracking.status == "draft":
        raise BadVex("it is a draft")
    known = _products(read_.product_tree)
    statements, left_out = [], 0
    for one in read_.vulnerabilities:
        found = names([one.cve, *(some.text for some in one.ids)])
        for status, ids in _by_status(one.product_status):
            products = tuple(dict.fromkeys(some for id_ in ids if (some := known.get(id_)) is not None))
            left_out += sum(known.get(id_) is None for id_ in ids)
            if products and found:
                is_harmless = status is Status.NOT_AFFECTED
                why = ", ".join(dict.fromkeys(flag.label for flag in one.flags if flag.label)) if is_harmless else ""
                detail = next((some.details for some in one.threats if some.category == "impact"), "")
                statements.append(Statement(found, status, products, None, text(why), text(detail)))
    tracking = about.tracking
    return Document(
        Form.CSAF,
        text(tracking.id, IDENT_CHARACTERS),
        text(tracking.version, 100),
        text(about.publisher.name),
        instant(tracking.current_release_date),
        tuple(statements),
        left_out,
    )


def _by_status(told: dict[str, list[str]]) -> Iterable[tuple[Status, list[str]]]:
    for status in Status:
        ids = dict.fromkeys(id_ for key, some in told.items() if _STATUSES.get(key) is status for id_ in some)
        if ids:
            yield status, list(ids)


def _products(tree: _Tree) -> dict[str, Product | None]:
    """What each id of a product means; None if it cannot be told from others."""
    named_ = {one.product_id: named([one.product_identification_helper.purl]) for one in tree.full_product_names}
    _walk(tree.branches, named_, _DEPTH)
    found = {id_: product(one, None) for id_, one in named_.items()}
    for one in tree.relationships:
        whole = named_.get(one.relates_to_product_reference, ("", ""))
        part = named_.get(one.product_reference, ("", ""))
        own = named([one.full_product_name.product_identification_helper.purl])
        if whole[0]:
            found[one.full_product_name.product_id] = product(whole, [own if own[1] else part])
        else:
            # A platform is named by words alone; a package with its version is that of no other one.
            chosen = own[1] or part[1]
            purl = parsed(chosen) if chosen else None
            exact = Product("", (chosen,)) if purl is not None and purl.version else None
            found[one.full_product_name.product_id] = exact
    return found


def _walk(branches: list[_Branch], found: dict[str, tuple[str, str]], depth: int) -> None:
    if depth == 0:
        raise BadVex("its products are nested too deeply")
    for branch in branches:
        if branch.product is not None:
            found[branch.product.product_id] = _of_branch(branch, branch.product.product_identification_helper.purl)
        _walk(branch.branches, found, depth - 1)


def _of_branch(branch: _Branch, purl: str) -> tuple[str, str]:
    if branch.category == "product_version_range":
        return "", ""  # a package URL has no ranges, so it would mean every version
    image, package = named([purl])
    told = parsed(package) if package else None
    if told is not None and not told.version and branch.category == "product_version":
        package = str(PackageURL(told.type, told.namespace, told.name, branch.name, told.qualifiers, told.subpath))
    return image, package
