"""Put, get, list and delete images and tags."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.errors import (
    ImageDamaged,
    ImageInUse,
    ImageNotFound,
    ImageReferencedByManifestList,
    ImageTagAlreadyExists,
    Kms,
    LayersNotFound,
    LimitExceeded,
    ReferencedImagesNotFound,
    RepositoryNotFound,
)
from holdfast.model.images import ACTIVE, ImageId
from holdfast.registry import arrivals, departures, keys, quotas

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from holdfast.model.images import Image
    from holdfast.model.manifests import Manifest
    from holdfast.model.names import Registry, RepositoryRef
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction
    from holdfast.store.hot import StoredManifest


BATCH_BYTES = 64 * 1024 * 1024  # of the manifests that one call may ask for
NOT_FOUND = "Requested image not found"


@dataclass(frozen=True, slots=True)
class Put:
    """What a push of a manifest changed."""

    image: Image
    is_new: bool  # the digest was not there
    is_tagged: bool  # the tag was not there, or pointed elsewhere


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one item of a batch was left out."""

    id: ImageId
    code: str
    reason: str


def put(
    on: Backends,
    at: RepositoryRef,
    manifest: Manifest,
    tags: Sequence[str] = (),
    *,
    copied_from: Registry | None = None,
) -> Put:
    """Keep a manifest and point tags at it; every part that it needs must be in the repository.

    An archived image is restored by being pushed again. A layer that was there when the push began, and was taken for
    garbage since, is there again.
    """
    keys.require(on, at)
    try:
        return _put(on, at, manifest, tags, copied_from)
    except LayersNotFound:
        with on.database.snapshot() as tx:
            repository = store.repositories.get(tx, at)
            if not store.garbage.in_quarantine(tx, repository.id, manifest.needed_blobs):
                raise
    return _put(on, at, manifest, tags, copied_from, takes_back=True)


def _put(
    on: Backends,
    at: RepositoryRef,
    manifest: Manifest,
    tags: Sequence[str],
    copied_from: Registry | None,
    *,
    takes_back: bool = False,
) -> Put:
    """Keep a manifest; what it needs and lies in quarantine is linked again, if that is wanted."""
    with on.database.transaction(within=None if takes_back else [at]) as tx:
        repository = store.repositories.get(tx, at)
        if takes_back:
            due_at = on.clock() + on.limits.push_time
            store.garbage.take_back(tx, repository.id, manifest.needed_blobs, due_at)
        return put_in(on, tx, repository, manifest, tags, copied_from)


def put_in(
    on: Backends,
    tx: Transaction,
    repository: Repository,
    manifest: Manifest,
    tags: Sequence[str],
    copied_from: Registry | None = None,
    *,
    is_cached: bool = False,
) -> Put:
    """Keep a manifest and point tags at it, in a transaction that is within the repository.

    What somebody pushes is not let go for room, even if it was cached before.
    """
    now = on.clock()
    tags = list(dict.fromkeys(tags))
    image = store.images.find(tx, repository, digest=manifest.digest)
    is_new = image is None
    if image is None:
        size_bytes = _require_parts(tx, repository, manifest)
        image = store.images.add(tx, repository, manifest, size_bytes, now, is_tagged=bool(tags))
        quotas.check_images(on, repository, store.images.count(tx, repository, 1))
    else:
        if not is_cached:
            store.cached.unmark(tx, image.id)
        if store.damage.is_manifest_damaged(tx, image.id):
            store.damage.replace_body(tx, image.id, manifest.body, now)
    is_restored = image.status != ACTIVE
    if is_restored:
        store.images.activate(tx, image, now)
        [image] = store.tags.of_images(tx, [image])
    moved = [tag for tag in tags if point(on, tx, repository, tag, image, now)]
    told = tags if is_restored else moved
    arrivals.pushed(on, tx, repository, image, told, is_new=is_new, is_restored=is_restored, copied_from=copied_from)
    return Put(image, is_new or is_restored, bool(moved))


def _require_parts(tx: Transaction, repository: Repository, manifest: Manifest) -> int:
    """Refuse a manifest whose parts are missing; the image's size in bytes as ECR counts it."""
    blobs = store.blobs.sizes(tx, repository, manifest.needed_blobs)
    missing = [digest for digest in manifest.needed_blobs if digest not in blobs]
    if missing:
        raise LayersNotFound(repository.ref, missing)
    children = store.images.present(tx, repository, manifest.needed_manifests)
    missing = [digest for digest in manifest.needed_manifests if digest not in children]
    if missing:
        raise ReferencedImagesNotFound(repository.ref, missing)
    return max(children.values(), default=0) if manifest.is_index else manifest.layer_bytes


