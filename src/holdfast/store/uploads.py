"""Pushes in progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, update
from sqlalchemy import delete as delete_from

from holdfast.model.kms import OWN
from holdfast.model.uploads import Part, Upload
from holdfast.store import blobs
from holdfast.store.statements import Statement, batches, insertion
from holdfast.store.tables import EPOCH, objects, upload_parts, uploads

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction
    from holdfast.store.statements import Row

_BEGIN = insertion(uploads)
_FIND = Statement(
    select(uploads).where(uploads.c.id == bindparam("upload_id"), uploads.c.repository_id == bindparam("repository_id"))
)
_PARTS = Statement(
    select(upload_parts.c.first_byte, upload_parts.c.size_bytes, upload_parts.c.object_key, upload_parts.c.sha256)
    .where(upload_parts.c.upload_id == bindparam("upload_id"))
    .order_by(upload_parts.c.first_byte)
)
_MOVE_ON = Statement(
    update(uploads)
    .where(uploads.c.id == bindparam("upload_id"), uploads.c.received_bytes == bindparam("before"))
    .values(received_bytes=bindparam("after"), expires_at=bindparam("until"))
)
_ADD_PART = insertion(upload_parts)
_END = Statement(delete_from(uploads).where(uploads.c.id == bindparam("upload_id")))
_LET_GO = Statement(
    update(objects)
    .where(objects.c.key.in_(bindparam("keys", expanding=True)), objects.c.expires_at > EPOCH)
    .values(expires_at=bindparam("until"))
)
_EXPIRED = Statement(select(uploads).where(uploads.c.expires_at < bindparam("now")).limit(bindparam("limit")))


def begin(tx: Transaction, repository: Repository, upload_id: str, expires_at: datetime) -> None:
    """Open an upload that has received nothing."""
    tx.run(_BEGIN, id=upload_id, repository_id=repository.id, received_bytes=0, expires_at=expires_at)


def find(tx: Transaction, repository: Repository, upload_id: str) -> Upload | None:
    """An upload of a repository, with its parts in order."""
    row = tx.first(_FIND, upload_id=upload_id, repository_id=repository.id)
    return _upload(tx, row, repository.encryption.key_scope) if row else None


def append(tx: Transaction, upload: Upload, part: Part, expires_at: datetime) -> bool:
    """Let a part continue an upload; False if the upload moved on since, or is gone."""
    before, after = part.first_byte, part.first_byte + part.size_bytes
    if tx.run(_MOVE_ON, upload_id=upload.id, before=before, after=after, until=expires_at) != 1:
        return False
    if part.sealed is not None:
        blobs.add_object(tx, part.object_key, part.sealed, expires_at)
    tx.run(
        _ADD_PART,
        upload_id=upload.id,
        first_byte=part.first_byte,
        size_bytes=part.size_bytes,
        object_key=part.object_key,
        sha256=part.sha256,
    )
    return True


def end(tx: Transaction, upload: Upload, now: datetime) -> bool:
    """Close an upload, so that its objects may be swept unless a blob keeps them; False if it was closed already."""
    if tx.run(_END, upload_id=upload.id) != 1:
        return False
    for keys in batches([part.object_key for part in upload.parts]):
        tx.run(_LET_GO, keys=keys, until=now)
    return True


def expired(tx: Transaction, now: datetime, limit: int) -> list[Upload]:
    """Uploads that nobody continued in time, with the objects they hold."""
    return [_upload(tx, row) for row in tx.all(_EXPIRED, now=now, limit=limit)]


def _upload(tx: Transaction, row: Row, key_scope: str = OWN) -> Upload:
    parts: tuple[Part, ...] = ()
    if row["received_bytes"]:
        parts = tuple(Part(**part) for part in tx.all(_PARTS, upload_id=row["id"]))
    return Upload(**row, key_scope=key_scope, parts=parts)
