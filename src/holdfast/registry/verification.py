"""Compare repositories with their copies in other registries, and copy again what drifted.

    tree here ═ tree there?  ── yes ──► IN_SYNC
        └── no ──► the buckets that differ ──► what is missing, or has another image ──► work, as for a push

Only what was to be copied is missed: an image that was pushed before its rule is counted and left to a backfill, unless
everything is asked for. What only the copy has is counted; nothing of it is removed but what was deleted here and waits
to be. What the filters of rules leave out is not looked at.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import merkle, replication
from holdfast.model.errors import InvalidParameter, Refusal
from holdfast.model.names import Registry, RepositoryRef
from holdfast.model.peers import Kind
from holdfast.model.replication import SETTING
from holdfast.model.verification import Check, Counts, State, drift_event
from holdfast.model.work import VerifyReplica
from holdfast.registry import (
    events,
    peers,
    remote_contents,
    replicated_settings,
    replication_queues,
    selection,
    setting_replicas,
)
from holdfast.registry.remote_contents import Copy
from holdfast.registry.replication import begin, is_under_way
from holdfast.registry.work import LeaseLost, WorkCancelled, WorkInterrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from holdfast.model.merkle import Tree
    from holdfast.model.replicated_settings import Setting
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.registry.selection import Chosen
    from holdfast.registry.work import Job
    from holdfast.store.contents import Held

log = logging.getLogger(__name__)

PAGE = 5000  # images or tags in one read
PAGES_AT_ONCE = 20  # that are read for one answer, while little of them is asked for
REPAIRS_AT_ONCE = 200
REPOSITORIES_AT_ONCE = 100
MISSED = frozenset({"missing_images", "missing_tags", "moved_tags"})
FRESH = timedelta(hours=23)  # of a comparison that costs its other side a request for each image


# ---- On a schedule, and when somebody asks


def verify_replicas(on: Backends, job: Job) -> None:
    """Compare all that is copied with its copies, going on where it stood."""
    done = (job.item.progress or {}).get("done", ["", "", ""])
    with on.database.snapshot() as tx:
        homes = store.registry_settings.where_set(tx, SETTING)
    for home in homes:
        place = [home.account_id, home.region]
        if place < done[:2]:
            continue
        for repository, destination in copied(on, home, done[2] if place == done[:2] else ""):
            if not _is_fresh(on, repository, destination):
                _compare(on, job, repository, destination)
            with on.database.transaction(durable=False) as tx:
                job.step(tx, {"done": [*place, repository.name]})
    with on.database.transaction(durable=False) as tx:
        job.step(tx, {})  # the next one begins at the beginning


def _compare(on: Backends, job: Job, repository: Repository, destination: Registry) -> None:
    try:
        _one(on, job, repository, destination, repairs=True, everything=False)
    except (LeaseLost, WorkCancelled, WorkInterrupted):
        raise
    except Exception:  # one that cannot be compared must not hold up all others, round after round
        log.exception("%s could not be compared with its copy in %s of %s",
                      repository.name, destination.region, destination.account_id)  # fmt: skip


def _is_fresh(on: Backends, repository: Repository, destination: Registry) -> bool:
    """Whether a peer that has to be asked for each image agreed not long ago; deletions wait for it by themselves."""
    with on.database.snapshot() as tx:
        peer = peers.find_in(tx, repository.ref.registry, destination)
        if peer is None or peer.kind is Kind.HOLDFAST:
            return False
        check = store.replication_checks.find(tx, repository, destination)
    if check is None or replace(check.counts, deletions=0).state is not State.IN_SYNC or check.failure:
        return False
    return check.checked_at > on.clock() - FRESH


def verify_replica(on: Backends, job: Job) -> None:
    """Compare one repository with one copy."""
    wanted = VerifyReplica(**job.item.payload)
    with on.database.snapshot() as tx:
        repository = store.repositories.find_by_id(tx, wanted.repository_id)
    if repository is not None:
        destination = Registry(wanted.account_id, wanted.region)
        _one(on, job, repository, destination, repairs=wanted.repairs, everything=wanted.everything)


def ask(on: Backends, at: RepositoryRef, destination: Registry, *, repairs: bool, everything: bool) -> None:
    """Let a repository be compared in the background."""
    repository = _copied_to(on, at, destination)
    wanted = VerifyReplica(repository.id, destination.region, destination.account_id, repairs, everything)
    with on.database.transaction() as tx:
        store.work.add(tx, wanted, on.clock())


def verify(on: Backends, at: RepositoryRef, destination: Registry, *, repairs: bool, everything: bool) -> Check:
    """Compare a repository with one of its copies now."""
    return _one(on, None, _copied_to(on, at, destination), destination, repairs=repairs, everything=everything)


def copied(on: Backends, home: Registry, after: str = "") -> Iterator[tuple[Repository, Registry]]:
    """The repositories of a registry that its rules copy, by name after one, each with each destination."""
    while True:
        with on.database.snapshot() as tx:
            rules = replication.read(store.registry_settings.find(tx, home, SETTING))
            found = store.repositories.page(tx, home, after, REPOSITORIES_AT_ONCE)
        for repository in found:
            for destination in replication.destinations_of(rules, repository.name):
                yield repository, destination
        if len(found) < REPOSITORIES_AT_ONCE:
            return
        after = found[-1].name


def page(on: Backends, home: Registry, after: str, limit: int) -> tuple[list[Check], bool]:
    """The latest comparisons of a registry, all of a repository together, and whether there are more."""
    with on.database.snapshot() as tx:
        found = store.replication_checks.page(tx, home, after, limit + on.limits.replication_destinations)
    cut = limit
    while 0 < cut < len(found) and found[cut].at == found[cut - 1].at:
        cut += 1
    return found[:cut], len(found) > cut


def _copied_to(on: Backends, at: RepositoryRef, destination: Registry) -> Repository:
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        rules = replication.read(store.registry_settings.find_by_id(tx, repository.registry_id, SETTING))
    if destination not in replication.destinations_of(rules, at.name):
        raise InvalidParameter(
            "destination", f"no replication rule copies '{at.name}' to {destination.region} of {destination.account_id}"
        )
    return repository


# ---- One repository


def _one(
    on: Backends, job: Job | None, repository: Repository, destination: Registry, *, repairs: bool, everything: bool
) -> Check:
    chosen = _chosen(on, repository, destination)
    here = tree(on, repository, chosen)
    counts, faults = Counts(), []
    drifted: dict[int, str | None] = {}
    settings: list[Setting] = []
    try:
        look = job.look if job is not None else _never
        counts, drifted = _compared(on, repository, destination, chosen, here, look)
    except Refusal as refusal:
        faults.append(f"{refusal.code}: {refusal.message}")
    try:
        settings = setting_replicas.differing(on, repository, destination)
    except Refusal as refusal:
        faults.append(f"{refusal.code}: {refusal.message}")
    if not everything:
        drifted = {image_id: copied for image_id, copied in drifted.items() if copied is not None}
    if repairs:
        _repair(on, job, destination, list(drifted))
        if settings:
            replicated_settings.ask(on, repository, destination)
    repaired = len(drifted) + len(settings) if repairs else 0
    with on.database.transaction() as tx:
        if job is not None:
            job.step(tx)
        waiting = replication_queues.deletions(tx, repository, destination, on.clock() if repairs else None)
        counts = replace(counts, differing_settings=len(settings), repairs=repaired, deletions=waiting)
        state = State.FAILED if faults else counts.state
        failure = faults[0] if faults else None
        check = Check(repository.ref, destination, on.clock(), state, counts, here.root, failure)
        if store.repositories.find_by_id(tx, repository.id) is not None:
            store.replication_checks.put(tx, repository, check)
            if counts.drifted:
                events.tell(on, tx, repository.ref.registry, drift_event(check))
    if counts.drifted or check.failure:
        found = (
            check.failure
            or f"has drifted: {counts.missing_images} images and {counts.missing_tags} tags are missing, "
            f"{counts.moved_tags} tags name other images, {counts.differing_settings} settings differ; "
            f"{counts.repairs} are repaired"
        )
        log.warning("the copy of %s in %s of %s %s", repository.name, destination.region, destination.account_id, found)
    return check


def _never() -> None:
    """Look whether anybody wants a comparison that somebody waits for."""


def _chosen(on: Backends, repository: Repository, destination: Registry) -> Chosen | None:
    """What of a repository goes there; None if everything does."""
    with on.database.snapshot() as tx:
        rules = replication.read(store.registry_settings.find_by_id(tx, repository.registry_id, SETTING))
    choice = replication.choices_of(rules, repository.name).get(destination)
    return None if choice is None or choice.is_everything else selection.whole(on, repository, choice)


def tree(on: Backends, repository: Repository, chosen: Chosen | None = None) -> Tree:
    """All that a repository holds, or what is chosen of it, as one digest."""
    growing = merkle.Growing()
    for found in _pages(on, repository):
        growing.add(found if chosen is None else filter(chosen.has, found))
    return growing.tree()


def tree_of(on: Backends, at: RepositoryRef) -> Tree:
    """The tree of a repository by its name."""
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
    return tree(on, repository)


def _pages(on: Backends, repository: Repository) -> Iterator[list[Held]]:
    """The images and then the tags of a repository, a page at a time."""
    for read in (store.contents.images, store.contents.tagged):
        after, found = "", None
        while found is None or len(found) == PAGE:
            with on.database.snapshot() as tx:
                found = read(tx, repository, after, PAGE)
            yield found
            after = _place(found)


def contents(
    on: Backends, at: RepositoryRef, buckets: Collection[int], after: tuple[int, str]
) -> tuple[list[Held], tuple[int, str] | None]:
    """The images and tags of some buckets, beginning after a place, and the place after which there may be more."""
    held: list[Held] = []
    for _ in range(PAGES_AT_ONCE):
        phase, place = after
        read = store.contents.tagged if phase else store.contents.images
        with on.database.snapshot() as tx:
            found = read(tx, store.repositories.get(tx, at), place, PAGE)
        held += [one for one in found if merkle.bucket(*one) in buckets]
        if len(found) < PAGE and phase:
            return held, None
        after = (phase, _place(found)) if len(found) == PAGE else (1, "")
        if len(held) >= PAGE:
            break
    return held, after


def _place(found: Sequence[Held]) -> str:
    """After which a list goes on."""
    digest, tag = found[-1] if found else ("", "")
    return tag or digest


def _compared(
    on: Backends,
    repository: Repository,
    destination: Registry,
    chosen: Chosen | None,
    here: Tree,
    look: Callable[[], None],
) -> tuple[Counts, dict[int, str | None]]:
    """How a repository agrees with its copy, and the images that must be copied again, with how that stood."""
    peer = peers.find(on, repository.ref.registry, destination)
    if peer is not None:
        wanted = (held for found in _pages(on, repository) for held in found if chosen is None or chosen.has(held))
        buckets, copy = remote_contents.compare(on, repository, peer, here, wanted, look)
        if not buckets:
            return Counts(agreeing=here.count), {}
        return _judged(on, repository, destination, chosen, None, buckets, copy)
    there = RepositoryRef(destination, repository.name)
    with on.database.snapshot() as tx:
        target = store.repositories.find(tx, there)
    other = merkle.EMPTY if target is None else tree(on, target)
    buckets = here.differing(other)
    if not buckets:
        return Counts(agreeing=here.count), {}
    copy = Copy(frozenset(), {}) if target is None else _copy(on, target, buckets)
    return _judged(on, repository, destination, chosen, target, buckets, copy)


def _copy(on: Backends, target: Repository, buckets: Collection[int]) -> Copy:
    images: set[str] = set()
    tags: dict[str, str] = {}
    for found in _pages(on, target):
        for digest, tag in found:
            is_meant = merkle.bucket(digest, tag) in buckets
            if is_meant and tag:
                tags[tag] = digest
            elif is_meant:
                images.add(digest)
    return Copy(images, tags)


def _judged(
    on: Backends,
    repository: Repository,
    destination: Registry,
    chosen: Chosen | None,
    target: Repository | None,
    buckets: Collection[int],
    copy: Copy,
) -> tuple[Counts, dict[int, str | None]]:
    counts: Counter[str] = Counter()
    drifted: dict[int, str | None] = {}
    seen = 0
    for page in _pages(on, repository):
        missed: list[tuple[str, str]] = []  # what, and the image that must be copied for it
        for digest, tag in page:
            is_chosen = chosen is None or chosen.has((digest, tag))
            if merkle.bucket(digest, tag) not in buckets:
                counts["agreeing"] += is_chosen
                continue
            seen += tag in copy.tags if tag else digest in copy.images
            if is_chosen and (found := _found(digest, tag, target, copy)) in MISSED:
                missed.append((found, digest))
            elif is_chosen:
                counts[found] += 1
        with on.database.snapshot() as tx:
            standings = store.contents.standings(tx, repository, destination, [digest for _, digest in missed])
            under_way = {
                one.image_id
                for one in standings.values()
                if one.status == "IN_PROGRESS" and is_under_way(tx, one.image_id, destination)
            }
        for found, digest in missed:
            if (standing := standings.get(digest)) is None:  # it went meanwhile
                continue
            if standing.image_id in under_way:
                counts["copying"] += 1
                continue
            drifted[standing.image_id] = standing.status
            counts[found if standing.status is not None else "unreplicated"] += 1
    counts["extra"] = len(copy.images) + len(copy.tags) - seen
    return Counts(**counts), drifted


def _found(digest: str, tag: str, target: Repository | None, copy: Copy) -> str:
    """What there is of an image or a tag in the copy, as it is counted."""
    if not tag:
        return "agreeing" if digest in copy.images else "missing_images"
    named = copy.tags.get(tag)
    if named == digest:
        return "agreeing"
    if named is None:
        return "missing_tags"
    return "moved_tags" if target is None or target.mutability.may_move(tag) else "frozen_tags"


def _repair(on: Backends, job: Job | None, destination: Registry, image_ids: list[int]) -> None:
    """Let images be copied as if they had just been pushed."""
    for start in range(0, len(image_ids), REPAIRS_AT_ONCE):
        with on.database.transaction() as tx:
            if job is not None:
                job.step(tx)
            for image_id in image_ids[start : start + REPAIRS_AT_ONCE]:
                if store.images.find_by_id(tx, image_id) is not None:
                    begin(tx, image_id, destination, on.clock())
