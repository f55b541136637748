"""What must hold of the rows after every commit, for whoever doubts it.

Nothing serves requests from here: each of these reads whole tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, exists, func, literal, null, select, union_all

from holdfast.store.objects import HELD
from holdfast.store.statements import Statement
from holdfast.store.tables import (
    EPOCH,
    blobs,
    deleted_images,
    deleted_references,
    gc_candidates,
    image_leases,
    manifest_references,
    manifests,
    objects,
    quarantined_links,
    repositories,
    repository_blobs,
    tag_history,
    tags,
    upload_parts,
    uploads,
)

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Column, ColumnElement

    from holdfast.store.database import Transaction

_references = manifest_references
_held_blob = exists().where(
    repository_blobs.c.repository_id == _references.c.repository_id, repository_blobs.c.digest == _references.c.digest
)
_held_manifest = exists().where(
    manifests.c.repository_id == _references.c.repository_id, manifests.c.digest == _references.c.digest
)
_kept_for_deleted = (
    exists().where(
        links.c.repository_id == deleted_references.c.repository_id, links.c.digest == deleted_references.c.digest
    )
    for links in (repository_blobs, quarantined_links)
)
_unneeded = and_(
    repositories.c.deleted_at.is_(None),
    *(
        ~exists().where(
            references.c.repository_id == repository_blobs.c.repository_id,
            references.c.digest == repository_blobs.c.digest,
        )
        for references in (manifest_references, deleted_references)
    ),
)
_suspected = exists().where(
    gc_candidates.c.repository_id == repository_blobs.c.repository_id,
    gc_candidates.c.digest == repository_blobs.c.digest,
)
_images = select(func.count()).where(manifests.c.repository_id == repositories.c.id).scalar_subquery()
_tagged = exists().where(tags.c.manifest_id == manifests.c.id)


def _while_held(at: Column[datetime]) -> tuple[ColumnElement[bool], ...]:
    return at > image_leases.c.created_at, at < image_leases.c.expires_at


# A statement for each rule finds what breaks it.
_RULES = {
    "a manifest refers to a blob that its repository does not hold": Statement(
        select(_references.c.digest).where(~_references.c.is_manifest, ~_held_blob)
    ),
    "an index lists a manifest that its repository does not hold": Statement(
        select(_references.c.digest).where(_references.c.is_manifest, ~_held_manifest)
    ),
    "a tag and its image are in two repositories": Statement(
        select(tags.c.name)
        .join(manifests, manifests.c.id == tags.c.manifest_id)
        .where(manifests.c.repository_id != tags.c.repository_id)
    ),
    "an image is marked as tagged and is not, or the other way round": Statement(
        select(manifests.c.digest).where(manifests.c.is_tagged != _tagged)
    ),
    "an object of a blob is to be swept": Statement(
        select(blobs.c.digest)
        .join(objects, objects.c.key == blobs.c.object_key)
        .where(objects.c.expires_at.is_not(None))
    ),
    "a blob is in no repository, and on its way out of none": Statement(
        select(blobs.c.digest).where(
            *(~exists().where(links.c.blob_id == blobs.c.id) for links in (repository_blobs, quarantined_links))
        )
    ),
    "an object of an upload is to be deleted": Statement(
        select(upload_parts.c.object_key)
        .join(objects, objects.c.key == upload_parts.c.object_key)
        .where(objects.c.expires_at == EPOCH)
    ),
    "a deleted image refers to a blob that is gone": Statement(
        select(deleted_references.c.digest).where(
            ~deleted_references.c.is_manifest, *(~kept for kept in _kept_for_deleted)
        )
    ),
    "no image needs a blob, and no collector will ever look at it": Statement(
        select(repository_blobs.c.digest)
        .join(repositories, repositories.c.id == repository_blobs.c.repository_id)
        .where(_unneeded, ~_suspected)
    ),
    "an image was deleted while a lease held it": Statement(
        select(image_leases.c.digest)
        .join(deleted_images, deleted_images.c.repository_id == image_leases.c.repository_id)
        .where(deleted_images.c.digest == image_leases.c.digest, *_while_held(deleted_images.c.deleted_at))
    ),
    "a repository was deleted while a lease held an image of it": Statement(
        select(image_leases.c.digest)
        .join(repositories, repositories.c.id == image_leases.c.repository_id)
        .where(*_while_held(repositories.c.deleted_at))
    ),
    "a repository counts its images wrongly": Statement(
        select(repositories.c.name).where(repositories.c.deleted_at.is_(None), repositories.c.image_count != _images)
    ),
}
_NEEDED = Statement(select(objects.c.key).where(HELD))

_KEPT = {
    table.name: Statement(select(func.count()).select_from(table))
    for table in (
        repositories,
        objects,
        blobs,
        repository_blobs,
        quarantined_links,
        manifests,
        manifest_references,
        tags,
        uploads,
        upload_parts,
        deleted_images,
        tag_history,
    )
}
_UNNEEDED = Statement(
    select(func.count())
    .select_from(repository_blobs)
    .join(repositories, repositories.c.id == repository_blobs.c.repository_id)
    .where(_unneeded)
)
_LINKS = Statement(
    union_all(  # the first one says of which types the columns are
        select(
            quarantined_links.c.repository_id,
            quarantined_links.c.digest,
            quarantined_links.c.added_at,
            quarantined_links.c.quarantined_at,
            quarantined_links.c.is_deleted,
            quarantined_links.c.is_evicted,
        ),
        select(
            repository_blobs.c.repository_id,
            repository_blobs.c.digest,
            repository_blobs.c.added_at,
            null(),
            literal(value=False),
            literal(value=False),
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Link:
    """What a repository holds, or may get back."""

    repository_id: int
    digest: str
    added_at: datetime
    quarantined_at: datetime | None
    is_deleted: bool
    is_evicted: bool


def broken(tx: Transaction) -> list[str]:
    """Each rule that does not hold, with the first thing that breaks it."""
    found = ((rule, tx.first(statement)) for rule, statement in _RULES.items())
    return [f"{rule}: {next(iter(row.values()))}" for rule, row in found if row is not None]


def unneeded(tx: Transaction) -> int:
    """How many blobs living repositories hold that no image needs."""
    return int(tx.value(_UNNEEDED))


def links(tx: Transaction) -> list[Link]:
    """Every link of a repository to a blob, those in quarantine as well."""
    return [Link(**row) for row in tx.all(_LINKS)]


def needed_objects(tx: Transaction) -> list[str]:
    """Keys of the objects whose bytes must be in the blob store, since a blob or an upload holds them."""
    return tx.column(_NEEDED)


def left_over(tx: Transaction) -> list[str]:
    """What is still kept where everything was deleted, and everything that waits has been done."""
    counts = ((name, tx.value(statement)) for name, statement in _KEPT.items())
    return [f"{count} {name}" for name, count in counts if count]
