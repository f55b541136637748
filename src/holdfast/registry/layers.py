"""Look at, open and let go of the blobs that a repository holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.errors import (
    BlobNotFound,
    LayerDamaged,
    LayerInaccessible,
    LayerReferenced,
    LayersNotFound,
    RepositoryNotFound,
    StorageUnavailable,
)
from holdfast.registry import damage, keys, objects

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from holdfast.model.names import RepositoryRef
    from holdfast.registry.backends import Backends
    from holdfast.registry.damage import Guarded


def size(on: Backends, at: RepositoryRef, digest: str) -> int:
    """The size in bytes of a blob that a repository holds, or `BlobNotFound`; a damaged one is not shown."""
    return _find(on, at, digest)[0]


@dataclass(frozen=True, slots=True)
class Layer:
    """A blob as the images of a repository see it."""

    size_bytes: int
    media_type: str | None  # None if no image tells it
    is_archived: bool  # only archived images need it


def describe(on: Backends, at: RepositoryRef, digests: Collection[str]) -> dict[str, Layer]:
    """Those layers that a repository holds, by digest."""
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        found = store.blobs.sizes(tx, repository, digests)
        uses = store.blobs.uses(tx, repository, found)
    return {
        digest: Layer(size, uses[digest][0] or None, is_archived=not uses[digest][1])
        if digest in uses
        else Layer(size, None, is_archived=False)
        for digest, size in found.items()
    }


def open_blob(on: Backends, at: RepositoryRef, digest: str) -> Guarded:
    """The bytes of a blob; damaged ones are never served."""
    size_bytes, key = _find(on, at, digest)
    try:
        return damage.open_guarded(on, key, size_bytes, digest)
    except (damage.Damaged, damage.Unreadable):
        _find(on, at, digest)  # refuses what counts as damaged now, or went meanwhile
        raise StorageUnavailable from None


def pieces(on: Backends, at: RepositoryRef, digest: str, start: int = 0) -> Iterator[bytes]:
    """The bytes of a blob from an offset on for whoever copies it. Raises `LayerDamaged` and `StorageUnavailable`."""
    body = open_blob(on, at, digest)
    try:
        position = start
        while position < body.size_bytes:
            piece = bytes(body.read(position))
            position += len(piece)
            yield piece
    except damage.Damaged:
        raise LayerDamaged(at, digest) from None
    except damage.Unreadable:
        raise StorageUnavailable from None
    finally:
        body.close()


def address(on: Backends, at: RepositoryRef, digest: str) -> str | None:
    """Where in the store anybody may read a blob for a while; None if it has to come from here."""
    if not on.redirects_blobs:
        return None
    _, key = _find(on, at, digest)
    return objects.address(on, key)


def require_in_image(on: Backends, at: RepositoryRef, digest: str) -> None:
    """Refuse a layer that no image of the repository uses, or archived ones only, as GetDownloadUrlForLayer does."""
    keys.require(on, at)
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        if store.damage.is_damaged(tx, repository, digest):
            raise LayerDamaged(at, digest)
        if store.blobs.find(tx, repository, digest) is None:
            raise LayersNotFound(at, [digest])
        if not store.images.is_used(tx, repository, digest):
            raise LayerInaccessible(at, digest)


def delete(on: Backends, at: RepositoryRef, digest: str) -> None:
    """Take a blob out of a repository, unless an image there uses it."""
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        if store.blobs.is_referenced(tx, repository, digest):
            raise LayerReferenced(at, digest)
        if not store.garbage.quarantine(tx, repository.id, digest, on.clock(), is_deleted=True):
            raise BlobNotFound(at, digest)


def _find(on: Backends, at: RepositoryRef, digest: str) -> tuple[int, str]:
    hot = on.database.hot
    found = hot.blob(at, digest)
    if found is not None:
        size_bytes, key, is_damaged = found
        if is_damaged:
            raise LayerDamaged(at, digest)
        return size_bytes, key
    if not hot.has_repository(at):
        raise RepositoryNotFound(at)
    raise BlobNotFound(at, digest)
