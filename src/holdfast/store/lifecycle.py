"""Lifecycle policies, what a preview found, and the images that both are about."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Integer, bindparam, delete, func, select, update

from holdfast.model.images import STATUSES
from holdfast.model.lifecycle import Candidate
from holdfast.model.manifests import INDEX_TYPES
from holdfast.store.statements import Statement, batches, insertion
from holdfast.store.tables import (
    lifecycle_policies,
    lifecycle_preview_results,
    lifecycle_previews,
    manifest_references,
    manifests,
    tags,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from datetime import datetime

    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction

_repository_id: Any = bindparam("repository_id")
_POLICY = Statement(select(lifecycle_policies).where(lifecycle_policies.c.repository_id == _repository_id))
_INSERT_POLICY = insertion(lifecycle_policies)
_REPLACE_POLICY = Statement(
    update(lifecycle_policies)
    .where(lifecycle_policies.c.repository_id == bindparam("which"))
    .values(text=bindparam("to"), revision=lifecycle_policies.c.revision + 1, evaluated_at=None, outcome=None)
)
_EVALUATED = Statement(
    update(lifecycle_policies)
    .where(lifecycle_policies.c.repository_id == bindparam("which"), lifecycle_policies.c.revision == bindparam("of"))
    .values(evaluated_at=bindparam("now"), outcome=bindparam("found"))
)
_DELETE_POLICY = Statement(delete(lifecycle_policies).where(lifecycle_policies.c.repository_id == _repository_id))
_PREVIEW = Statement(select(lifecycle_previews).where(lifecycle_previews.c.repository_id == _repository_id))
_INSERT_PREVIEW = insertion(lifecycle_previews)
_RESTART_PREVIEW = Statement(
    update(lifecycle_previews)
    .where(lifecycle_previews.c.repository_id == bindparam("which"))
    .values(text=bindparam("to"), status="IN_PROGRESS", started_at=bindparam("now"), ended_at=None)
)
_first_result = (
    select(func.min(lifecycle_preview_results.c.position))
    .where(lifecycle_preview_results.c.repository_id == _repository_id)
    .scalar_subquery()
)
_DELETE_RESULTS = Statement(
    delete(lifecycle_preview_results).where(
        lifecycle_preview_results.c.repository_id == _repository_id,
        lifecycle_preview_results.c.position < _first_result + bindparam("number", type_=Integer),
    )
)
_INSERT_RESULT = insertion(lifecycle_preview_results)
_END_PREVIEW = Statement(
    update(lifecycle_previews)
    .where(lifecycle_previews.c.repository_id == bindparam("which"))
    .values(
        status=bindparam("to"), ended_at=bindparam("now"), expiring=bindparam("gone"), transitioning=bindparam("moved")
    )
)
_EXPIRED_PREVIEWS = Statement(
    select(lifecycle_previews.c.repository_id)
    .where(lifecycle_previews.c.ended_at < bindparam("before"), lifecycle_previews.c.status != "EXPIRED")
    .limit(bindparam("limit"))
)
_EXPIRE_PREVIEW = Statement(
    update(lifecycle_previews).where(lifecycle_previews.c.repository_id == bindparam("which")).values(status="EXPIRED")
)
_in_preview = (
    lifecycle_preview_results.c.repository_id == _repository_id,
    lifecycle_preview_results.c.position > bindparam("after", type_=BigInteger),
)
_results = select(lifecycle_preview_results).order_by(lifecycle_preview_results.c.position).limit(bindparam("limit"))
_done = (*_in_preview, lifecycle_preview_results.c.failure.is_(None))
_RESULTS = {
    None: Statement(_results.where(*_done)),
    True: Statement(_results.where(*_done, lifecycle_preview_results.c.is_tagged.is_(True))),
    False: Statement(_results.where(*_done, lifecycle_preview_results.c.is_tagged.is_(False))),
}
_FAILURES = Statement(_results.where(*_in_preview, lifecycle_preview_results.c.failure.is_not(None)))
_RESULTS_OF = Statement(
    select(lifecycle_preview_results)
    .where(lifecycle_preview_results.c.repository_id == _repository_id)
    .where(lifecycle_preview_results.c.digest.in_(bindparam("digests", expanding=True)))
    .where(lifecycle_preview_results.c.failure.is_(None))
    .order_by(lifecycle_preview_results.c.position)
)
_TAGS = Statement(
    select(tags.c.manifest_id, tags.c.name).where(tags.c.repository_id == _repository_id).order_by(tags.c.name)
)
_LISTED = Statement(
    select(manifest_references.c.digest)
    .where(manifest_references.c.manifest_id.in_(bindparam("ids", expanding=True)), manifest_references.c.is_manifest)
    .distinct()
)
_IMAGES = Statement(
    select(
        manifests.c.id,
        manifests.c.digest,
        manifests.c.media_type,
        manifests.c.subject,
        manifests.c.status,
        manifests.c.pushed_at,
        manifests.c.activated_at,
        manifests.c.archived_at,
        manifests.c.pulled_at,
    )
    .where(manifests.c.repository_id == _repository_id, manifests.c.status == bindparam("status"))
    .where(manifests.c.is_tagged == bindparam("is_tagged"), manifests.c.id > bindparam("after"))
    .order_by(manifests.c.id)
    .limit(bindparam("limit"))
)
PAGE = 2000


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """A lifecycle policy, and what its last run did."""

    repository_id: int
    text: str
    revision: int
    evaluated_at: datetime | None
    outcome: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Preview:
    """A dry run of a policy."""

    repository_id: int
    text: str
    status: str
    started_at: datetime
    ended_at: datetime | None
    expiring: int
    transitioning: int


@dataclass(frozen=True, slots=True)
class PreviewResult:
    """What a policy would do with one image."""

    repository_id: int
    position: int
    digest: str
    tags: list[str]
    is_tagged: bool
    pushed_at: datetime
    action: str
    rule_priority: int
    storage_class: str = field(default="STANDARD")
    failure: str | None = None
    reason: str | None = None


def find_policy(tx: Transaction, repository_id: int) -> StoredPolicy | None:
    """The policy of a repository."""
    row = tx.first(_POLICY, repository_id=repository_id)
    return StoredPolicy(**row) if row else None


def put_policy(tx: Transaction, repository: Repository, text: str) -> None:
    """Give a repository a policy, whatever it had before; it was never run yet."""
    if tx.run(_REPLACE_POLICY, which=repository.id, to=text) == 0:
        tx.run(_INSERT_POLICY, repository_id=repository.id, text=text, revision=1, evaluated_at=None, outcome=None)


def delete_policy(tx: Transaction, repository: Repository) -> None:
    """Take a repository's policy away."""
    tx.run(_DELETE_POLICY, repository_id=repository.id)


