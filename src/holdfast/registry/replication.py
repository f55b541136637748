"""Say where images are copied to, copy them when they come, and remove them there when they go.

    push ──► a row for each destination, IN_PROGRESS, and work ──► `replicas.copy` ──► COMPLETE, or FAILED and why
    deletion ──► work, where a rule says so ──► the same deletion there

Work is about what is there when it is done: a tag that moved on meanwhile, or an image that is back, is as it is now.
Which images and tags go where rules have filters for tags is for `selection` to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import replication
from holdfast.model.replication import SETTING, subject_of
from holdfast.model.work import PushDeletion, PushImage, ReplicateDeletion, ReplicateImage
from holdfast.registry import selection

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from holdfast.model.images import Image, ImageId
    from holdfast.model.names import Registry, RepositoryRef
    from holdfast.model.replication import Choice, Configuration, Replication
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job
    from holdfast.store import Transaction

AT_ONCE = 200  # images in one transaction


def configuration(on: Backends, registry: Registry) -> Configuration:
    """What is set for a registry."""
    with on.database.snapshot() as tx:
        return replication.read(store.registry_settings.find(tx, registry, SETTING))


def configure(on: Backends, registry: Registry, wanted: Configuration) -> None:
    """Replace all rules of a registry; copies that wait for one that is gone end as soon as their turn comes."""
    change(on, registry, lambda _: wanted)


def change(on: Backends, registry: Registry, changed: Callable[[Configuration], Configuration]) -> Configuration:
    """Change the rules of a registry as they are at this moment; as they are then."""
    limits = on.limits
    with on.database.transaction() as tx:
        wanted = changed(replication.read(store.registry_settings.find(tx, registry, SETTING)))
        wanted.check(registry, most_rules=limits.replication_rules, most_destinations=limits.replication_destinations)
        store.registry_settings.put(tx, registry, SETTING, wanted.text, on.clock())
    return wanted


def of_image(on: Backends, at: RepositoryRef, id_: ImageId) -> tuple[Image, list[Replication]]:
    """Where an image was to be copied to, and how each copying stands."""
    with on.database.snapshot() as tx:
        image = store.images.get(tx, store.repositories.get(tx, at), id_)
        return image, store.replications.of_image(tx, image.id)


def pushed(_on: Backends, tx: Transaction, repository: Repository, image: Image, now: datetime) -> None:
    """Let an image that was pushed, tagged, or is there again be copied where the rules say."""
    for destination, choice in replication.choices_of(rules_of(tx, repository), repository.name).items():
        if selection.goes(tx, repository, image.digest, choice):
            begin(tx, image.id, destination, now)


def begin(tx: Transaction, image_id: int, destination: Registry, now: datetime) -> None:
    """Let an image be copied to a destination."""
    store.replications.begin(tx, image_id, destination, now)
    store.work.add(tx, ReplicateImage(image_id, destination.region, destination.account_id), now)


def is_under_way(tx: Transaction, image_id: int, destination: Registry) -> bool:
    """Whether anybody still copies an image to a destination, or will: work may be given up, or forgotten."""
    wanted = (kind(image_id, destination.region, destination.account_id) for kind in (ReplicateImage, PushImage))
    return any(store.work.is_alive(tx, one) for one in wanted)


def removed(tx: Transaction, repository: Repository, image: Image, tag: str | None, now: datetime) -> None:
    """Let a tag, or without one an image, be removed where the rules say that deletions are followed.

    Where they have filters for tags, an image that was never to be copied is nobody's business there.
    """
    choices = replication.choices_of(rules_of(tx, repository), repository.name, deletions=True)
    for there, choice in choices.items():
        place = there.region, there.account_id
        # Its tags go there with it, but for those that name there what they named here before.
        gone = image.tags if tag is None else (tag,)
        for name in gone:
            if choice.may_set(name) and (tag is not None or store.tag_history.digests(tx, repository, name, 1)):
                store.work.add(tx, ReplicateDeletion(repository.id, image.digest, name, *place), now)
        if tag is None and (choice.is_everything or store.replications.find(tx, image.id, there) is not None):
            store.work.add(tx, ReplicateDeletion(repository.id, image.digest, "", *place), now)


def follow(tx: Transaction, repository: Repository, digest: str, tag: str, there: Registry, now: datetime) -> None:
    """Let a tag, or with an empty one an image, that went while it was copied be removed there, if the rules say so."""
    choice = replication.choices_of(rules_of(tx, repository), repository.name, deletions=True).get(there)
    if choice is not None and (not tag or choice.may_set(tag)):
        store.work.add(tx, ReplicateDeletion(repository.id, digest, tag, there.region, there.account_id), now)


def call_dependents(
    on: Backends, job: Job, repository: Repository, digest: str, destination: Registry, choice: Choice
) -> None:
    """Let what hangs on an image that went be copied, too, if it never was to be: it came before the image's tag.

    Where every image goes, each was to be copied when it came.
    """
    if choice.is_everything:
        return
    reads = (store.relations.new_members, store.relations.new_referrers, store.relations.new_by_tag)
    after = dict.fromkeys(reads, "")
    while after:
        with on.database.transaction() as tx:
            job.step(tx)
            for read, place in list(after.items()):
                found = read(tx, repository, digest, destination, place, AT_ONCE)
                for one in found:
                    is_meant = subject_of(one.place) == digest and choice.follows(one.place)
                    if is_meant or read is not store.relations.new_by_tag:
                        begin(tx, one.image_id, destination, on.clock())
                if len(found) < AT_ONCE:
                    del after[read]
                else:
                    after[read] = found[-1].place


def rules_of(tx: Transaction, repository: Repository) -> Configuration:
    """The rules of the registry of a repository."""
    return replication.read(store.registry_settings.find_by_id(tx, repository.registry_id, SETTING))


def figures(on: Backends) -> dict[str, float]:
    """How many copies and deletions wait, and for how long the first of the copies has."""
    with on.database.snapshot() as tx:
        kinds = [store.work.waiting(tx, kind.__name__) for kind in (ReplicateImage, PushImage)]
        deletions = [store.work.waiting(tx, kind.__name__) for kind in (ReplicateDeletion, PushDeletion)]
    since = min((since for _, since in kinds if since is not None), default=None)
    return {
        "replication_deletions_waiting": sum(count for count, _ in deletions),
        "replication_waiting": sum(count for count, _ in kinds),
        "replication_lag_seconds": max((on.clock() - since).total_seconds(), 0.0) if since else 0.0,
    }
