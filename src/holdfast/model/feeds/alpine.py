"""Alpine's secdb: for a branch and a repository, which version of which package fixed what (secdb.alpinelinux.org)."""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING

import msgspec

from holdfast.model.advisories import Advisory, BadFeed, Range, up_to
from holdfast.model.ecosystems import spelled
from holdfast.model.feeds.reading import CVE, FAULTS, document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.model.advisories import Problems

_NAME = re.compile(r"[A-Z]{2,}-[0-9A-Za-z-]{3,60}", re.ASCII)
_BRANCH = re.compile(r"v[0-9]{1,3}\.[0-9]{1,3}", re.ASCII)


class _Package(msgspec.Struct):
    name: str
    secfixes: dict[str, list[str] | None]


class _Entry(msgspec.Struct):
    pkg: _Package


class _Branch(msgspec.Struct):
    distroversion: str
    packages: list[msgspec.Raw]


def read(file: IO[bytes], problems: Problems) -> Iterator[Advisory]:
    """The vulnerabilities that packages of a branch have been fixed of."""
    try:
        branch = msgspec.json.decode(document(file), type=_Branch)
    except FAULTS as fault:
        raise BadFeed(f"it is no secdb of Alpine: {fault}") from None
    if not _BRANCH.fullmatch(branch.distroversion):
        raise BadFeed("it is of no branch of Alpine, such as v3.19")
    ecosystem = f"Alpine:{branch.distroversion}"
    decoder = msgspec.json.Decoder(_Entry)
    found: dict[str, dict[str, tuple[Range, ...]]] = {}
    for content in branch.packages:
        try:
            package = decoder.decode(content).pkg
        except FAULTS as fault:
            problems.add("a package", fault)
            continue
        for version, texts in package.secfixes.items():
            for name in (one for text in texts or [] for one in _NAME.findall(text)):
                if version != "0":  # it was never affected
                    _add(found.setdefault(name, {}), up_to(Range(*spelled(ecosystem, package.name)), version))
    for name, ranges in found.items():
        is_cve = CVE.fullmatch(name) is not None
        url = f"https://security.alpinelinux.org/vuln/{name}" if is_cve else ""
        yield Advisory(name, tuple(one for some in ranges.values() for one in some), url=url)


def _add(ranges: dict[str, tuple[Range, ...]], found: tuple[Range, ...]) -> None:
    """A vulnerability that was fixed twice is fixed by the later version."""
    high, before = found[-1].high, ranges.get(found[0].name)
    if before is None or high is None or (before[-1].high is not None and high > before[-1].high):
        ranges[found[0].name] = found
