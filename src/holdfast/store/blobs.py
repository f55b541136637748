"""Which bytes exist under which key, and which repositories hold them.

Statements are made once, here and in the files beside: building one costs four times as much as running it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, case, delete, func, select, update

from holdfast.model.images import ACTIVE, Blob, Keeping
from holdfast.store import garbage
from holdfast.store.damage import set_apart
from holdfast.store.statements import BATCH, Statement, batches, insertion
from holdfast.store.tables import EPOCH, blobs, manifest_references, manifests, objects, repository_blobs, upload_parts

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime, timedelta

    from holdfast.model.kms import Seal, Sealed
    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction
    from holdfast.store.statements import Row

_in_repository = repository_blobs.c.repository_id == bindparam("repository_id")
_in_scope = (
    blobs.c.registry_id == bindparam("registry_id"),
    blobs.c.key_scope == bindparam("scope"),
    blobs.c.digest == bindparam("digest"),
)
_in_uploads = select(upload_parts.c.object_key)
_the_object = objects.c.key == bindparam("object_key")

_ANNOUNCE = insertion(objects)
_FIND = Statement(
    select(blobs.c.digest, blobs.c.size_bytes, blobs.c.object_key)
    .join(repository_blobs, repository_blobs.c.blob_id == blobs.c.id)
    .where(_in_repository, repository_blobs.c.digest == bindparam("digest"), blobs.c.damaged_at.is_(None))
)
_sizes = (
    select(repository_blobs.c.digest, blobs.c.size_bytes)
    .join(blobs, blobs.c.id == repository_blobs.c.blob_id)
    .where(_in_repository, repository_blobs.c.digest.in_(bindparam("digests", expanding=True)))
)
_SIZES = {False: Statement(_sizes.where(blobs.c.damaged_at.is_(None))), True: Statement(_sizes)}
_FIND_IN_SCOPE = Statement(
    select(blobs.c.id, blobs.c.size_bytes, blobs.c.object_key, blobs.c.damaged_at, blobs.c.damage).where(*_in_scope)
)
_FIND_ELSEWHERE = Statement(
    select(blobs.c.id, blobs.c.object_key, blobs.c.damaged_at, blobs.c.damage)
    .where(blobs.c.digest == bindparam("digest"), blobs.c.key_scope == bindparam("scope"))
    .order_by(blobs.c.id)
    .limit(1)
)
_INSERT = insertion(blobs)
_REPLACE = Statement(
    update(blobs)
    .where(blobs.c.id == bindparam("blob_id"))
    .values(
        object_key=bindparam("new_key"), size_bytes=bindparam("new_size"), verified_at=bindparam("now"),
        damaged_at=None, damage=None,
    )
)  # fmt: skip
_OBJECT_OF = Statement(select(blobs.c.object_key).where(blobs.c.id == bindparam("blob_id")))
_HOLD = Statement(update(objects).where(_the_object, objects.c.expires_at > EPOCH).values(expires_at=None))
_IS_LINKED = Statement(
    select(repository_blobs.c.blob_id).where(_in_repository, repository_blobs.c.digest == bindparam("digest"))
)
_MAY_MOUNT = Statement(
    select(blobs.c.id)
    .join(repository_blobs, repository_blobs.c.blob_id == blobs.c.id)
    .where(_in_repository, repository_blobs.c.digest == bindparam("digest"), blobs.c.damaged_at.is_(None))
)
_LINK = insertion(repository_blobs)
_REFERENCE = Statement(
    select(manifest_references.c.manifest_id)
    .where(manifest_references.c.repository_id == bindparam("repository_id"))
    .where(manifest_references.c.digest == bindparam("digest"))
    .limit(1)
)
_USES = Statement(
    select(
        manifest_references.c.digest,
        func.max(manifest_references.c.media_type).label("media_type"),
        func.max(case((manifests.c.status == ACTIVE, 1), else_=0)).label("is_active"),
    )
    .join(manifests, manifests.c.id == manifest_references.c.manifest_id)
    .where(manifest_references.c.repository_id == bindparam("repository_id"))
    .where(manifest_references.c.digest.in_(bindparam("digests", expanding=True)))
    .group_by(manifest_references.c.digest)
)
_EXPIRED = Statement(
    select(objects.c.key)
    .where(objects.c.expires_at <= bindparam("now"), objects.c.key.not_in(_in_uploads))
    .limit(bindparam("limit"))
)
_DOOM = Statement(
    update(objects)
    .where(_the_object, objects.c.expires_at.is_not(None), objects.c.key.not_in(_in_uploads))
    .values(expires_at=EPOCH)
)
_FORGET = Statement(delete(objects).where(_the_object, objects.c.expires_at == EPOCH))


class ObjectDoomed(Exception):
    """An object that somebody began to delete can no longer become a blob."""


def announce_object(tx: Transaction, key: str, seal: Seal, expires_at: datetime) -> None:
    """Record a key before its first byte is written, so that a crash leaves nothing that nobody knows of."""
    tx.run(_ANNOUNCE, key=key, expires_at=expires_at, sealed=None, **_sealing(seal))


def add_object(tx: Transaction, key: str, sealed: Sealed, expires_at: datetime | None) -> None:
    """Keep a small object; for good if a blob holds it, which has no expiry."""
    tx.run(_ANNOUNCE, key=key, expires_at=expires_at, sealed=sealed.data, **_sealing(sealed.seal))


def _sealing(seal: Seal) -> dict[str, object]:
    return {"key_scope": seal.scope, "key_version": seal.version, "wrapped_key": seal.wrapped}


def find(tx: Transaction, repository: Repository, digest: str) -> Blob | None:
    """A blob that a repository holds, unless it is damaged: then it shall be pushed again."""
    row = tx.first(_FIND, repository_id=repository.id, digest=digest)
    return Blob(**row) if row else None


def sizes(
    tx: Transaction, repository: Repository, digests: Collection[str], *, damaged_too: bool = False
) -> dict[str, int]:
    """The sizes in bytes of those digests that a repository holds, undamaged ones unless it says otherwise."""
    found: dict[str, int] = {}
    for wanted in batches(list(digests)):
        rows = tx.all(_SIZES[damaged_too], repository_id=repository.id, digests=wanted)
        found.update({row["digest"]: row["size_bytes"] for row in rows})
    return found


def uses(tx: Transaction, repository: Repository, digests: Collection[str]) -> dict[str, tuple[str, bool]]:
    """What the images of a repository say that some blobs are, and whether one that is not archived needs them.

    A blob that no image needs is left out; at most as many are looked at as one statement takes.
    """
    rows = tx.all(_USES, repository_id=repository.id, digests=list(digests)[:BATCH])
    return {row["digest"]: (row["media_type"], bool(row["is_active"])) for row in rows}


def find_in_scope(tx: Transaction, repository: Repository, digest: str) -> Blob | None:
    """A blob of the registry and key scope of a repository, whether or not the repository holds it."""
    row = tx.first(_FIND_IN_SCOPE, **_scope(repository, digest))
    return Blob(digest, row["size_bytes"], row["object_key"]) if row else None


def keep(
    tx: Transaction,
    repository: Repository,
    blob: Blob,
    now: datetime,
    push_time: timedelta,
    *,
    instead_of: str | None = None,
) -> Keeping:
    """Make an object a blob of a repository's registry and link it, unless another object was first.

    If no image needs it within `push_time`, it is garbage.

    The first committer wins: the loser's object stays announced and is swept. But an object that is known to be
    damaged, or was just found to be, `instead_of`, gives way to the new one.
    """
    existing = _existing(tx, repository, blob.digest)
    if existing is not None and existing["damaged_at"] is None and existing["object_key"] != instead_of:
        _link(tx, repository, blob.digest, existing["id"], now, push_time)
        return Keeping.KNOWN
    if existing is not None:
        found = existing["damage"] or "found when it was pushed again"
        replace(tx, repository.registry_id, existing["id"], existing["object_key"], blob, found, now)
        _link(tx, repository, blob.digest, existing["id"], now, push_time)
        return Keeping.REPLACED
    _hold(tx, blob)
    values = {
        "registry_id": repository.registry_id,
        "key_scope": repository.encryption.key_scope,
        "digest": blob.digest,
        "size_bytes": blob.size_bytes,
        "object_key": blob.object_key,
        "created_at": now,
        "verified_at": now,  # its bytes were hashed as they came
        "damaged_at": None,
        "damage": None,
    }
    _link(tx, repository, blob.digest, tx.value(_INSERT, **values), now, push_time)
    return Keeping.NEW


def replace(
    tx: Transaction, registry_id: int, blob_id: int, old_key: str, new: Blob, damage: str, now: datetime
) -> bool:
    """Let a blob have new bytes; the damaged ones are set apart. False if somebody else replaced them already."""
    if tx.value(_OBJECT_OF, blob_id=blob_id) != old_key:
        return False
    _hold(tx, new)
    tx.run(_REPLACE, blob_id=blob_id, new_key=new.object_key, new_size=new.size_bytes, now=now)
    set_apart(tx, old_key, registry_id, new.digest, new.size_bytes, damage, now)
    return True


def _hold(tx: Transaction, blob: Blob) -> None:
    """Take the expiry off an object, so that a blob may be it."""
    if blob.sealed is not None:
        add_object(tx, blob.object_key, blob.sealed, None)
    elif tx.run(_HOLD, object_key=blob.object_key) != 1:
        raise ObjectDoomed(blob.object_key)


def _existing(tx: Transaction, repository: Repository, digest: str) -> Row | None:
    """A blob of the repository's registry, or else one that other registries hold under the same key."""
    scope = _scope(repository, digest)
    elsewhere = {"digest": digest, "scope": scope["scope"]}
    return tx.first(_FIND_IN_SCOPE, **scope) or tx.first(_FIND_ELSEWHERE, **elsewhere)


