"""Links that nobody may need, the quarantine of links, and the blobs that go with their last link.

A link without a row in `gc_candidates` is needed by an image, living or deleted: whoever takes a reference away for
good, or makes a link before there is one, adds a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, exists, func, insert, literal, select, union_all, update

from holdfast.model.repositories import Encryption
from holdfast.store.statements import Statement, insertion, upsert
from holdfast.store.tables import (
    EPOCH,
    blobs,
    deleted_references,
    gc_candidates,
    manifest_references,
    objects,
    quarantined_links,
    repositories,
    repository_blobs,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from holdfast.store.database import Transaction
    from holdfast.store.statements import Row

FOR_GOOD = bindparam("for_good", type_=quarantined_links.c.is_deleted.type)
FOR_ROOM = bindparam("for_room", type_=quarantined_links.c.is_evicted.type)
_repository_id: Any = bindparam("repository_id")
_digest: Any = bindparam("digest")
_candidate = (gc_candidates.c.repository_id == _repository_id, gc_candidates.c.digest == _digest)
_link = (repository_blobs.c.repository_id == _repository_id, repository_blobs.c.digest == _digest)
_quarantined = (quarantined_links.c.repository_id == _repository_id, quarantined_links.c.digest == _digest)
_now = bindparam("now", type_=quarantined_links.c.quarantined_at.type)
_limit: Any = bindparam("limit")

_insert_candidate = upsert(gc_candidates)
_SUSPECT = Statement(
    _insert_candidate.on_conflict_do_update(
        index_elements=[gc_candidates.c.repository_id, gc_candidates.c.digest],
        set_={"due_at": _insert_candidate.excluded.due_at},
    ),
    ["repository_id", "digest", "due_at"],
)
_ADD_OF_DELETED = Statement(
    insert(gc_candidates).from_select(
        ["repository_id", "digest", "due_at"],
        select(
            deleted_references.c.repository_id,
            deleted_references.c.digest,
            bindparam("due", type_=gc_candidates.c.due_at.type),
        ).where(
            deleted_references.c.image_id == bindparam("image_id"),
            deleted_references.c.is_manifest.is_(False),
            ~exists().where(
                gc_candidates.c.repository_id == deleted_references.c.repository_id,
                gc_candidates.c.digest == deleted_references.c.digest,
            ),
        ),
    )
)
_DUE = Statement(
    select(gc_candidates)
    .where(gc_candidates.c.due_at <= bindparam("now"))
    .order_by(gc_candidates.c.due_at)
    .limit(_limit)
)
_COUNT_UNNEEDED = Statement(
    select(func.count()).where(
        gc_candidates.c.due_at <= bindparam("now"),
        *(
            ~exists().where(
                references.c.digest == gc_candidates.c.digest,
                references.c.repository_id == gc_candidates.c.repository_id,
            )
            for references in (manifest_references, deleted_references)
        ),
    )
)
_FORGET = Statement(delete(gc_candidates).where(*_candidate))


def _needs(references: Any) -> Any:
    return select(literal(1)).where(references.c.digest == _digest, references.c.repository_id == _repository_id)


_IS_NEEDED = Statement(union_all(_needs(manifest_references), _needs(deleted_references)).limit(1))
_IS_NEEDED_BY_LIVING = Statement(_needs(manifest_references).limit(1))
_columns = ["blob_id", "repository_id", "digest", "added_at", "quarantined_at", "is_deleted", "is_evicted"]
_moving = select(
    repository_blobs.c.blob_id,
    repository_blobs.c.repository_id,
    repository_blobs.c.digest,
    repository_blobs.c.added_at,
    _now,
    FOR_GOOD,
    FOR_ROOM,
)
_QUARANTINE = Statement(insert(quarantined_links).from_select(_columns, _moving.where(*_link)))
_UNLINK = Statement(delete(repository_blobs).where(*_link))
_SOME_LINKS = Statement(
    select(repository_blobs.c.digest).where(repository_blobs.c.repository_id == _repository_id).limit(_limit)
)
_RELINK = Statement(
    insert(repository_blobs).from_select(
        ["repository_id", "digest", "blob_id", "added_at"],
        select(
            quarantined_links.c.repository_id,
            quarantined_links.c.digest,
            quarantined_links.c.blob_id,
            quarantined_links.c.added_at,
        ).where(*_quarantined),
    )
)
_IN_QUARANTINE = Statement(select(quarantined_links.c.is_deleted).where(*_quarantined))
_LEAVE_QUARANTINE = Statement(delete(quarantined_links).where(*_quarantined))
_PARTS = Statement(
    select(deleted_references.c.digest)
    .where(deleted_references.c.image_id == bindparam("image_id"), ~deleted_references.c.is_manifest)
    .order_by(deleted_references.c.digest)
)
_is_over = quarantined_links.c.quarantined_at <= bindparam("before")
_over = (
    select(quarantined_links.c.blob_id, quarantined_links.c.repository_id, quarantined_links.c.digest)
    .order_by(quarantined_links.c.quarantined_at)
    .limit(_limit)
)
_EXPIRED = Statement(_over.where(_is_over, ~quarantined_links.c.is_evicted))
_EVICTED = Statement(_over.where(_is_over, quarantined_links.c.is_evicted))
_COUNT_EXPIRED = Statement(select(func.count()).where(_is_over, ~quarantined_links.c.is_evicted))
_AFTER = Statement(
    select(quarantined_links.c.blob_id, quarantined_links.c.repository_id, quarantined_links.c.digest)
    .where(quarantined_links.c.blob_id > bindparam("after"))
    .order_by(quarantined_links.c.blob_id)
    .limit(_limit)
)
_NEEDING = Statement(
    select(repositories.c.id, repositories.c.encryption_type, repositories.c.kms_key)
    .join(manifest_references, manifest_references.c.repository_id == repositories.c.id)
    .where(manifest_references.c.digest == _digest, repositories.c.registry_id == bindparam("registry_id"))
    .distinct()
)
_LINK = insertion(repository_blobs)
_LINKED = Statement(select(literal(1)).where(*_link))
_this = (
    quarantined_links.c.blob_id == bindparam("which"),
    quarantined_links.c.repository_id == bindparam("of_repository"),
)
_STAY = Statement(update(quarantined_links).where(*_this).values(quarantined_at=bindparam("now")))
_RELEASE = Statement(delete(quarantined_links).where(*_this, quarantined_links.c.quarantined_at <= bindparam("before")))
_BLOB = Statement(select(blobs).where(blobs.c.id == bindparam("which")))
_HOLDERS = Statement(
    union_all(
        select(literal(1)).where(repository_blobs.c.blob_id == bindparam("which")),
        select(literal(1)).where(quarantined_links.c.blob_id == bindparam("which")),
    ).limit(1)
)


def _in_scope(references: Any) -> Any:
    return (
        select(repositories.c.encryption_type, repositories.c.kms_key)
        .join(references, references.c.repository_id == repositories.c.id)
        .where(references.c.digest == _digest, repositories.c.registry_id == bindparam("registry_id"))
        .distinct()
    )


_SCOPES = Statement(union_all(_in_scope(manifest_references), _in_scope(deleted_references)))
_REMOVE = Statement(delete(blobs).where(blobs.c.id == bindparam("which")))
_DOOM = Statement(update(objects).where(objects.c.key == bindparam("key")).values(expires_at=EPOCH))
_LATEST_BLOB = Statement(select(func.max(blobs.c.id)))
_FIRST_DUE = Statement(select(func.min(gc_candidates.c.due_at).label("at")))
_COUNT_QUARANTINED = Statement(select(func.count()).select_from(quarantined_links))
_COUNT_CANDIDATES = Statement(select(func.count()).where(gc_candidates.c.due_at <= bindparam("now")))
_COUNT_DOOMED = Statement(select(func.count()).where(objects.c.expires_at == EPOCH))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A link of a repository that may be garbage."""

    repository_id: int
    digest: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A link that was taken away."""

    blob_id: int
    repository_id: int
    digest: str


@dataclass(frozen=True, slots=True)
class Freed:
    """A blob that is no more: its bytes are to be deleted."""

    object_key: str
    size_bytes: int


class StillReferenced(Exception):
    """A blob that no repository links is needed by an image: the rows disagree, and nobody may guess."""


# ---- Candidates


def suspect(tx: Transaction, repository_id: int, digest: str, due_at: datetime) -> None:
    """Have a link looked at, not before an instant."""
    tx.run(_SUSPECT, repository_id=repository_id, digest=digest, due_at=due_at)


def suspect_parts(tx: Transaction, deleted_image_id: int, due_at: datetime) -> None:
    """Have every blob that a deleted image holds looked at, before its references go."""
    tx.run(_ADD_OF_DELETED, image_id=deleted_image_id, due=due_at)


def due(tx: Transaction, now: datetime, limit: int) -> list[Candidate]:
    """Candidates that can be looked at, the longest due first."""
    return [Candidate(**row) for row in tx.all(_DUE, now=now, limit=limit)]


def is_needed(tx: Transaction, repository_id: int, digest: str) -> bool:
    """Whether an image of a repository, living or deleted, needs a blob."""
    return tx.first(_IS_NEEDED, repository_id=repository_id, digest=digest) is not None


def acquit(tx: Transaction, candidate: Candidate) -> None:
    """Forget a candidate: what needs it adds it again when it goes."""
    tx.run(_FORGET, repository_id=candidate.repository_id, digest=candidate.digest)


# ---- The quarantine


def quarantine(
    tx: Transaction,
    repository_id: int,
    digest: str,
    now: datetime,
    *,
    is_deleted: bool = False,
    is_evicted: bool = False,
) -> bool:
    """Take a link away so that it can be had back; False if there is none."""
    place = {"repository_id": repository_id, "digest": digest}
    tx.run(_FORGET, **place)
    if tx.run(_QUARANTINE, **place, now=now, for_good=is_deleted, for_room=is_evicted) == 0:
        return False  # perhaps it is in quarantine already
    tx.run(_UNLINK, **place)
    return True


def parts(tx: Transaction, deleted_image_id: int) -> list[str]:
    """The blobs that a deleted image holds."""
    return tx.column(_PARTS, image_id=deleted_image_id)


def quarantine_some(tx: Transaction, repository_id: int, limit: int, now: datetime) -> int:
    """Take links away from a repository that is going; how many."""
    found = tx.column(_SOME_LINKS, repository_id=repository_id, limit=limit)
    for digest in found:
        quarantine(tx, repository_id, digest, now, is_deleted=True)
    return len(found)


def in_quarantine(tx: Transaction, repository_id: int, digests: Iterable[str]) -> list[str]:
    """Those digests whose links were taken away, but by nobody's wish."""
    place = {"repository_id": repository_id}
    return [digest for digest in digests if tx.value(_IN_QUARANTINE, **place, digest=digest) is False]


