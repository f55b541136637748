"""Which bytes exist under which key, and which repositories hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or  # the same words in SQLite

from holdfast.model.images import Blob
from holdfast.store.tables import EPOCH, blobs, manifest_references, objects, repository_blobs, upload_parts

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import Select

    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction


class ObjectDoomed(Exception):
    """An object that somebody began to delete can no longer become a blob."""


def announce_object(tx: Transaction, key: str, expires_at: datetime) -> None:
    """Record a key before its first byte is written, so that a crash leaves nothing that nobody knows of."""
    tx.execute(insert(objects).values(key=key, expires_at=expires_at))


def find(tx: Transaction, repository: Repository, digest: str) -> Blob | None:
    """A blob that a repository holds."""
    statement = (
        select(blobs.c.digest, blobs.c.size_bytes, blobs.c.object_key)
        .join(repository_blobs, repository_blobs.c.blob_id == blobs.c.id)
        .where(repository_blobs.c.repository_id == repository.id, repository_blobs.c.digest == digest)
    )
    row = tx.execute(statement).mappings().first()
    return Blob(**row) if row else None


def sizes(tx: Transaction, repository: Repository, digests: Collection[str]) -> dict[str, int]:
    """The sizes in bytes of those digests that a repository holds."""
    found: dict[str, int] = {}
    wanted = list(digests)
    for start in range(0, len(wanted), 500):
        statement = (
            select(repository_blobs.c.digest, blobs.c.size_bytes)
            .join(blobs, blobs.c.id == repository_blobs.c.blob_id)
            .where(repository_blobs.c.repository_id == repository.id)
            .where(repository_blobs.c.digest.in_(wanted[start : start + 500]))
        )
        found.update(tx.execute(statement).tuples().all())
    return found


def keep(tx: Transaction, repository: Repository, blob: Blob, now: datetime, *, instead_of: str | None) -> bool:
    """Make an object a blob of a repository's registry and link it; False if another object was first.

    The first committer wins: the loser's object stays announced and is swept. But an object that was found damaged,
    `instead_of`, gives way; its bytes stay for whoever examines it.
    """
    scope = repository.encryption.key_scope
    existing = _blob_id(tx, repository.registry_id, scope, blob.digest)
    if existing is not None and instead_of is not None:
        damaged = update(blobs).where(blobs.c.id == existing, blobs.c.object_key == instead_of)
        if tx.execute(damaged.values(object_key=blob.object_key, size_bytes=blob.size_bytes)).rowcount == 1:
            tx.execute(update(objects).where(objects.c.key == blob.object_key).values(expires_at=None))
            _link(tx, repository, blob.digest, existing, now)
            return True
    if existing is None:
        values = {
            "registry_id": repository.registry_id,
            "key_scope": scope,
            "digest": blob.digest,
            "size_bytes": blob.size_bytes,
            "object_key": blob.object_key,
            "created_at": now,
        }
        held = update(objects).where(objects.c.key == blob.object_key, objects.c.expires_at > EPOCH)
        if tx.execute(held.values(expires_at=None)).rowcount != 1:
            raise ObjectDoomed(blob.object_key)
        link_to = tx.execute(insert(blobs).values(values).returning(blobs.c.id)).scalar_one()
    else:
        link_to = existing
    _link(tx, repository, blob.digest, link_to, now)
    return existing is None


def find_in_scope(tx: Transaction, repository: Repository, digest: str) -> Blob | None:
    """A blob of the registry and key scope of a repository, whether or not the repository holds it."""
    statement = select(blobs.c.digest, blobs.c.size_bytes, blobs.c.object_key).where(
        blobs.c.registry_id == repository.registry_id,
        blobs.c.key_scope == repository.encryption.key_scope,
        blobs.c.digest == digest,
    )
    row = tx.execute(statement).mappings().first()
    return Blob(**row) if row else None


def mount(tx: Transaction, source: Repository, target: Repository, digest: str, now: datetime) -> Blob | None:
    """Link a blob of one repository to another, if both lie in one registry and key scope."""
    blob = find(tx, source, digest)
    if blob is None or source.registry_id != target.registry_id:
        return None
    if source.encryption.key_scope != target.encryption.key_scope:
        return None
    blob_id = _blob_id(tx, target.registry_id, target.encryption.key_scope, digest)
    assert blob_id is not None, "a linked blob has a row"
    _link(tx, target, digest, blob_id, now)
    return blob


def is_referenced(tx: Transaction, repository: Repository, digest: str) -> bool:
    """Whether a manifest of the repository needs a digest."""
    statement = select(manifest_references.c.manifest_id).where(
        manifest_references.c.repository_id == repository.id, manifest_references.c.digest == digest
    )
    return tx.execute(statement.limit(1)).first() is not None


def unlink(tx: Transaction, repository: Repository, digest: str) -> bool:
    """Take a blob out of a repository; the bytes stay until a collector proves that nobody needs them."""
    statement = delete(repository_blobs).where(
        repository_blobs.c.repository_id == repository.id, repository_blobs.c.digest == digest
    )
    return tx.execute(statement).rowcount == 1


def expired_objects(tx: Transaction, now: datetime, limit: int) -> list[str]:
    """Keys that were announced, never became a blob, and belong to no living upload."""
    statement = (
        select(objects.c.key).where(objects.c.expires_at < now, objects.c.key.not_in(_in_uploads())).limit(limit)
    )
    return list(tx.execute(statement).scalars())


def doom_object(tx: Transaction, key: str) -> bool:
    """Decide that an object will be deleted; False if a blob or a living upload holds it, or it is unknown.

    From the commit on, nothing can hold it any more, so its bytes may go, and then its row.
    """
    free = objects.c.expires_at.is_not(None), objects.c.key.not_in(_in_uploads())
    return tx.execute(update(objects).where(objects.c.key == key, *free).values(expires_at=EPOCH)).rowcount == 1


def forget_object(tx: Transaction, key: str) -> None:
    """Forget a doomed key whose bytes are gone."""
    tx.execute(delete(objects).where(objects.c.key == key, objects.c.expires_at == EPOCH))


def _in_uploads() -> Select[tuple[str]]:
    return select(upload_parts.c.object_key)


def _blob_id(tx: Transaction, registry_id: int, scope: str, digest: str) -> int | None:
    statement = select(blobs.c.id).where(
        blobs.c.registry_id == registry_id, blobs.c.key_scope == scope, blobs.c.digest == digest
    )
    return tx.execute(statement).scalar()


def _link(tx: Transaction, repository: Repository, digest: str, blob_id: int, now: datetime) -> None:
    values = {"repository_id": repository.id, "digest": digest, "blob_id": blob_id, "added_at": now}
    tx.execute(insert_or(repository_blobs).values(values).on_conflict_do_nothing())
