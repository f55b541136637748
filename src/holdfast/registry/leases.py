"""Leases on images that run: taken, renewed, listed, released; and what nobody may delete because of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from holdfast import store
from holdfast.model.errors import ImageInUse, ImageNotFound, InvalidParameter, LimitExceeded
from holdfast.model.leases import LONGEST, SHORTEST, Lease, spoken_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from holdfast.model.images import Image, ImageId
    from holdfast.model.lifecycle import Candidate
    from holdfast.model.names import RepositoryRef
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

T = TypeVar("T")

MOST_LEASES = 100_000  # of a repository
MOST_STEPS = 8  # from an image to what it refers to, and from an index to what its indexes list
DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Wish:
    """An image that is in use, and by what."""

    id: ImageId
    detail: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A lease, and how its image stands."""

    lease: Lease
    status: str


def put(
    on: Backends, at: RepositoryRef, holder: str, kind: str, owner: str, lifetime: timedelta, wishes: Sequence[Wish]
) -> tuple[list[Taken], list[tuple[ImageId, ImageNotFound]]]:
    """Take or renew leases of a holder, from now on; and which images are not there.

    An image that is deleted and can be restored is leased too, so that it is not purged.
    """
    if not SHORTEST <= lifetime <= LONGEST:
        bounds = f"{SHORTEST.total_seconds():.0f} and {LONGEST.total_seconds():.0f}"
        raise InvalidParameter("leaseSeconds", f"Member must be between {bounds}")
    taken: dict[str, Taken] = {}
    missing: list[tuple[ImageId, ImageNotFound]] = []
    with on.database.transaction(within=[at]) as tx:
        now = on.clock()  # after whoever deleted something before
        repository = store.repositories.get(tx, at)
        for wish in wishes:
            found = _find(on, tx, repository, wish.id)
            if found is None:
                missing.append((wish.id, ImageNotFound(at, wish.id.digest, wish.id.tag)))
                continue
            digest, status = found
            lease = Lease(0, digest, holder, kind, wish.detail, owner, now, now, now + lifetime)
            taken[digest] = Taken(lease, status)
        store.image_leases.put(tx, repository, [one.lease for one in taken.values()])
        if store.image_leases.count(tx, repository, now) > MOST_LEASES:
            raise LimitExceeded(f"The repository cannot have more than {MOST_LEASES} leases")
        kept = {one.digest: one for one in store.image_leases.of(tx, repository, holder, taken, now)}
    return [Taken(kept[digest], one.status) for digest, one in taken.items()], missing


def _find(on: Backends, tx: Transaction, repository: Repository, id_: ImageId) -> tuple[str, str] | None:
    """Digest and status of an image that lives, or may again."""
    image = store.images.find(tx, repository, digest=id_.digest, tag=id_.tag)
    if image is not None:
        return image.digest, image.status
    if id_.digest is None or id_.tag is not None:
        return None
    since = on.clock() - on.limits.deleted_lifetime
    deleted = store.deleted_images.find(tx, repository, id_.digest, since=since)
    return (deleted.digest, DELETED) if deleted is not None else None


def page(
    on: Backends, at: RepositoryRef, after: int, limit: int, *, digest: str | None = None, holder: str | None = None
) -> tuple[list[Lease], bool]:
    """Leases of a repository that hold, beginning after one, and whether there are more."""
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        found = store.image_leases.page(tx, repository, after, limit + 1, on.clock(), digest=digest, holder=holder)
    return found[:limit], len(found) > limit


def release(on: Backends, at: RepositoryRef, holder: str, digests: Sequence[str] | None) -> int:
    """Let a holder's leases on some images end, or all that it has in a repository; how many did."""
    with on.database.transaction(within=[at]) as tx:
        return store.image_leases.release(tx, store.repositories.get(tx, at), holder, digests)


# ---- What is held


def require_unused(on: Backends, tx: Transaction, repository: Repository, image: Image) -> None:
    """Refuse with `ImageInUse` what a lease holds, in the transaction in which it would go."""
    lease = holder(on, tx, repository, image)
    if lease is not None:
        raise ImageInUse(repository.ref, image.digest, lease.told)


def holder(on: Backends, tx: Transaction, repository: Repository, image: Image) -> Lease | None:
    """The lease by which an image with its tags is held, if there is one."""
    now = on.clock()
    if not store.image_leases.any_in(tx, repository.id, now):
        return None
    for _ in range(MOST_STEPS):
        names = (image.digest, *spoken_of(image.tags), *([image.subject] if image.subject else ()))
        related = _related(tx, repository.id, dict.fromkeys(names))
        lease = store.image_leases.first_of(tx, repository.id, related, now)
        subject = store.images.find(tx, repository, digest=image.subject) if image.subject else None
        if lease is not None or subject is None:
            return lease
        image = subject
    return None


def held(on: Backends, tx: Transaction, repository_id: int) -> Mapping[str, Lease]:
    """By digest, what leases hold in a repository, for whoever asks for many images."""
    leased: dict[str, Lease] = {}
    for lease in store.image_leases.active(tx, repository_id, on.clock()):
        leased.setdefault(lease.digest, lease)
    return _related(tx, repository_id, leased) if leased else {}


def holder_of(leased: Mapping[str, Lease], candidate: Candidate) -> Lease | None:
    """The lease that holds an image which has no subject, of all that is held."""
    return next((leased[digest] for digest in (candidate.digest, *spoken_of(candidate.tags)) if digest in leased), None)


def _related(tx: Transaction, repository_id: int, start: Mapping[str, T]) -> dict[str, T]:
    """Images, the indexes that list them, and all that these list; each with what it was reached from.

    Whoever is related to an image is one that the image is related to, so it can be asked from either end.
    """
    found = dict(start)
    for links in (store.image_leases.listing, store.image_leases.listed):
        new = dict(found)
        for _ in range(MOST_STEPS):
            reached = links(tx, repository_id, new).items()
            new = {digest: found[by] for digest, by in reached if digest not in found}
            if not new:
                break
            found.update(new)
    return found


def require_unused_repository(on: Backends, tx: Transaction, repository: Repository) -> None:
    """Refuse with `ImageInUse` to delete a repository of which anything is in use."""
    lease = next(iter(store.image_leases.page(tx, repository, 0, 1, on.clock())), None)
    if lease is not None:
        raise ImageInUse(repository.ref, lease.digest, lease.told)
