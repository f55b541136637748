"""Images that refer to others: list them, and let them go where their subject went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.errors import ImageInUse
from holdfast.model.images import ACTIVE, ARCHIVED
from holdfast.registry import arrivals, departures

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

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


def follow_subject(on: Backends, job: Job) -> datetime | None:
    """Remove, archive or restore the referrers of a digest, as its image was; those of theirs follow by themselves.

    A referrer that was pushed a moment ago may have come before its subject, so it is looked at again later.
    """
    repository_id, digest = job.item.payload["repository_id"], job.item.payload["subject"]
    again_at, after, went = None, 0, 0
    while True:
        with on.database.transaction() as tx:
            job.step(tx)
            repository = store.repositories.find_by_id(tx, repository_id)
            if repository is None:
                is_kept = store.deleted_repositories.is_kept(tx, repository_id)
                return on.clock() + on.limits.referrer_delay if is_kept else None
            subject = store.images.find(tx, repository, digest=digest)
            found, more = store.lists.referrers(tx, repository, digest, after, AT_ONCE, status="ANY")
            for image in store.tags.of_images(tx, found):
                if subject is None and image.pushed_at > on.clock() - on.limits.referrer_delay:
                    again_at = max(again_at or image.pushed_at, image.pushed_at)
                    continue
                try:
                    went += _follow(on, tx, repository, image, subject)
                except ImageInUse:
                    again_at = on.clock()
        if more:
            after = found[-1].id
        elif went and subject is None and found:
            after = went = 0  # what an index listed may be free, now that the index went
        else:
            return again_at + on.limits.referrer_delay if again_at is not None else None


def _follow(on: Backends, tx: Transaction, repository: Repository, image: Image, subject: Image | None) -> bool:
    """Let one referrer follow; whether it did. One that an index lists stays as it is."""
    wants_archive = subject is not None and subject.status == ARCHIVED and image.status == ACTIVE
    if (subject is None or wants_archive) and store.images.parents(tx, repository, image.digest):
        return False
    if subject is None:
        departures.remove(on, tx, repository, image)
    elif wants_archive:
        departures.archive(on, tx, repository, image)
    elif subject.status == ACTIVE and image.status == ARCHIVED:
        store.images.activate(tx, image, on.clock())
        arrivals.activated(on, tx, repository, image)
    else:
        return False
    return True
