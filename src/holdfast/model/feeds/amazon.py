"""Amazon Linux's `updateinfo.xml` of one repository: errata, with the packages that fix them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING
from xml.parsers import expat

from holdfast.model import severities
from holdfast.model.advisories import DESCRIPTION_CHARACTERS, NAMES, RANGES, Advisory, BadFeed, Range, up_to
from holdfast.model.ecosystems import spelled
from holdfast.model.feeds.reading import CVE, FAULTS, document, ident, idents, instant, line_of_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.model.advisories import Problems

_AT_ONCE = 256 * 1024
_DEPTH = 12
_TEXTS = {"id", "title", "severity", "description"}


@dataclass(slots=True)
class _Update:
    texts: dict[str, str] = field(default_factory=dict)
    dates: dict[str, str] = field(default_factory=dict)
    cves: list[str] = field(default_factory=list)
    packages: set[tuple[str, str]] = field(default_factory=set)


class _Reader:
    """Collects updates as the parser passes them."""

    def __init__(self) -> None:
        self.done: list[_Update] = []
        self._at = _Update()
        self._path: list[str] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse  # entities are how XML is made to explode
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _refuse(self, *_: object) -> None:
        raise BadFeed("it declares a document type, which no updateinfo does")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        if len(self._path) > _DEPTH:
            raise BadFeed(f"it is nested more than {_DEPTH} deep")
        if name == "update":
            self._at = _Update()
        elif name in {"issued", "updated"}:
            self._at.dates[name] = attributes.get("date", "")
        elif name == "reference" and CVE.fullmatch(attributes.get("id", "")):
            self._at.cves.append(attributes["id"])
        elif name == "package" and "name" in attributes and "version" in attributes:
            version = f"{attributes.get('epoch') or 0}:{attributes['version']}-{attributes.get('release', '')}"
            self._at.packages.add((attributes["name"], version))

    def _end(self, name: str) -> None:
        self._path.pop()
        if name == "update":
            self.done.append(self._at)

    def _text(self, data: str) -> None:
        if len(self._path) == 3 and (name := self._path[-1]) in _TEXTS:
            before = self._at.texts.get(name, "")
            self._at.texts[name] = before + data[: DESCRIPTION_CHARACTERS * 2 - len(before)]


def read(file: IO[bytes], ecosystem: str, problems: Problems) -> Iterator[Advisory]:
    """The errata of a repository of a release such as `Amazon Linux:2023`."""
    reader = _Reader()
    content = document(file)
    for start in range(0, len(content), _AT_ONCE):
        try:
            reader.parser.Parse(content[start : start + _AT_ONCE], False)
        except expat.ExpatError as fault:
            raise BadFeed(f"it is no XML: {fault}") from None
        while reader.done:
            update = reader.done.pop(0)
            try:
                yield _advisory(update, ecosystem)
            except FAULTS as fault:
                problems.add(update.texts.get("id", "an update"), fault)
    try:
        reader.parser.Parse(b"", True)
    except expat.ExpatError as fault:
        raise BadFeed(f"it is cut off: {fault}") from None


def _advisory(update: _Update, ecosystem: str) -> Advisory:
    if len(update.packages) > RANGES:
        raise ValueError(f"it has more than {RANGES} packages")
    name = ident(update.texts.get("id", "").strip())
    severity = severities.of_word(update.texts.get("severity"))
    ranges: list[Range] = []
    for package, version in sorted(update.packages):
        ranges.extend(up_to(Range(*spelled(ecosystem, package), severity=severity), version))
    cves = idents(update.cves, NAMES)
    return Advisory(
        name,
        tuple(ranges),
        cves if len(cves) == 1 else (),
        cves if len(cves) > 1 else (),
        instant(update.dates.get("issued")),
        instant(update.dates.get("updated")),
        title=line_of_text(update.texts.get("title", ""), 300),
        description=line_of_text(update.texts.get("description", "").strip(), DESCRIPTION_CHARACTERS),
        severity=severity,
        url=_home(name, ecosystem),
    )


def _home(name: str, ecosystem: str) -> str:
    if ecosystem == "Amazon Linux:2":
        return f"https://alas.aws.amazon.com/AL2/{name.replace('ALAS2-', 'ALAS-', 1)}.html"
    return f"https://alas.aws.amazon.com/AL2023/{name.replace('ALAS2023-', 'ALAS-', 1)}.html"