def take_back(
    tx: Transaction, repository_id: int, digests: Iterable[str], due_at: datetime, *, even_deleted: bool = False
) -> int:
    """Link again those digests whose links were taken away, what somebody deleted only if that is wanted; how many."""
    count = 0
    for digest in digests:
        place = {"repository_id": repository_id, "digest": digest}
        is_deleted = tx.value(_IN_QUARANTINE, **place)
        if is_deleted is False or (is_deleted and even_deleted):
            tx.run(_RELINK, **place)
            linked(tx, repository_id, digest, due_at)
            count += 1
    return count


def linked(tx: Transaction, repository_id: int, digest: str, due_at: datetime) -> None:
    """A link was made: its quarantine is over, and it is looked at when an image had time to need it."""
    tx.run(_LEAVE_QUARANTINE, repository_id=repository_id, digest=digest)
    suspect(tx, repository_id, digest, due_at)


def expired(tx: Transaction, before: datetime, limit: int) -> list[Quarantined]:
    """Links that were taken away by then, the first one first."""
    return [Quarantined(**row) for row in tx.all(_EXPIRED, before=before, limit=limit)]


def evicted(tx: Transaction, before: datetime, limit: int) -> list[Quarantined]:
    """The same, of those that were taken away to make room."""
    return [Quarantined(**row) for row in tx.all(_EVICTED, before=before, limit=limit)]


