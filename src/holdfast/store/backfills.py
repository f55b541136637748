"""Backfills, how each of their images ended, and the images that they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, bindparam, delete, func, or_, select, tuple_, update

from holdfast.model.images import ACTIVE, ImageId
from holdfast.model.names import Registry
from holdfast.model.replication import Backfill, BackfillResult, BackfillStatus, Copied, Progress
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import backfill_results, backfills, manifests, microseconds, registries, tags

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction
    from holdfast.store.statements import Row

Place = tuple[int, str]  # of a backfill in the order of their beginning
Pair = tuple[str, str | None]  # the digest of an image and one of its tags

_limit: Any = bindparam("limit")
_it = backfills.c.id == bindparam("which")
_INSERT = insertion(backfills)
_GET = Statement(
    select(backfills, registries.c.account_id.label("owner"), registries.c.region.label("home"))
    .join(registries, registries.c.id == backfills.c.registry_id)
    .where(_it)
)
# Those that run, of all registries, are few; those of one registry pile up for as long as they are kept. The sum keeps
# the database from beginning with the latter.
_RUNNING = Statement(
    select(backfills).where(backfills.c.ended_at.is_(None), backfills.c.registry_id + 0 == bindparam("registry_id"))
)
_place: Any = (bindparam("began", type_=BigInteger), bindparam("after"))  # a number is compared with what is kept
_PAGE = Statement(
    select(backfills)
    .join(registries, registries.c.id == backfills.c.registry_id)
    .where(registries.c.account_id == bindparam("owner"), registries.c.region == bindparam("home"))
    .where(tuple_(backfills.c.started_at, backfills.c.id) < tuple_(*_place))
    .where(or_(backfills.c.ended_at.is_(None), backfills.c.ended_at > bindparam("forgotten")))
    .order_by(backfills.c.started_at.desc(), backfills.c.id.desc())
    .limit(_limit)
)
_CHANGE = Statement(update(backfills).where(_it, backfills.c.ended_at.is_(None)).values(status=bindparam("to")))
_COUNT = Statement(
    update(backfills)
    .where(_it)
    .values(
        total=bindparam("wanted"), completed=bindparam("good"), failed=bindparam("bad"),
        failure_codes=bindparam("codes"),
    )
)  # fmt: skip
_END = Statement(
    update(backfills)
    .where(_it, backfills.c.ended_at.is_(None))
    .values(status=bindparam("to"), failure_code=bindparam("code"), ended_at=bindparam("now"))
)
_of_backfill = backfill_results.c.backfill_id == bindparam("which")
_INSERT_RESULT = insertion(backfill_results)
_results = (
    select(backfill_results)
    .where(_of_backfill, backfill_results.c.position > bindparam("after", type_=BigInteger))
    .order_by(backfill_results.c.position)
    .limit(_limit)
)
_RESULTS = Statement(_results)
_RESULTS_IN_STATUS = Statement(_results.where(backfill_results.c.status == bindparam("status")))
_OLD = Statement(
    select(backfills.c.id)
    .where(backfills.c.ended_at < bindparam("before"))
    .order_by(backfills.c.ended_at)
    .limit(_limit)
)
_FORGET_RESULTS = Statement(
    delete(backfill_results).where(
        _of_backfill,
        backfill_results.c.position.in_(select(backfill_results.c.position).where(_of_backfill).limit(_limit)),
    )
)
_FORGET = Statement(delete(backfills).where(_it))

# In the order of digests, because that is an index, and one that stays as it is while images come and go.
_here = (manifests.c.repository_id == bindparam("repository_id"), manifests.c.status == ACTIVE)
_with_tags = manifests.outerjoin(tags, tags.c.manifest_id == manifests.c.id)
_COUNT_PAIRS = Statement(select(func.count()).select_from(_with_tags).where(*_here))
_PAIRS = Statement(
    select(manifests.c.digest, tags.c.name)
    .select_from(_with_tags)
    .where(*_here, manifests.c.digest >= bindparam("digest"))
    .where(or_(manifests.c.digest > bindparam("digest"), tags.c.name > bindparam("tag")))
    .order_by(manifests.c.digest, tags.c.name)
    .limit(_limit)
)


def add(tx: Transaction, registry_id: int, backfill: Backfill) -> None:
    """Keep a backfill that begins."""
    tx.run(
        _INSERT,
        id=backfill.id,
        registry_id=registry_id,
        region=backfill.destination.region,
        account_id=backfill.destination.account_id,
        status=backfill.status.value,
        failure_code=None,
        total=None,
        completed=0,
        failed=0,
        failure_codes=[],
        started_at=backfill.started_at,
        ended_at=None,
    )


def find(tx: Transaction, backfill_id: str) -> tuple[Backfill, Registry] | None:
    """A backfill, and the registry from which it copies."""
    row = tx.first(_GET, which=backfill_id)
    return (_backfill(row), Registry(row["owner"], row["home"])) if row else None


def running(tx: Transaction, registry_id: int) -> list[Backfill]:
    """The backfills of a registry that have not ended."""
    return [_backfill(row) for row in tx.all(_RUNNING, registry_id=registry_id)]


def page(tx: Transaction, registry: Registry, after: Place, forgotten: datetime, limit: int) -> list[Backfill]:
    """Up to `limit` backfills, the newest first, beginning after a place, without those that ended long ago."""
    home = {"owner": registry.account_id, "home": registry.region}
    rows = tx.all(_PAGE, **home, began=after[0], after=after[1], forgotten=forgotten, limit=limit)
    return [_backfill(row) for row in rows]


def place(backfill: Backfill) -> Place:
    """The place of a backfill in a list."""
    return microseconds(backfill.started_at), backfill.id


def change(tx: Transaction, backfill_id: str, status: BackfillStatus) -> None:
    """Say how a backfill that has not ended stands now."""
    tx.run(_CHANGE, which=backfill_id, to=status.value)


def count(tx: Transaction, backfill_id: str, progress: Progress) -> None:
    """Note how much a backfill has done of how much."""
    done = {"good": progress.completed, "bad": progress.failed, "codes": list(progress.failure_codes)}
    tx.run(_COUNT, which=backfill_id, wanted=progress.total, **done)


def end(tx: Transaction, backfill_id: str, status: BackfillStatus, failure_code: str | None, now: datetime) -> None:
    """End a backfill that has not ended."""
    tx.run(_END, which=backfill_id, to=status.value, code=failure_code, now=now)


def add_results(tx: Transaction, backfill_id: str, results: Sequence[BackfillResult]) -> None:
    """Keep how some images ended."""
    rows = [
        {
            "backfill_id": backfill_id,
            "position": result.position,
            "repository_name": result.repository_name,
            "digest": result.image_id.digest,
            "tag": result.image_id.tag,
            "status": result.copied.status,
            "failure_code": result.copied.failure_code,
            "member_failure_codes": list(result.copied.member_failure_codes),
        }
        for result in results
    ]
    tx.run_each(_INSERT_RESULT, rows)


def results(
    tx: Transaction, backfill_id: str, after: int, limit: int, status: str | None = None
) -> list[BackfillResult]:
    """Up to `limit` results in the order of their copying, beginning after a position."""
    place_ = {"which": backfill_id, "after": after, "limit": limit}
    rows = tx.all(_RESULTS, **place_) if status is None else tx.all(_RESULTS_IN_STATUS, **place_, status=status)
    return [
        BackfillResult(
            row["position"],
            row["repository_name"],
            ImageId(row["digest"], row["tag"]),
            Copied(row["failure_code"], tuple(row["member_failure_codes"])),
        )
        for row in rows
    ]


def forget(tx: Transaction, before: datetime, limit: int) -> int:
    """Remove backfills that ended before an instant, up to `limit` rows of them and their results; how many went."""
    gone = 0
    for backfill_id in tx.column(_OLD, before=before, limit=limit):
        gone += tx.run(_FORGET_RESULTS, which=backfill_id, limit=limit - gone)
        if gone >= limit:
            break
        gone += tx.run(_FORGET, which=backfill_id)
    return gone


def pair_count(tx: Transaction, repository: Repository) -> int:
    """How many pairs of image and tag a repository has, an untagged image being one."""
    return int(tx.value(_COUNT_PAIRS, repository_id=repository.id))


def pairs(tx: Transaction, repository: Repository, after: Pair, limit: int) -> list[Pair]:
    """Up to `limit` pairs of image and tag in the order of digests, beginning after one."""
    digest, tag = after
    rows = tx.all(_PAIRS, repository_id=repository.id, digest=digest, tag=tag or "", limit=limit)
    return [(row["digest"], row["name"]) for row in rows]


def _backfill(row: Row) -> Backfill:
    counts = (row["completed"], row["failed"], tuple(row["failure_codes"]))
    return Backfill(
        row["id"],
        Registry(row["account_id"], row["region"]),
        BackfillStatus(row["status"]),
        row["failure_code"],
        None if row["total"] is None else Progress(row["total"], *counts),
        row["started_at"],
        row["ended_at"],
    )
