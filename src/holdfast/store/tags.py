"""Tags: the names that move from image to image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, select, update

from holdfast.store import images, tag_history
from holdfast.store.statements import Statement, batches, insertion
from holdfast.store.tables import manifests, tags

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from holdfast.model.images import Image
    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction

_INSERT = insertion(tags)
_MOVE = Statement(
    update(tags)
    .where(tags.c.repository_id == bindparam("in_repository"), tags.c.name == bindparam("tag"))
    .values(manifest_id=bindparam("to"), tagged_at=bindparam("now"), is_active=True, stale_at=None)
)
_DELETE = Statement(
    delete(tags).where(tags.c.repository_id == bindparam("repository_id"), tags.c.name == bindparam("tag"))
)
_OF_MANY = Statement(
    select(tags.c.manifest_id, tags.c.name)
    .where(tags.c.manifest_id.in_(bindparam("ids", expanding=True)))
    .order_by(tags.c.name)
)
_COUNT = Statement(select(func.count()).where(tags.c.manifest_id == bindparam("manifest_id")))
_ANY = Statement(select(tags.c.name).where(tags.c.manifest_id == bindparam("manifest_id")).limit(1))
_MARK = Statement(update(manifests).where(manifests.c.id == bindparam("which")).values(is_tagged=bindparam("tagged")))


def point(
    tx: Transaction, repository: Repository, tag: str, image: Image, now: datetime, *, holder: Image | None
) -> None:
    """Point a tag at an image, where it pointed nowhere, or at its holder so far."""
    if holder is None:
        tx.run(
            _INSERT, repository_id=repository.id, name=tag, manifest_id=image.id, tagged_at=now, is_active=True,
            stale_at=None,
        )  # fmt: skip
    else:
        tag_history.end(tx, repository, tag, now)
        tx.run(_MOVE, in_repository=repository.id, tag=tag, to=image.id, now=now)
        images.depart(tx, repository)
        _mark_if_bare(tx, holder)
    if not image.is_tagged:
        tx.run(_MARK, which=image.id, tagged=True)


def remove(tx: Transaction, repository: Repository, tag: str, holder: Image, now: datetime) -> None:
    """Remove a tag from the image that holds it."""
    tag_history.end(tx, repository, tag, now)
    tx.run(_DELETE, repository_id=repository.id, tag=tag)
    images.depart(tx, repository)
    _mark_if_bare(tx, holder)


def count(tx: Transaction, image: Image) -> int:
    """How many tags an image has."""
    return int(tx.value(_COUNT, manifest_id=image.id))


def of_images(tx: Transaction, wanted: Iterable[Image]) -> list[Image]:
    """The same images, each with its tags."""
    by_id = {image.id: image for image in wanted}
    names: dict[int, list[str]] = {}
    for chosen in batches([image.id for image in by_id.values() if image.is_tagged]):
        for row in tx.all(_OF_MANY, ids=chosen):
            names.setdefault(row["manifest_id"], []).append(row["name"])
    return [replace(image, tags=tuple(names.get(image.id, ()))) for image in by_id.values()]


def _mark_if_bare(tx: Transaction, image: Image) -> None:
    if tx.first(_ANY, manifest_id=image.id) is None:
        tx.run(_MARK, which=image.id, tagged=False)
