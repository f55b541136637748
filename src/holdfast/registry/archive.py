"""Into the archive and back: UpdateImageStorageClass, and what completes it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.errors import ImageInUse, ImageStorageClassUpdateNotSupported
from holdfast.model.images import ACTIVATING, ACTIVE, ARCHIVED
from holdfast.model.work import ActivateImage
from holdfast.registry import arrivals, departures, purging

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.images import Image, ImageId
    from holdfast.model.names import RepositoryRef
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job
    from holdfast.store import Transaction


def set_storage_class(on: Backends, at: RepositoryRef, id_: ImageId, target: str) -> Image:
    """Put an image into the class STANDARD or ARCHIVE; it as it is then, which may be on its way."""
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        [image] = store.tags.of_images(tx, [store.images.get(tx, repository, id_)])
        if target == "ARCHIVE":
            return _archive(on, tx, repository, image)
        if image.status == ACTIVE:
            return image
        if image.status == ARCHIVED:
            store.images.begin_activation(tx, image)
        store.work.add(tx, ActivateImage(image.id), on.clock())
    return replace(image, status=ACTIVATING)


def _archive(on: Backends, tx: Transaction, repository: Repository, image: Image) -> Image:
    if image.status == ARCHIVED:
        return image
    why = why_not(tx, repository, image)
    if why is not None:
        raise ImageStorageClassUpdateNotSupported(repository.ref, image.digest, why)
    try:
        return departures.archive(on, tx, repository, image)
    except ImageInUse as refusal:
        raise ImageStorageClassUpdateNotSupported(repository.ref, image.digest, refusal.message) from None


def why_not(tx: Transaction, repository: Repository, image: Image) -> str | None:
    """Why an image cannot be archived by itself, if it cannot."""
    if image.status == ACTIVATING:
        return "it is being restored"
    if store.images.parents(tx, repository, image.digest):
        return "a manifest list references it"
    if image.subject is not None and store.images.find(tx, repository, digest=image.subject) is not None:
        return "it refers to another image, and follows that one"
    return None


def activate(on: Backends, job: Job) -> datetime | None:
    """Complete a restoration; the bytes never went anywhere."""
    with on.database.transaction() as tx:
        job.step(tx)
        found = store.images.find_by_id(tx, job.item.payload["image_id"])
        if found is None:
            return purging.look_again(on, tx, job.item.payload["image_id"])
        if found[0].status != ACTIVATING:
            return None
        image, repository_id = found
        repository = store.repositories.get_by_id(tx, repository_id)
        store.images.activate(tx, image, on.clock())
        [image] = store.tags.of_images(tx, [replace(image, status=ACTIVE)])
        arrivals.activated(on, tx, repository, image)
    return None
