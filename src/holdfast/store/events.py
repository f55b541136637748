"""The outbox: what is still to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, select, update

from holdfast.model.events import Event, Told
from holdfast.model.names import Registry
from holdfast.store import counters
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import events

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.store.database import Transaction

POSITIONS = "events"  # the counter of positions that were given

_INSERT = insertion(events)
_ANY_UNPLACED = Statement(select(events.c.id).where(events.c.position.is_(None)).limit(1))
_UNPLACED = Statement(
    select(events.c.id).where(events.c.position.is_(None)).order_by(events.c.id).limit(bindparam("limit"))
)
_PLACE = Statement(update(events).where(events.c.id == bindparam("which")).values(position=bindparam("place")))
_PAGE = Statement(
    select(events).where(events.c.position > bindparam("after")).order_by(events.c.position).limit(bindparam("limit"))
)
_FIRST = Statement(
    select(events.c.occurred_at).where(events.c.position > bindparam("after")).order_by(events.c.position).limit(1)
)
_SINCE = Statement(select(func.min(events.c.position)).where(events.c.occurred_at >= bindparam("since")))
_old = (events.c.occurred_at < bindparam("before"), events.c.position <= bindparam("until"))
_FORGET = Statement(delete(events).where(events.c.id.in_(select(events.c.id).where(*_old).limit(bindparam("limit")))))
_LAST_BEFORE = Statement(select(func.max(events.c.position)).where(events.c.occurred_at < bindparam("before")))


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
        position=None,
    )


def has_unplaced(tx: Transaction) -> bool:
    """Whether there are events without a position."""
    return tx.first(_ANY_UNPLACED) is not None


def place(tx: Transaction, limit: int) -> int:
    """Give positions to up to `limit` events; how many. Nobody else may do so before this is committed."""
    found = tx.column(_UNPLACED, limit=limit)
    if found:
        last = counters.get(tx, POSITIONS)
        tx.run_each(_PLACE, [{"which": id_, "place": last + n} for n, id_ in enumerate(found, 1)])
        counters.add(tx, POSITIONS, len(found))
    return len(found)


def last(tx: Transaction) -> int:
    """The last position that was given."""
    return counters.get(tx, POSITIONS)


def page(tx: Transaction, after: int, limit: int) -> list[Told]:
    """Up to `limit` events in the order of their positions, beginning after one."""
    return [
        Told(
            row["position"],
            row["event_id"],
            Registry(row["account_id"], row["region"]),
            row["occurred_at"],
            Event(row["detail_type"], row["detail"], tuple(row["resources"]), row["source"]),
        )
        for row in tx.all(_PAGE, after=after, limit=limit)
    ]


def first_after(tx: Transaction, position: int) -> datetime | None:
    """When the first event after a position occurred."""
    found: datetime | None = tx.value(_FIRST, after=position)
    return found


def first_since(tx: Transaction, since: datetime) -> int | None:
    """The position of the first event that occurred no earlier than an instant."""
    found: int | None = tx.value(_SINCE, since=since)
    return found


def last_before(tx: Transaction, before: datetime) -> int:
    """The last position of events of before an instant; 0 if there are none."""
    return int(tx.value(_LAST_BEFORE, before=before) or 0)


def forget(tx: Transaction, before: datetime, until: int, limit: int) -> int:
    """Remove up to `limit` events of before an instant, up to a position; how many went."""
    return tx.run(_FORGET, before=before, until=until, limit=limit)
