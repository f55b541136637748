"""What is known of CVEs wherever they are: CISA's KEV, FIRST's EPSS, and the scores of NIST's NVD."""

from __future__ import annotations

import re
from datetime import date  # noqa: TC003 - msgspec reads it
from typing import IO, TYPE_CHECKING, Any

import msgspec

from holdfast.model import cvss
from holdfast.model.advisories import BadFeed, Facts
from holdfast.model.feeds.reading import CVE, FAULTS, document, lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.model.advisories import Problems

_LINE_BYTES = 4096
_NUMBER = re.compile(rb"[01]?\.?[0-9]{1,20}(?:[eE]-?[0-9]{1,2})?")


class _Exploited(msgspec.Struct):
    vulnerabilities: list[msgspec.Raw]


class _Entry(msgspec.Struct):
    cveID: str  # noqa: N815 - CISA's name
    dateAdded: date  # noqa: N815 - likewise


def read_kev(file: IO[bytes], problems: Problems) -> Iterator[Facts]:
    """Vulnerabilities that are known to be exploited (cisa.gov/known-exploited-vulnerabilities-catalog)."""
    decoder = msgspec.json.Decoder(_Entry)
    for content in _decoded(file, _Exploited, "catalogue of exploited vulnerabilities").vulnerabilities:
        try:
            entry = decoder.decode(content)
            yield Facts(_cve(entry.cveID), exploited_since=entry.dateAdded)
        except FAULTS as fault:
            problems.add("an entry", fault)


def read_epss(file: IO[bytes], problems: Problems) -> Iterator[Facts]:
    """How likely CVEs are to be exploited (first.org/epss): lines of `cve,epss,percentile` after two of a head."""
    found = lines(file, _LINE_BYTES)
    head = next(found, b"")
    names = next(found, b"") if head.startswith(b"#") else head
    if names.strip() != b"cve,epss,percentile":
        raise BadFeed("its head is not that of EPSS: cve,epss,percentile")
    for line in found:
        try:
            cve, likelihood, percentile = line.strip().split(b",")
            if not (_NUMBER.fullmatch(likelihood) and _NUMBER.fullmatch(percentile)):
                raise ValueError("a likelihood is no number")
            yield Facts(_cve(cve.decode()), likelihood=_share(likelihood), percentile=_share(percentile))
        except FAULTS as fault:
            problems.add(line[:40].decode(errors="replace"), fault)


class _Metric(msgspec.Struct):
    cvssData: dict[str, Any]  # noqa: N815 - NIST's name


class _Cve(msgspec.Struct):
    id: str
    metrics: dict[str, list[Any]] = {}


class _Vulnerability(msgspec.Struct):
    cve: _Cve


class _Page(msgspec.Struct):
    vulnerabilities: list[msgspec.Raw]


def read_nvd(file: IO[bytes], problems: Problems) -> Iterator[Facts]:
    """CVSS vectors of a page or of a yearly file of version 2.0 (nvd.nist.gov/developers/vulnerabilities).

    Which products they are about is not asked: what NVD says of that is too coarse for packages.
    """
    decoder = msgspec.json.Decoder(_Vulnerability)
    for content in _decoded(file, _Page, "page of NVD").vulnerabilities:
        try:
            found = decoder.decode(content).cve
            scores = tuple(_scores(found.metrics))
            if scores:
                yield Facts(_cve(found.id), cvss=scores)
        except FAULTS as fault:
            problems.add("a vulnerability", fault)


def _scores(metrics: dict[str, list[Any]]) -> Iterator[cvss.Cvss]:
    """The first vector of each version: those of NIST come first."""
    for version in ("cvssMetricV40", "cvssMetricV31", "cvssMetricV30", "cvssMetricV2"):
        for one in metrics.get(version, [])[:1]:
            data = msgspec.convert(one, _Metric).cvssData
            vector, score = data.get("vectorString"), data.get("baseScore")
            told = float(score) if isinstance(score, int | float) else None
            found = cvss.parse(vector, told) if isinstance(vector, str) else None
            if found is not None:
                yield found


def _decoded(file: IO[bytes], shape: type[Any], what: str) -> Any:
    try:
        return msgspec.json.decode(document(file), type=shape)
    except FAULTS as fault:
        raise BadFeed(f"it is no {what}: {fault}") from None


def _cve(text: str) -> str:
    if not CVE.fullmatch(text):
        raise ValueError("it is about no CVE")
    return text


def _share(text: bytes) -> float:
    found = float(text)
    if not 0 <= found <= 1:
        raise ValueError("a likelihood is not between 0 and 1")
    return found
