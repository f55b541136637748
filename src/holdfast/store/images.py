"""Manifests: find, add, change and remove them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, select, update

from holdfast.model.errors import ImageNotFound
from holdfast.model.images import ACTIVATING, ACTIVE, ARCHIVED, Image
from holdfast.store.statements import Statement, batches, insertion
from holdfast.store.tables import manifest_bodies, manifest_references, manifests, repositories, tags

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from holdfast.model.images import ImageId
    from holdfast.model.manifests import Manifest
    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction
    from holdfast.store.statements import Row

_repository_id: Any = bindparam("repository_id")
_here = manifests.c.repository_id == _repository_id
_it = manifests.c.id == bindparam("which")
_the_tag = (tags.c.repository_id == _repository_id, tags.c.name == bindparam("tag"))

# Annotations may be megabytes, and only lists of referrers show them.
_NOT_READ = {"annotations", "verified_at", "damaged_at"}
COLUMNS = [column for column in manifests.c if column.name not in _NOT_READ]
_BY_ID = Statement(
    select(*COLUMNS)
    .join(repositories, repositories.c.id == manifests.c.repository_id)
    .where(_it, repositories.c.deleted_at.is_(None))
)
_BY_DIGEST = Statement(select(*COLUMNS).where(_here, manifests.c.digest == bindparam("digest")))
_by_tag = select(*COLUMNS).join(tags, tags.c.manifest_id == manifests.c.id).where(*_the_tag)
_BY_TAG = Statement(_by_tag)
_BY_BOTH = Statement(_by_tag.where(manifests.c.digest == bindparam("digest")))
_BODY = Statement(select(manifest_bodies.c.body).where(manifest_bodies.c.manifest_id == bindparam("manifest_id")))
_SIZES = Statement(
    select(manifests.c.digest, manifests.c.size_bytes).where(
        _here, manifests.c.status == ACTIVE, manifests.c.digest.in_(bindparam("digests", expanding=True))
    )
)
_INSERT = insertion(manifests)
_INSERT_BODY = insertion(manifest_bodies)
_INSERT_REFERENCES = insertion(manifest_references)
_ANY = Statement(select(manifests.c.id).where(_here).limit(1))
_PARENTS = Statement(
    select(manifests.c.digest)
    .join(manifest_references, manifest_references.c.manifest_id == manifests.c.id)
    .where(manifest_references.c.repository_id == _repository_id)
    .where(manifest_references.c.digest == bindparam("digest"), manifest_references.c.is_manifest)
    .order_by(manifests.c.id)
    .limit(100)
)
_COUNT = Statement(
    update(repositories)
    .where(repositories.c.id == bindparam("which"))
    .values(image_count=repositories.c.image_count + bindparam("more"))
    .returning(repositories.c.image_count)
)
_DEPART = Statement(
    update(repositories).where(repositories.c.id == bindparam("which")).values(departures=repositories.c.departures + 1)
)
_DEPARTURES = Statement(select(repositories.c.departures).where(repositories.c.id == bindparam("which")))
_SET_STATUS = Statement(update(manifests).where(_it).values(status=bindparam("to")))
_ARCHIVE = Statement(update(manifests).where(_it).values(status=ARCHIVED, archived_at=bindparam("now")))
_ACTIVATE = Statement(update(manifests).where(_it).values(status=ACTIVE, activated_at=bindparam("now")))
_SHOW_TAGS = Statement(
    update(tags).where(tags.c.manifest_id == bindparam("which")).values(is_active=bindparam("shown"))
)
_PULLED = Statement(
    update(manifests)
    .where(_it, manifests.c.pulled_at.is_(None) | (manifests.c.pulled_at < bindparam("now")))
    .values(pulled_at=bindparam("now"))
)
_DELETE = Statement(delete(manifests).where(manifests.c.id == bindparam("manifest_id")))
_DELETE_TAGS = Statement(delete(tags).where(tags.c.manifest_id == bindparam("manifest_id")))
_SOME = Statement(select(manifests.c.id).where(_here).order_by(manifests.c.id).limit(bindparam("limit")))
_ERASE_TAGS = Statement(delete(tags).where(tags.c.manifest_id.in_(bindparam("ids", expanding=True))))
_ERASE = Statement(delete(manifests).where(manifests.c.id.in_(bindparam("ids", expanding=True))))
_ACTIVE_USER = Statement(
    select(manifests.c.id)
    .join(manifest_references, manifest_references.c.manifest_id == manifests.c.id)
    .where(manifest_references.c.repository_id == _repository_id, manifest_references.c.digest == bindparam("digest"))
    .where(manifests.c.status == ACTIVE)
    .limit(1)
)


def find(tx: Transaction, repository: Repository, *, digest: str | None = None, tag: str | None = None) -> Image | None:
    """The image that a digest, a tag, or both name in a repository, in whatever status; without its tags."""
    statement = _BY_DIGEST if tag is None else _BY_TAG if digest is None else _BY_BOTH
    named = {name: value for name, value in (("digest", digest), ("tag", tag)) if value is not None}
    row = tx.first(statement, repository_id=repository.id, **named)
    return image_of(row) if row else None


def get(tx: Transaction, repository: Repository, id_: ImageId) -> Image:
    """The image that an id names in a repository, in whatever status, without its tags; or `ImageNotFound`."""
    image = find(tx, repository, digest=id_.digest, tag=id_.tag)
    if image is None:
        raise ImageNotFound(repository.ref, id_.digest, id_.tag)
    return image


def find_by_id(tx: Transaction, image_id: int) -> tuple[Image, int] | None:
    """An image by its row, and the row of its repository, unless that was deleted."""
    row = tx.first(_BY_ID, which=image_id)
    if row is None:
        return None
    repository_id: int = row["repository_id"]
    return image_of(row), repository_id


def body(tx: Transaction, image: Image) -> bytes:
    """The exact bytes of an image's manifest."""
    return bytes(tx.value(_BODY, manifest_id=image.id))


