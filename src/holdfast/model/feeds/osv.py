"""Records of the Open Source Vulnerability format (ossf.github.io/osv-schema), as osv.dev's `all.zip` has them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

import msgspec

from holdfast.model import cvss, severities
from holdfast.model.advisories import DESCRIPTION_CHARACTERS, NAMES, RANGES, REFERENCES, Advisory, Range, Status, up_to
from holdfast.model.ecosystems import spelled
from holdfast.model.feeds.reading import CVE, FAULTS, ident, idents, instant, line_of_text, records, url
from holdfast.model.packages import IN_MODULE
from holdfast.model.severities import Severity
from holdfast.model.versions import after, around, sort_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from holdfast.model.advisories import Problems
    from holdfast.model.cvss import Cvss

# Errata, whose older records name what they fix only as related.
_ERRATUM = re.compile(
    r"(?:RLSA|RXSA|ALSA|ALBA|ALEA|RHSA|RHBA|RHEA|ELSA|SUSE-|openSUSE-|USN|LSN|DSA|DLA|ALAS|OESA|MGASA)"
)
_FIXED, _INTRODUCED, _LAST = range(3)  # in the order in which they count at one version
_TITLE = re.compile(r"(Critical|Important|Moderate|Low):(?: ([\w.+-]+:[\w.+-]+) )?", re.ASCII)


class _Event(msgspec.Struct):
    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None


class _Range(msgspec.Struct):
    type: str
    events: list[_Event] = []


class _Package(msgspec.Struct):
    ecosystem: str = ""
    name: str = ""


class _Severity(msgspec.Struct):
    type: str = ""
    score: Any = None


class _Specific(msgspec.Struct):
    urgency: Any = None
    severity: Any = None


class _Affected(msgspec.Struct):
    package: _Package | None = None
    ranges: list[_Range] | None = None
    versions: list[str] | None = None
    severity: list[_Severity] | None = None
    ecosystem_specific: _Specific | None = None
    database_specific: _Specific | None = None


class _Reference(msgspec.Struct):
    url: Any = None


class _Record(msgspec.Struct):
    id: str
    modified: Any = None
    published: Any = None
    withdrawn: Any = None
    aliases: list[str] | None = None
    upstream: list[str] | None = None
    related: list[str] | None = None
    summary: str = ""
    details: str = ""
    severity: list[_Severity] | None = None
    affected: list[_Affected] | None = None
    references: list[_Reference] | None = None
    database_specific: _Specific | None = None


_DECODER = msgspec.json.Decoder(_Record)


def read(file: IO[bytes], ecosystem: str, problems: Problems, *, malware: bool = False) -> Iterator[Advisory]:
    """The advisories of an archive that are about an ecosystem, or about its releases."""
    for name, content in records(file, problems):
        if "MAL-" in name and not malware:
            continue
        try:
            found = parse(content, ecosystem)
        except FAULTS as fault:
            problems.add(name, fault)
            continue
        if malware or not found.ident.startswith("MAL-"):
            yield found


def parse(content: bytes, ecosystem: str) -> Advisory:
    """One record, of which only what is about an ecosystem counts."""
    record = _DECODER.decode(content)
    scores, word = _severities(record.severity or [])
    told = record.database_specific.severity if record.database_specific else None
    title = _TITLE.match(record.summary)
    severity = severities.first(
        Severity.CRITICAL if record.id.startswith("MAL-") else Severity.UNDEFINED,
        severities.of_word(told),
        severities.of_word(word),
        severities.of_word(title[1] if title else None),
    )
    ranges = [
        one
        for affected in record.affected or []
        if affected.package is not None and affected.package.ecosystem.partition(":")[0] == ecosystem
        for one in _of_module(_ranges(affected), title[2] if title else None)
    ]
    if len(ranges) > RANGES:
        raise ValueError(f"it has more than {RANGES} ranges of versions")
    aliases, covers = _names(record)
    return Advisory(
        ident(record.id),
        tuple(dict.fromkeys(ranges)),
        aliases,
        covers,
        instant(record.published),
        instant(record.modified),
        record.withdrawn is not None,
        line_of_text(record.summary, 300),
        line_of_text(record.details or record.summary, DESCRIPTION_CHARACTERS),
        severity,
        scores,
        _home(record.id, ecosystem),
        tuple(filter(None, (url(one.url) for one in (record.references or [])[:REFERENCES]))),
    )


def _names(record: _Record) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Other names of the same vulnerability, and the several that an erratum fixes."""
    aliases = list(record.aliases or [])
    above = [one for one in record.upstream or [] if CVE.fullmatch(one)]
    if not above and _ERRATUM.match(record.id):
        above = [one for one in aliases + (record.related or []) if CVE.fullmatch(one)]
    if len(above) > 1:
        return (), idents(above, NAMES)
    return tuple(one for one in idents(aliases + above, NAMES) if one != record.id), ()


