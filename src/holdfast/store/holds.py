"""Holds on deletion: while one stands, no bytes are deleted from the blob store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select, update

from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import deletion_holds

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.store.database import Transaction

_it = deletion_holds.c.id == bindparam("which")
_INSERT = insertion(deletion_holds)
_STANDING = Statement(select(deletion_holds.c.id).where(deletion_holds.c.expires_at > bindparam("now")).limit(1))
_LENGTHEN = Statement(
    update(deletion_holds)
    .where(_it, deletion_holds.c.expires_at > bindparam("now"))
    .values(expires_at=bindparam("until"))
)
_END = Statement(delete(deletion_holds).where(_it))
_FORGET = Statement(delete(deletion_holds).where(deletion_holds.c.expires_at <= bindparam("now")))


def begin(tx: Transaction, hold_id: str, reason: str, now: datetime, until: datetime) -> None:
    """Let nothing be deleted until an instant; holds that are over are forgotten."""
    tx.run(_FORGET, now=now)
    tx.run(_INSERT, id=hold_id, reason=reason, expires_at=until)


def is_standing(tx: Transaction, now: datetime) -> bool:
    """Whether any hold stands."""
    return tx.first(_STANDING, now=now) is not None


def lengthen(tx: Transaction, hold_id: str, now: datetime, until: datetime) -> bool:
    """Let a hold stand for longer; False if it is over, so that something may have been deleted."""
    return tx.run(_LENGTHEN, which=hold_id, now=now, until=until) == 1


def end(tx: Transaction, hold_id: str) -> None:
    """Let deletions go on."""
    tx.run(_END, which=hold_id)
