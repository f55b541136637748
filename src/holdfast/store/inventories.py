"""What layers hold, as they were read; and what images hold, as sets of packages that they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import BigInteger, bindparam, delete, exists, select

from holdfast.model.inventory import Installed, State
from holdfast.model.packages import OperatingSystem, Package, osv
from holdfast.store import package_versions
from holdfast.store.statements import Statement, insertion, replacement
from holdfast.store.tables import (
    blobs,
    image_inventories,
    image_package_sets,
    layer_inventories,
    package_set_members,
    package_sets,
    repository_blobs,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from holdfast.model.inventory import Taken
    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction
    from holdfast.store.statements import Row

_it: Any = bindparam("which")
_members = package_set_members
_links = image_package_sets

_BLOB = Statement(
    select(repository_blobs.c.blob_id).where(
        repository_blobs.c.repository_id == bindparam("repository_id"), repository_blobs.c.digest == bindparam("digest")
    )
)
_LAYER = Statement(select(layer_inventories).where(layer_inventories.c.blob_id == _it))
_FORGET_LAYER = Statement(delete(layer_inventories).where(layer_inventories.c.blob_id == _it))
_BLOB_IS_THERE = Statement(select(blobs.c.id).where(blobs.c.id == _it))
_IMAGE = Statement(select(image_inventories).where(image_inventories.c.manifest_id == _it))
_FORGET_LINKS = Statement(delete(_links).where(_links.c.manifest_id == _it))
_FORGET_IMAGE = Statement(delete(image_inventories).where(image_inventories.c.manifest_id == _it))
_LINK = insertion(_links)
_INSERT_SET = insertion(package_sets)
_INSERT_MEMBERS = insertion(_members)
_SET = Statement(select(package_sets.c.id).where(package_sets.c.digest == bindparam("digest")))
_after_layer: Any = bindparam("layer", type_=BigInteger)  # a token may say any number
_PAGE = Statement(
    select(_links.c.layer, _links.c.layer_digest, _members.c.position, _members.c.package, _members.c.path)
    .join(_members, _members.c.set_id == _links.c.set_id)
    .where(_links.c.manifest_id == _it)
    .where(
        (_links.c.layer > _after_layer)
        | ((_links.c.layer == _after_layer) & (_members.c.position > bindparam("position", type_=BigInteger)))
    )
    .order_by(_links.c.layer, _members.c.position)
    .limit(bindparam("limit"))
)
_some: Any = bindparam("some", expanding=True)
_VERSIONS_OF_SET = Statement(
    select(_members.c.package_version_id).where(_members.c.set_id == bindparam("which")).order_by(_members.c.position)
)
_UNUSED = Statement(
    select(package_sets.c.id)
    .where(package_sets.c.created_at < bindparam("before"), ~exists().where(_links.c.set_id == package_sets.c.id))
    .limit(bindparam("limit"))
)
_HELD = Statement(select(_members.c.package_version_id).distinct().where(_members.c.set_id.in_(_some)))
_FORGET_SETS = Statement(delete(package_sets).where(package_sets.c.id.in_(_some)))

Place = tuple[int, int]  # of a package in an image: its layer, and its position there
FIRST: Place = (-1, -1)


_PUT_LAYER = replacement(layer_inventories)
_PUT_IMAGE = replacement(image_inventories)


# ---- Layers


@dataclass(frozen=True, slots=True)
class LayerInventory:
    """How the reading of a layer stands."""

    blob_id: int
    reader: int
    attempts: int = 0
    record: bytes | None = None
    refusal: str | None = None
    read_at: datetime | None = None  # when it was last begun or ended


def layer(tx: Transaction, repository: Repository, digest: str, reader: int) -> LayerInventory | None:
    """How the reading of a layer of a repository by one version of the reader stands; None if the layer is not there.

    What another version read is as good as nothing.
    """
    blob_id = tx.value(_BLOB, repository_id=repository.id, digest=digest)
    if blob_id is None:
        return None
    row = tx.first(_LAYER, which=blob_id)
    if row is None or row["reader"] != reader:
        return LayerInventory(blob_id, reader)
    return LayerInventory(**row)


def put_layer(tx: Transaction, found: LayerInventory, now: datetime) -> None:
    """Keep how the reading of a layer stands, unless the layer is gone."""
    if tx.value(_BLOB_IS_THERE, which=found.blob_id) is not None:
        tx.run(
            _PUT_LAYER, blob_id=found.blob_id, reader=found.reader, attempts=found.attempts, record=found.record,
            refusal=found.refusal, read_at=now,
        )  # fmt: skip


def forget_layer(tx: Transaction, blob_id: int) -> None:
    """Forget how the reading of a layer stands."""
    tx.run(_FORGET_LAYER, which=blob_id)


# ---- Images


@dataclass(frozen=True, slots=True)
class ImageInventory:
    """How the inventory of an image stands, without its packages."""

    reader: int
    state: State
    reason: str
    os: OperatingSystem | None
    notes: tuple[str, ...]
    package_count: int
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """A package of an image with where it stands in the list, and the layer that brought it."""

    place: Place
    installed: Installed
    layer_digest: str


def find(tx: Transaction, image_id: int) -> ImageInventory | None:
    """How the inventory of an image stands; None if none was ever taken."""
    row = tx.first(_IMAGE, which=image_id)
    if row is None:
        return None
    del row["manifest_id"]
    os = row["os"] and msgspec.convert(row["os"], OperatingSystem)
    return ImageInventory(**{**row, "state": State(row["state"]), "os": os, "notes": tuple(row["notes"])})


def page(tx: Transaction, image_id: int, after: Place, limit: int) -> list[Found]:
    """Up to `limit` packages of an image, beginning after a place."""
    return [_found(row) for row in tx.all(_PAGE, which=image_id, layer=after[0], position=after[1], limit=limit)]


def ensure_set(
    tx: Transaction, digest: str, os: OperatingSystem | None, members: Sequence[Installed], now: datetime
) -> None:
    """Keep a set of packages, unless it is there."""
    if tx.value(_SET, digest=digest) is not None:
        return
    packages = [member.package for member in members]
    versions = package_versions.ensure(tx, [osv(os, one) for one in packages], [one.stream for one in packages])
    set_id = tx.value(_INSERT_SET, digest=digest, created_at=now)
    tx.run_each(
        _INSERT_MEMBERS,
        [
            {"set_id": set_id, "position": position, "package_version_id": version, "path": member.path,
             "package": msgspec.to_builtins(member.package)}
            for position, (member, version) in enumerate(zip(members, versions, strict=True))
        ],
    )  # fmt: skip


def versions_of_set(tx: Transaction, digest: str) -> list[int] | None:
    """The rows of the package versions of a set, in the order of its members; None if it is not there."""
    set_id = tx.value(_SET, digest=digest)
    return None if set_id is None else tx.column(_VERSIONS_OF_SET, which=set_id)


def put(
    tx: Transaction, image_id: int, reader: int, taken: Taken, sets: Sequence[tuple[int, str, str]], now: datetime
) -> bool:
    """Keep how the taking of an inventory ended, and its sets, each by layer, digest of the layer and of the set.

    False, and nothing is kept, if a set is not there any more.
    """
    ids = [tx.value(_SET, digest=set_digest) for _, _, set_digest in sets]
    if None in ids:
        return False
    found = taken.inventory
    tx.run(_FORGET_LINKS, which=image_id)
    tx.run(
        _PUT_IMAGE, manifest_id=image_id, reader=reader, state=taken.state.value, reason=taken.reason, taken_at=now,
        os=msgspec.to_builtins(found.os) if found else None, notes=list(found.notes) if found else [],
        package_count=len(found.packages) if found else 0,
    )  # fmt: skip
    for (number, layer_digest, _), set_id in zip(sets, ids, strict=True):
        tx.run(_LINK, manifest_id=image_id, layer=number, set_id=set_id, layer_digest=layer_digest)
    return True


def forget(tx: Transaction, image_id: int) -> None:
    """Forget the inventory of an image."""
    tx.run(_FORGET_LINKS, which=image_id)
    tx.run(_FORGET_IMAGE, which=image_id)


def forget_sets(tx: Transaction, before: datetime, limit: int) -> int:
    """Forget sets that no image has, and that were made before an instant, and what was in no other; how many went."""
    some = tx.column(_UNUSED, before=before, limit=limit)
    if some:
        held = tx.column(_HELD, some=some)
        tx.run(_FORGET_SETS, some=some)
        package_versions.forget(tx, held)
    return len(some)


def _found(row: Row) -> Found:
    package = msgspec.convert(row["package"], Package)
    return Found((row["layer"], row["position"]), Installed(package, row["path"], row["layer"]), row["layer_digest"])
