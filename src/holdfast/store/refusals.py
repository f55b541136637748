"""Refusals, by the id of the request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, select

from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import refusals

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.store.database import Transaction

_FIND = Statement(select(refusals).where(refusals.c.request_id == bindparam("which")))
_INSERT = insertion(refusals)
_OLD = select(refusals.c.request_id).where(refusals.c.occurred_at < bindparam("before")).limit(bindparam("limit"))
_FORGET = Statement(delete(refusals).where(refusals.c.request_id.in_(_OLD)))
_TOO_MANY = (
    select(refusals.c.request_id)
    .order_by(refusals.c.occurred_at.desc())
    .offset(bindparam("most"))
    .limit(bindparam("limit"))
)
_FORGET_MOST = Statement(delete(refusals).where(refusals.c.request_id.in_(_TOO_MANY)))


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that was refused, and why."""

    request_id: str
    account_id: str
    principal: str
    explanation: dict[str, Any]
    occurred_at: datetime


def add(
    tx: Transaction, request_id: str, account_id: str, principal: str, explanation: dict[str, Any], now: datetime
) -> None:
    """Keep a refusal; a request has one, the first."""
    if tx.first(_FIND, which=request_id) is None:
        tx.run(
            _INSERT, request_id=request_id, account_id=account_id, principal=principal, explanation=explanation,
            occurred_at=now,
        )  # fmt: skip


def find(tx: Transaction, request_id: str) -> Refused | None:
    """The refusal of a request."""
    row = tx.first(_FIND, which=request_id)
    return Refused(**row) if row else None


def forget(tx: Transaction, before: datetime, limit: int) -> int:
    """Remove up to `limit` refusals of before an instant; how many went."""
    return tx.run(_FORGET, before=before, limit=limit)


def keep_newest(tx: Transaction, most: int, limit: int) -> int:
    """Remove up to `limit` refusals, of those that came before the newest ones; how many went."""
    return tx.run(_FORGET_MOST, most=most, limit=limit)