def surprise(tx: Transaction, now: datetime, before: datetime) -> int:
    """How many links would go: out of repositories, or out of the quarantine, whichever are more."""
    return max(int(tx.value(_COUNT_UNNEEDED, now=now)), int(tx.value(_COUNT_EXPIRED, before=before)))


def page(tx: Transaction, after: int, limit: int) -> list[Quarantined]:
    """Links in quarantine in the order of their blobs, beginning after one."""
    return [Quarantined(**row) for row in tx.all(_AFTER, after=after, limit=limit)]


def repair(tx: Transaction, link: Quarantined, now: datetime) -> int:
    """Link a blob again to every repository of its scope that has an image which needs it; how many lacked it."""
    blob = tx.first(_BLOB, which=link.blob_id)
    assert blob is not None, "a foreign key holds it"
    lacking = 0
    for row in tx.all(_NEEDING, digest=link.digest, registry_id=blob["registry_id"]):
        place = {"repository_id": row["id"], "digest": link.digest}
        if _scope(row) == blob["key_scope"] and tx.first(_LINKED, **place) is None:
            tx.run(_LEAVE_QUARANTINE, **place)
            tx.run(_LINK, **place, blob_id=link.blob_id, added_at=now)
            lacking += 1
    return lacking


def release(tx: Transaction, link: Quarantined, before: datetime, now: datetime) -> Freed | None:
    """Forget a link that was in quarantine long enough; the blob, if that was its last one, whose object is doomed.

    Raises `StillReferenced` where an image needs what nobody links.
    """
    place = {"which": link.blob_id, "of_repository": link.repository_id}
    wanted = {"repository_id": link.repository_id, "digest": link.digest}
    if tx.first(_IS_NEEDED_BY_LIVING, **wanted) is not None and not _is_linked(tx, link):
        raise StillReferenced(
            f"an image of repository {link.repository_id} needs {link.digest}, which it does not hold"
        )
    if is_needed(tx, link.repository_id, link.digest) and not _is_linked(tx, link):
        tx.run(_STAY, **place, now=now)  # a deleted image that may be restored needs it
        return None
    if tx.run(_RELEASE, **place, before=before) == 0 or tx.first(_HOLDERS, which=link.blob_id) is not None:
        return None
    blob = tx.first(_BLOB, which=link.blob_id)
    assert blob is not None, "a foreign key held it"
    if blob["key_scope"] in _scopes_that_need(tx, blob):
        raise StillReferenced(f"an image of registry {blob['registry_id']} needs {blob['digest']}, which nobody holds")
    tx.run(_REMOVE, which=link.blob_id)
    tx.run(_DOOM, key=blob["object_key"])
    return Freed(blob["object_key"], blob["size_bytes"])


