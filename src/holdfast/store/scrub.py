"""What was verified when: the next to look at, and how much is covered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Integer, bindparam, case, cast, func, select, tuple_, update

from holdfast.store.damage import KEPT, KEPT_MANIFESTS, kept, kept_manifest
from holdfast.store.statements import Statement
from holdfast.store.tables import EPOCH, blobs, manifests, repositories, repository_blobs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Select, Table

    from holdfast.model.damage import Kept, KeptManifest
    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction

FIRST = (EPOCH, 0)  # a place before all others: when it was verified, and its row
Place = tuple["datetime", int]


def _stale(what: Select[Any], table: Table) -> Statement:
    """Those that were not verified since an instant, the longest first, beginning after a place."""
    place = tuple_(table.c.verified_at, table.c.id)
    after = tuple_(bindparam("after_at", type_=table.c.verified_at.type), bindparam("after_id", type_=table.c.id.type))
    return Statement(
        what.where(place > after, table.c.verified_at < bindparam("before"), table.c.damaged_at.is_(None))
        .order_by(table.c.verified_at, table.c.id)
        .limit(bindparam("limit"))
    )


def _covered(table: Table, size: Any) -> Statement:
    is_recent = table.c.verified_at >= bindparam("since")
    return Statement(
        select(
            func.count().label("count"),
            func.coalesce(func.sum(size), 0).label("size_bytes"),
            func.coalesce(func.sum(cast(case((is_recent, 1), else_=0), Integer)), 0).label("recent"),
            func.coalesce(func.sum(case((is_recent, size), else_=0)), 0).label("recent_bytes"),
            func.min(table.c.verified_at).label("oldest"),
        ).where(table.c.damaged_at.is_(None))
    )


_STALE_BLOBS = _stale(KEPT, blobs)
_STALE_MANIFESTS = _stale(KEPT_MANIFESTS, manifests)
_which: Any = bindparam("which", expanding=True)
_VERIFIED_BLOBS = Statement(update(blobs).where(blobs.c.id.in_(_which)).values(verified_at=bindparam("now")))
_VERIFIED_MANIFESTS = Statement(
    update(manifests).where(manifests.c.id.in_(_which)).values(verified_at=bindparam("now"))
)
_COVERED_BLOBS = _covered(blobs, blobs.c.size_bytes)
_COVERED_MANIFESTS = _covered(manifests, manifests.c.manifest_bytes)
_OLDEST = Statement(
    select(blobs.c.verified_at).where(blobs.c.damaged_at.is_(None)).order_by(blobs.c.verified_at, blobs.c.id).limit(1)
)
_OF_REPOSITORY = Statement(
    KEPT.join(repository_blobs, repository_blobs.c.blob_id == blobs.c.id)
    .where(repository_blobs.c.repository_id == bindparam("repository_id"), blobs.c.id > bindparam("after"))
    .order_by(blobs.c.id)
    .limit(bindparam("limit"))
)
_MANIFESTS_OF_REPOSITORY = Statement(
    KEPT_MANIFESTS.where(repositories.c.id == bindparam("repository_id"), manifests.c.id > bindparam("after"))
    .order_by(manifests.c.id)
    .limit(bindparam("limit"))
)
_PAGE = Statement(KEPT.where(blobs.c.id > bindparam("after")).order_by(blobs.c.id).limit(bindparam("limit")))
_OF_DIGEST = Statement(KEPT.where(blobs.c.digest == bindparam("digest")).order_by(blobs.c.id))


@dataclass(frozen=True, slots=True)
class Covered:
    """How much of something there is, and how much of that was verified since an instant."""

    count: int
    size_bytes: int
    recent: int
    recent_bytes: int
    oldest: datetime | None  # when that was verified which was not for longest; the epoch if it never was


def stale_blobs(tx: Transaction, before: datetime, after: Place, limit: int) -> list[Kept]:
    """Blobs that were not verified since an instant, the longest first, beginning after a place."""
    rows = tx.all(_STALE_BLOBS, before=before, after_at=after[0], after_id=after[1], limit=limit)
    return [kept(row) for row in rows]


def stale_manifests(tx: Transaction, before: datetime, after: Place, limit: int) -> list[KeptManifest]:
    """Manifests that were not verified since an instant, the longest first, beginning after a place."""
    rows = tx.all(_STALE_MANIFESTS, before=before, after_at=after[0], after_id=after[1], limit=limit)
    return [kept_manifest(row) for row in rows]


def blobs_of(tx: Transaction, repository: Repository, after: int, limit: int) -> list[Kept]:
    """Blobs that a repository holds, beginning after one."""
    return [kept(row) for row in tx.all(_OF_REPOSITORY, repository_id=repository.id, after=after, limit=limit)]


def manifests_of(tx: Transaction, repository: Repository, after: int, limit: int) -> list[KeptManifest]:
    """Manifests of a repository, beginning after one."""
    rows = tx.all(_MANIFESTS_OF_REPOSITORY, repository_id=repository.id, after=after, limit=limit)
    return [kept_manifest(row) for row in rows]


def page(tx: Transaction, after: int, limit: int) -> list[Kept]:
    """All blobs, beginning after one."""
    return [kept(row) for row in tx.all(_PAGE, after=after, limit=limit)]


def of_digest(tx: Transaction, digest: str) -> list[Kept]:
    """Blobs of a digest, one for each registry and key scope that has it."""
    return [kept(row) for row in tx.all(_OF_DIGEST, digest=digest)]


def verified(tx: Transaction, ids: Sequence[int], now: datetime) -> None:
    """Note that blobs were seen to be right."""
    tx.run(_VERIFIED_BLOBS, which=list(ids), now=now)


def verified_manifests(tx: Transaction, ids: Sequence[int], now: datetime) -> None:
    """Note that manifests were seen to be right."""
    tx.run(_VERIFIED_MANIFESTS, which=list(ids), now=now)


def covered(tx: Transaction, since: datetime) -> tuple[Covered, Covered]:
    """How much of the undamaged blobs and manifests was verified since an instant."""
    found, of_manifests = tx.first(_COVERED_BLOBS, since=since), tx.first(_COVERED_MANIFESTS, since=since)
    assert found is not None
    assert of_manifests is not None
    return Covered(**found), Covered(**of_manifests)


def oldest(tx: Transaction) -> datetime | None:
    """When that blob was verified which was not for longest."""
    found: datetime | None = tx.value(_OLDEST)
    return found
