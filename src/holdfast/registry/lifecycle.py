"""Lifecycle policies: keep them, try them, and do what they say.

    put ──► evaluate (work, again and again)          start_preview ──► preview (work, once)
                    └───────────── both ask the same planner ─────────────┘

The planner decides and cannot delete. Whoever carries its plan out looks at each image again, in the transaction in
which it goes: what was pulled, tagged or pushed since is left for the next evaluation.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from holdfast import store
from holdfast.model import lifecycle_text
from holdfast.model.errors import (
    LifecyclePolicyNotFound,
    LifecyclePolicyPreviewInProgress,
    LifecyclePolicyPreviewNotFound,
)
from holdfast.model.images import ARCHIVED
from holdfast.model.lifecycle import LISTED, plan
from holdfast.model.work import EvaluateLifecycle, PreviewLifecycle
from holdfast.registry import arrivals
from holdfast.registry.work import LeaseLost, WorkInterrupted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from holdfast.model.images import Image, ImageId
    from holdfast.model.lifecycle import Candidate, Verdict
    from holdfast.model.names import RepositoryRef
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job
    from holdfast.store import Transaction
    from holdfast.store.lifecycle import Preview, PreviewResult, StoredPolicy

log = logging.getLogger(__name__)

AT_ONCE = 50  # images in one transaction of a run, so that pushes need not wait for long
RESULTS_AT_ONCE = 1000
TOLD_FAILURES = 100
STORED_RULES = 10_000  # a policy that was accepted is followed, even if the quota was lowered since


def put(on: Backends, at: RepositoryRef, text: str) -> str:
    """Give a repository a policy, and have it evaluated soon; its normal form."""
    with on.database.transaction() as tx:
        return store_policy(on, tx, store.repositories.get(tx, at), text)


def store_policy(on: Backends, tx: Transaction, repository: Repository, text: str) -> str:
    """The same, in the transaction of a use case that makes the repository."""
    lifecycle_text.parse(text, on.limits.lifecycle_rules)
    compact = lifecycle_text.compact(text)
    store.lifecycle.put_policy(tx, repository, compact)
    store.work.add(tx, EvaluateLifecycle(repository.id), on.clock())
    return compact


def get(on: Backends, at: RepositoryRef) -> StoredPolicy:
    """The policy of a repository, or `LifecyclePolicyNotFound`."""
    with on.database.snapshot() as tx:
        return _get(tx, store.repositories.get(tx, at))


def delete(on: Backends, at: RepositoryRef) -> StoredPolicy:
    """Take a repository's policy away; as it was."""
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        policy = _get(tx, repository)
        store.lifecycle.delete_policy(tx, repository)
    return policy


def _get(tx: Transaction, repository: Repository) -> StoredPolicy:
    policy = store.lifecycle.find_policy(tx, repository.id)
    if policy is None:
        raise LifecyclePolicyNotFound(repository.ref)
    return policy


# ---- Previews


def start_preview(on: Backends, at: RepositoryRef, text: str | None) -> str:
    """Begin to find out what a policy, or that of the repository, would do; its normal form."""
    if text is not None:
        lifecycle_text.parse(text, on.limits.lifecycle_rules)
        text = lifecycle_text.compact(text)
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        text = text or _get(tx, repository).text
        running = store.lifecycle.find_preview(tx, repository.id)
        if running is not None and running.status == "IN_PROGRESS":
            raise LifecyclePolicyPreviewInProgress(at)
        store.lifecycle.begin_preview(tx, repository, text, on.clock())
        store.work.add(tx, PreviewLifecycle(repository.id), on.clock())
    return text


def find_preview(
    on: Backends, at: RepositoryRef, after: int, limit: int, *, tagged: bool | None = None
) -> tuple[Preview, list[PreviewResult], bool]:
    """The latest preview, a page of what it found beginning after a result, and whether there is more."""
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        preview = _get_preview(tx, repository)
        found = store.lifecycle.results(tx, repository, after, limit + 1, tagged=tagged) if _is_over(preview) else []
    return preview, found[:limit], len(found) > limit


def find_preview_of(on: Backends, at: RepositoryRef, ids: Sequence[ImageId]) -> tuple[Preview, list[PreviewResult]]:
    """The latest preview, and what it found for some images."""
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        preview = _get_preview(tx, repository)
        digests = {id_.digest for id_ in ids if id_.tag is None}
        named = [store.images.find(tx, repository, digest=id_.digest, tag=id_.tag) for id_ in ids if id_.tag]
        digests |= {image.digest for image in named if image is not None}
        wanted = [digest for digest in digests if digest is not None]
        found = store.lifecycle.results_of(tx, repository, wanted) if _is_over(preview) and wanted else []
    return preview, found


def _get_preview(tx: Transaction, repository: Repository) -> Preview:
    preview = store.lifecycle.find_preview(tx, repository.id)
    if preview is None:
        raise LifecyclePolicyPreviewNotFound(repository.ref)
    return preview


def _is_over(preview: Preview) -> bool:
    return preview.status == "COMPLETE"


