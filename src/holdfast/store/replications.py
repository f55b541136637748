"""How the copying of each image to each destination stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, case, delete, func, select, update

from holdfast.model.names import Registry
from holdfast.model.replication import CANCELLED, Replication
from holdfast.store.statements import Statement, batches, insertion
from holdfast.store.tables import image_replications, manifests, registries, repositories

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from holdfast.store.database import Transaction
    from holdfast.store.statements import Row

_of_image = image_replications.c.manifest_id == bindparam("which")
_OF_IMAGE = Statement(
    select(image_replications).where(_of_image).order_by(image_replications.c.region, image_replications.c.account_id)
)
_INSERT = insertion(image_replications)
_to = (
    image_replications.c.region == bindparam("in_region"),
    image_replications.c.account_id == bindparam("of_account"),
)
_it = (_of_image, *_to)
_DELETE = Statement(delete(image_replications).where(*_it))
_FIND = Statement(select(image_replications).where(*_it))
_CHANGE = Statement(
    update(image_replications)
    .where(*_it)
    .values(status=bindparam("to"), failure_code=bindparam("code"), updated_at=bindparam("now"))
)
_in_a_word = case((image_replications.c.failure_code == CANCELLED, "CANCELLED"), else_=image_replications.c.status)
_BY_DESTINATION = Statement(
    select(
        image_replications.c.region,
        image_replications.c.account_id,
        _in_a_word.label("status"),
        image_replications.c.failure_code.label("code"),
        func.count().label("images"),
        func.min(image_replications.c.updated_at).label("since"),
    )
    .select_from(image_replications)
    .join(manifests, manifests.c.id == image_replications.c.manifest_id)
    .join(repositories, repositories.c.id == manifests.c.repository_id)
    .join(registries, registries.c.id == repositories.c.registry_id)
    .where(registries.c.account_id == bindparam("owner"), registries.c.region == bindparam("home"))
    .group_by(
        image_replications.c.region, image_replications.c.account_id, _in_a_word, image_replications.c.failure_code
    )
)
_COUNT_FAILED = Statement(
    select(func.count())
    .select_from(image_replications)
    .where(image_replications.c.status == "FAILED")
    .where(func.coalesce(image_replications.c.failure_code, "") != CANCELLED)
)
_WAITING = Statement(
    select(image_replications.c.manifest_id)
    .join(manifests, manifests.c.id == image_replications.c.manifest_id)
    .join(repositories, repositories.c.id == manifests.c.repository_id)
    .join(registries, registries.c.id == repositories.c.registry_id)
    .where(registries.c.account_id == bindparam("owner"), registries.c.region == bindparam("home"), *_to)
    .where(image_replications.c.status == "IN_PROGRESS", image_replications.c.updated_at <= bindparam("until"))
    .limit(bindparam("limit"))
)
_CANCEL = Statement(
    update(image_replications)
    .where(image_replications.c.manifest_id.in_(bindparam("ids", expanding=True)), *_to)
    .values(status="FAILED", failure_code=CANCELLED, updated_at=bindparam("now"))
)


class Tally(NamedTuple):
    """How many images to one destination stand in a way, and since when the first of them does."""

    destination: Registry
    status: str
    failure_code: str | None
    images: int
    since: datetime


def tallies(tx: Transaction, source: Registry) -> list[Tally]:
    """How the copying of all images of a registry stands, by destination, status and code."""
    rows = tx.all(_BY_DESTINATION, owner=source.account_id, home=source.region)
    return [
        Tally(Registry(row["account_id"], row["region"]), row["status"], row["code"], row["images"], row["since"])
        for row in rows
    ]


def count_failed(tx: Transaction) -> int:
    """How many copyings, of all registries, failed."""
    return int(tx.value(_COUNT_FAILED))


def waiting(tx: Transaction, source: Registry, destination: Registry, until: datetime, limit: int) -> list[int]:
    """Up to `limit` images of a registry whose copying to a destination waits, or is under way, since an instant."""
    place = {"in_region": destination.region, "of_account": destination.account_id}
    return tx.column(_WAITING, owner=source.account_id, home=source.region, **place, until=until, limit=limit)


def cancel(tx: Transaction, image_ids: Sequence[int], destination: Registry, now: datetime) -> None:
    """Note of images that they are not to be copied to a destination after all."""
    place = {"in_region": destination.region, "of_account": destination.account_id}
    for chosen in batches(image_ids):
        tx.run(_CANCEL, ids=chosen, **place, now=now)


def of_image(tx: Transaction, image_id: int) -> list[Replication]:
    """Where an image was to be copied to, and how each copying stands."""
    return [_replication(row) for row in tx.all(_OF_IMAGE, which=image_id)]


def find(tx: Transaction, image_id: int, destination: Registry) -> Replication | None:
    """How the copying of an image to a destination stands; None if it never was to be copied there."""
    row = tx.first(_FIND, which=image_id, in_region=destination.region, of_account=destination.account_id)
    return _replication(row) if row else None


def begin(tx: Transaction, image_id: int, destination: Registry, now: datetime) -> None:
    """Note that an image is being copied to a destination, whatever was before."""
    place = {"region": destination.region, "account_id": destination.account_id}
    forget(tx, image_id, destination)
    tx.run(_INSERT, manifest_id=image_id, **place, status="IN_PROGRESS", failure_code=None, updated_at=now)


def change(tx: Transaction, image_id: int, replication: Replication, now: datetime) -> None:
    """Say how a copying stands now; it may be gone with its image."""
    destination = replication.destination
    place = {"in_region": destination.region, "of_account": destination.account_id}
    tx.run(_CHANGE, which=image_id, **place, to=replication.status, code=replication.failure_code, now=now)


def forget(tx: Transaction, image_id: int, destination: Registry) -> None:
    """Note that an image was never to be copied to a destination."""
    tx.run(_DELETE, which=image_id, in_region=destination.region, of_account=destination.account_id)


def _replication(row: Row) -> Replication:
    return Replication(Registry(row["account_id"], row["region"]), row["status"], row["failure_code"])
