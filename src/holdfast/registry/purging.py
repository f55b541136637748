"""Remove for good what was deleted longer ago than it is kept, a small portion in each transaction."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import store

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from holdfast.model.deleted import DeletedRepository
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job
    from holdfast.store import Transaction

LOOK_AGAIN = timedelta(hours=1)
AT_ONCE = 100  # images in one transaction
ROWS_AT_ONCE = 1000


def purge(on: Backends, job: Job) -> None:
    """Purge images, what tags named, and whole repositories."""
    before = on.clock() - on.limits.deleted_lifetime
    _in_portions(on, job, AT_ONCE, lambda tx: _purge_images(on, tx, before))
    _in_portions(on, job, ROWS_AT_ONCE, lambda tx: store.tag_history.forget(tx, before, ROWS_AT_ONCE))
    while True:
        with on.database.transaction() as tx:
            job.step(tx)
            deleted = store.deleted_repositories.due(tx, before)
            if deleted is None:
                return
            store.deleted_repositories.begin_purge(tx, deleted)  # half of one must not come back
        _purge_repository(on, job, deleted)


def look_again(on: Backends, tx: Transaction, image_id: int) -> datetime | None:
    """When to look again for an image that is not there: its repository may be restored."""
    return on.clock() + LOOK_AGAIN if store.deleted_repositories.keeps_image(tx, image_id) else None


def _in_portions(on: Backends, job: Job, portion: int, do: Callable[[Transaction], int]) -> None:
    """Do something again and again, each time in a transaction of its own, until it finds less than a portion."""
    count = portion
    while count >= portion:
        with on.database.transaction() as tx:
            job.step(tx)
            count = do(tx)
        job.rest()


def _purge_images(on: Backends, tx: Transaction, before: datetime) -> int:
    found = store.deleted_images.due(tx, before, on.clock(), AT_ONCE)
    for image_id, _, _ in found:
        erase_image(on, tx, image_id)
    return len(found)


def erase_image(on: Backends, tx: Transaction, image_id: int) -> None:
    """Forget a deleted image, and have what it held looked at."""
    store.garbage.suspect_parts(tx, image_id, on.clock() + on.limits.push_time)
    store.deleted_images.erase(tx, image_id)


def erase_evicted(on: Backends, tx: Transaction, repository: Repository, image_id: int) -> None:
    """Forget a deleted image that can be fetched again, and take what only it held out of its repository."""
    parts = store.garbage.parts(tx, image_id)
    erase_image(on, tx, image_id)
    for digest in parts:
        if not store.garbage.is_needed(tx, repository.id, digest):
            store.garbage.quarantine(tx, repository.id, digest, on.clock(), is_evicted=True)


def _purge_repository(on: Backends, job: Job, deleted: DeletedRepository) -> None:
    id_ = deleted.id
    _in_portions(on, job, AT_ONCE, lambda tx: store.images.erase_some(tx, id_, AT_ONCE))
    _in_portions(on, job, AT_ONCE, lambda tx: store.deleted_images.erase_of(tx, id_, AT_ONCE))
    _in_portions(on, job, ROWS_AT_ONCE, lambda tx: store.tag_history.forget_of(tx, id_, ROWS_AT_ONCE))
    _in_portions(on, job, AT_ONCE, lambda tx: store.garbage.quarantine_some(tx, id_, AT_ONCE, on.clock()))
    with on.database.transaction() as tx:
        job.step(tx)
        store.deleted_repositories.erase(tx, deleted)
