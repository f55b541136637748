"""Tell what happened: kept with the change itself, so that neither is there without the other."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.event_targets import Message
from holdfast.model.work import DeliverEvents

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.events import Event, Told
    from holdfast.model.names import Registry
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job
    from holdfast.store import Transaction

AT_ONCE = 500
AHEAD = timedelta(minutes=1)  # that clocks may be
PLACING = "events"  # the thing that is touched where positions are given


def tell(on: Backends, tx: Transaction, registry: Registry, event: Event) -> None:
    """Keep an event, in the transaction of what it tells."""
    store.events.add(tx, registry, event, on.new_id(), on.clock())


def place(on: Backends) -> None:
    """Give positions to events that have none, and let targets be told of them.

    Rows are numbered before their transactions commit, in whatever order they do: who went on after a number would
    miss those that come late. A position is given to what is committed, by one process at a time.
    """
    with on.database.snapshot() as tx:
        is_any, scopes = store.events.has_unplaced(tx), store.event_targets.wanting_pulls(tx)
    on.pulls.tell_of(scopes)
    while is_any:
        with on.database.transaction(durable=False, within=[PLACING]) as tx:
            is_any = place_some(on, tx)


def place_some(on: Backends, tx: Transaction) -> bool:
    """Place some of them in a transaction that nobody else does that in; whether there may be more."""
    is_more = store.events.place(tx, AT_ONCE) == AT_ONCE
    # Who rests has work that waits, and nobody's clock is so far ahead that it is over before it is looked at here.
    for target_id, account_id in store.event_targets.waiting(tx, store.events.last(tx), on.clock() + AHEAD):
        store.work.add(tx, DeliverEvents(target_id, account_id), on.clock())
    return is_more


def page(on: Backends, after: int = 0, limit: int = 1000) -> list[Told]:
    """Events in the order of their positions, beginning after one."""
    place(on)
    with on.database.snapshot() as tx:
        return store.events.page(tx, after, limit)


def forget(on: Backends, job: Job, limit: int) -> int:
    """Remove events that are older than they are kept, and were told; how many.

    Who was not told for twice as long is not waited for: what he misses becomes dead letters.
    """
    place(on)
    now = on.clock()
    with on.database.transaction(durable=False) as tx:
        job.step(tx)
        _give_up_on(tx, now - on.limits.event_wait, now, limit)
        slowest = store.event_targets.slowest(tx)
        until = store.events.last(tx) if slowest is None else slowest
        gone = store.events.forget(tx, now - on.limits.event_lifetime, until, limit)
        return max(gone, store.event_targets.bury_old(tx, now - on.limits.dead_letter_lifetime, limit))


def _give_up_on(tx: Transaction, before: datetime, now: datetime, limit: int) -> None:
    """Let targets that are still to be told of what is older than an instant get it as dead letters."""
    last = store.events.last_before(tx, before)
    slowest = store.event_targets.slowest(tx)
    if slowest is None or slowest >= last:
        return
    for target in store.event_targets.all_there_are(tx):
        if target.cursor >= last:
            continue
        page = [told for told in store.events.page(tx, target.cursor, limit) if told.number <= last]
        missed = [
            Message(told.number, told.envelope, told.occurred_at)
            for told in page
            if told.number not in target.taken and target.wants(told.registry, told.envelope)
        ]
        reason = f"It was not told within {(now - before).days} days" + (f": {target.fault}" if target.fault else "")
        store.event_targets.add_dead(tx, target, missed, reason, target.attempts, now)
        store.event_targets.leap(tx, target, page[-1].number if page else last)


def figures(on: Backends) -> dict[str, float]:
    """What machines watch of deliveries."""
    with on.database.snapshot() as tx:
        totals = store.event_targets.totals(tx)
        oldest = store.events.first_after(tx, totals["slowest"]) if totals["targets"] else None
    return {
        "event_targets": totals["targets"],
        "event_targets_failing": totals["failing"],
        "event_delivery_lag_seconds": max((on.clock() - oldest).total_seconds(), 0.0) if oldest else 0.0,
        "event_deliveries": totals["delivered"] or 0,
        "event_delivery_failures": totals["failed"] or 0,
        "event_dead_letters": totals["dead"],
    }
