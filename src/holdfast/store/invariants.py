"""What must hold of the rows after every commit, for whoever doubts it.

Nothing serves requests from here: each of these reads whole tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import exists, func, select

from holdfast.store.objects import HELD
from holdfast.store.statements import Statement
from holdfast.store.tables import (
    blobs,
    deleted_images,
    manifest_references,
    manifests,
    objects,
    repositories,
    repository_blobs,
    tag_history,
    tags,
    upload_parts,
    uploads,
)

if TYPE_CHECKING:
    from holdfast.store.database import Transaction

_references = manifest_references
_held_blob = exists().where(
    repository_blobs.c.repository_id == _references.c.repository_id, repository_blobs.c.digest == _references.c.digest
)
_held_manifest = exists().where(
    manifests.c.repository_id == _references.c.repository_id, manifests.c.digest == _references.c.digest
)
_images = select(func.count()).where(manifests.c.repository_id == repositories.c.id).scalar_subquery()
_tagged = exists().where(tags.c.manifest_id == manifests.c.id)

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
    "a repository counts its images wrongly": Statement(
        select(repositories.c.name).where(repositories.c.deleted_at.is_(None), repositories.c.image_count != _images)
    ),
}
_NEEDED = Statement(select(objects.c.key).where(HELD))

_KEPT = {
    table.name: Statement(select(func.count()).select_from(table))
    for table in (
        repositories,
        repository_blobs,
        manifests,
        manifest_references,
        tags,
        uploads,
        upload_parts,
        deleted_images,
        tag_history,
    )
} | {
    "objects that no blob is made of": Statement(
        select(func.count()).select_from(objects).where(~exists().where(blobs.c.object_key == objects.c.key))
    )
}


def broken(tx: Transaction) -> list[str]:
    """Each rule that does not hold, with the first thing that breaks it."""
    found = ((rule, tx.first(statement)) for rule, statement in _RULES.items())
    return [f"{rule}: {next(iter(row.values()))}" for rule, row in found if row is not None]


def needed_objects(tx: Transaction) -> list[str]:
    """Keys of the objects whose bytes must be in the blob store, since a blob or an upload holds them."""
    return tx.column(_NEEDED)


def left_over(tx: Transaction) -> list[str]:
    """What is still kept where everything was deleted, and everything that waits has been done."""
    counts = ((name, tx.value(statement)) for name, statement in _KEPT.items())
    return [f"{count} {name}" for name, count in counts if count]
