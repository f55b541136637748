"""Images that were deleted: out of every live table, with all that brings them back."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from sqlalchemy import LargeBinary, bindparam, delete, exists, insert, or_, select

from holdfast.model.deleted import DeletedImage
from holdfast.store import images, tag_history
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import (
    Instant,
    cache_images,
    deleted_images,
    deleted_references,
    image_findings,
    image_leases,
    image_replications,
    image_sboms,
    image_scans,
    image_signings,
    instant,
    manifest_bodies,
    manifest_references,
    manifests,
    microseconds,
    tags,
)

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import Table

    from holdfast.model.images import Image
    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction
    from holdfast.store.statements import Row

# Both tables have these columns, by the same names.
_SHARED = [column.name for column in deleted_images.c if column.name in manifests.c]
_REFERENCE = ["digest", "repository_id", "is_manifest", "media_type"]
_FACTS = (image_scans, image_findings, image_replications, image_signings, image_sboms, cache_images)
_STALE = "stale_tags"  # from when on the upstreams of tags are to be asked; beside the facts
# Columns that scans did not have when some of the facts were written, and what stands for them.
_LATER = {"scan_type": "BASIC", "is_live": False, "counts": None, "ecosystems": None, "source_updated_at": None}

_it = deleted_images.c.id == bindparam("which")
_here = deleted_images.c.repository_id == bindparam("repository_id")
_now, _tags, _facts = (
    bindparam(name, type_=deleted_images.c[column].type)
    for name, column in (("now", "deleted_at"), ("tag_list", "tags"), ("fact_list", "facts"))
)
_BURY = Statement(
    insert(deleted_images).from_select(
        [*_SHARED, "deleted_at", "tags", "facts", "body"],
        select(*(manifests.c[name] for name in _SHARED), _now, _tags, _facts, manifest_bodies.c.body)
        .join(manifest_bodies, manifest_bodies.c.manifest_id == manifests.c.id)
        .where(manifests.c.id == bindparam("which")),
    )
)
_BURY_REFERENCES = Statement(
    insert(deleted_references).from_select(
        ["image_id", *_REFERENCE],
        select(manifest_references.c.manifest_id, *(manifest_references.c[name] for name in _REFERENCE)).where(
            manifest_references.c.manifest_id == bindparam("which")
        ),
    )
)
_TAGS = Statement(
    select(tags.c.name, tags.c.tagged_at, tags.c.stale_at)
    .where(tags.c.manifest_id == bindparam("which"))
    .order_by(tags.c.name)
)
_READ_FACTS = {
    table.name: Statement(select(table).where(table.c.manifest_id == bindparam("which"))) for table in _FACTS
}
_WRITE_FACTS = {table.name: insertion(table) for table in _FACTS}
_RESTORE = Statement(
    insert(manifests).from_select(
        [*_SHARED, "is_tagged"],
        select(*(deleted_images.c[name] for name in _SHARED), bindparam("tagged", type_=manifests.c.is_tagged.type))
        .where(_it),
    )
)  # fmt: skip
_RESTORE_BODY = Statement(
    insert(manifest_bodies).from_select(
        ["manifest_id", "body"], select(deleted_images.c.id, deleted_images.c.body).where(_it)
    )
)
_RESTORE_REFERENCES = Statement(
    insert(manifest_references).from_select(
        ["manifest_id", *_REFERENCE],
        select(deleted_references.c.image_id, *(deleted_references.c[name] for name in _REFERENCE)).where(
            deleted_references.c.image_id == bindparam("which")
        ),
    )
)
_INSERT_TAG = insertion(tags)
_MEMORY = Statement(select(deleted_images.c.tags, deleted_images.c.facts).where(_it))
_ERASE = Statement(delete(deleted_images).where(_it))

_columns = [
    column for column in deleted_images.c if column.name not in {"repository_id", "facts", "annotations", "body"}
]
_since = deleted_images.c.deleted_at > bindparam("since")
_PAGE = Statement(
    select(*_columns)
    .where(_here, deleted_images.c.id > bindparam("after"), _since)
    .order_by(deleted_images.c.id)
    .limit(bindparam("limit"))
)
_FIND = Statement(
    select(*_columns)
    .where(_here, deleted_images.c.digest == bindparam("digest"), _since)
    .order_by(deleted_images.c.deleted_at.desc())
    .limit(1)
)
_HOME = Statement(select(deleted_images.c.repository_id, deleted_images.c.digest).where(_it))
_TAGS_OF = Statement(
    select(deleted_images.c.tags)
    .where(_here, deleted_images.c.digest == bindparam("digest"))
    .order_by(deleted_images.c.deleted_at.desc())
    .limit(bindparam("limit"))
)
_NEEDS = Statement(
    select(deleted_references.c.digest, deleted_references.c.is_manifest)
    .where(deleted_references.c.image_id == bindparam("which"))
    .order_by(deleted_references.c.digest)
)
_REFERRERS = Statement(
    select(deleted_images.c.digest)
    .where(_here, deleted_images.c.subject == bindparam("subject"), _since)
    .order_by(deleted_images.c.id)
    .limit(bindparam("limit"))
)
_parents = deleted_images.alias()
_leased = exists().where(
    image_leases.c.repository_id == deleted_images.c.repository_id,
    image_leases.c.expires_at > bindparam("now"),
    or_(
        image_leases.c.digest == deleted_images.c.digest,
        exists().where(  # an index that lists it
            deleted_references.c.digest == deleted_images.c.digest,
            deleted_references.c.repository_id == deleted_images.c.repository_id,
            deleted_references.c.is_manifest,
            _parents.c.id == deleted_references.c.image_id,
            _parents.c.digest == image_leases.c.digest,
        ),
    ),
)
_DUE = Statement(
    select(deleted_images.c.id, deleted_images.c.repository_id, deleted_images.c.digest)
    .where(deleted_images.c.deleted_at <= bindparam("before"), ~_leased)
    .order_by(deleted_images.c.deleted_at)
    .limit(bindparam("limit"))
)
_OF_REPOSITORY = select(deleted_images.c.id).where(_here).limit(bindparam("limit"))
_ERASE_OF = Statement(delete(deleted_images).where(deleted_images.c.id.in_(_OF_REPOSITORY)))


def bury(tx: Transaction, repository: Repository, image: Image, now: datetime) -> None:
    """Delete an image with its tags so that it can come back."""
    rows = tx.all(_TAGS, which=image.id)
    named = [[row["name"], microseconds(row["tagged_at"])] for row in rows]
    facts: dict[str, Any] = {
        table.name: [_packed(table, row) for row in tx.all(_READ_FACTS[table.name], which=image.id)] for table in _FACTS
    }
    facts[_STALE] = {row["name"]: microseconds(row["stale_at"]) for row in rows if row["stale_at"] is not None}
    tx.run(_BURY, which=image.id, now=now, tag_list=named, fact_list=facts)
    tx.run(_BURY_REFERENCES, which=image.id)
    tag_history.end_all(tx, image, now)
    images.remove(tx, repository, image)


def restore(tx: Transaction, repository: Repository, deleted: DeletedImage, free_tags: Collection[str]) -> Image:
    """Let a deleted image live again, with those of its tags that are free; everything it needs must be there."""
    memory = tx.first(_MEMORY, which=deleted.id)
    assert memory is not None, "it was found in this transaction"
    named = [(name, tagged_at) for name, tagged_at in memory["tags"] if name in free_tags]
    tx.run(_RESTORE, which=deleted.id, tagged=bool(named))
    tx.run(_RESTORE_BODY, which=deleted.id)
    tx.run(_RESTORE_REFERENCES, which=deleted.id)
    stale = memory["facts"].get(_STALE, {})
    for name, tagged_at in named:
        tx.run(
            _INSERT_TAG, repository_id=repository.id, name=name, manifest_id=deleted.id, tagged_at=instant(tagged_at),
            is_active=deleted.status == "ACTIVE", stale_at=instant(stale[name]) if name in stale else None,
        )  # fmt: skip
    for table in _FACTS:
        for packed in memory["facts"].get(table.name, ()):
            tx.run(_WRITE_FACTS[table.name], **_unpacked(table, packed))
    erase(tx, deleted.id)
    found = images.find(tx, repository, digest=deleted.digest)
    assert found is not None, "it was just made"
    return found


def page(tx: Transaction, repository: Repository, after: int, limit: int, *, since: datetime) -> list[DeletedImage]:
    """Up to `limit` images of a repository that were deleted after an instant, in the order of their push."""
    return [_value(row) for row in tx.all(_PAGE, repository_id=repository.id, after=after, limit=limit, since=since)]


def find(tx: Transaction, repository: Repository, digest: str, *, since: datetime) -> DeletedImage | None:
    """The image of a digest that was deleted last, if that was after an instant."""
    row = tx.first(_FIND, repository_id=repository.id, digest=digest, since=since)
    return _value(row) if row else None


def home(tx: Transaction, image_id: int) -> tuple[int, str] | None:
    """The row of the repository, and the digest, of a deleted image by its row."""
    row = tx.first(_HOME, which=image_id)
    return (row["repository_id"], row["digest"]) if row else None


def tags_of(tx: Transaction, repository: Repository, digest: str, limit: int) -> set[str]:
    """The tags with which an image of a digest was deleted, the last so many times."""
    found = tx.column(_TAGS_OF, repository_id=repository.id, digest=digest, limit=limit)
    return {name for tagged in found for name, _ in tagged}


def needs(tx: Transaction, deleted: DeletedImage) -> list[tuple[str, bool]]:
    """The digests that a deleted image needs, and whether each is a manifest."""
    return [(row["digest"], row["is_manifest"]) for row in tx.all(_NEEDS, which=deleted.id)]


def referrers(tx: Transaction, repository: Repository, subject: str, limit: int, *, since: datetime) -> list[str]:
    """The digests of images that were deleted after an instant, and had another one as their subject."""
    return tx.column(_REFERRERS, repository_id=repository.id, subject=subject, limit=limit, since=since)


def due(tx: Transaction, before: datetime, now: datetime, limit: int) -> list[tuple[int, int, str]]:
    """Row, repository and digest of images that were deleted by then and are not in use, the first one first."""
    rows = tx.all(_DUE, before=before, now=now, limit=limit)
    return [(row["id"], row["repository_id"], row["digest"]) for row in rows]


def erase(tx: Transaction, image_id: int) -> None:
    """Forget a deleted image, and the references by which it held its parts."""
    tx.run(_ERASE, which=image_id)


def erase_of(tx: Transaction, repository_id: int, limit: int) -> int:
    """Forget deleted images of a repository; how many went."""
    return tx.run(_ERASE_OF, repository_id=repository_id, limit=limit)


def _value(row: Row) -> DeletedImage:
    return DeletedImage(**{**row, "tags": tuple(name for name, _ in row["tags"])})


def _packed(table: Table, row: Row) -> Row:
    """A row as JSON can keep it."""
    return {name: _as_text(table, name, value) for name, value in row.items()}


def _as_text(table: Table, name: str, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(table.c[name].type, Instant):
        return microseconds(value)
    return base64.b85encode(value).decode() if isinstance(table.c[name].type, LargeBinary) else value


def _unpacked(table: Table, packed: Row) -> Row:
    row = {name: _from_text(table, name, value) for name, value in packed.items()}
    return {**_LATER, **row} if table is image_scans else row


def _from_text(table: Table, name: str, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(table.c[name].type, Instant):
        return instant(value)
    return base64.b85decode(value) if isinstance(table.c[name].type, LargeBinary) else value
