"""Manifests, tags and referrers."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import bindparam, delete, exists, func, or_, select, update

from holdfast.model.images import Image
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import manifest_bodies, manifest_references, manifests, tags

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Select

    from holdfast.model.manifests import Manifest
    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction
    from holdfast.store.statements import Row

T = TypeVar("T")
BATCH = 500  # bound parameters of one statement
REFERRER_BYTES = 4 * 1024 * 1024  # what a client must take of a list (distribution-spec, "Listing Referrers")

_repository_id: Any = bindparam("repository_id")
_limit: Any = bindparam("limit")
_after: Any = bindparam("after")
_here = manifests.c.repository_id == _repository_id
_the_tag = (tags.c.repository_id == _repository_id, tags.c.name == bindparam("tag"))
_has_tag = exists().where(tags.c.manifest_id == manifests.c.id)
_is_tagged = {None: (), True: (_has_tag,), False: (~_has_tag,)}

# Annotations may be megabytes, and only lists of referrers show them.
_columns = [column for column in manifests.c if column is not manifests.c.annotations]
_BY_DIGEST = Statement(select(*_columns).where(_here, manifests.c.digest == bindparam("digest")))
_by_tag = select(*_columns).join(tags, tags.c.manifest_id == manifests.c.id).where(*_the_tag)
_BY_TAG = Statement(_by_tag)
_BY_BOTH = Statement(_by_tag.where(manifests.c.digest == bindparam("digest")))
_BODY = Statement(select(manifest_bodies.c.body).where(manifest_bodies.c.manifest_id == bindparam("manifest_id")))
_SIZES = Statement(
    select(manifests.c.digest, manifests.c.size_bytes).where(
        _here, manifests.c.digest.in_(bindparam("digests", expanding=True))
    )
)
_INSERT = insertion(manifests)
_INSERT_BODY = insertion(manifest_bodies)
_INSERT_REFERENCES = insertion(manifest_references)
_MOVE_TAG = Statement(
    update(tags)
    .where(tags.c.repository_id == bindparam("in_repository"), tags.c.name == bindparam("tag"))
    .values(manifest_id=bindparam("to"), tagged_at=bindparam("now"))
)
_INSERT_TAG = insertion(tags)
_DELETE_TAG = Statement(delete(tags).where(*_the_tag))
_TAGS_OF_MANY = Statement(
    select(tags.c.manifest_id, tags.c.name)
    .where(tags.c.manifest_id.in_(bindparam("ids", expanding=True)))
    .order_by(tags.c.name)
)
_COUNT_TAGS = Statement(select(func.count()).where(tags.c.manifest_id == bindparam("manifest_id")))
_ANY = Statement(select(manifests.c.id).where(_here).limit(1))
_TAG_NAMES = Statement(
    select(tags.c.name)
    .where(tags.c.repository_id == _repository_id, tags.c.name > _after)
    .order_by(tags.c.name)
    .limit(_limit)
)
_PAGES = {
    tagged: Statement(
        select(*_columns).where(_here, manifests.c.id > _after, *wish).order_by(manifests.c.id).limit(_limit)
    )
    for tagged, wish in _is_tagged.items()
}


def _identifiers(tagged: bool | None) -> Select[tuple[int, str, str | None]]:
    statement = (
        select(manifests.c.id, manifests.c.digest, tags.c.name)
        .outerjoin(tags, tags.c.manifest_id == manifests.c.id)
        .where(_here, manifests.c.id >= _after)
        .where(or_(manifests.c.id > _after, tags.c.name > bindparam("after_tag")))
        .order_by(manifests.c.id, tags.c.name)
        .limit(_limit)
    )
    if tagged is None:
        return statement
    return statement.where(tags.c.name.is_not(None) if tagged else tags.c.name.is_(None))


_IDENTIFIERS = {tagged: Statement(_identifiers(tagged)) for tagged in (None, True, False)}
_PARENTS = Statement(
    select(manifests.c.digest)
    .join(manifest_references, manifest_references.c.manifest_id == manifests.c.id)
    .where(manifest_references.c.repository_id == _repository_id)
    .where(manifest_references.c.digest == bindparam("digest"), manifest_references.c.is_manifest)
    .order_by(manifests.c.id)
    .limit(100)
)
_kind = func.coalesce(manifests.c.artifact_type, manifests.c.config_media_type)
_is_referrer = (_here, manifests.c.subject == bindparam("subject"), manifests.c.id > _after)
_of_kind = {False: _is_referrer, True: (*_is_referrer, _kind == bindparam("artifact_type"))}
_REFERRER_SIZES = {
    typed: Statement(select(manifests.c.manifest_bytes).where(*wish).order_by(manifests.c.id).limit(_limit))
    for typed, wish in _of_kind.items()
}
_REFERRERS = {
    typed: Statement(select(manifests).where(*wish).order_by(manifests.c.id).limit(_limit))
    for typed, wish in _of_kind.items()
}
_DELETE = Statement(delete(manifests).where(manifests.c.id == bindparam("manifest_id")))
_DELETE_TAGS = Statement(delete(tags).where(tags.c.manifest_id == bindparam("manifest_id")))
_DELETE_ALL = Statement(delete(manifests).where(_here))
_DELETE_ALL_TAGS = Statement(delete(tags).where(tags.c.repository_id == _repository_id))


def find(tx: Transaction, repository: Repository, *, digest: str | None = None, tag: str | None = None) -> Image | None:
    """The image that a digest, a tag, or both name in a repository; without its tags."""
    statement = _BY_DIGEST if tag is None else _BY_TAG if digest is None else _BY_BOTH
    named = {name: value for name, value in (("digest", digest), ("tag", tag)) if value is not None}
    row = tx.first(statement, repository_id=repository.id, **named)
    return _image(row) if row else None


def body(tx: Transaction, image: Image) -> bytes:
    """The exact bytes of an image's manifest."""
    return bytes(tx.value(_BODY, manifest_id=image.id))


