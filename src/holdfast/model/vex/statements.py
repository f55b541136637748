"""What a VEX document comes to, whatever its format, and whose word counts where several speak of one finding."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from holdfast.model.ecosystems import clipped
from holdfast.model.instants import read as read_instant

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES = 50  # of one vulnerability
NAME_CHARACTERS = 100
PRODUCTS = 2000  # of one statement
STATEMENTS = 20_000  # of one document, one for each name of a vulnerability
TEXT_CHARACTERS = 1000
IDENT_CHARACTERS = 500
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._+-]{0,99}", re.ASCII)
_NANOSECONDS = re.compile(r"(\.\d{6})\d+", re.ASCII)


class Form(StrEnum):
    """The format of a document."""

    OPENVEX = "OPENVEX"
    CYCLONEDX = "CYCLONEDX"
    CSAF = "CSAF"


class Status(StrEnum):
    """What is said of a vulnerability in a product, in OpenVEX's words; the worst first."""

    AFFECTED = "affected"
    UNDER_INVESTIGATION = "under_investigation"
    FIXED = "fixed"
    NOT_AFFECTED = "not_affected"


HIDING = frozenset({Status.FIXED, Status.NOT_AFFECTED})
_HARMLESS_LAST = list(Status)


class BadVex(ValueError):
    """A document that is none, or that cannot be followed; the message says why."""


class Product(msgspec.Struct, frozen=True, array_like=True):
    """What a statement speaks of: packages of an image, all of an image, or packages of whatever image."""

    image: str = ""  # a digest, an OCI package URL, or THIS; empty: whatever image
    packages: tuple[str, ...] = ()  # package URLs; empty: all that is in the image


THIS = "."  # the image that a document was put to


class Statement(msgspec.Struct, frozen=True):
    """What is said of one vulnerability."""

    names: tuple[str, ...]
    status: Status
    products: tuple[Product, ...]
    said_at: datetime | None = None
    justification: str = ""
    detail: str = ""


class Document(msgspec.Struct, frozen=True):
    """Statements of one author."""

    form: Form
    ident: str
    version: str
    author: str
    issued_at: datetime | None
    statements: tuple[Statement, ...]
    left_out: int = 0  # products that cannot be told from others

    @property
    def row_count(self) -> int:
        """How many names of vulnerabilities all statements have together."""
        return sum(len(one.names) for one in self.statements)


@dataclass(frozen=True, slots=True)
class Kept:
    """A document as it is kept: for which images it counts, who put it there, and until when."""

    id: int
    repository: str | None  # its name; None: all of the registry
    digest: str | None  # of the image; None: all of the repository
    form: Form
    ident: str
    version: str
    author: str
    issued_at: datetime
    owner: str
    created_at: datetime
    expires_at: datetime | None
    statement_count: int
    left_out: int
    origin_digest: str | None = None  # of the referrer that it came as

    @property
    def narrowness(self) -> int:
        """How near it is to one image."""
        return (self.repository is not None) + (self.digest is not None)


@dataclass(frozen=True, slots=True)
class Said:
    """A statement of a document that counts."""

    document: Kept
    statement: Statement

    @property
    def said_at(self) -> datetime:
        """When it was said; nobody speaks from the future."""
        told = self.statement.said_at or self.document.issued_at
        return min(told, self.document.created_at)


def deciding(said: Iterable[Said]) -> Said | None:
    """Whose word counts of those that speak of one finding: the nearest to the image, then the last, then the worst."""
    return max(
        said,
        key=lambda one: (
            one.document.narrowness,
            one.said_at,
            -_HARMLESS_LAST.index(one.statement.status),
            one.document.id,
        ),
        default=None,
    )


def names(told: Iterable[object]) -> tuple[str, ...]:
    """Names of one vulnerability, without what no name can be."""
    found = dict.fromkeys(one for one in told if isinstance(one, str) and _NAME.fullmatch(one))
    if len(found) > NAMES:
        raise BadVex(f"a vulnerability has more than {NAMES} names")
    return tuple(found)


def text(told: object, characters: int = TEXT_CHARACTERS) -> str:
    """A text of a document as it is kept."""
    return clipped(told, characters) if isinstance(told, str) else ""


def instant(told: object) -> datetime | None:
    """The instant that a document tells, whatever programs write after the microseconds."""
    found = read_instant(_NANOSECONDS.sub(r"\1", told)) if isinstance(told, str) else None
    return found if found is not None and found >= datetime(1970, 1, 1, tzinfo=UTC) else None
