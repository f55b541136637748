"""OpenVEX documents (github.com/openvex/spec, OPENVEX-SPEC.md), of version 0.2.0 and those before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.model.vex.products import named, product
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

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Component(msgspec.Struct):
    id: str = msgspec.field(name="@id", default="")
    identifiers: dict[str, Any] = {}
    hashes: dict[str, Any] = {}
    subcomponents: list[_Component | str] = []


class _Vulnerability(msgspec.Struct):
    id: str = msgspec.field(name="@id", default="")
    name: str = ""
    aliases: list[Any] = []


class _Statement(msgspec.Struct):
    status: str
    vulnerability: _Vulnerability | str
    products: list[_Component | str] | None = None
    subcomponents: list[_Component | str] = []  # of all products, before 0.2.0
    justification: str = ""
    impact_statement: str = ""
    action_statement: str = ""
    status_notes: str = ""
    timestamp: Any = None
    last_updated: Any = None


class _Document(msgspec.Struct):
    statements: list[_Statement]
    id: str = msgspec.field(name="@id", default="")
    author: Any = None
    version: Any = None
    timestamp: Any = None
    last_updated: Any = None


_DECODER = msgspec.json.Decoder(_Document)


def read(data: bytes, *, is_of_image: bool) -> Document:
    """The statements of a document; where it names no product, they are about the image that it was put to."""
    document = _DECODER.decode(data)
    left_out = 0
    statements = []
    for one in document.statements:
        status = _status(one)
        products, unknown = _products(one, is_of_image=is_of_image)
        left_out += unknown
        told = one.vulnerability
        called = [told] if isinstance(told, str) else [told.name, *told.aliases, told.id]
        found = names(called)
        if products and found:
            said_at = instant(one.last_updated) or instant(one.timestamp)
            detail = one.impact_statement or one.status_notes or one.action_statement
            statements.append(Statement(found, status, products, said_at, text(one.justification), text(detail)))
    issued_at = instant(document.last_updated) or instant(document.timestamp)
    version = document.version if isinstance(document.version, str | int) else ""
    return Document(
        Form.OPENVEX,
        text(document.id, IDENT_CHARACTERS),
        text(str(version), 100),
        text(document.author),
        issued_at,
        tuple(statements),
        left_out,
    )


def _status(one: _Statement) -> Status:
    try:
        status = Status(one.status)
    except ValueError:
        raise BadVex(f"the status {one.status[:50]!r} is none of OpenVEX") from None
    if status is Status.NOT_AFFECTED and not (one.justification or one.impact_statement):
        raise BadVex("a statement of not_affected has neither a justification nor an impact_statement")
    return status


def _products(one: _Statement, *, is_of_image: bool) -> tuple[tuple[Product, ...], int]:
    if not one.products:
        parts = [_named(part) for part in one.subcomponents]
        packages = tuple(dict.fromkeys(package for _, package in parts if package))
        if not is_of_image or (parts and not packages):
            return (), 1
        return (Product(THIS, packages),), 0
    found = []
    for told in one.products:
        own = told.subcomponents if isinstance(told, _Component) else ()
        found.append(product(_named(told), [_named(part) for part in (*own, *one.subcomponents)]))
    known = tuple(dict.fromkeys(some for some in found if some is not None))
    return known, sum(some is None for some in found)


def _named(told: _Component | str) -> tuple[str, str]:
    if isinstance(told, str):
        return named([told])
    identifiers: Iterable[object] = told.identifiers.values()
    return named([told.id, *identifiers], told.hashes)
