"""Which images hold some versions of packages.

    package_versions ─► package_set_members ─► image_package_sets ─► manifests of a registry

A rare package is followed from left to right. Of one that is nearly everywhere the images are gone through from right
to left instead, since each page would else begin with collecting all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, distinct, func, select

from holdfast.store.images import COLUMNS, image_of
from holdfast.store.statements import Statement, batches
from holdfast.store.tables import (
    image_package_sets,
    manifests,
    package_set_members,
    package_versions,
    registries,
    repositories,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.model.images import Image
    from holdfast.model.names import Registry
    from holdfast.store.database import Transaction

MANY_LINKS = 20_000  # of images to sets, from which on a package counts as being nearly everywhere

_versions = package_versions.c
_links = image_package_sets.c
_members = package_set_members.c
_wanted: Any = _members.package_version_id.in_(bindparam("versions", expanding=True))
_holding = image_package_sets.join(package_set_members, _members.set_id == _links.set_id)
_repositories = (
    select(repositories.c.id)
    .join(registries, registries.c.id == repositories.c.registry_id)
    .where(registries.c.account_id == bindparam("account_id"), registries.c.region == bindparam("region"))
    .where(repositories.c.deleted_at.is_(None))
)
_here = manifests.c.repository_id.in_(_repositories)
_next = manifests.c.id > bindparam("after")

_NEXT_ECOSYSTEM = Statement(select(func.min(_versions.ecosystem)).where(_versions.ecosystem > bindparam("after")))
_version = select(_versions.id, _versions.ecosystem, _versions.name, _versions.version, _versions.sort_key)
# Versions that only others have say nothing to a registry.
_is_here = (
    select(_links.manifest_id)
    .select_from(_holding.join(manifests, manifests.c.id == _links.manifest_id))
    .where(_members.package_version_id == _versions.id, _here)
    .correlate(package_versions)
    .exists()
)
_NAMED = Statement(
    _version.where(_versions.ecosystem == bindparam("ecosystem"), _versions.name == bindparam("name"), _is_here).limit(
        bindparam("limit")
    )
)
_BY_ID = Statement(_version.where(_versions.id.in_(bindparam("ids", expanding=True)), _is_here))

_SOME_LINKS = Statement(
    select(func.count()).select_from(
        select(_links.manifest_id).select_from(_holding).where(_wanted).limit(bindparam("limit")).subquery()
    )
)
_RARE = Statement(
    select(*COLUMNS)
    .where(
        _here,
        _next,
        manifests.c.id.in_(
            select(_links.manifest_id).select_from(_holding).where(_wanted, _links.manifest_id > bindparam("after"))
        ),
    )
    .order_by(manifests.c.id)
    .limit(bindparam("limit"))
)
# Without an index to begin at, SQLite goes through images in the order in which they are asked for, and stops in time.
_COMMON = Statement(
    select(*COLUMNS)
    .where(
        (manifests.c.repository_id + 0).in_(_repositories),
        _next,
        select(_links.manifest_id)
        .where(_links.manifest_id == manifests.c.id, _links.set_id.in_(select(_members.set_id).where(_wanted)))
        .correlate(manifests)
        .exists(),
    )
    .order_by(manifests.c.id)
    .limit(bindparam("limit"))
)
_COUNT = Statement(
    select(func.count(distinct(manifests.c.id)))
    .select_from(_holding.join(manifests, manifests.c.id == _links.manifest_id))
    .where(_wanted, _here)
)
_HELD = Statement(
    select(_links.manifest_id, _members.package_version_id)
    .distinct()
    .select_from(_holding)
    .where(_wanted, _links.manifest_id.in_(bindparam("images", expanding=True)))
)


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a package, and its place among all of them; None if it has none."""

    id: int
    ecosystem: str
    name: str
    version: str
    sort_key: bytes | None


def ecosystems(tx: Transaction) -> Iterator[str]:
    """Every ecosystem of which an image has a package."""
    found = tx.value(_NEXT_ECOSYSTEM, after="")
    while found is not None:
        yield found
        found = tx.value(_NEXT_ECOSYSTEM, after=found)


def versions(tx: Transaction, registry: Registry, ecosystem: str, name: str, limit: int) -> list[Version]:
    """Up to `limit` versions of a package of an ecosystem that any image of a registry has."""
    rows = tx.all(_NAMED, **_place(registry), ecosystem=ecosystem, name=name, limit=limit)
    return [Version(**row) for row in rows]


def by_id(tx: Transaction, registry: Registry, ids: Sequence[int]) -> list[Version]:
    """The versions of some rows that any image of a registry has."""
    rows = (row for some in batches(ids) for row in tx.all(_BY_ID, **_place(registry), ids=list(some)))
    return [Version(**row) for row in rows]


def page(
    tx: Transaction, registry: Registry, versions: Sequence[int], after: int, limit: int
) -> list[tuple[int, Image]]:
    """Up to `limit` images of a registry after one that hold any of some versions, each after its repository's row."""
    links = tx.value(_SOME_LINKS, versions=list(versions), limit=MANY_LINKS)
    statement = _COMMON if links == MANY_LINKS else _RARE
    rows = tx.all(statement, **_place(registry), versions=list(versions), after=after, limit=limit)
    return [(row["repository_id"], image_of(row)) for row in rows]


def count(tx: Transaction, registry: Registry, versions: Sequence[int]) -> int:
    """How many images of a registry hold any of some versions."""
    return int(tx.value(_COUNT, **_place(registry), versions=list(versions)))


def _place(registry: Registry) -> dict[str, str]:
    return {"account_id": registry.account_id, "region": registry.region}


def held(tx: Transaction, image_ids: Sequence[int], versions: Sequence[int]) -> dict[int, list[int]]:
    """Which of some versions each of some images holds."""
    found: dict[int, list[int]] = {}
    for images in batches(image_ids):
        for row in tx.all(_HELD, images=list(images), versions=list(versions)):
            found.setdefault(row["manifest_id"], []).append(row["package_version_id"])
    return found