def point(on: Backends, tx: Transaction, repository: Repository, tag: str, image: Image, now: datetime) -> bool:
    """Let a tag name an image, unless it may not be moved; False if it did already."""
    holder = store.images.find(tx, repository, tag=tag)
    if holder is not None and holder.id == image.id:
        return False
    if holder is not None and not repository.mutability.may_move(tag):
        raise ImageTagAlreadyExists(repository.ref, tag)
    quotas.check_tags(on, store.tags.count(tx, image) + 1)
    store.tags.point(tx, repository, tag, image, now, holder=holder)
    return True


def may_point(tx: Transaction, repository: Repository, tag: str, digest: str) -> bool:
    """Whether a tag names an image of that digest, or may be made to."""
    holder = store.images.find(tx, repository, tag=tag)
    return holder is None or holder.digest == digest or repository.mutability.may_move(tag)


def find_stored(
    on: Backends, at: RepositoryRef, reference: str, *, by_tag: bool, puller: str | None = None
) -> StoredManifest:
    """The exact bytes that a tag or digest names: the read that a pull waits for.

    A puller's ARN lets the read count as a use of the image.
    """
    hot = on.database.hot
    found = hot.manifest(at, reference, by_tag=by_tag)
    if found is not None:
        if puller is not None:
            on.pulls.note(at, found.id, puller, on.clock(), found.digest, reference if by_tag else None)
        return found
    if not hot.has_repository(at):
        raise RepositoryNotFound(at)
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        image = store.images.find(tx, repository, **{"tag" if by_tag else "digest": reference})
        if image is not None and store.damage.is_manifest_damaged(tx, image.id):
            raise ImageDamaged(at, image.digest)
    if image is not None and image.status != ACTIVE and puller is not None:
        on.pulls.note_missed(at, puller, image.digest, reference if by_tag else None)
    raise ImageNotFound(at, None if by_tag else reference, reference if by_tag else None)


def get(
    on: Backends, at: RepositoryRef, ids: Sequence[ImageId], *, puller: str
) -> tuple[list[tuple[ImageId, Image, bytes]], list[Failure]]:
    """Manifests by digest, tag or both; what cannot be had is told one by one."""
    try:
        keys.require(on, at)
    except Kms as refusal:
        return [], [Failure(id_, "KmsError", refusal.message) for id_ in ids]
    found: list[tuple[ImageId, Image, bytes]] = []
    failures: list[Failure] = []
    total = 0
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        for id_ in ids:
            image = store.images.find(tx, repository, digest=id_.digest, tag=id_.tag)
            if image is None:
                failures.append(_missing(tx, repository, id_))
                continue
            if image.status != ACTIVE:
                on.pulls.note_missed(at, puller, image.digest, id_.tag)
                failures.append(Failure(id_, "ImageInaccessible", f"Requested image is {image.status.lower()}"))
                continue
            if store.damage.is_manifest_damaged(tx, image.id):
                failures.append(Failure(id_, "ImageInaccessible", ImageDamaged(at, image.digest).message))
                continue
            total += image.manifest_bytes
            check_batch(total)
            found.append((ImageId(image.digest, id_.tag), image, store.images.body(tx, image)))
    for id_, image, _ in found:
        on.pulls.note(at, image.id, puller, on.clock(), image.digest, id_.tag)
    return found, failures


def describe(on: Backends, at: RepositoryRef, ids: Sequence[ImageId]) -> list[Image]:
    """Images with their tags; one that is missing fails the whole call."""
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        images: dict[int, Image] = {}
        for id_ in ids:
            image = store.images.get(tx, repository, id_)
            images[image.id] = image
        return store.tags.of_images(tx, images.values())


def page(
    on: Backends, at: RepositoryRef, after: int, limit: int, *, tagged: bool | None = None, status: str = ACTIVE
) -> tuple[list[Image], bool]:
    """Images in the order of their push, beginning after one, and whether there are more."""
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        found = store.lists.page(tx, repository, after, limit + 1, tagged=tagged, status=status)
    return found[:limit], len(found) > limit


def identifiers(
    on: Backends,
    at: RepositoryRef,
    after: tuple[int, str],
    limit: int,
    *,
    tagged: bool | None = None,
    status: str = ACTIVE,
) -> tuple[list[tuple[int, str, str | None]], bool]:
    """Row, digest and tag of each tag and untagged image, beginning after one, and whether there are more."""
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        found = store.lists.identifiers(tx, repository, after, limit + 1, tagged=tagged, status=status)
    return found[:limit], len(found) > limit


