"""What feeds say: an advisory, the versions of packages that it is about, and what else is known of a CVE.

A feed's record becomes one `Advisory`. Its ranges are half open in sort keys, so that a database can search them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from holdfast.model.severities import Severity, first, of_score
from holdfast.model.versions import around, sort_key

if TYPE_CHECKING:
    from datetime import date, datetime

    from holdfast.model.cvss import Cvss

FIXED_CHARACTERS = 200
DESCRIPTION_CHARACTERS = 4096
REFERENCES = 50
NAMES = 2000  # of one advisory: an erratum of a kernel covers hundreds of CVEs
RANGES = 50_000
PROBLEMS_SHARE = 0.2  # more records that cannot be read than this, and it is another kind of file


class BadFeed(Exception):
    """A file of a feed that is not what it should be; the message says why."""


class Status(StrEnum):
    """What whoever makes a package says of a vulnerability in it."""

    FIXED = "fixed"
    AFFECTED = "affected"
    WILL_NOT_FIX = "will_not_fix"
    NO_DSA = "no_dsa"  # not worth an advisory of its own
    UNDER_INVESTIGATION = "under_investigation"


@dataclass(frozen=True, slots=True)
class Range:
    """Versions of one package, from a key up to one before another."""

    ecosystem: str
    name: str
    low: bytes = b""
    high: bytes | None = None  # None: every later version
    fixed: str | None = None  # the version that has it no more
    status: Status = Status.AFFECTED
    severity: Severity = Severity.UNDEFINED  # that the distribution gives it
    is_exact: bool = True  # False: a bound has no place in the order, so it may be about fewer versions
    module: str | None = ""  # of rpm: the stream that its package is of, such as nodejs:18; None: whatever it is of


def up_to(about: Range, fixed: str, low: bytes = b"") -> tuple[Range, ...]:
    """A range that ends where something was fixed.

    If that version has no place in the order, those near it are a range of their own, which is not exact.
    """
    key = sort_key(about.ecosystem, fixed)
    near = (key, None) if key is not None else around(about.ecosystem, fixed) or (None, None)
    told = (fixed[:FIXED_CHARACTERS], Status.FIXED, about.severity)
    ended = Range(about.ecosystem, about.name, low, near[0], *told, near[0] is not None, about.module)
    if near[1] is None:
        return (ended,)
    return ended, Range(about.ecosystem, about.name, max(near[0] or b"", low), near[1], *told, False, about.module)


@dataclass(frozen=True, slots=True)
class Advisory:
    """A record of a feed."""

    ident: str
    ranges: tuple[Range, ...]
    aliases: tuple[str, ...] = ()  # other names of the same vulnerability
    covers: tuple[str, ...] = ()  # several vulnerabilities, for an erratum that fixes them together
    published_at: datetime | None = None
    modified_at: datetime | None = None
    is_withdrawn: bool = False
    title: str = ""
    description: str = ""
    severity: Severity = Severity.UNDEFINED  # that its author gives it
    cvss: tuple[Cvss, ...] = ()
    url: str = ""
    references: tuple[str, ...] = ()

    def severity_of(self, range_: Range | None) -> Severity:
        """As the distribution says of a range, else as the author says, else as CVSS says."""
        scores = {one.version: one.score for one in self.cvss if one.score is not None}
        score = next((scores[version] for version in ("3.1", "3.0", "4.0", "2.0") if version in scores), None)
        return first(range_.severity if range_ else Severity.UNDEFINED, self.severity, of_score(score))


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a CVE wherever it is: whether it is exploited, how likely that is, and its scores."""

    cve: str
    exploited_since: date | None = None
    likelihood: float | None = None  # EPSS: that it is exploited within 30 days
    percentile: float | None = None
    cvss: tuple[Cvss, ...] = ()


@dataclass(slots=True)
class Problems:
    """Records that could not be read: all are counted, some are told."""

    count: int = 0
    told: list[str] = field(default_factory=list)

    def add(self, what: str, why: object) -> None:
        """One more."""
        self.count += 1
        if len(self.told) < 20:
            self.told.append(f"{what[:100]}: {str(why)[:200]}")
