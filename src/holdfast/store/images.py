"""Manifests, tags and referrers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import and_, delete, exists, func, insert, or_, select, update

from holdfast.model.images import Image
from holdfast.store.tables import manifest_bodies, manifest_references, manifests, tags

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, RowMapping

    from holdfast.model.manifests import Manifest
    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction

T = TypeVar("T")
BATCH = 500  # bound parameters of one statement


def find(tx: Transaction, repository: Repository, *, digest: str | None = None, tag: str | None = None) -> Image | None:
    """The image that a digest, a tag, or both name in a repository; without its tags."""
    statement = select(manifests).where(manifests.c.repository_id == repository.id)
    if digest is not None:
        statement = statement.where(manifests.c.digest == digest)
    if tag is not None:
        statement = statement.join(tags, tags.c.manifest_id == manifests.c.id).where(
            tags.c.repository_id == repository.id, tags.c.name == tag
        )
    row = tx.execute(statement).mappings().first()
    return _image(row) if row else None


def body(tx: Transaction, image: Image) -> bytes:
    """The exact bytes of an image's manifest."""
    statement = select(manifest_bodies.c.body).where(manifest_bodies.c.manifest_id == image.id)
    return bytes(tx.execute(statement).scalar_one())


def present(tx: Transaction, repository: Repository, digests: Collection[str]) -> dict[str, int]:
    """Those digests that the repository holds as manifests, with the images' sizes in bytes."""
    found: dict[str, int] = {}
    for chosen in _batches(list(digests)):
        statement = select(manifests.c.digest, manifests.c.size_bytes).where(
            manifests.c.repository_id == repository.id, manifests.c.digest.in_(chosen)
        )
        found.update(tx.execute(statement).tuples().all())
    return found


