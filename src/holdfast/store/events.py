"""The outbox: what is still to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select

from holdfast.model.events import Event, Told
from holdfast.model.names import Registry
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import events

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.store.database import Transaction

_INSERT = insertion(events)
_PAGE = Statement(
    select(events).where(events.c.id > bindparam("after")).order_by(events.c.id).limit(bindparam("limit"))
)
_OLD = select(events.c.id).where(events.c.occurred_at < bindparam("before")).limit(bindparam("limit"))
_FORGET = Statement(delete(events).where(events.c.id.in_(_OLD)))


def add(tx: Transaction, registry: Registry, event: Event, event_id: str, now: datetime) -> None:
    """Keep an event, in the transaction of what it tells."""
    tx.run(
        _INSERT,
        event_id=event_id,
        account_id=registry.account_id,
        region=registry.region,
        source=event.source,
        detail_type=event.detail_type,
        resources=list(event.resources),
        detail=event.detail,
        occurred_at=now,
    )


def page(tx: Transaction, after: int, limit: int) -> list[Told]:
    """Up to `limit` events in the order of their happening, beginning after one."""
    return [
        Told(
            row["id"],
            row["event_id"],
            Registry(row["account_id"], row["region"]),
            row["occurred_at"],
            Event(row["detail_type"], row["detail"], tuple(row["resources"]), row["source"]),
        )
        for row in tx.all(_PAGE, after=after, limit=limit)
    ]


def forget(tx: Transaction, before: datetime, limit: int) -> int:
    """Remove up to `limit` events of before an instant; how many went."""
    return tx.run(_FORGET, before=before, limit=limit)