def preview(on: Backends, job: Job) -> None:
    """Find out what a policy would do, and keep it for whoever asks."""
    repository_id: int = job.item.payload["repository_id"]
    try:
        with on.database.transaction(durable=False) as tx:
            job.step(tx)
            running = store.lifecycle.find_preview(tx, repository_id)
            if running is None or running.status != "IN_PROGRESS":
                return
            store.lifecycle.clear_results(tx, repository_id)  # of a run that was killed
        chosen = [verdict for verdict in _judge(on, repository_id, running.text) if verdict.action is not None]
        results = [_result(repository_id, number, verdict) for number, verdict in enumerate(chosen, 1)]
        for start in range(0, len(results), RESULTS_AT_ONCE):
            with on.database.transaction(durable=False) as tx:
                job.step(tx, {"images": start, "of": len(results)})
                store.lifecycle.add_results(tx, results[start : start + RESULTS_AT_ONCE])
        expiring = sum(verdict.action == "expire" for verdict in chosen)
        _end_preview(on, job, repository_id, "COMPLETE", expiring, len(chosen) - expiring)
    except (LeaseLost, WorkInterrupted):
        raise
    except Exception:  # whoever waits for it must be told
        _end_preview(on, job, repository_id, "FAILED", 0, 0)
        raise


def _end_preview(on: Backends, job: Job, repository_id: int, status: str, expiring: int, moving: int) -> None:
    with on.database.transaction() as tx:
        if store.work.hold(tx, job.item, on.clock(), None):
            store.lifecycle.end_preview(tx, repository_id, status, on.clock(), expiring, moving)


def _result(repository_id: int, number: int, verdict: Verdict) -> PreviewResult:
    image = verdict.image
    assert verdict.rule is not None
    assert verdict.action is not None
    return store.lifecycle.PreviewResult(
        repository_id, number, image.digest, list(image.tags), bool(image.tags), image.pushed_at,
        verdict.action.upper(), verdict.rule.priority, "ARCHIVE" if image.status == ARCHIVED else "STANDARD",
    )  # fmt: skip


def explain(on: Backends, at: RepositoryRef, text: str | None = None) -> list[Verdict]:
    """What a policy, or that of the repository, would do with each image now, and why."""
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        text = text or _get(tx, repository).text
    return _judge(on, repository.id, text)


def _judge(on: Backends, repository_id: int, text: str) -> list[Verdict]:
    policy = lifecycle_text.parse(text, STORED_RULES)
    with on.database.snapshot() as tx:
        images = [image for portion in store.lifecycle.candidates(tx, repository_id) for image in portion]
    return plan(policy, images, on.clock())


# ---- Evaluations


def evaluate(on: Backends, job: Job) -> datetime | None:
    """Do what the policy of a repository says; when to do so again, if it still has one."""
    repository_id: int = job.item.payload["repository_id"]
    with on.database.snapshot() as tx:
        policy = store.lifecycle.find_policy(tx, repository_id)
    if policy is None:
        return None
    begun_at = on.clock()
    verdicts = _judge(on, repository_id, policy.text)
    chosen = [verdict for verdict in verdicts if verdict.action is not None]
    outcome: dict[str, Any] = {"expired": 0, "transitioned": 0, "changed": 0}
    for start in range(0, len(chosen), AT_ONCE):
        with on.database.transaction() as tx:
            job.step(tx, outcome | {"of": len(chosen)})
            done = _carry_out(on, tx, policy, chosen[start : start + AT_ONCE])
        if done is None:
            return on.clock()  # the policy is another one now: begin again
        outcome = {name: outcome[name] + done[name] for name in outcome}
    failed = [verdict.image.digest for verdict in verdicts if verdict.failure]
    outcome |= {"failed": len(failed), "failures": dict.fromkeys(failed[:TOLD_FAILURES], LISTED)}
    with on.database.transaction() as tx:
        job.step(tx, outcome)
        store.lifecycle.evaluated(tx, policy, begun_at, outcome)
    if chosen:
        log.info("lifecycle policy of repository %d: %s", repository_id, outcome)
    return on.clock() + on.limits.lifecycle_interval


def _carry_out(
    on: Backends, tx: Transaction, policy: StoredPolicy, verdicts: Sequence[Verdict]
) -> dict[str, int] | None:
    """Do part of a plan, and count it; None if it is no longer the plan of the repository's policy."""
    now = store.lifecycle.find_policy(tx, policy.repository_id)
    if now is None or now.revision != policy.revision:
        return None
    repository = store.repositories.get_by_id(tx, policy.repository_id)
    done = {"expired": 0, "transitioned": 0, "changed": 0}
    for verdict in verdicts:
        image = store.images.find(tx, repository, digest=verdict.image.digest)
        if image is not None:
            [image] = store.tags.of_images(tx, [image])
        if (
            image is None
            or not _is_as_judged(image, verdict.image)
            or store.images.parents(tx, repository, image.digest)
        ):
            done["changed"] += 1
        elif verdict.action == "expire":
            store.images.remove(tx, repository, image)
            arrivals.removed(on, tx, repository, image)
            done["expired"] += 1
        else:
            store.images.archive(tx, image, on.clock())
            arrivals.archived(on, tx, repository, replace(image, status=ARCHIVED))
            done["transitioned"] += 1
    return done


def _is_as_judged(image: Image, judged: Candidate) -> bool:
    """Whether nothing that the plan rests on has changed."""
    return (
        image.id == judged.id
        and image.status == judged.status
        and sorted(image.tags) == sorted(judged.tags)
        and (image.pushed_at, image.activated_at, image.archived_at, image.pulled_at)
        == (judged.pushed_at, judged.activated_at, judged.archived_at, judged.pulled_at)
    )
