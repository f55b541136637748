"""Lifecycle policies: keep them, try them, and do what they say.

    put ──► evaluate (work, again and again)          start_preview ──► preview (work, once)
                    └───────────── both ask the same planner ─────────────┘

The planner decides and cannot delete. Whoever carries its plan out looks at each image again, in the transaction in
which it goes: what was pulled, tagged or pushed since is left for the next evaluation.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from holdfast import store
from holdfast.model import lifecycle_text
from holdfast.model.errors import (
    ImageInUse,
    LifecyclePolicyNotFound,
    LifecyclePolicyPreviewInProgress,
    LifecyclePolicyPreviewNotFound,
)
from holdfast.model.images import ARCHIVED
from holdfast.model.lifecycle import plan
from holdfast.model.work import EvaluateLifecycle, PreviewLifecycle
from holdfast.registry import audit, departures, leases, replicated_settings
from holdfast.registry.work import LEASE, LeaseLost, WorkInterrupted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from holdfast.model.images import Image, ImageId
    from holdfast.model.leases import Lease
    from holdfast.model.lifecycle import Candidate, Verdict
    from holdfast.model.names import RepositoryRef
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job
    from holdfast.store import Transaction
    from holdfast.store.lifecycle import Preview, PreviewResult, StoredPolicy

log = logging.getLogger(__name__)

AT_ONCE = 30  # images and tags in one transaction of a run, so that pushes need not wait for long
RESULTS_AT_ONCE = 200
TOLD_FAILURES = 100
SURPRISING_IMAGES = 100  # a repository of fewer may lose most of them without a warning
STORED_RULES = 10_000  # a policy that was accepted is followed, even if the quota was lowered since


def put(on: Backends, at: RepositoryRef, text: str) -> str:
    """Give a repository a policy, and have it evaluated soon; its normal form."""
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        replicated_settings.changed(tx, repository, on.clock())
        return store_policy(on, tx, repository, text, on.limits.lifecycle_rules)


def store_policy(on: Backends, tx: Transaction, repository: Repository, text: str, rules: int = STORED_RULES) -> str:
    """The same for a policy that was accepted before, in the transaction of a use case that makes the repository."""
    lifecycle_text.parse(text, rules)
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
        replicated_settings.changed(tx, repository, on.clock())
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
        is_running = running is not None and running.status == "IN_PROGRESS"
        if is_running and store.work.is_alive(tx, PreviewLifecycle(repository.id)):
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


def preview_failures(on: Backends, at: RepositoryRef, after: int, limit: int) -> tuple[list[PreviewResult], bool]:
    """What the latest preview found that rules would let go and something holds, beginning after one; is there more."""
    with on.database.snapshot() as tx:
        preview = _get_preview(tx, store.repositories.get(tx, at))
        found = store.lifecycle.failures(tx, preview, after, limit + 1) if _is_over(preview) else []
    return found[:limit], len(found) > limit


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
        with on.database.snapshot() as tx:
            running = store.lifecycle.find_preview(tx, repository_id)
            repository = store.repositories.find_by_id(tx, repository_id)
        if running is None or repository is None or running.status != "IN_PROGRESS":
            return
        _clear_results(on, job, repository_id)  # of the preview before, or of a run that was killed
        verdicts = _judge(on, repository_id, running.text)
        chosen = [verdict for verdict in verdicts if verdict.action is not None]
        failed = [verdict for verdict in verdicts if verdict.failure is not None]
        results = [_result(repository_id, number, verdict) for number, verdict in enumerate([*chosen, *failed], 1)]
        for start in range(0, len(results), RESULTS_AT_ONCE):
            with on.database.transaction(durable=False) as tx:
                job.step(tx, {"images": start, "of": len(results)})
                store.lifecycle.add_results(tx, results[start : start + RESULTS_AT_ONCE])
            job.rest()
        expiring = sum(verdict.action == "expire" for verdict in chosen)
        _end_preview(on, job, repository_id, "COMPLETE", expiring, len(chosen) - expiring)
        audit.previewed(on, repository.ref, running.text, chosen[: on.limits.lifecycle_deeds])
    except (LeaseLost, WorkInterrupted):
        raise
    except Exception:  # whoever waits for it must be told
        _end_preview(on, job, repository_id, "FAILED", 0, 0)
        raise


def _clear_results(on: Backends, job: Job, repository_id: int) -> None:
    gone = RESULTS_AT_ONCE
    while gone == RESULTS_AT_ONCE:
        with on.database.transaction(durable=False) as tx:
            job.step(tx)
            gone = store.lifecycle.clear_results(tx, repository_id, RESULTS_AT_ONCE)
        job.rest()


def _end_preview(on: Backends, job: Job, repository_id: int, status: str, expiring: int, moving: int) -> None:
    with on.database.transaction() as tx:
        if store.work.hold(tx, job.item, on.clock() + LEASE, None):
            store.lifecycle.end_preview(tx, repository_id, status, on.clock(), expiring, moving)


def _result(repository_id: int, number: int, verdict: Verdict) -> PreviewResult:
    image = verdict.image
    assert verdict.rule is not None
    return store.lifecycle.PreviewResult(
        repository_id, number, image.digest, list(image.tags), bool(image.tags), image.pushed_at,
        verdict.rule.action.upper(), verdict.rule.priority, "ARCHIVE" if image.status == ARCHIVED else "STANDARD",
        verdict.failure, verdict.reason if verdict.failure else None,
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
        leased = leases.held(on, tx, repository_id)
    if leased:
        images = [_with_holder(image, leases.holder_of(leased, image)) for image in images]
    return plan(policy, images, on.clock())


def _with_holder(image: Candidate, lease: Lease | None) -> Candidate:
    return image if lease is None else replace(image, held_by=lease.told)


# ---- Evaluations


def evaluate(on: Backends, job: Job) -> datetime | None:
    """Do what the policy of a repository says; when to do so again, if it still has one."""
    repository_id: int = job.item.payload["repository_id"]
    with on.database.snapshot() as tx:
        policy = store.lifecycle.find_policy(tx, repository_id)
        departures = store.images.departures(tx, repository_id)
        repository = store.repositories.find_by_id(tx, repository_id)
    if policy is None or repository is None:
        return None
    begun_at = on.clock()
    verdicts = _judge(on, repository_id, policy.text)
    chosen = [verdict for verdict in verdicts if verdict.action is not None]
    _warn(repository_id, verdicts)
    run = _Run(policy, departures)
    for portion in _portions(chosen[: on.limits.lifecycle_deeds]):
        with on.database.transaction() as tx:
            job.step(tx, run.outcome | {"of": len(chosen)})
            if not _carry_out(on, tx, run, portion):
                return on.clock()  # the policy is another one now: begin again
        audit.evaluated(on, repository.ref, policy.text, policy.revision, policy.evaluated_at, run.done)
        job.rest()
    failed = [verdict for verdict in verdicts if verdict.failure]
    told = failed[:TOLD_FAILURES]
    failures = {verdict.image.digest: verdict.failure for verdict in told}
    outcome = run.outcome | {"failed": len(failed), "failures": failures}
    with on.database.transaction() as tx:
        job.step(tx, outcome)
        store.lifecycle.evaluated(tx, policy, begun_at, outcome)
    audit.evaluated(on, repository.ref, policy.text, policy.revision, policy.evaluated_at, told)
    if chosen:
        log.info("lifecycle policy of repository %d: %s", repository_id, outcome)
    return on.clock() + on.limits.lifecycle_interval


@dataclass(slots=True)
class _Run:
    """One evaluation on its way: whose plan it is, and what was done."""

    policy: StoredPolicy
    departures: int  # of the repository, as the plan saw it and by the run's own hand
    outcome: dict[str, Any] = field(default_factory=lambda: {"expired": 0, "transitioned": 0, "changed": 0})
    done: list[Verdict] = field(default_factory=list)  # in the last transaction


def _portions(verdicts: Sequence[Verdict]) -> Iterator[list[Verdict]]:
    """Verdicts in the portions of one transaction each; an image weighs as much as it has tags."""
    portion: list[Verdict] = []
    weight = 0
    for verdict in verdicts:
        portion.append(verdict)
        weight += 1 + len(verdict.image.tags)
        if weight >= AT_ONCE:
            yield portion
            portion, weight = [], 0
    if portion:
        yield portion


def _warn(repository_id: int, verdicts: Sequence[Verdict]) -> None:
    """Tell the operator when most of a repository is about to go."""
    expiring = sum(verdict.action == "expire" for verdict in verdicts)
    if len(verdicts) >= SURPRISING_IMAGES and expiring > len(verdicts) / 2:
        log.warning("the lifecycle policy of repository %d expires %d of its %d images",
                    repository_id, expiring, len(verdicts))  # fmt: skip


def _carry_out(on: Backends, tx: Transaction, run: _Run, verdicts: Sequence[Verdict]) -> bool:
    """Do part of a plan; False if it is no longer the plan of the repository's policy."""
    policy, outcome = run.policy, run.outcome
    run.done = []
    now = store.lifecycle.find_policy(tx, policy.repository_id)
    if now is None or (now.revision, now.text) != (policy.revision, policy.text):
        return False
    repository = store.repositories.find_by_id(tx, policy.repository_id)
    if repository is None:
        return False
    # Counts rest on all images that a rule selects: when one of them went, the next evaluation must count again.
    may_count = store.images.departures(tx, repository.id) == run.departures
    for verdict in verdicts:
        image = store.images.find(tx, repository, digest=verdict.image.digest)
        if image is not None:
            [image] = store.tags.of_images(tx, [image])
        if image is None or not (may_count or verdict.place is None) or _is_kept_now(tx, repository, image, verdict):
            outcome["changed"] += 1
            continue
        try:
            (departures.remove if verdict.action == "expire" else departures.archive)(on, tx, repository, image)
        except ImageInUse:
            outcome["changed"] += 1
            continue
        outcome["expired" if verdict.action == "expire" else "transitioned"] += 1
        run.done.append(verdict)
    if may_count:
        run.departures = store.images.departures(tx, repository.id)
    return True


def _is_kept_now(tx: Transaction, repository: Repository, image: Image, verdict: Verdict) -> bool:
    """Whether something that the verdict rests on has changed, or something holds the image now."""
    return (
        not _is_as_judged(image, verdict.image)
        or bool(store.images.parents(tx, repository, image.digest))
        or (image.subject is not None and store.images.find(tx, repository, digest=image.subject) is not None)
    )


def _is_as_judged(image: Image, judged: Candidate) -> bool:
    """Whether nothing that the plan rests on has changed."""
    return (
        image.id == judged.id
        and image.status == judged.status
        and sorted(image.tags) == sorted(judged.tags)
        and (image.pushed_at, image.activated_at, image.archived_at, image.pulled_at)
        == (judged.pushed_at, judged.activated_at, judged.archived_at, judged.pulled_at)
    )
