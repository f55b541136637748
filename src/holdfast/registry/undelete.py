"""List and restore what was deleted, and tell what a tag named before.

    living ── delete ──► deleted ── restore ──► living
                            └────── purge ────► gone      (after `Limits.deleted_lifetime`, or when somebody wants it)

What is deleted is in no live table, or under a name that nobody can ask for: whoever reads need not think of it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.errors import (
    DeletedImageNotFound,
    DeletedRepositoryNotFound,
    ImageAlreadyExists,
    ImageInUse,
    ImageNotFound,
    ImageTagHistoryNotFound,
    LayersNotFound,
    LimitExceeded,
    RepositoryAlreadyExists,
)
from holdfast.model.work import EvaluateLifecycle, PurgeDeleted
from holdfast.registry import arrivals, damage, images, purging, quotas

if TYPE_CHECKING:
    from holdfast.model.deleted import DeletedImage, DeletedRepository, Tagging
    from holdfast.model.images import Image
    from holdfast.model.names import Registry, RepositoryRef
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_AT_ONCE = 500  # images that come back together
PAGE = 100


def kept_since(on: Backends) -> datetime:
    """What was deleted after this instant can be restored."""
    return on.clock() - on.limits.deleted_lifetime


# ---- Repositories


def repositories(on: Backends, registry: Registry, after: int, limit: int) -> tuple[list[DeletedRepository], bool]:
    """Deleted repositories that can be restored, beginning after a row, and whether there are more."""
    with on.database.snapshot() as tx:
        found = store.deleted_repositories.page(tx, registry, after, limit + 1)
    return found[:limit], len(found) > limit


def restore_repository(
    on: Backends, at: RepositoryRef, *, repository_id: int | None = None, under: RepositoryRef | None = None
) -> Repository:
    """Let a deleted repository live again with all that it holds, under its name or another one."""
    target = under or at
    with on.database.transaction() as tx:
        deleted = _deleted(on, tx, at, repository_id)
        if store.repositories.find(tx, target) is not None:
            raise RepositoryAlreadyExists(target)
        repository = store.deleted_repositories.restore(tx, deleted, target)
        quotas.check_repositories(on, target.registry, store.repositories.count(tx, repository.registry_id, 1))
        store.counters.bump_access(tx, target.registry.account_id)
        if store.lifecycle.find_policy(tx, repository.id) is not None:
            store.work.add(tx, EvaluateLifecycle(repository.id), on.clock())
    return repository


def purge_repository(on: Backends, at: RepositoryRef, *, repository_id: int | None = None) -> DeletedRepository:
    """Remove a deleted repository for good; what it holds goes in the background."""
    with on.database.transaction() as tx:
        deleted = _deleted(on, tx, at, repository_id)
        store.deleted_repositories.begin_purge(tx, deleted)
        store.work.add(tx, PurgeDeleted(), on.clock())
    return deleted


def _deleted(on: Backends, tx: Transaction, at: RepositoryRef, repository_id: int | None) -> DeletedRepository:
    deleted = store.deleted_repositories.find(tx, at, repository_id)
    if deleted is None or deleted.is_purging or deleted.deleted_at <= kept_since(on):
        raise DeletedRepositoryNotFound(at)
    return deleted


# ---- Images


def deleted_images(on: Backends, at: RepositoryRef, after: int, limit: int) -> tuple[list[DeletedImage], bool]:
    """Deleted images that can be restored, in the order of their push, and whether there are more."""
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        found = store.deleted_images.page(tx, repository, after, limit + 1, since=kept_since(on))
    return found[:limit], len(found) > limit


def restore_image(on: Backends, at: RepositoryRef, digest: str, *, with_referrers: bool = False) -> list[Image]:
    """Let a deleted image live again, with those of its tags that are free; all images that came back.

    What an index lists comes back with it. Referrers that were deleted come back if that is wanted.
    """
    restored: list[Image] = []
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        if store.images.find(tx, repository, digest=digest) is not None:
            raise ImageAlreadyExists(at, digest, None)
        is_leased = store.image_leases.page(tx, repository, 0, 1, on.clock(), digest=digest)
        since = EPOCH if is_leased else kept_since(on)  # what runs is not purged
        _restore(on, tx, repository, digest, restored, since, with_referrers=with_referrers)
    return restored


def _restore(
    on: Backends,
    tx: Transaction,
    repository: Repository,
    digest: str,
    restored: list[Image],
    since: datetime,
    *,
    with_referrers: bool,
) -> None:
    if len(restored) >= MOST_AT_ONCE:
        raise LimitExceeded(f"More than {MOST_AT_ONCE} images would come back at once: restore them one by one")
    deleted = store.deleted_images.find(tx, repository, digest, since=since)
    if deleted is None:
        raise DeletedImageNotFound(repository.ref, digest)
    needed = store.deleted_images.needs(tx, deleted)
    for child in (needed_digest for needed_digest, is_manifest in needed if is_manifest):
        if store.images.find(tx, repository, digest=child) is None:
            _restore(on, tx, repository, child, restored, since, with_referrers=with_referrers)
    blobs = [needed_digest for needed_digest, is_manifest in needed if not is_manifest]
    store.garbage.take_back(tx, repository.id, blobs, on.clock() + on.limits.push_time, even_deleted=True)
    held = store.blobs.sizes(tx, repository, blobs, damaged_too=True)  # a push may still repair them
    missing = [blob for blob in blobs if blob not in held]
    if missing:
        raise LayersNotFound(repository.ref, missing)
    free = {tag for tag in deleted.tags if store.images.find(tx, repository, tag=tag) is None}
    image = store.deleted_images.restore(tx, repository, deleted, free)
    damage.prove_restored(on, tx, repository, image)
    quotas.check_images(on, repository, store.images.count(tx, repository, 1))
    image = replace(image, tags=tuple(sorted(free)))
    arrivals.restored(on, tx, repository, image)
    restored.append(image)
    if not with_referrers:
        return
    for referrer in store.deleted_images.referrers(tx, repository, digest, MOST_AT_ONCE, since=since):
        if store.images.find(tx, repository, digest=referrer) is None:
            _restore(on, tx, repository, referrer, restored, since, with_referrers=True)


def purge_image(on: Backends, at: RepositoryRef, digest: str) -> None:
    """Remove a deleted image for good."""
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        deleted = store.deleted_images.find(tx, repository, digest, since=kept_since(on))
        if deleted is None:
            raise DeletedImageNotFound(at, digest)
        leased = store.image_leases.page(tx, repository, 0, 1, on.clock(), digest=digest)
        if leased:
            raise ImageInUse(at, digest, leased[0].told)
        while deleted is not None:  # it may have been deleted several times
            purging.erase_image(on, tx, deleted.id)
            deleted = store.deleted_images.find(tx, repository, digest, since=kept_since(on))


# ---- Tags


def taggings(on: Backends, at: RepositoryRef, tag: str | None, after: int, limit: int) -> tuple[list[Tagging], bool]:
    """What a tag, or every tag, named before, beginning after a row, and whether there are more."""
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        found = store.tag_history.page(tx, repository, tag, after, limit + 1, since=kept_since(on))
    return found[:limit], len(found) > limit


def digest_at(on: Backends, at: RepositoryRef, tag: str, instant: datetime) -> str:
    """The digest that a tag named at an instant, or `ImageTagHistoryNotFound`."""
    with on.database.snapshot() as tx:
        digest = store.tag_history.at(tx, store.repositories.get(tx, at), tag, instant)
    if digest is None:
        raise ImageTagHistoryNotFound(at, tag, _at(instant))
    return digest


def restore_tag(on: Backends, at: RepositoryRef, tag: str, instant: datetime | None = None) -> Image:
    """Let a tag name again what it named at an instant, or before its last change; that image must live."""
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        if instant is None:
            last = store.tag_history.last(tx, repository, tag, since=kept_since(on))
            digest = last.digest if last else None
        else:
            digest = store.tag_history.at(tx, repository, tag, instant)
        if digest is None:
            raise ImageTagHistoryNotFound(at, tag, "before" if instant is None else _at(instant))
        image = store.images.find(tx, repository, digest=digest)
        if image is None:
            raise ImageNotFound(at, digest, None)
        if images.point(on, tx, repository, tag, image, on.clock()):
            arrivals.pushed(on, tx, repository, image, [tag], is_new=False, is_restored=False)
        [image] = store.tags.of_images(tx, [image])
    return image


def _at(instant: datetime) -> str:
    return f"at {instant:%Y-%m-%dT%H:%M:%SZ}"
