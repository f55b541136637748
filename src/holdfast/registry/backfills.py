"""Copy what was pushed before a replication rule: begin, watch, stop, and do it.

PREPARING ── counted ──▶ IN_PROGRESS ── all tried ──▶ COMPLETE, or FAILED when half of the images failed
    └──────────────┬──────────┘
                   └── stopped ──▶ STOPPING ── at the next step ──▶ STOPPED
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from holdfast import store
from holdfast.model import replication
from holdfast.model.errors import (
    LimitExceeded,
    ReplicationBackfillInProgress,
    ReplicationBackfillInvalidStatus,
    ReplicationBackfillNotFound,
    Unavailable,
    Validation,
)
from holdfast.model.images import ImageId
from holdfast.model.names import RepositoryRef
from holdfast.model.replication import (
    SETTING,
    STOPPABLE,
    Backfill,
    BackfillResult,
    BackfillStatus,
    Copied,
    Progress,
    Replication,
)
from holdfast.model.work import RunBackfill
from holdfast.registry import peers, replicas, selection
from holdfast.registry.copying import require_all, several
from holdfast.registry.peer_uploads import BeingSent
from holdfast.registry.remote_replicas import IMAGES_AT_ONCE
from holdfast.registry.replication import rules_of
from holdfast.registry.work import WorkCancelled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from holdfast.model.names import Registry
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job
    from holdfast.store import Transaction
    from holdfast.store.backfills import Pair

REPOSITORIES_AT_ONCE = 500  # looked at in one read
PAIRS_AT_ONCE = 200  # copied between two steps
TOO_MANY_FAILED = "TooManyReplicationsFailed"


class Place(NamedTuple):
    """How far a backfill came: through a repository up to one image with a tag, and which one was done before."""

    done: str
    repository: str
    digest: str
    tag: str | None
    is_set: bool = True  # the tag, there: an image may go of whose tags none does

    @property
    def kept(self) -> tuple[object, ...]:
        """As it is noted; older versions read what they know."""
        return tuple(self)[:4] if self.is_set else tuple(self)


START = Place("", "", "", "")


def start(on: Backends, registry: Registry, destination: Registry) -> Backfill:
    """Begin a backfill to one of the destinations of the registry's rules."""
    now = on.clock()
    with on.database.transaction() as tx:
        if destination not in replication.read(store.registry_settings.find(tx, registry, SETTING)).destinations:
            raise Validation(
                f"The destination with region '{destination.region}' and registryId '{destination.account_id}' "
                "is not in the replication configuration of the registry"
            )
        registry_id = store.accounts.registry_id(tx, registry, now)
        running = store.backfills.running(tx, registry_id)
        if destination.region in {backfill.destination.region for backfill in running}:
            raise ReplicationBackfillInProgress(destination.region)
        if len(running) >= on.limits.backfills:
            raise LimitExceeded(
                f"The registry cannot have more than {on.limits.backfills} replication backfills in progress"
            )
        backfill = Backfill(on.new_id(), destination, BackfillStatus.PREPARING, None, None, now)
        store.backfills.add(tx, registry_id, backfill)
        store.work.add(tx, RunBackfill(backfill.id), now)
    return backfill


def stop(on: Backends, registry: Registry, backfill_id: str) -> Backfill:
    """Ask that a backfill be stopped; it as it is then."""
    with on.database.transaction() as tx:
        backfill = _get(on, tx, registry, backfill_id)
        if backfill.status not in STOPPABLE:
            raise ReplicationBackfillInvalidStatus(backfill_id, backfill.status)
        store.backfills.change(tx, backfill_id, BackfillStatus.STOPPING)
        # Work that waits for another try, or was given up, notices the wish only when it is done once more.
        store.work.add(tx, RunBackfill(backfill_id), on.clock())
        store.work.cancel_work(tx, RunBackfill(backfill_id))
        return _get(on, tx, registry, backfill_id)


def stop_all(on: Backends, registry: Registry, destination: Registry) -> None:
    """Ask that all backfills to a destination be stopped."""
    with on.database.transaction() as tx:
        running = store.backfills.running(tx, store.accounts.registry_id(tx, registry, on.clock()))
    for backfill in running:
        if backfill.destination == destination:
            with suppress(ReplicationBackfillInvalidStatus):  # it ended meanwhile
                stop(on, registry, backfill.id)


