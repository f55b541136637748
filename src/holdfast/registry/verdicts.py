"""Find out which findings of an image do not count, and whose word that is.

    suppressions of the registry and the repository ─┐
                                                     ├─► Judge of an image ─► findings that count · those that do not
    VEX documents of registry, repository and image ─┘

A suppression holds whatever documents say. Of the documents the nearest to the image decides, and of its statements the
last; whether that hides a finding is seen each time that somebody asks, so what is withdrawn counts again at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import verdicts, vex
from holdfast.model.packages import OS_TYPES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from holdfast.model.findings import Finding
    from holdfast.model.image_findings import ImageFinding, PackageVersion, Vulnerable
    from holdfast.model.images import Image
    from holdfast.model.packages import OperatingSystem
    from holdfast.model.repositories import Repository
    from holdfast.model.severities import Severity
    from holdfast.model.suppressions import Suppression
    from holdfast.model.verdicts import Verdict
    from holdfast.store import Transaction


@dataclass(frozen=True, slots=True)
class Judge:
    """What was decided that may be about findings of one image."""

    image: Image
    at: vex.Whereabouts
    rules: Sequence[Suppression]
    documents: Mapping[int, vex.Kept] = field(default_factory=dict)

    @property
    def is_idle(self) -> bool:
        """Whether every finding counts."""
        return not self.rules and not self.documents

    def of_live(
        self, tx: Transaction, found: Sequence[Finding], packages: Mapping[int, PackageVersion]
    ) -> list[tuple[Finding, tuple[Verdict, ...]]]:
        """Findings of package versions of the image, each with why it does not count."""
        if self.is_idle:
            return [(one, ()) for one in found]
        said = self._said(tx, found)
        rows = [one.package_version_id for one in found if not said.keys().isdisjoint((one.name, *one.aliases))]
        places = store.image_findings.places(tx, self.image.id, rows) if rows else {}
        os = self._os(tx) if rows else None
        judged = []
        for one in found:
            package = packages[one.package_version_id]
            names = (one.name, *one.aliases)
            verdict = self._ruled(names, (package.name, package.version), one.severity)
            where = places.get(one.package_version_id, ())
            judged.append((one, (verdict,) if verdict else _vouched(said, names, self.at, where, os)))
        return judged

    def of_kept(self, tx: Transaction, found: Sequence[ImageFinding]) -> list[tuple[ImageFinding, tuple[Verdict, ...]]]:
        """Findings of the image that were kept, each with why it does not count."""
        if self.is_idle:
            return [(one, ()) for one in found]
        said = self._said(tx, found)
        os = self._os(tx) if said else None
        judged = []
        for one in found:
            names = (one.name, *one.aliases)
            verdict = self._ruled(names, _only_package(one), one.severity)
            judged.append((one, (verdict,) if verdict else _vouched(said, names, self.at, one.packages, os)))
        return judged

    def _ruled(
        self, names: Collection[str], package: tuple[str | None, str | None], severity: Severity
    ) -> Verdict | None:
        for rule in self.rules:
            if rule.covers(self.image.digest, names, package, severity):
                return verdicts.of_suppression(rule)
        return None

    def _said(self, tx: Transaction, found: Iterable[Finding | ImageFinding]) -> dict[str, list[vex.Said]]:
        """What the documents say of any of some findings, by the name of the vulnerability."""
        names = {name for one in found for name in (one.name, *one.aliases)} if self.documents else ()
        said: dict[str, list[vex.Said]] = {}
        for number, name, statement in store.vex.said(tx, list(self.documents), names):
            said.setdefault(name, []).append(vex.Said(self.documents[number], statement))
        return said

    def _os(self, tx: Transaction) -> OperatingSystem | None:
        inventory = store.inventories.find(tx, self.image.id)
        return inventory.os if inventory else None


def over(tx: Transaction, repository: Repository, images: Sequence[Image], now: datetime) -> dict[int, Judge]:
    """A judge for each of some images of a repository, by the image's row."""
    rules = store.suppressions.active(tx, repository, now)
    wide = store.vex.wide(tx, repository, now)
    own: dict[str, list[vex.Kept]] = {}
    holders: dict[int, list[str]] = {}
    if store.vex.has_of_images(tx, repository):
        holders = {image.id: store.images.parents(tx, repository, image.digest) for image in images}
        digests = {*(image.digest for image in images), *(one for some in holders.values() for one in some)}
        for one in store.vex.of_images(tx, repository, digests, now):
            assert one.digest is not None, "it is of one image"
            own.setdefault(one.digest, []).append(one)
    judges = {}
    for image in images:
        digests = {image.digest, *holders.get(image.id, ())}
        documents = [*wide, *(one for digest in digests for one in own.get(digest, ()))]
        at = vex.Whereabouts(repository.name, frozenset(digests))
        judges[image.id] = Judge(image, at, rules, {one.id: one for one in _newest(documents)})
    return judges


def on_image(tx: Transaction, repository: Repository, image: Image, now: datetime) -> Judge:
    """The judge of one image."""
    return over(tx, repository, [image], now)[image.id]


def touched(tx: Transaction, judges: Mapping[int, Judge], live: Sequence[int]) -> set[int]:
    """Those images of which a count of all findings may be wrong for what was decided."""
    rules = {one.vulnerability for judge in judges.values() for one in judge.rules}
    documents = {number for judge in judges.values() for number in judge.documents}
    found = store.image_findings.images_with(tx, live, sorted(rules))
    return found | (store.vex.touched(tx, live, sorted(documents)) if documents else set())


def _newest(documents: Iterable[vex.Kept]) -> Iterable[vex.Kept]:
    """Without those that a later one of the same name, for the same images, takes the place of."""
    last: dict[tuple[str | None, str | None, str], vex.Kept] = {}
    for one in documents:
        key = one.repository, one.digest, one.ident
        before = last.get(key)
        if before is None or (before.issued_at, before.id) < (one.issued_at, one.id):
            last[key] = one
    return last.values()


def _vouched(
    said: Mapping[str, Sequence[vex.Said]],
    names: Iterable[str],
    at: vex.Whereabouts,
    packages: Sequence[Vulnerable],
    os: OperatingSystem | None,
) -> tuple[Verdict, ...]:
    """What documents say of a vulnerability in some packages, if it hides each of them."""
    told = [one for name in names for one in said.get(name, ())]
    if not told or not packages:
        return ()
    found: dict[Verdict, None] = {}
    for package in packages:
        held = vex.held(package, os)
        deciding = vex.deciding(one for one in told if vex.covers(one.statement, at, held))
        if deciding is None or deciding.statement.status not in vex.HIDING:
            return ()
        found[verdicts.of_vex(deciding)] = None
    return tuple(found)


def _only_package(one: ImageFinding) -> tuple[str | None, str | None]:
    """The package that a finding is in, if it is in one alone; what is of one source of a system has one version."""
    apart = {(part.type, "" if part.type in OS_TYPES else part.name, part.version) for part in one.packages}
    return (one.package, one.version) if len(apart) <= 1 else (None, None)
