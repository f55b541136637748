"""Whose word it is that a finding does not count: that of somebody here, or that of a VEX document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.image_findings import ImageFinding
    from holdfast.model.suppressions import Suppression
    from holdfast.model.vex import Said


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a finding does not count."""

    kind: str  # SUPPRESSION or VEX
    number: int  # of the suppression or of the document
    owner: str  # who put it there
    reason: str
    until: datetime | None
    status: str | None = None  # of VEX, likewise the rest
    justification: str | None = None
    author: str | None = None
    document: str | None = None


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A finding that does not count, and why."""

    finding: ImageFinding
    verdicts: tuple[Verdict, ...]


def of_suppression(one: Suppression) -> Verdict:
    """The word of somebody here."""
    return Verdict("SUPPRESSION", one.id, one.owner, one.reason, one.expires_at)


def of_vex(said: Said) -> Verdict:
    """The word of a document."""
    document, statement = said.document, said.statement
    reason = statement.detail or statement.justification or statement.status.value
    return Verdict(
        "VEX",
        document.id,
        document.owner,
        reason,
        document.expires_at,
        statement.status.value,
        statement.justification or None,
        document.author or None,
        document.ident,
    )
