"""What images waste, and which images share their layers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import bindparam, func, select

from holdfast.model.efficiency import Report
from holdfast.store import tags
from holdfast.store.images import COLUMNS, image_of
from holdfast.store.statements import Statement, batches, replacement
from holdfast.store.tables import image_reports, manifest_references, manifests, repositories

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.model.images import Image
    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction

_it = image_reports.c.manifest_id == bindparam("which")
_in_registry = repositories.c.registry_id == bindparam("registry_id"), repositories.c.deleted_at.is_(None)
_PUT = replacement(image_reports)
_FIND = Statement(select(image_reports.c.report).where(_it))
_USERS = Statement(
    select(manifest_references.c.digest, func.count().label("images"))
    .join(repositories, repositories.c.id == manifest_references.c.repository_id)
    .where(manifest_references.c.digest.in_(bindparam("digests", expanding=True)), *_in_registry)
    .group_by(manifest_references.c.digest)
)
_BASES = Statement(
    select(*COLUMNS, repositories.c.name.label("repository_name"), image_reports.c.layers)
    .join(image_reports, image_reports.c.manifest_id == manifests.c.id)
    .join(repositories, repositories.c.id == manifests.c.repository_id)
    .where(image_reports.c.chain_id.in_(bindparam("chain_ids", expanding=True)), *_in_registry)
    .order_by(image_reports.c.layers.desc(), manifests.c.pushed_at.desc(), manifests.c.id.desc())
    .limit(bindparam("limit"))
)


@dataclass(frozen=True, slots=True)
class Base:
    """An image that another one was built from: its repository's name, how many layers it has, and itself."""

    repository_name: str
    layers: int
    image: Image


def put(tx: Transaction, image_id: int, report: Report) -> None:
    """Keep what an image wastes, in place of what was found before."""
    tx.run(
        _PUT,
        manifest_id=image_id,
        chain_id=report.chain_ids[-1] if report.chain_ids else None,
        layers=len(report.layers),
        report=msgspec.json.encode(report),
    )


def find(tx: Transaction, image_id: int) -> Report | None:
    """What an image wastes, if that was ever found out."""
    found = tx.value(_FIND, which=image_id)
    return None if found is None else msgspec.json.decode(found, type=Report)


def users(tx: Transaction, repository: Repository, digests: Sequence[str]) -> dict[str, int]:
    """How many images of a registry need each of some blobs."""
    return {
        row["digest"]: row["images"]
        for some in batches(list(dict.fromkeys(digests)))
        for row in tx.all(_USERS, digests=list(some), registry_id=repository.registry_id)
    }


def bases(tx: Transaction, repository: Repository, chain_ids: Sequence[str], limit: int) -> list[Base]:
    """Images of a registry of which each has all the layers that one of some chain ids names, and no others.

    The one with the most layers first, then the newest.
    """
    rows = tx.all(_BASES, chain_ids=list(chain_ids), registry_id=repository.registry_id, limit=limit)
    found = [Base(row.pop("repository_name"), row.pop("layers"), image_of(row)) for row in rows]
    tagged = tags.of_images(tx, [base.image for base in found])
    return [replace(base, image=image) for base, image in zip(found, tagged, strict=True)]
