"""Find what is wrong with an image: its packages, held against the advisories of this moment.

Nothing is kept for an image and a vulnerability: which package versions a vulnerability is in is kept once, and what is
in an image is a question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from holdfast import store
from holdfast.model import image_findings
from holdfast.model.advisories import REFERENCES
from holdfast.model.image_findings import Bare, ImageFinding
from holdfast.model.scanning import ScanType
from holdfast.registry import advisories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from holdfast.model.advisories import Facts
    from holdfast.model.findings import Finding
    from holdfast.model.image_findings import PackageVersion, Vulnerable
    from holdfast.model.verdicts import Verdict
    from holdfast.registry.verdicts import Judge
    from holdfast.store import Transaction
    from holdfast.store.advisories import Body

FACTS_ONLY = ("epss", "kev", "nvd/")  # feeds that no package is found by
_VERSIONS = ("3.1", "3.0", "4.0", "2.0")  # of CVSS, the one that counts first
UNCERTAIN = "This version cannot be compared, so it is not known whether it is affected."


def of_image(
    tx: Transaction, packages: Mapping[int, PackageVersion], type_: ScanType, judge: Judge | None = None
) -> list[Bare]:
    """What is wrong with packages of an image and counts, in the order in which it is shown."""
    found = _every(tx, packages)
    if judge is not None:
        found = [one for one, verdicts in judge.of_live(tx, found, packages) if not verdicts]
    return _grouped(type_)(found, packages)


def of_image_and(
    tx: Transaction,
    packages: Mapping[int, PackageVersion],
    type_: ScanType,
    judge: Judge,
    others: Sequence[ImageFinding],
) -> list[Bare | ImageFinding]:
    """What is wrong with packages of an image and counts, with what another scanner found besides."""
    own = of_image(tx, packages, type_, judge)
    if not others:
        return list(own)
    return sorted([*own, *without(tx, besides(tx, packages, type_, others), judge)], key=lambda one: one.place)


def besides(
    tx: Transaction, packages: Mapping[int, PackageVersion], type_: ScanType, others: Sequence[ImageFinding]
) -> list[ImageFinding]:
    """What another scanner found in an image besides us, whether it counts or not."""
    every = of_image(tx, packages, type_) if others else ()
    return image_findings.besides(every, others, by_package=type_ is ScanType.BASIC)


def without(tx: Transaction, found: Sequence[ImageFinding], judge: Judge) -> Sequence[ImageFinding]:
    """Findings that were kept, but for those that do not count."""
    return [one for one, verdicts in judge.of_kept(tx, found) if not verdicts]


def suppressed(
    tx: Transaction, packages: Mapping[int, PackageVersion], type_: ScanType, judge: Judge
) -> list[tuple[Bare, tuple[Verdict, ...]]]:
    """What is wrong with packages of an image and does not count, each with why."""
    judged = [(one, some) for one, some in judge.of_live(tx, _every(tx, packages), packages) if some]
    why = {(one.package_version_id, one.name): some for one, some in judged}
    bare = _grouped(type_)([one for one, _ in judged], packages)
    return [
        (one, tuple(dict.fromkeys(v for part in one.parts for v in why[part.package_version_id, part.name])))
        for one in bare
    ]


def _every(tx: Transaction, packages: Mapping[int, PackageVersion]) -> list[Finding]:
    return [one for some in advisories.findings_of(tx, list(packages)).values() for one in some]


def _grouped(type_: ScanType) -> Callable[[list[Finding], Mapping[int, PackageVersion]], list[Bare]]:
    return image_findings.by_package if type_ is ScanType.BASIC else image_findings.by_vulnerability


def whole(tx: Transaction, image_id: int, bare: Sequence[Bare]) -> list[ImageFinding]:
    """Findings of an image with all that is shown of them."""
    rows = (part.package_version_id for one in bare for part in one.parts)
    return whole_at(tx, bare, store.image_findings.places(tx, image_id, rows))


def shown(tx: Transaction, image_id: int, some: Sequence[Bare | ImageFinding]) -> list[ImageFinding]:
    """The same, with all that is shown of those that are bare."""
    bare = [one for one in some if isinstance(one, Bare)]
    wholes = {one.place: found for one, found in zip(bare, whole(tx, image_id, bare), strict=True)}
    return [one if isinstance(one, ImageFinding) else wholes[one.place] for one in some]


def whole_at(tx: Transaction, bare: Sequence[Bare], places: Mapping[int, Sequence[Vulnerable]]) -> list[ImageFinding]:
    """Findings with all that is shown of them, where their package versions are known to be."""
    parts = [part for one in bare for part in one.parts]
    bodies, facts = advisories.bodies_of(tx, parts), advisories.facts_of(tx, parts)
    return [_whole(one, bodies, facts, places) for one in bare]


def updated_at(tx: Transaction) -> datetime | None:
    """Of when the newest feed is that packages are found by."""
    instants = [
        feed.as_of
        for feed in store.feeds.every(tx)
        if feed.current and feed.as_of is not None and not feed.name.startswith(FACTS_ONLY)
    ]
    return max(instants, default=None)


def _whole(
    one: Bare,
    bodies: Mapping[int, Body],
    facts: Mapping[str, Facts],
    places: Mapping[int, Sequence[Vulnerable]],
) -> ImageFinding:
    matches = [match for part in one.parts for match in part.matches]
    told = [bodies[row] for row in dict.fromkeys(match.advisory_id for match in matches)]
    aliases = dict.fromkeys(name for part in one.parts for name in part.aliases if name != one.name)
    known = [facts[name] for name in (one.name, *aliases) if name in facts]
    scores = [score for body in told for score in body.cvss]
    scores += [(score.version, score.vector, score.score) for fact in known for score in fact.cvss]
    description = next((body.description for body in told if body.description), "")
    if not all(part.is_certain for part in one.parts):
        description = f"{UNCERTAIN} {description}".strip()
    seen = [part.first_seen_at for part in one.parts]
    return ImageFinding(
        one.name,
        one.severity,
        one.package,
        one.version,
        tuple(
            msgspec.structs.replace(place, fixed=part.fixed)
            for part in one.parts
            for place in places.get(part.package_version_id, ())
        ),
        matches[0].feed,
        title=_first(body.title for body in told),
        description=description,
        url=_first(body.url for body in told),
        references=tuple(dict.fromkeys(url for body in told for url in body.references))[:REFERENCES],
        aliases=tuple(aliases),
        cvss=tuple(sorted(dict.fromkeys(scores), key=_rank)),
        published_at=min((at for body in told if (at := body.published_at) is not None), default=None),
        modified_at=max((at for body in told if (at := body.modified_at) is not None), default=None),
        first_seen_at=None if None in seen else min(at for at in seen if at is not None),
        exploited_since=next((fact.exploited_since for fact in known if fact.exploited_since), None),
        likelihood=next((fact.likelihood for fact in known if fact.likelihood is not None), None),
        percentile=next((fact.percentile for fact in known if fact.percentile is not None), None),
    )


def _rank(score: tuple[str, str, float | None]) -> int:
    return _VERSIONS.index(score[0]) if score[0] in _VERSIONS else len(_VERSIONS)


def _first(texts: Iterable[str]) -> str:
    return next((text for text in texts if text), "")
