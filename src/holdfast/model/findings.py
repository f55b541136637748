"""Findings: what is wrong with a package version, each vulnerability once, whoever told of it and by whatever name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from holdfast.model import severities
from holdfast.model.advisories import Status
from holdfast.model.severities import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from holdfast.model.advisories import Facts


@dataclass(frozen=True, slots=True)
class Match:
    """What one advisory says of a package version."""

    advisory_id: int
    feed: str
    ident: str
    aliases: tuple[str, ...]
    covers: tuple[str, ...]
    severity: Severity
    status: Status
    fixed: str | None
    is_exact: bool
    first_seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Finding:
    """A vulnerability in a package version."""

    package_version_id: int
    name: str  # its CVE, if it has one
    aliases: tuple[str, ...]
    severity: Severity
    status: Status
    fixed: str | None
    first_seen_at: datetime | None  # None: it was known when the package was first seen
    matches: tuple[Match, ...]  # whose word counts most comes first

    @property
    def is_certain(self) -> bool:
        """Whether the version could be compared."""
        return self.matches[0].is_exact


def merged(package_version_id: int, matches: Iterable[Match]) -> list[Finding]:
    """The findings of a package version, the worst first: advisories that share a name are about the same thing."""
    groups: dict[str, tuple[set[str], list[Match]]] = {}  # by each of its names
    for match in sorted(matches, key=_weight):
        for names in [{one} for one in match.covers] or [{match.ident, *match.aliases}]:
            same = {id(group): group for name in names if (group := groups.get(name))}.values()
            group = (names.union(*(one[0] for one in same)), [found for one in same for found in one[1]])
            if match not in group[1]:
                group[1].append(match)
            groups |= dict.fromkeys(group[0], group)
    distinct = {id(group): group for group in groups.values()}.values()
    found = [_finding(package_version_id, names, sorted(some, key=_weight)) for names, some in distinct]
    return ordered(found)


def ordered(found: Iterable[Finding]) -> list[Finding]:
    """The worst first, and then by name."""
    return sorted(found, key=lambda one: (severities.ORDER.index(one.severity), one.name))


def judged(finding: Finding, facts: Mapping[str, Facts], elsewhere: Mapping[str, Severity]) -> Finding:
    """A finding that no feed finds bad or good, as NVD's scores or what is said of other packages lets it be judged."""
    if finding.severity is not Severity.UNDEFINED or not finding.is_certain:
        return finding
    names = (finding.name, *finding.aliases)
    scores = (one.score for name in names if name in facts for one in facts[name].cvss)
    told = (elsewhere.get(name, Severity.UNDEFINED) for name in names)
    return replace(finding, severity=severities.first(*map(severities.of_score, scores), *told))


def counted(findings: Iterable[Finding]) -> dict[Severity, int]:
    """How many there are of each severity; none is left out."""
    counts: dict[Severity, int] = {}
    for one in findings:
        counts[one.severity] = counts.get(one.severity, 0) + 1
    return counts


def _weight(match: Match) -> tuple[bool, bool, bool, str, str]:
    """Sure before unsure, the distribution's own feed before a copy of it, and who says how bad it is before others."""
    return (
        not match.is_exact,
        match.feed.startswith("osv/"),
        match.severity is Severity.UNDEFINED,
        match.feed,
        match.ident,
    )


def _finding(package_version_id: int, names: set[str], matches: Sequence[Match]) -> Finding:
    own = {match.ident for match in matches}
    in_order = sorted(names, key=lambda name: (not name.startswith("CVE-"), name not in own, name))
    exact = [one for one in matches if one.is_exact]
    first = matches[0]
    seen = [one.first_seen_at for one in matches]
    return Finding(
        package_version_id,
        in_order[0],
        tuple(in_order[1:]),
        severities.first(*(one.severity for one in exact)),
        first.status if exact else Status.UNDER_INVESTIGATION,
        next((one.fixed for one in matches if one.fixed), None),
        min((at for at in seen if at is not None), default=None) if None not in seen else None,
        tuple(matches),
    )