def add(tx: Transaction, repository: Repository, manifest: Manifest, size_bytes: int, now: datetime) -> Image:
    """Keep a manifest and the references that hold what it needs."""
    values: dict[str, Any] = {
        "repository_id": repository.id,
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
    image_id = int(tx.execute(insert(manifests).values(values).returning(manifests.c.id)).scalar_one())
    tx.execute(insert(manifest_bodies).values(manifest_id=image_id, body=manifest.body))
    needed = dict.fromkeys(manifest.needed_blobs, False) | dict.fromkeys(manifest.needed_manifests, True)
    if needed:
        tx.execute(
            insert(manifest_references),
            [
                {"manifest_id": image_id, "digest": digest, "repository_id": repository.id, "is_manifest": is_manifest}
                for digest, is_manifest in needed.items()
            ],
        )
    del values["repository_id"]
    return Image(id=image_id, **values)


def set_tag(tx: Transaction, repository: Repository, tag: str, image: Image, now: datetime) -> None:
    """Point a tag at an image, whether or not it pointed elsewhere."""
    key = and_(tags.c.repository_id == repository.id, tags.c.name == tag)
    moved = tx.execute(update(tags).where(key).values(manifest_id=image.id, tagged_at=now)).rowcount
    if not moved:
        values = {"repository_id": repository.id, "name": tag, "manifest_id": image.id, "tagged_at": now}
        tx.execute(insert(tags).values(values))


def with_tags(tx: Transaction, images: Iterable[Image]) -> list[Image]:
    """The same images, each with its tags."""
    by_id = {image.id: image for image in images}
    names: dict[int, list[str]] = {}
    for chosen in _batches(list(by_id)):
        statement = select(tags.c.manifest_id, tags.c.name).where(tags.c.manifest_id.in_(chosen)).order_by(tags.c.name)
        for image_id, name in tx.execute(statement):
            names.setdefault(image_id, []).append(name)
    return [replace(image, tags=tuple(names.get(image.id, ()))) for image in by_id.values()]


def tag_count(tx: Transaction, image: Image) -> int:
    """How many tags an image has."""
    return tx.execute(select(func.count()).where(tags.c.manifest_id == image.id)).scalar_one()


def any_in(tx: Transaction, repository: Repository) -> bool:
    """Whether a repository holds an image."""
    statement = select(manifests.c.id).where(manifests.c.repository_id == repository.id).limit(1)
    return tx.execute(statement).first() is not None


def tag_names(tx: Transaction, repository: Repository, after: str, limit: int) -> list[str]:
    """Up to `limit` tags of a repository in order, beginning after one."""
    statement = (
        select(tags.c.name)
        .where(tags.c.repository_id == repository.id, tags.c.name > after)
        .order_by(tags.c.name)
        .limit(limit)
    )
    return list(tx.execute(statement).scalars())


def page(tx: Transaction, repository: Repository, after: int, limit: int, *, tagged: bool | None = None) -> list[Image]:
    """Up to `limit` images with their tags in the order of their push, beginning after one."""
    statement = select(manifests).where(manifests.c.repository_id == repository.id, manifests.c.id > after)
    if tagged is not None:
        has_tag = exists().where(tags.c.manifest_id == manifests.c.id)
        statement = statement.where(has_tag if tagged else ~has_tag)
    rows = tx.execute(statement.order_by(manifests.c.id).limit(limit)).mappings()
    return with_tags(tx, [_image(row) for row in rows])


def identifiers(
    tx: Transaction, repository: Repository, after: tuple[int, str], limit: int, *, tagged: bool | None = None
) -> list[tuple[int, str, str | None]]:
    """Up to `limit` triples of row, digest and tag, beginning after one; an untagged image gives one without a tag."""
    row, name = after
    statement = (
        select(manifests.c.id, manifests.c.digest, tags.c.name)
        .outerjoin(tags, tags.c.manifest_id == manifests.c.id)
        .where(manifests.c.repository_id == repository.id, manifests.c.id >= row)
        .where(or_(manifests.c.id > row, tags.c.name > name))
        .order_by(manifests.c.id, tags.c.name)
        .limit(limit)
    )
    if tagged is not None:
        statement = statement.where(tags.c.name.is_not(None) if tagged else tags.c.name.is_(None))
    return [(image_id, digest, tag) for image_id, digest, tag in tx.execute(statement)]


def parents(tx: Transaction, repository: Repository, digest: str) -> list[str]:
    """Digests of the indexes that list a manifest."""
    statement = (
        select(manifests.c.digest)
        .join(manifest_references, manifest_references.c.manifest_id == manifests.c.id)
        .where(manifest_references.c.repository_id == repository.id, manifest_references.c.digest == digest)
        .where(manifest_references.c.is_manifest)
        .order_by(manifests.c.id)
        .limit(100)
    )
    return list(tx.execute(statement).scalars())


def referrers(
    tx: Transaction, repository: Repository, subject: str, after: int, limit: int, artifact_type: str | None = None
) -> list[Image]:
    """Up to `limit` images whose subject is a digest, in the order of their push, beginning after one."""
    conditions: list[ColumnElement[bool]] = [
        manifests.c.repository_id == repository.id,
        manifests.c.subject == subject,
        manifests.c.id > after,
    ]
    if artifact_type is not None:
        conditions.append(func.coalesce(manifests.c.artifact_type, manifests.c.config_media_type) == artifact_type)
    statement = select(manifests).where(*conditions).order_by(manifests.c.id).limit(limit)
    return [_image(row) for row in tx.execute(statement).mappings()]


def untag(tx: Transaction, repository: Repository, tag: str) -> bool:
    """Remove a tag; False if there is none of that name."""
    statement = delete(tags).where(tags.c.repository_id == repository.id, tags.c.name == tag)
    return tx.execute(statement).rowcount == 1


def remove(tx: Transaction, image: Image) -> None:
    """Remove an image, its tags and the references by which it held its parts."""
    tx.execute(delete(tags).where(tags.c.manifest_id == image.id))
    tx.execute(delete(manifests).where(manifests.c.id == image.id))


def remove_all(tx: Transaction, repository: Repository) -> None:
    """Remove every image of a repository."""
    tx.execute(delete(tags).where(tags.c.repository_id == repository.id))
    tx.execute(delete(manifests).where(manifests.c.repository_id == repository.id))


def _batches(items: Sequence[T]) -> Iterable[Sequence[T]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))


def _image(row: RowMapping) -> Image:
    values = dict(row)
    del values["repository_id"]
    return Image(**values)