def tag_names(on: Backends, at: RepositoryRef, after: str, limit: int) -> tuple[list[str], bool]:
    """Tags in order, beginning after one, and whether there are more."""
    with on.database.snapshot() as tx:
        found = store.lists.tag_names(tx, store.repositories.get(tx, at), after, limit + 1)
    return found[:limit], len(found) > limit


def tags_of(on: Backends, at: RepositoryRef, digests: Iterable[str]) -> list[str]:
    """The tags that would go with some images; one that is not there has none."""
    with on.database.snapshot() as tx:
        repository = store.repositories.find(tx, at)
        if repository is None:
            return []
        found = (store.images.find(tx, repository, digest=digest) for digest in digests)
        images = store.tags.of_images(tx, [image for image in found if image is not None])
    return [tag for image in images for tag in image.tags]


def delete(
    on: Backends, at: RepositoryRef, ids: Sequence[ImageId], *, spreads: bool = True
) -> tuple[list[ImageId], list[Failure]]:
    """Remove tags or whole images, as BatchDeleteImage does; one failure does not stop the others.

    By tag, the tag goes, and the image with its last one. By digest, the image goes with all its tags. By both, the tag
    goes if it names that digest. What was deleted elsewhere, and goes here for that, does not spread further.
    """
    removed: list[ImageId] = []
    failures: list[Failure] = []
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        for id_ in ids:
            image = store.images.find(tx, repository, digest=id_.digest, tag=id_.tag)
            if image is None:
                failures.append(_missing(tx, repository, id_))
                continue
            image = store.tags.of_images(tx, [image])[0]
            whole = id_.tag is None or image.tags == (id_.tag,)
            holders = store.images.parents(tx, repository, image.digest) if whole else []
            if holders:
                refusal = ImageReferencedByManifestList(holders)
                failures.append(Failure(id_, "ImageReferencedByManifestList", refusal.message))
            elif whole:
                try:
                    departures.remove(on, tx, repository, image, spreads=spreads)
                except ImageInUse as refusal:
                    failures.append(Failure(id_, "ImageInUse", refusal.message))
                    continue
                removed += [ImageId(image.digest, tag) for tag in image.tags] or [ImageId(image.digest)]
            else:
                assert id_.tag is not None
                store.tags.remove(tx, repository, id_.tag, image, on.clock())
                arrivals.untagged(on, tx, repository, image, id_.tag, spreads=spreads)
                removed.append(ImageId(image.digest, id_.tag))
    return removed, failures


def delete_manifest(on: Backends, at: RepositoryRef, digest: str, *, spreads: bool = True) -> Image:
    """Remove an image and its tags, unless an index lists it (distribution-spec, "Deleting Manifests")."""
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        image = store.images.get(tx, repository, ImageId(digest))
        holders = store.images.parents(tx, repository, digest)
        if holders:
            raise ImageReferencedByManifestList(holders)
        image = store.tags.of_images(tx, [image])[0]
        departures.remove(on, tx, repository, image, spreads=spreads)
    return image


def delete_tag(on: Backends, at: RepositoryRef, tag: str, of: str | None = None, *, spreads: bool = True) -> Image:
    """Remove a tag, of a certain image if one is named; the image stays (distribution-spec, "Deleting tags")."""
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        image = store.images.get(tx, repository, ImageId(digest=of, tag=tag))
        store.tags.remove(tx, repository, tag, image, on.clock())
        arrivals.untagged(on, tx, repository, image, tag, spreads=spreads)
    return replace(image, tags=(tag,))


def _missing(tx: Transaction, repository: Repository, id_: ImageId) -> Failure:
    if id_.digest is not None and id_.tag is not None and store.images.find(tx, repository, tag=id_.tag) is not None:
        return mismatched(id_)
    return Failure(id_, "ImageNotFound", NOT_FOUND)


def mismatched(id_: ImageId) -> Failure:
    """What is told of an id whose tag names another image than its digest."""
    return Failure(id_, "ImageTagDoesNotMatchDigest", "Requested image tag does not match the image digest")


def check_batch(size_bytes: int) -> None:
    """Refuse more bytes of manifests than one call may ask for."""
    if size_bytes > BATCH_BYTES:
        raise LimitExceeded("The manifests of one call have too many bytes; ask for fewer images at once")
