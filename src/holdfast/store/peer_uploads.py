"""Layers on their way to registries elsewhere: which work sends one, and what was begun of it.

A row is held by whatever work holds it, under the fence that it had then: it has no lease of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select, update

from holdfast.store.statements import Statement, replacement
from holdfast.store.tables import peer_uploads, work

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.work import Item
    from holdfast.store.database import Transaction

_it = peer_uploads.c.key == bindparam("which")
_is_held = (
    select(work.c.id)
    .where(
        work.c.id == peer_uploads.c.work_id,
        work.c.fence == peer_uploads.c.fence,
        work.c.owner.is_not(None),
        work.c.due_at > bindparam("now"),
    )
    .exists()
)
_FIND = Statement(select(peer_uploads, _is_held.label("is_held")).where(_it))
_TAKE = replacement(peer_uploads)
_mine = (_it, peer_uploads.c.work_id == bindparam("holder"), peer_uploads.c.fence == bindparam("held"))
_NOTE = Statement(
    update(peer_uploads)
    .where(*_mine)
    .values(sealed=bindparam("where"), received_bytes=bindparam("received"), changed_at=bindparam("now"))
)
_LET_GO = Statement(update(peer_uploads).where(*_mine).values(work_id=None))
_END = Statement(delete(peer_uploads).where(*_mine))
_old = (
    select(peer_uploads.c.key)
    .where(peer_uploads.c.changed_at < bindparam("before"))
    .order_by(peer_uploads.c.changed_at)
    .limit(bindparam("limit"))
)
_FORGET = Statement(delete(peer_uploads).where(peer_uploads.c.key.in_(_old)))


@dataclass(frozen=True, slots=True)
class PeerUpload:
    """A layer that is being sent, or was."""

    key: str
    work_id: int | None
    fence: int
    target: str
    sealed: bytes | None
    received_bytes: int
    size_bytes: int
    changed_at: datetime
    is_held: bool


def find(tx: Transaction, key: str, now: datetime) -> PeerUpload | None:
    """What is known of a layer on its way."""
    row = tx.first(_FIND, which=key, now=now)
    return PeerUpload(**row | {"is_held": bool(row["is_held"])}) if row else None


def take(
    tx: Transaction, key: str, item: Item, target: str, known: PeerUpload | None, size_bytes: int, now: datetime
) -> None:
    """Let work send a layer; what was begun of it stays known."""
    tx.run(
        _TAKE, key=key, work_id=item.id, fence=item.fence, target=target, sealed=known and known.sealed,
        received_bytes=known.received_bytes if known else 0, size_bytes=size_bytes, changed_at=now,
    )  # fmt: skip


def note(tx: Transaction, key: str, item: Item, sealed: bytes | None, received_bytes: int, now: datetime) -> None:
    """Keep where an upload is gone on with, and how far it is."""
    tx.run(_NOTE, which=key, holder=item.id, held=item.fence, where=sealed, received=received_bytes, now=now)


def let_go(tx: Transaction, key: str, item: Item) -> None:
    """Let others send a layer."""
    tx.run(_LET_GO, which=key, holder=item.id, held=item.fence)


def end(tx: Transaction, key: str, item: Item) -> None:
    """A layer is there."""
    tx.run(_END, which=key, holder=item.id, held=item.fence)


def forget(tx: Transaction, before: datetime, limit: int) -> int:
    """Forget what nobody sent on for too long; how many rows went."""
    return tx.run(_FORGET, before=before, limit=limit)