def get(
    on: Backends, registry: Registry, backfill_id: str, after: int, limit: int, status: str | None = None
) -> tuple[Backfill, list[BackfillResult], bool]:
    """A backfill, its results beginning after a position once it is over, and whether there are more."""
    with on.database.snapshot() as tx:
        backfill = _get(on, tx, registry, backfill_id)
        found = store.backfills.results(tx, backfill_id, after, limit + 1, status) if backfill.is_over else []
    return backfill, found[:limit], len(found) > limit


def page(
    on: Backends, registry: Registry, after: tuple[int, str], limit: int
) -> tuple[list[Backfill], tuple[int, str] | None]:
    """Backfills, the newest first, beginning after a place, and the place after which there are more."""
    forgotten = on.clock() - on.limits.backfill_lifetime
    with on.database.snapshot() as tx:
        found = store.backfills.page(tx, registry, after, forgotten, limit + 1)
    return found[:limit], store.backfills.place(found[limit - 1]) if len(found) > limit else None


def forget_old(on: Backends, before: datetime, limit: int) -> int:
    """Remove a bounded share of what ended before an instant; how many rows went."""
    with on.database.transaction(durable=False) as tx:
        return store.backfills.forget(tx, before, limit)


def run(on: Backends, job: Job) -> None:
    """Copy all that a backfill is about, going on where it stood."""
    backfill_id = job.item.payload["backfill_id"]
    with on.database.snapshot() as tx:
        found = store.backfills.find(tx, backfill_id)
    if found is None or found[0].is_over:
        return
    backfill, source = found
    try:
        with on.database.transaction(durable=False) as tx:
            job.step(tx)
        progress = backfill.progress or _prepare(on, job, backfill, source)
        progress = _copy_all(on, job, backfill, source, progress)
        with on.database.transaction() as tx:
            job.step(tx)
            store.backfills.count(tx, backfill_id, replace(progress, total=progress.done))
            failure_code = TOO_MANY_FAILED if progress.outcome is BackfillStatus.FAILED else None
            store.backfills.end(tx, backfill_id, progress.outcome, failure_code, on.clock())
    except WorkCancelled:
        with on.database.transaction() as tx:
            store.backfills.end(tx, backfill_id, BackfillStatus.STOPPED, None, on.clock())


def _prepare(on: Backends, job: Job, backfill: Backfill, source: Registry) -> Progress:
    """Count what is to be copied."""
    noted = job.item.progress or {}
    total = noted.get("counted", 0)
    for repositories, last in _selected(on, source, backfill.destination, noted.get("after", "")):
        total += sum(_count(on, repository, backfill.destination) for repository in repositories)
        with on.database.transaction(durable=False) as tx:
            job.step(tx, {"counted": total, "after": last})
    progress = Progress(total)
    with on.database.transaction() as tx:
        job.step(tx, {"place": START.kept})
        store.backfills.change(tx, backfill.id, BackfillStatus.IN_PROGRESS)
        store.backfills.count(tx, backfill.id, progress)
    return progress


def _copy_all(on: Backends, job: Job, backfill: Backfill, source: Registry, progress: Progress) -> Progress:
    """Copy what is still to be copied; results and the place are written together, so that none is written twice."""
    place = Place(*job.item.progress["place"]) if backfill.progress and job.item.progress else START
    wanted = _wanted(on, source, backfill.destination, place)
    while batch := list(islice(wanted, PAIRS_AT_ONCE)):
        copied = _copy_batch(on, job, source, backfill.destination, batch)
        results = [
            BackfillResult(position, at.repository, ImageId(at.digest, at.tag if at.is_set else None), outcome)
            for position, (at, outcome) in enumerate(zip(batch, copied, strict=True), progress.done + 1)
        ]
        progress = progress.after(copied)
        with on.database.transaction(durable=False) as tx:
            job.step(tx, {"place": batch[-1].kept})
            store.backfills.add_results(tx, backfill.id, results)
            _note(on, tx, source, backfill.destination, results)
            store.backfills.count(tx, backfill.id, progress)
    return progress


def _note(
    on: Backends, tx: Transaction, source: Registry, destination: Registry, results: list[BackfillResult]
) -> None:
    """Note of images that were copied that they are there, so that they are missed if they go."""
    for name, digest in {
        (one.repository_name, one.image_id.digest): None for one in results if one.copied.failure_code is None
    }:
        repository = store.repositories.find(tx, RepositoryRef(source, name))
        image = repository and store.images.find(tx, repository, digest=digest)
        if not image:
            continue
        known = {one.destination: one.status for one in store.replications.of_image(tx, image.id)}
        if known.get(destination) in {None, "FAILED"}:
            store.replications.begin(tx, image.id, destination, on.clock())
            store.replications.change(tx, image.id, Replication(destination, "COMPLETE"), on.clock())


