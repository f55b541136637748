"""Which images hold a package, for somebody who has just heard of a hole in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import versions
from holdfast.model.ecosystems import spelled
from holdfast.model.errors import InvalidParameter
from holdfast.store.package_search import Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.model.images import Image
    from holdfast.model.leases import Lease
    from holdfast.model.names import Registry, RepositoryRef
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction
    from holdfast.store.image_pullers import Puller

FIRST = datetime.fromtimestamp(0, UTC)
PULLERS = 1000  # of an image, that are told
VERSIONS = 10_000  # that one question is about; more is no question


@dataclass(frozen=True, slots=True)
class Wanted:
    """Versions of a package: one, or those from one on and below another; of one ecosystem, or of all."""

    name: str
    ecosystem: str = ""  # `Debian` stands for each of its releases
    version: str | None = None
    at_least: str | None = None
    below: str | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """An image and which of the wanted versions it holds."""

    at: RepositoryRef
    image: Image
    versions: tuple[Version, ...]
    pullers: tuple[Puller, ...] = ()
    leases: tuple[Lease, ...] = ()  # by whoever runs it


@dataclass(frozen=True, slots=True)
class Answer:
    """A page of images, whether there are more, and how many there are in all, if that was asked."""

    images: list[Holding]
    more: bool
    count: int | None = None
    since: datetime | None = None  # from when on pulls are told


def holding(
    on: Backends, registry: Registry, wanted: Wanted, after: int, limit: int, *, is_counted: bool = False
) -> Answer:
    """Up to `limit` images of a registry that hold a package, after one.

    A version that has no place in the order of its ecosystem is told with every range: it may be in it.
    """
    with on.database.snapshot() as tx:
        versions = _versions(tx, registry, wanted)
        return _answer(on, tx, registry, versions, after, limit, is_counted=is_counted)


def affected(
    on: Backends,
    registry: Registry,
    vulnerability: str,
    after: int,
    limit: int,
    *,
    is_counted: bool = False,
    with_pullers: bool = False,
    since: datetime | None = None,
) -> Answer:
    """Up to `limit` images of a registry that hold a version that a vulnerability is in, after one.

    Whoever pulled each of them is told, if that is wanted: since an instant, or since the vulnerability was published.
    """
    with on.database.snapshot() as tx:
        versions, after_version = list[Version](), 0
        while found := store.advisories.affected(tx, vulnerability, after_version, VERSIONS):
            versions += store.package_search.by_id(tx, registry, found)
            after_version = found[-1]
            if len(versions) > VERSIONS:
                raise InvalidParameter("vulnerabilityId", f"It is in more than {VERSIONS} versions of packages")
        answer = _answer(on, tx, registry, versions, after, limit, is_counted=is_counted)
        if not with_pullers:
            return answer
        since = since or store.advisories.published_at(tx, vulnerability) or FIRST
        pullers = store.image_pullers.of_images(tx, [one.image.id for one in answer.images], since)
    images = [replace(one, pullers=tuple(pullers.get(one.image.id, ())[:PULLERS])) for one in answer.images]
    return replace(answer, images=images, since=since)


def _answer(
    on: Backends,
    tx: Transaction,
    registry: Registry,
    wanted: Sequence[Version],
    after: int,
    limit: int,
    *,
    is_counted: bool,
) -> Answer:
    by_id = {one.id: one for one in wanted}
    ids = sorted(by_id)
    count = store.package_search.count(tx, registry, ids) if is_counted else None
    rows = store.package_search.page(tx, registry, ids, after, limit + 1)
    more, rows = len(rows) > limit, rows[:limit]
    held = store.package_search.held(tx, [image.id for _, image in rows], ids)
    refs = {id_: store.repositories.get_by_id(tx, id_).ref for id_ in {repository_id for repository_id, _ in rows}}
    tagged = store.tags.of_images(tx, [image for _, image in rows])
    leases = store.image_leases.of_images(tx, [image.id for image in tagged], on.clock())
    images = [
        Holding(
            refs[repository_id],
            image,
            tuple(by_id[one] for one in sorted(held.get(image.id, ()))),
            leases=tuple(leases.get(image.id, ())),
        )
        for image, (repository_id, _) in zip(tagged, rows, strict=True)
    ]
    return Answer(images, more, count)


def _versions(tx: Transaction, registry: Registry, wanted: Wanted) -> list[Version]:
    found: list[Version] = []
    for ecosystem in _ecosystems(tx, wanted.ecosystem):
        of_package = store.package_search.versions(tx, registry, *spelled(ecosystem, wanted.name), VERSIONS + 1)
        if of_package:
            found += _chosen(ecosystem, of_package, wanted)
        if len(of_package) > VERSIONS or len(found) > VERSIONS:
            raise InvalidParameter("packageName", f"There are more than {VERSIONS} versions; name an ecosystem")
    return found


def _ecosystems(tx: Transaction, asked: str) -> list[str]:
    known = list(store.package_search.ecosystems(tx))
    if not asked:
        return known
    exact, _ = spelled(asked, "")
    return [one for one in known if one == exact or one.startswith(f"{asked}:")]


def _chosen(ecosystem: str, found: list[Version], wanted: Wanted) -> list[Version]:
    if wanted.version is not None:
        key = versions.sort_key(ecosystem, wanted.version)
        return [one for one in found if one.version == wanted.version or (key and one.sort_key == key)]
    if all(one.sort_key is None for one in found):  # nobody knows their order, so each may be in the range
        return found
    low, high = _bound(ecosystem, "versionFrom", wanted.at_least), _bound(ecosystem, "versionBelow", wanted.below)
    return [
        one
        for one in found
        if one.sort_key is None or ((low is None or one.sort_key >= low) and (high is None or one.sort_key < high))
    ]


def _bound(ecosystem: str, member: str, version: str | None) -> bytes | None:
    if version is None:
        return None
    key = versions.sort_key(ecosystem, version)
    if key is None:
        raise InvalidParameter(
            member, f"'{version}' is not a version that can be compared in the ecosystem {ecosystem}"
        )
    return key
