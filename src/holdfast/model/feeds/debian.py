"""The Debian security tracker's one document (security-tracker.debian.org/tracker/data/json).

source package ── CVE ── release ── open | resolved | undetermined, fixed_version, urgency, nodsa
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import msgspec

from holdfast.model import severities
from holdfast.model.advisories import DESCRIPTION_CHARACTERS, Advisory, BadFeed, Range, Status, up_to
from holdfast.model.feeds.reading import FAULTS, document, ident, line_of_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.model.advisories import Problems

# Other releases, and unstable, are in no image whose version tells them.
RELEASES = {"stretch": 9, "buster": 10, "bullseye": 11, "bookworm": 12, "trixie": 13, "forky": 14, "duke": 15}


class _Release(msgspec.Struct):
    status: str
    fixed_version: str | None = None
    urgency: Any = None
    nodsa: Any = None
    nodsa_reason: Any = None


class _Issue(msgspec.Struct):
    description: Any = None
    releases: dict[str, _Release] = {}


def read(file: IO[bytes], problems: Problems) -> Iterator[Advisory]:
    """The advisories of the document, each with all packages and releases that it is about."""
    try:
        packages = msgspec.json.decode(document(file), type=dict[str, dict[str, msgspec.Raw]])
    except FAULTS as fault:
        raise BadFeed(f"it is no document of the Debian security tracker: {fault}") from None
    decoder = msgspec.json.Decoder(_Issue)
    ranges: dict[str, list[Range]] = {}
    descriptions: dict[str, str] = {}
    for package, issues in packages.items():
        for name, content in issues.items():
            try:
                issue = decoder.decode(content)
                found = [one for word, release in issue.releases.items() for one in _ranges(package, word, release)]
                ranges.setdefault(ident(name), []).extend(found)
            except FAULTS as fault:
                problems.add(f"{package} {name}", fault)
                continue
            if isinstance(issue.description, str):
                descriptions[name] = issue.description
    for name, found in ranges.items():
        yield Advisory(
            name,
            tuple(found),
            description=line_of_text(descriptions.get(name, ""), DESCRIPTION_CHARACTERS),
            url=f"https://security-tracker.debian.org/tracker/{name}",
        )


def _ranges(package: str, word: str, release: _Release) -> Iterator[Range]:
    number = RELEASES.get(word)
    if number is None or release.fixed_version == "0":  # it was never affected
        return
    ecosystem = f"Debian:{number}"
    severity = severities.of_word(release.urgency)
    if release.status == "resolved":
        if not release.fixed_version:
            raise ValueError(f"it is resolved in {word} by no version")
        yield from up_to(Range(ecosystem, package, severity=severity), release.fixed_version)
    elif release.status == "open":
        yield Range(ecosystem, package, status=_status(release), severity=severity)
    elif release.status == "undetermined":
        yield Range(ecosystem, package, status=Status.UNDER_INVESTIGATION, severity=severity)
    else:
        raise ValueError(f"nobody knows the status {release.status[:40]!r}")


def _status(release: _Release) -> Status:
    if release.urgency == "end-of-life" or release.nodsa_reason == "ignored":
        return Status.WILL_NOT_FIX
    return Status.AFFECTED if release.nodsa is None else Status.NO_DSA
