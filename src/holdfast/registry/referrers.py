"""Images that refer to others: list them, and let them go where their subject went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.images import ACTIVE, ARCHIVED
from holdfast.registry import arrivals

if TYPE_CHECKING:
    from collections.abc import Collection

    from holdfast.model.images import Image
    from holdfast.model.names import RepositoryRef
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job
    from holdfast.store import Transaction

AT_ONCE = 50  # in one transaction


def page(
    on: Backends,
    at: RepositoryRef,
    subject: str,
    after: int,
    limit: int,
    *,
    kinds: Collection[str] = (),
    status: str = ACTIVE,
) -> tuple[list[Image], bool]:
    """Images whose subject is a digest, beginning after one, and whether there are more."""
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        return store.lists.referrers(tx, repository, subject, after, limit, kinds=kinds, status=status)


def follow_subject(on: Backends, job: Job) -> None:
    """Remove, archive or restore the referrers of a digest, as its image was; those of theirs follow by themselves."""
    repository_id, digest = job.item.payload["repository_id"], job.item.payload["subject"]
    after = 0
    while True:
        with on.database.transaction() as tx:
            job.step(tx)
            repository = store.repositories.find_by_id(tx, repository_id)
            if repository is None:
                return
            subject = store.images.find(tx, repository, digest=digest)
            found, more = store.lists.referrers(tx, repository, digest, after, AT_ONCE, status="ANY")
            for image in store.tags.of_images(tx, found):
                _follow(on, tx, repository, image, subject)
        if not more:
            return
        after = found[-1].id


def _follow(on: Backends, tx: Transaction, repository: Repository, image: Image, subject: Image | None) -> None:
    if subject is None:
        if not store.images.parents(tx, repository, image.digest):
            store.images.remove(tx, repository, image)
            arrivals.removed(on, tx, repository, image)
    elif subject.status == ARCHIVED and image.status == ACTIVE:
        store.images.archive(tx, image, on.clock())
        arrivals.archived(on, tx, repository, image)
    elif subject.status == ACTIVE and image.status == ARCHIVED:
        store.images.activate(tx, image, on.clock())
        arrivals.activated(on, tx, repository, image)