def _is_linked(tx: Transaction, link: Quarantined) -> bool:
    return tx.first(_LINKED, repository_id=link.repository_id, digest=link.digest) is not None


def _scopes_that_need(tx: Transaction, blob: Row) -> set[str]:
    rows = tx.all(_SCOPES, digest=blob["digest"], registry_id=blob["registry_id"])
    return {_scope(row) for row in rows}


def _scope(row: Row) -> str:
    return Encryption(row["encryption_type"], row["kms_key"]).key_scope


# ---- Figures


@dataclass(frozen=True, slots=True)
class Figures:
    """What waits, in numbers."""

    candidates: int  # that are due
    due_since: datetime | None  # the first of them
    quarantined: int
    doomed: int  # objects whose bytes are still to be deleted


def figures(tx: Transaction, now: datetime) -> Figures:
    """Count what waits; that costs as much as there is garbage."""
    row = tx.first(_FIRST_DUE)
    first = row["at"] if row else None
    return Figures(
        candidates=int(tx.value(_COUNT_CANDIDATES, now=now)),
        due_since=first if first is not None and first <= now else None,
        quarantined=int(tx.value(_COUNT_QUARANTINED)),
        doomed=int(tx.value(_COUNT_DOOMED)),
    )


def latest_blob(tx: Transaction) -> int:
    """The number of the blob that was made last: as many were ever made."""
    return int(tx.value(_LATEST_BLOB) or 0)
