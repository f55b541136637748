"""Say where images are copied to, copy them when they come, and remove them there when they go.

    push ──► a row for each destination, IN_PROGRESS, and work ──► `replicas.copy` ──► COMPLETE, or FAILED and why
    deletion ──► work, where a rule says so ──► the same deletion there

Work is about what is there when it is done: a tag that moved on meanwhile, or an image that is back, is as it is now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import replication
from holdfast.model.replication import SETTING
from holdfast.model.work import PushImage, ReplicateDeletion, ReplicateImage

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.images import Image, ImageId
    from holdfast.model.names import Registry, RepositoryRef
    from holdfast.model.replication import Configuration, Replication
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction


def configuration(on: Backends, registry: Registry) -> Configuration:
    """What is set for a registry."""
    with on.database.snapshot() as tx:
        return replication.read(store.registry_settings.find(tx, registry, SETTING))


def configure(on: Backends, registry: Registry, wanted: Configuration) -> None:
    """Replace all rules of a registry; copies that wait for one that is gone end as soon as their turn comes."""
    limits = on.limits
    wanted.check(registry, most_rules=limits.replication_rules, most_destinations=limits.replication_destinations)
    with on.database.transaction() as tx:
        store.registry_settings.put(tx, registry, SETTING, wanted.text, on.clock())


def of_image(on: Backends, at: RepositoryRef, id_: ImageId) -> tuple[Image, list[Replication]]:
    """Where an image was to be copied to, and how each copying stands."""
    with on.database.snapshot() as tx:
        image = store.images.get(tx, store.repositories.get(tx, at), id_)
        return image, store.replications.of_image(tx, image.id)


def pushed(_on: Backends, tx: Transaction, repository: Repository, image: Image, now: datetime) -> None:
    """Let an image that was pushed, tagged, or is there again be copied where the rules say."""
    for destination in replication.destinations_of(rules_of(tx, repository), repository.name):
        store.replications.begin(tx, image.id, destination, now)
        store.work.add(tx, ReplicateImage(image.id, destination.region, destination.account_id), now)


def removed(tx: Transaction, repository: Repository, digest: str, tag: str | None, now: datetime) -> None:
    """Let a tag, or without one an image, be removed where the rules say that deletions are followed."""
    for there in replication.deletion_destinations_of(rules_of(tx, repository), repository.name):
        wanted = ReplicateDeletion(repository.id, digest, tag or "", there.region, there.account_id)
        store.work.add(tx, wanted, now)


def rules_of(tx: Transaction, repository: Repository) -> Configuration:
    """The rules of the registry of a repository."""
    return replication.read(store.registry_settings.find_by_id(tx, repository.registry_id, SETTING))


def figures(on: Backends) -> dict[str, float]:
    """How many copies wait, and for how long the first of them has."""
    with on.database.snapshot() as tx:
        kinds = [store.work.waiting(tx, kind.__name__) for kind in (ReplicateImage, PushImage)]
    since = min((since for _, since in kinds if since is not None), default=None)
    return {
        "replication_waiting": sum(count for count, _ in kinds),
        "replication_lag_seconds": max((on.clock() - since).total_seconds(), 0.0) if since else 0.0,
    }
