"""Pushes in progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy import delete as delete_from

from holdfast.model.uploads import Part, Upload
from holdfast.store.tables import EPOCH, objects, upload_parts, uploads

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import RowMapping

    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction

_BEGIN = insert(uploads)
_FIND = select(uploads).where(
    uploads.c.id == bindparam("upload_id"), uploads.c.repository_id == bindparam("repository_id")
)
_PARTS = (
    select(upload_parts.c.first_byte, upload_parts.c.size_bytes, upload_parts.c.object_key, upload_parts.c.sha256)
    .where(upload_parts.c.upload_id == bindparam("upload_id"))
    .order_by(upload_parts.c.first_byte)
)
_MOVE_ON = (
    update(uploads)
    .where(uploads.c.id == bindparam("upload_id"), uploads.c.received_bytes == bindparam("before"))
    .values(received_bytes=bindparam("after"), expires_at=bindparam("until"))
)
_ADD_PART = insert(upload_parts)
_END = delete_from(uploads).where(uploads.c.id == bindparam("upload_id"))
_LET_GO = (
    update(objects)
    .where(objects.c.key.in_(bindparam("keys", expanding=True)), objects.c.expires_at > EPOCH)
    .values(expires_at=bindparam("until"))
)
_EXPIRED = select(uploads).where(uploads.c.expires_at < bindparam("now")).limit(bindparam("limit"))
BATCH = 500  # bound parameters of one statement


def begin(tx: Transaction, repository: Repository, upload_id: str, expires_at: datetime) -> None:
    """Open an upload that has received nothing."""
    values = {"id": upload_id, "repository_id": repository.id, "received_bytes": 0, "expires_at": expires_at}
    tx.execute(_BEGIN, values)


def find(tx: Transaction, repository: Repository, upload_id: str) -> Upload | None:
    """An upload of a repository, with its parts in order."""
    row = tx.execute(_FIND, {"upload_id": upload_id, "repository_id": repository.id}).mappings().first()
    return _upload(tx, row) if row else None


def append(tx: Transaction, upload: Upload, part: Part, expires_at: datetime) -> bool:
    """Let a part continue an upload; False if the upload moved on since, or is gone."""
    before, after = part.first_byte, part.first_byte + part.size_bytes
    moved = {"upload_id": upload.id, "before": before, "after": after, "until": expires_at}
    if tx.execute(_MOVE_ON, moved).rowcount != 1:
        return False
    values = {
        "upload_id": upload.id,
        "first_byte": part.first_byte,
        "size_bytes": part.size_bytes,
        "object_key": part.object_key,
        "sha256": part.sha256,
    }
    tx.execute(_ADD_PART, values)
    return True


def end(tx: Transaction, upload: Upload, now: datetime) -> bool:
    """Close an upload, so that its objects may be swept unless a blob keeps them; False if it was closed already."""
    if tx.execute(_END, {"upload_id": upload.id}).rowcount != 1:
        return False
    keys = [part.object_key for part in upload.parts]
    for start in range(0, len(keys), BATCH):
        tx.execute(_LET_GO, {"keys": keys[start : start + BATCH], "until": now})
    return True


def expired(tx: Transaction, now: datetime, limit: int) -> list[Upload]:
    """Uploads that nobody continued in time, with the objects they hold."""
    rows = tx.execute(_EXPIRED, {"now": now, "limit": limit}).mappings().all()
    return [_upload(tx, row) for row in rows]


def _upload(tx: Transaction, row: RowMapping) -> Upload:
    parts: tuple[Part, ...] = ()
    if row["received_bytes"]:
        found = tx.execute(_PARTS, {"upload_id": row["id"]}).mappings()
        parts = tuple(Part(**part) for part in found)
    return Upload(**row, parts=parts)
