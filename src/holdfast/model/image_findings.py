"""What is wrong with an image: the vulnerabilities of its packages, as ECR shows them."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING, TypeVar

import msgspec

from holdfast.model.packages import LANGUAGES
from holdfast.model.severities import ORDER, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from holdfast.model.findings import Finding

MOST = 50_000  # findings of one image
UNPACKED_BYTES = 256 * 1024 * 1024  # of findings that were kept

Counts = Mapping[Severity, int]
Place = tuple[int, str]  # of a finding in the order in which they are shown
FIRST: Place = (0, "")  # before all of them
_LANGUAGES = frozenset(LANGUAGES.values())


@dataclass(frozen=True, slots=True)
class PackageVersion:
    """A version of a package of an image, as feeds know it."""

    id: int
    ecosystem: str
    name: str
    version: str


def is_of_system(ecosystem: str) -> bool:
    """Whether an ecosystem is that of an operating system, and no programming language's."""
    return ecosystem not in _LANGUAGES


@dataclass(frozen=True, slots=True)
class Bare:
    """A finding without what people read: a vulnerability in one package, or in several of an image."""

    name: str
    severity: Severity
    package: str  # by the name and version of its source; of several the first
    version: str
    parts: tuple[Finding, ...]  # one for each package version

    @property
    def aliases(self) -> tuple[str, ...]:
        """Its other names."""
        return tuple(name for part in self.parts for name in part.aliases)

    @property
    def place(self) -> Place:
        """Where it stands: the worst first, and then by name."""
        return _place(self)


class Vulnerable(msgspec.Struct, frozen=True, array_like=True):
    """A package that has a vulnerability, where it is."""

    type: str
    name: str
    version: str
    architecture: str
    path: str
    layer_digest: str
    fixed: str | None = None
    source: str = ""  # of deb and apk, and only if it is another one
    source_version: str = ""


class ImageFinding(msgspec.Struct, frozen=True, array_like=True):
    """A vulnerability of an image, with all that is shown of it."""

    name: str
    severity: Severity
    package: str
    version: str
    packages: tuple[Vulnerable, ...]
    feed: str
    title: str = ""
    description: str = ""
    url: str = ""
    references: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    cvss: tuple[tuple[str, str, float | None], ...] = ()  # version, vector, score; the one that counts first
    published_at: datetime | None = None
    modified_at: datetime | None = None
    first_seen_at: datetime | None = None  # None: it was known before the package was
    exploited_since: date | None = None
    likelihood: float | None = None
    percentile: float | None = None

    @property
    def place(self) -> Place:
        """Where it stands, as that of the bare one."""
        return _place(self)

    @property
    def fix_available(self) -> str:
        """Inspector's fixAvailable."""
        fixed = [package.fixed is not None for package in self.packages]
        return "YES" if fixed and all(fixed) else "PARTIAL" if any(fixed) else "NO"


F = TypeVar("F", bound=Bare | ImageFinding)


def _place(one: Bare | ImageFinding) -> Place:
    return ORDER.index(one.severity), f"{one.name}\n{one.package}\n{one.version}"


def by_package(found: Iterable[Finding], packages: Mapping[int, PackageVersion]) -> list[Bare]:
    """One finding for each vulnerability of each package: ECR's basic scans."""

    def what(one: Finding) -> tuple[str, str, str]:
        package = packages[one.package_version_id]
        return one.name, package.name, package.version

    return _grouped(found, packages, what)


def by_vulnerability(found: Iterable[Finding], packages: Mapping[int, PackageVersion]) -> list[Bare]:
    """One finding for each vulnerability, in however many packages it is: Inspector's."""
    return _grouped(found, packages, lambda one: one.name)


def _grouped(
    found: Iterable[Finding], packages: Mapping[int, PackageVersion], what: Callable[[Finding], Hashable]
) -> list[Bare]:
    groups: dict[Hashable, list[Finding]] = {}
    for one in found:
        groups.setdefault(what(one), []).append(one)
    bare = []
    for parts in groups.values():
        parts.sort(key=lambda one: (packages[one.package_version_id].name, packages[one.package_version_id].version))
        first = packages[parts[0].package_version_id]
        bare.append(Bare(parts[0].name, worst(parts), first.name, first.version, tuple(parts)))
    bare.sort(key=_place)
    return bare


def besides(
    own: Iterable[Bare | ImageFinding], others: Iterable[ImageFinding], *, by_package: bool
) -> list[ImageFinding]:
    """What another scanner found that is not among our own findings, by any of its names."""
    known = {(name, one.package if by_package else "") for one in own for name in (one.name, *one.aliases)}
    return [
        one
        for one in others
        if known.isdisjoint((name, one.package if by_package else "") for name in (one.name, *one.aliases))
    ]


def worst(found: Iterable[Finding]) -> Severity:
    """The worst severity of any of them."""
    return min((one.severity for one in found), key=ORDER.index, default=Severity.UNDEFINED)


def worst_by_name(found: Iterable[Finding | ImageFinding]) -> dict[str, Severity]:
    """Each vulnerability once, with its worst severity."""
    by_name: dict[str, Severity] = {}
    for one in found:
        by_name[one.name] = min(by_name.get(one.name, Severity.UNDEFINED), one.severity, key=ORDER.index)
    return by_name


def counted(severities: Iterable[Severity]) -> dict[Severity, int]:
    """How many there are of each severity that there is, the worst first."""
    counts = Counter(severities)
    return {severity: counts[severity] for severity in ORDER if counts[severity]}


def page(found: Sequence[F], after: Place, limit: int) -> tuple[list[F], bool]:
    """Up to `limit` findings that follow a place, and whether there are more."""
    rest = [one for one in found if one.place > after]
    return rest[:limit], len(rest) > limit


_DECODER = msgspec.msgpack.Decoder(tuple[ImageFinding, ...])


def pack(found: Sequence[ImageFinding]) -> bytes:
    """Findings as they are kept."""
    return zlib.compress(msgspec.msgpack.encode(found), 6)


def unpack(data: bytes) -> tuple[ImageFinding, ...]:
    """Findings that were kept."""
    return _DECODER.decode(zlib.decompressobj().decompress(data, UNPACKED_BYTES))