def share(tx: Transaction, target: Repository, digest: str, now: datetime, push_time: timedelta) -> bool:
    """Let a repository hold what is kept under its key already, be it for another registry; False if it must be copied.

    A damaged blob is not shared, so that it is copied, and healed by that if it can be.
    """
    if tx.first(_FIND, repository_id=target.id, digest=digest) is not None:
        return True
    existing = _existing(tx, target, digest)
    if existing is not None and existing["damaged_at"] is None:
        _link(tx, target, digest, existing["id"], now, push_time)
        return tx.first(_FIND, repository_id=target.id, digest=digest) is not None
    return False


def mount(
    tx: Transaction, source: Repository, target: Repository, digest: str, now: datetime, push_time: timedelta
) -> bool:
    """Link a blob of one repository to another; False unless both lie in one registry and key scope.

    A damaged one is not mounted either, so that the client sends it.
    """
    if source.registry_id != target.registry_id or source.encryption.key_scope != target.encryption.key_scope:
        return False
    blob_id = tx.value(_MAY_MOUNT, repository_id=source.id, digest=digest)
    if blob_id is None:
        return False
    _link(tx, target, digest, blob_id, now, push_time)
    return True


def is_referenced(tx: Transaction, repository: Repository, digest: str) -> bool:
    """Whether a manifest of the repository needs a digest."""
    return tx.first(_REFERENCE, repository_id=repository.id, digest=digest) is not None


def expired_objects(tx: Transaction, now: datetime, limit: int) -> list[str]:
    """Keys that were announced, never became a blob, and belong to no living upload."""
    return tx.column(_EXPIRED, now=now, limit=limit)


def doom_object(tx: Transaction, key: str) -> bool:
    """Decide that an object will be deleted; False if a blob or a living upload holds it, or it is unknown.

    From the commit on, nothing can hold it any more, so its bytes may go, and then its row.
    """
    return tx.run(_DOOM, object_key=key) == 1


def forget_object(tx: Transaction, key: str) -> None:
    """Forget a doomed key whose bytes are gone."""
    tx.run(_FORGET, object_key=key)


def _scope(repository: Repository, digest: str) -> dict[str, object]:
    return {"registry_id": repository.registry_id, "scope": repository.encryption.key_scope, "digest": digest}


def _link(
    tx: Transaction, repository: Repository, digest: str, blob_id: int, now: datetime, push_time: timedelta
) -> None:
    if tx.first(_IS_LINKED, repository_id=repository.id, digest=digest) is None:
        tx.run(_LINK, repository_id=repository.id, digest=digest, blob_id=blob_id, added_at=now)
        garbage.linked(tx, repository.id, digest, now + push_time)