def present(tx: Transaction, repository: Repository, digests: Collection[str]) -> dict[str, int]:
    """Those digests that the repository holds as images that can be pulled, with their sizes in bytes."""
    found: dict[str, int] = {}
    for chosen in batches(list(digests)):
        rows = tx.all(_SIZES, repository_id=repository.id, digests=chosen)
        found.update({row["digest"]: row["size_bytes"] for row in rows})
    return found


def add(
    tx: Transaction, repository: Repository, manifest: Manifest, size_bytes: int, now: datetime, *, is_tagged: bool
) -> Image:
    """Keep a manifest and the references that hold what it needs."""
    values: dict[str, Any] = {
        "digest": manifest.digest,
        "media_type": manifest.media_type,
        "artifact_type": manifest.artifact_type,
        "config_media_type": manifest.config_media_type,
        "subject": manifest.subject,
        "manifest_bytes": len(manifest.body),
        "size_bytes": size_bytes,
        "annotations": manifest.annotations,
        "pushed_at": now,
        "pulled_at": None,
        "status": ACTIVE,
        "archived_at": None,
        "activated_at": None,
        "is_tagged": is_tagged,
    }
    image_id = int(tx.value(_INSERT, repository_id=repository.id, verified_at=now, damaged_at=None, **values))
    tx.run(_INSERT_BODY, manifest_id=image_id, body=manifest.body)
    needed_manifests = manifest.needed_manifests
    references = [
        {
            "manifest_id": image_id,
            "digest": digest,
            "repository_id": repository.id,
            "is_manifest": digest in needed_manifests,
            "media_type": media_type,
        }
        for digest, media_type in (manifest.needed_blobs | needed_manifests).items()
    ]
    if references:
        tx.run_each(_INSERT_REFERENCES, references)
    return Image(id=image_id, **values)


def count(tx: Transaction, repository: Repository, more: int) -> int:
    """Count images that came, or with a negative number went; how many the repository has now."""
    return int(tx.value(_COUNT, which=repository.id, more=more))


def any_in(tx: Transaction, repository: Repository) -> bool:
    """Whether a repository holds an image."""
    return tx.first(_ANY, repository_id=repository.id) is not None


def parents(tx: Transaction, repository: Repository, digest: str) -> list[str]:
    """Digests of the indexes that list a manifest."""
    return tx.column(_PARENTS, repository_id=repository.id, digest=digest)


def is_used(tx: Transaction, repository: Repository, digest: str) -> bool:
    """Whether an image that can be pulled needs a blob."""
    return tx.first(_ACTIVE_USER, repository_id=repository.id, digest=digest) is not None


def departures(tx: Transaction, repository_id: int) -> int:
    """How often an image of a repository went, was archived or lost a tag: what a count of images rests on."""
    return int(tx.value(_DEPARTURES, which=repository_id) or 0)


def depart(tx: Transaction, repository: Repository) -> None:
    """Count that an image went, was archived or lost a tag; whoever remembers it forgets it."""
    tx.outdate(repository.ref)
    tx.run(_DEPART, which=repository.id)


def archive(tx: Transaction, repository: Repository, image: Image, now: datetime) -> None:
    """Put an image into the archive: its tags stay, but are not listed."""
    depart(tx, repository)
    tx.run(_ARCHIVE, which=image.id, now=now)
    tx.run(_SHOW_TAGS, which=image.id, shown=False)


def begin_activation(tx: Transaction, image: Image) -> None:
    """Note that an image is being brought back from the archive."""
    tx.run(_SET_STATUS, which=image.id, to=ACTIVATING)


def activate(tx: Transaction, image: Image, now: datetime) -> None:
    """Bring an image back from the archive."""
    tx.run(_ACTIVATE, which=image.id, now=now)
    tx.run(_SHOW_TAGS, which=image.id, shown=True)


def pulled(tx: Transaction, image_id: int, now: datetime) -> None:
    """Note that somebody pulled an image; it may be gone by now."""
    tx.run(_PULLED, which=image_id, now=now)


def remove(tx: Transaction, repository: Repository, image: Image) -> None:
    """Remove an image, its tags and the references by which it held its parts; `deleted_images.bury` remembers them."""
    tx.run(_DELETE_TAGS, manifest_id=image.id)
    tx.run(_DELETE, manifest_id=image.id)
    count(tx, repository, -1)
    depart(tx, repository)


def erase_some(tx: Transaction, repository_id: int, limit: int) -> int:
    """Remove some images of a repository that was deleted itself; how many went."""
    chosen = tx.column(_SOME, repository_id=repository_id, limit=limit)
    if chosen:
        tx.run(_ERASE_TAGS, ids=chosen)
        tx.run(_ERASE, ids=chosen)
    return len(chosen)


def image_of(row: Row) -> Image:
    """The image that a row of `COLUMNS`, or of all columns, tells of."""
    del row["repository_id"]
    row.setdefault("annotations", {})
    return Image(**row)