def evaluated(tx: Transaction, policy: StoredPolicy, now: datetime, outcome: dict[str, Any]) -> bool:
    """Note what a run did; False if the policy was replaced meanwhile."""
    return tx.run(_EVALUATED, which=policy.repository_id, of=policy.revision, now=now, found=outcome) == 1


def find_preview(tx: Transaction, repository_id: int) -> Preview | None:
    """The latest preview of a repository."""
    row = tx.first(_PREVIEW, repository_id=repository_id)
    return Preview(**row) if row else None


def begin_preview(tx: Transaction, repository: Repository, text: str, now: datetime) -> None:
    """Begin a preview in the place of the one before, whose results are not shown any more."""
    if tx.run(_RESTART_PREVIEW, which=repository.id, to=text, now=now) == 0:
        tx.run(
            _INSERT_PREVIEW, repository_id=repository.id, text=text, status="IN_PROGRESS", started_at=now,
            ended_at=None, expiring=0, transitioning=0,
        )  # fmt: skip


def clear_results(tx: Transaction, repository_id: int, number: int) -> int:
    """Forget the first results of a preview; how many went."""
    return tx.run(_DELETE_RESULTS, repository_id=repository_id, number=number)


def add_results(tx: Transaction, results: Sequence[PreviewResult]) -> None:
    """Keep some of what a preview found."""
    tx.run_each(_INSERT_RESULT, [{name: getattr(one, name) for name in PreviewResult.__slots__} for one in results])


def end_preview(tx: Transaction, repository_id: int, status: str, now: datetime, expiring: int, moving: int) -> None:
    """End a preview as COMPLETE or FAILED."""
    tx.run(_END_PREVIEW, which=repository_id, to=status, now=now, gone=expiring, moved=moving)


def forget_previews(tx: Transaction, before: datetime, limit: int) -> int:
    """Let previews that ended before an instant expire, and remove some of what they found; how much went."""
    gone = 0
    for repository_id in tx.column(_EXPIRED_PREVIEWS, before=before, limit=limit):
        gone += 1 + clear_results(tx, repository_id, limit - gone)
        if gone >= limit:
            break  # the preview stays until the last of its results went
        tx.run(_EXPIRE_PREVIEW, which=repository_id)
    return gone


def results(
    tx: Transaction, repository: Repository, after: int, limit: int, *, tagged: bool | None = None
) -> list[PreviewResult]:
    """Up to `limit` results of a preview, beginning after one."""
    rows = tx.all(_RESULTS[tagged], repository_id=repository.id, after=after, limit=limit)
    return [PreviewResult(**row) for row in rows]


def failures(tx: Transaction, preview: Preview, after: int, limit: int) -> list[PreviewResult]:
    """Up to `limit` results of a preview that a rule would not have its way with, beginning after one."""
    after = max(after, preview.expiring + preview.transitioning)  # they come last
    rows = tx.all(_FAILURES, repository_id=preview.repository_id, after=after, limit=limit)
    return [PreviewResult(**row) for row in rows]


def results_of(tx: Transaction, repository: Repository, digests: Collection[str]) -> list[PreviewResult]:
    """The results for some images; at most as many as one statement takes."""
    return [PreviewResult(**row) for row in tx.all(_RESULTS_OF, repository_id=repository.id, digests=list(digests))]


def candidates(tx: Transaction, repository_id: int) -> Iterator[Sequence[Candidate]]:
    """Every image of a repository as the planner sees it, in portions."""
    names: dict[int, list[str]] = {}
    for row in tx.all(_TAGS, repository_id=repository_id):
        names.setdefault(row["manifest_id"], []).append(row["name"])
    rows = [row for portion in _portions(tx, repository_id) for row in portion]
    present = {row["digest"] for row in rows}
    indexes = [row["id"] for row in rows if row.pop("media_type") in INDEX_TYPES]
    listed = {digest for ids in batches(indexes) for digest in tx.column(_LISTED, ids=ids)}
    for start in range(0, len(rows), PAGE):
        yield [
            Candidate(
                tags=tuple(names.get(row["id"], ())),
                is_listed=row["digest"] in listed,
                is_referrer=row.pop("subject") in present,
                **row,
            )
            for row in rows[start : start + PAGE]
        ]


def _portions(tx: Transaction, repository_id: int) -> Iterable[list[dict[str, Any]]]:
    """Every image of a repository, from the ranges of the index that lists use."""
    for status, is_tagged in product(STATUSES, (True, False)):
        after = 0
        while rows := tx.all(
            _IMAGES, repository_id=repository_id, status=status, is_tagged=is_tagged, after=after, limit=PAGE
        ):
            yield rows
            after = rows[-1]["id"]