def present(tx: Transaction, repository: Repository, digests: Collection[str]) -> dict[str, int]:
    """Those digests that the repository holds as manifests, with the images' sizes in bytes."""
    found: dict[str, int] = {}
    for chosen in _batches(list(digests)):
        rows = tx.all(_SIZES, repository_id=repository.id, digests=chosen)
        found.update({row["digest"]: row["size_bytes"] for row in rows})
    return found


def add(tx: Transaction, repository: Repository, manifest: Manifest, size_bytes: int, now: datetime) -> Image:
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
    }
    image_id = int(tx.value(_INSERT, repository_id=repository.id, **values))
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


def set_tag(tx: Transaction, repository: Repository, tag: str, image: Image, now: datetime, *, is_new: bool) -> None:
    """Point a tag at an image, where it pointed nowhere or elsewhere."""
    if is_new:
        tx.run(_INSERT_TAG, repository_id=repository.id, name=tag, manifest_id=image.id, tagged_at=now)
    else:
        tx.run(_MOVE_TAG, in_repository=repository.id, tag=tag, to=image.id, now=now)


def with_tags(tx: Transaction, images: Iterable[Image]) -> list[Image]:
    """The same images, each with its tags."""
    by_id = {image.id: image for image in images}
    names: dict[int, list[str]] = {}
    for chosen in _batches(list(by_id)):
        for row in tx.all(_TAGS_OF_MANY, ids=chosen):
            names.setdefault(row["manifest_id"], []).append(row["name"])
    return [replace(image, tags=tuple(names.get(image.id, ()))) for image in by_id.values()]


def tag_count(tx: Transaction, image: Image) -> int:
    """How many tags an image has."""
    return int(tx.value(_COUNT_TAGS, manifest_id=image.id))


def any_in(tx: Transaction, repository: Repository) -> bool:
    """Whether a repository holds an image."""
    return tx.first(_ANY, repository_id=repository.id) is not None


def tag_names(tx: Transaction, repository: Repository, after: str, limit: int) -> list[str]:
    """Up to `limit` tags of a repository in order, beginning after one."""
    return tx.column(_TAG_NAMES, repository_id=repository.id, after=after, limit=limit)


def page(tx: Transaction, repository: Repository, after: int, limit: int, *, tagged: bool | None = None) -> list[Image]:
    """Up to `limit` images with their tags in the order of their push, beginning after one."""
    rows = tx.all(_PAGES[tagged], repository_id=repository.id, after=after, limit=limit)
    return with_tags(tx, [_image(row) for row in rows])


def identifiers(
    tx: Transaction, repository: Repository, after: tuple[int, str], limit: int, *, tagged: bool | None = None
) -> list[tuple[int, str, str | None]]:
    """Up to `limit` triples of row, digest and tag, beginning after one; an untagged image gives one without a tag."""
    place = {"repository_id": repository.id, "after": after[0], "after_tag": after[1], "limit": limit}
    return [(row["id"], row["digest"], row["name"]) for row in tx.all(_IDENTIFIERS[tagged], **place)]


def parents(tx: Transaction, repository: Repository, digest: str) -> list[str]:
    """Digests of the indexes that list a manifest."""
    return tx.column(_PARENTS, repository_id=repository.id, digest=digest)


def referrers(
    tx: Transaction, repository: Repository, subject: str, after: int, limit: int, artifact_type: str | None = None
) -> tuple[list[Image], bool]:
    """Images whose subject is a digest, in the order of their push, beginning after one, and whether there are more.

    There are up to `limit`, and no more than have manifests of `REFERRER_BYTES` together: their annotations are shown.
    """
    place: dict[str, Any] = {"repository_id": repository.id, "subject": subject, "after": after}
    if artifact_type is not None:
        place["artifact_type"] = artifact_type
    typed = artifact_type is not None
    sizes = tx.column(_REFERRER_SIZES[typed], **place, limit=limit + 1)
    count = sum(total <= REFERRER_BYTES for total in accumulate(sizes[:limit])) or min(len(sizes), 1)
    rows = tx.all(_REFERRERS[typed], **place, limit=count) if count else []
    return [_image(row) for row in rows], count < len(sizes)


def untag(tx: Transaction, repository: Repository, tag: str) -> bool:
    """Remove a tag; False if there is none of that name."""
    return tx.run(_DELETE_TAG, repository_id=repository.id, tag=tag) == 1


def remove(tx: Transaction, image: Image) -> None:
    """Remove an image, its tags and the references by which it held its parts."""
    tx.run(_DELETE_TAGS, manifest_id=image.id)
    tx.run(_DELETE, manifest_id=image.id)


def remove_all(tx: Transaction, repository: Repository) -> None:
    """Remove every image of a repository."""
    tx.run(_DELETE_ALL_TAGS, repository_id=repository.id)
    tx.run(_DELETE_ALL, repository_id=repository.id)


def _batches(items: Sequence[T]) -> Iterable[Sequence[T]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))


def _image(row: Row) -> Image:
    del row["repository_id"]
    row.setdefault("annotations", {})
    return Image(**row)
