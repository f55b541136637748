"""Pushes in progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete as delete_from
from sqlalchemy import insert, select, update

from holdfast.model.uploads import Part, Upload
from holdfast.store.tables import EPOCH, objects, upload_parts, uploads

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction


def begin(tx: Transaction, repository: Repository, upload_id: str, expires_at: datetime) -> None:
    """Open an upload that has received nothing."""
    tx.execute(
        insert(uploads).values(id=upload_id, repository_id=repository.id, received_bytes=0, expires_at=expires_at)
    )


def find(tx: Transaction, repository: Repository, upload_id: str) -> Upload | None:
    """An upload of a repository, with its parts in order."""
    statement = select(uploads).where(uploads.c.id == upload_id, uploads.c.repository_id == repository.id)
    row = tx.execute(statement).mappings().first()
    if row is None:
        return None
    columns = (upload_parts.c.first_byte, upload_parts.c.size_bytes, upload_parts.c.object_key, upload_parts.c.sha256)
    parts = select(*columns).where(upload_parts.c.upload_id == upload_id).order_by(upload_parts.c.first_byte)
    return Upload(**row, parts=tuple(Part(**part) for part in tx.execute(parts).mappings()))


def append(tx: Transaction, upload: Upload, part: Part, expires_at: datetime) -> bool:
    """Let a part continue an upload; False if the upload moved on since, or is gone."""
    statement = (
        update(uploads)
        .where(uploads.c.id == upload.id, uploads.c.received_bytes == part.first_byte)
        .values(received_bytes=part.first_byte + part.size_bytes, expires_at=expires_at)
    )
    if tx.execute(statement).rowcount != 1:
        return False
    values = {
        "upload_id": upload.id,
        "first_byte": part.first_byte,
        "size_bytes": part.size_bytes,
        "object_key": part.object_key,
        "sha256": part.sha256,
    }
    tx.execute(insert(upload_parts).values(values))
    return True


def end(tx: Transaction, upload: Upload, now: datetime) -> bool:
    """Close an upload, so that its objects may be swept unless a blob keeps them; False if it was closed already."""
    keys = [part.object_key for part in upload.parts]
    if tx.execute(delete_from(uploads).where(uploads.c.id == upload.id)).rowcount != 1:
        return False
    for start in range(0, len(keys), 500):
        chosen = objects.c.key.in_(keys[start : start + 500])
        tx.execute(update(objects).where(chosen, objects.c.expires_at > EPOCH).values(expires_at=now))
    return True


def expired(tx: Transaction, now: datetime, limit: int) -> list[Upload]:
    """Uploads that nobody continued in time, with the objects they hold."""
    rows = tx.execute(select(uploads).where(uploads.c.expires_at < now).limit(limit)).mappings().all()
    found = []
    for row in rows:
        keys = select(upload_parts).where(upload_parts.c.upload_id == row["id"])
        parts = tuple(
            Part(part["first_byte"], part["size_bytes"], part["object_key"], part["sha256"])
            for part in tx.execute(keys).mappings()
        )
        found.append(Upload(**row, parts=parts))
    return found
