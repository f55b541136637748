"""Say where images are copied to, and copy them when they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import replication
from holdfast.model.names import Registry
from holdfast.model.replication import SETTING, Copied, Replication
from holdfast.model.work import ReplicateImage
from holdfast.registry import purging

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.images import Image, ImageId
    from holdfast.model.names import RepositoryRef
    from holdfast.model.replication import Configuration
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job
    from holdfast.store import Transaction

NO_ENGINE = "ReplicationEngineNotAvailable"


def configuration(on: Backends, registry: Registry) -> Configuration:
    """What is set for a registry."""
    with on.database.snapshot() as tx:
        return replication.read(store.registry_settings.find(tx, registry, SETTING))


def configure(on: Backends, registry: Registry, wanted: Configuration) -> None:
    """Replace all rules of a registry."""
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
    """Let an image that was pushed, or came back from the archive, be copied where the rules say."""
    text = store.registry_settings.find_by_id(tx, repository.registry_id, SETTING)
    if text is None:
        return
    for destination in replication.destinations_of(replication.read(text), repository.name):
        store.replications.begin(tx, image.id, destination, now)
        store.work.add(tx, ReplicateImage(image.id, destination.region, destination.account_id), now)


def replicate(on: Backends, job: Job) -> datetime | None:
    """Copy an image to one destination."""
    image_id = job.item.payload["image_id"]
    destination = Registry(job.item.payload["account_id"], job.item.payload["region"])
    with on.database.snapshot() as tx:
        found = store.images.find_by_id(tx, image_id)
        if found is None:
            return purging.look_again(on, tx, image_id)
        image, repository_id = found
        repository = store.repositories.get_by_id(tx, repository_id)
    copied = copy(on, repository.ref, image.digest, None, destination)
    with on.database.transaction() as tx:
        job.step(tx)
        ended = Replication(destination, copied.status, copied.failure_code)
        store.replications.change(tx, image_id, ended, on.clock())
    return None


def copy(_on: Backends, _at: RepositoryRef, _digest: str, _tag: str | None, _destination: Registry) -> Copied:
    """Copy an image, and one tag or all of them, to another registry; nothing can as long as there is no engine."""
    return Copied(NO_ENGINE)
