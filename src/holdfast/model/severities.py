"""How bad a finding is, in ECR's words: as the distribution says, else as CVSS says."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """ECR's FindingSeverity."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"
    INFORMATIONAL = "INFORMATIONAL"
    UNDEFINED = "UNDEFINED"


ORDER = tuple(Severity)  # the worst first

# What distributions and GitHub say. What is not here, such as Debian's "not yet assigned", leaves it to CVSS.
_WORDS = {
    "critical": Severity.CRITICAL,
    "important": Severity.HIGH,
    "high": Severity.HIGH,
    "moderate": Severity.MEDIUM,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "negligible": Severity.INFORMATIONAL,
    "unimportant": Severity.INFORMATIONAL,
}


def of_word(word: object) -> Severity:
    """The severity of a word of a feed; UNDEFINED if it says nothing about it."""
    return _WORDS.get(word.strip().lower(), Severity.UNDEFINED) if isinstance(word, str) else Severity.UNDEFINED


def of_score(score: float | None) -> Severity:
    """The severity of a CVSS base score, by the scale of CVSS 3."""
    if score is None:
        return Severity.UNDEFINED
    for least, severity in (
        (9.0, Severity.CRITICAL),
        (7.0, Severity.HIGH),
        (4.0, Severity.MEDIUM),
        (0.1, Severity.LOW),
    ):
        if score >= least:
            return severity
    return Severity.INFORMATIONAL


def first(*severities: Severity) -> Severity:
    """The first that says anything."""
    return next((one for one in severities if one is not Severity.UNDEFINED), Severity.UNDEFINED)