def _copy_batch(
    on: Backends, job: Job, source: Registry, destination: Registry, batch: Sequence[Place]
) -> list[Copied]:
    """How the copying of each ended: a few at once go to a registry elsewhere, and last what somebody else sends."""
    at_once = IMAGES_AT_ONCE if peers.find(on, source, destination) is not None else 1
    ended: dict[Place, Copied | BeingSent] = {}
    left = list(batch)
    while left:
        ended.update(zip(left, several(at_once, lambda at: _copy(on, job, source, destination, at), left), strict=True))
        held_up = {at: one for at in left if isinstance(one := ended[at], BeingSent)}
        left = list(held_up)
        if left:
            on.sleep(min(one.seconds for one in held_up.values()))
    return require_all([ended[at] for at in batch])


def _copy(on: Backends, job: Job, source: Registry, destination: Registry, at: Place) -> Copied:
    """Copy an image under one of its tags; what cannot be done now is told, and is for the next backfill."""
    tags = [at.tag] if at.tag and at.is_set else []
    try:
        return replicas.copy(on, RepositoryRef(source, at.repository), at.digest, destination, tags, job)
    except Unavailable as refusal:
        return Copied(refusal.code)


def _wanted(on: Backends, source: Registry, destination: Registry, place: Place) -> Iterator[Place]:
    """Every image with each of its tags, beginning after a place."""
    done = place.done
    for repositories, _ in _selected(on, source, destination, done):
        for repository in repositories:
            pair: Pair = (place.digest, place.tag) if repository.name == place.repository else ("", "")
            for (digest, tag), is_set in _pairs(on, repository, destination, pair):
                yield Place(done, repository.name, digest, tag, is_set)
            done = repository.name


def _count(on: Backends, repository: Repository, destination: Registry) -> int:
    with on.database.snapshot() as tx:
        choice = replication.choices_of(rules_of(tx, repository), repository.name).get(destination)
        if choice is not None and choice.is_everything:
            return store.backfills.pair_count(tx, repository)
    return sum(1 for _ in _pairs(on, repository, destination, ("", "")))


def _pairs(on: Backends, repository: Repository, destination: Registry, after: Pair) -> Iterator[tuple[Pair, bool]]:
    """Every image with each of its tags that goes, after a pair; an image of whose tags none does with one of them.

    Whether the tag goes is told with it.
    """
    with on.database.snapshot() as tx:
        choice = replication.choices_of(rules_of(tx, repository), repository.name).get(destination)
    if choice is None:
        return
    chosen = selection.whole(on, repository, choice)
    while True:
        with on.database.snapshot() as tx:
            pairs = store.backfills.pairs(tx, repository, after, PAIRS_AT_ONCE)
        for digest, tag in pairs:
            if tag is not None and chosen.has_tag(tag):
                yield (digest, tag), True
            elif chosen.has_image(digest) and (tag is None or (digest != after[0] and digest not in chosen.tagged)):
                yield (digest, tag), tag is None
            after = digest, tag
        if len(pairs) < PAIRS_AT_ONCE:
            return


def _selected(
    on: Backends, source: Registry, destination: Registry, after: str
) -> Iterator[tuple[list[Repository], str]]:
    """Page by page, the repositories that the rules of now copy to a destination, and the last name of the page."""
    while True:
        with on.database.snapshot() as tx:
            rules = replication.read(store.registry_settings.find(tx, source, SETTING))
            found = store.repositories.page(tx, source, after, REPOSITORIES_AT_ONCE)
        if not found:
            return
        after = found[-1].name
        yield [at for at in found if destination in replication.destinations_of(rules, at.name)], after


def _get(on: Backends, tx: Transaction, registry: Registry, backfill_id: str) -> Backfill:
    found = store.backfills.find(tx, backfill_id)
    if found is None or found[1] != registry:
        raise ReplicationBackfillNotFound(registry, backfill_id)
    ended_at = found[0].ended_at
    if ended_at is not None and ended_at <= on.clock() - on.limits.backfill_lifetime:
        raise ReplicationBackfillNotFound(registry, backfill_id)
    return found[0]