def _severities(found: list[_Severity]) -> tuple[tuple[Cvss, ...], object]:
    """CVSS vectors, and the word of a distribution."""
    vectors = (
        cvss.parse(one.score) for one in found[:20] if one.type.startswith("CVSS") and isinstance(one.score, str)
    )
    words = (one.score for one in found if not one.type.startswith("CVSS"))
    return tuple(one for one in vectors if one is not None), next(words, None)


def _ranges(affected: _Affected) -> Iterator[Range]:
    assert affected.package is not None
    if "Pro" in affected.package.ecosystem.split(":"):
        return  # fixes that only subscribers of Ubuntu get
    ecosystem, name = spelled(affected.package.ecosystem, affected.package.name)
    specific = affected.ecosystem_specific or _Specific()
    words = (specific.urgency, specific.severity, _severities(affected.severity or [])[1])
    severity = severities.first(*map(severities.of_word, words))
    is_abandoned = specific.urgency == "end-of-life"
    ordered = [one for one in affected.ranges or [] if one.type != "GIT"]
    status = Status.WILL_NOT_FIX if is_abandoned else Status.AFFECTED
    for one in ordered:
        yield from intervals(Range(ecosystem, name, status=status, severity=severity), one.events)
    # Where there are ranges, the versions are those that existed when somebody counted them.
    for version in (affected.versions or []) if not ordered else []:
        key = sort_key(ecosystem, version)
        if key is None:
            yield Range(ecosystem, name, severity=severity, is_exact=False)
        else:
            yield Range(ecosystem, name, key, after(key), severity=severity)


def _of_module(found: Iterable[Range], stream: str | None) -> Iterator[Range]:
    """Ranges of an erratum, whose title tells the stream of a module that it is about.

    Of what seems not to be built for it, it is not known whether it is.
    """
    for one in found:
        is_built_for_one = one.fixed is not None and IN_MODULE in one.fixed
        yield replace(one, module=stream if is_built_for_one else None) if is_built_for_one or stream else one


def intervals(range_: Range, events: list[_Event]) -> Iterator[Range]:
    """What lies between the events of a range, which come in any order.

    A version that has no place in the order is taken for the nearest that has one.
    """
    marks: list[tuple[bytes, int, str]] = []
    for event in events:
        for kind, version in ((_FIXED, event.fixed), (_INTRODUCED, event.introduced), (_LAST, event.last_affected)):
            if version is not None:
                marks.append((_place(range_.ecosystem, version), kind, version))
    low: bytes | None = None
    for key, kind, version in sorted(marks):
        if kind == _INTRODUCED:
            low = key if low is None else low
        elif low is not None:
            yield from up_to(range_, version, low) if kind == _FIXED else (replace(range_, low=low, high=after(key)),)
            low = None
    if low is not None:
        yield replace(range_, low=low)


def _place(ecosystem: str, version: str) -> bytes:
    key = b"" if version == "0" else sort_key(ecosystem, version)
    return key if key is not None else (around(ecosystem, version) or (b"",))[0]


_HOMES = {
    "GHSA-": "https://github.com/advisories/",
    "GO-": "https://pkg.go.dev/vuln/",
    "RLSA-": "https://errata.rockylinux.org/",
    "USN-": "https://ubuntu.com/security/notices/",
    "CVE-": "https://www.cve.org/CVERecord?id=",
}


def _home(name: str, ecosystem: str) -> str:
    """Where people read about it."""
    if ecosystem == "Debian":
        return f"https://security-tracker.debian.org/tracker/{name.removeprefix('DEBIAN-')}"
    begin = next((home for begin, home in _HOMES.items() if name.startswith(begin)), "https://osv.dev/vulnerability/")
    return f"{begin}{name}"
