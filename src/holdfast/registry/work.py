"""Claim background work, hold on to it step by step, finish it or give it up; and let an operator see and steer it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from holdfast import store
from holdfast.model.errors import NotFound
from holdfast.model.work import (
    CollectGarbage,
    EvictCached,
    FollowScanner,
    ForgetThePast,
    Lane,
    PurgeDeleted,
    ScrubBytes,
    SweepUploads,
    VerifyReplicas,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from holdfast.model.work import Item
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
ATTEMPTS = 10  # of work that comes only once; then it is given up, and an operator decides
FIRST_PAUSE = timedelta(seconds=5)  # before the second attempt; twice as long before each further one
LONGEST_PAUSE = timedelta(hours=1)
LOOK_SECONDS = 2.0
LONGEST_REST = 0.1  # seconds, between two steps of work
RECURRING = (
    SweepUploads(),
    ForgetThePast(),
    PurgeDeleted(),
    ScrubBytes(),
    CollectGarbage(),
    EvictCached(),
    FollowScanner(),
    VerifyReplicas(),
)


class LeaseLost(Exception):
    """The work is somebody else's now, or nobody's: what is not committed must not be."""


class WorkCancelled(Exception):
    """Somebody wants the work stopped."""


class WorkInterrupted(Exception):
    """The process comes to rest; the work goes on in another one."""


class NoSuchWork(NotFound):
    """No item of that number, in a state in which this can be done to it."""

    def __init__(self, item_id: int, wanted: str) -> None:
        super().__init__(f"There is no work {item_id} that can be {wanted}. `holdfast work list` shows what there is.")


@dataclass(slots=True)
class Job:
    """Work that this process has claimed."""

    on: Backends
    item: Item
    is_stopping: Callable[[], bool] = lambda: False
    stepped_at: float = 0.0  # by the monotonic clock

    def step(self, tx: Transaction, progress: dict[str, Any] | None = None) -> None:
        """Make sure, in the transaction of a step, that the work is still ours and still wanted; note the progress.

        Raises `LeaseLost`, `WorkCancelled` or `WorkInterrupted`, and the transaction comes to nothing.
        """
        if self.is_stopping():
            raise WorkInterrupted
        self.keep(tx, progress)

    def keep(self, tx: Transaction, progress: dict[str, Any] | None = None) -> None:
        """The same for what cannot be undone any more: it is noted even by a process that comes to rest."""
        self.stepped_at = self.on.monotonic()
        if not store.work.hold(tx, self.item, self.on.clock() + LEASE, progress):
            raise LeaseLost
        if store.work.is_cancelled(tx, self.item):
            raise WorkCancelled

    def look(self) -> None:
        """Make sure every few seconds, between steps that take long, that the work is still ours and still wanted."""
        if self.is_stopping() or self.on.monotonic() > self.stepped_at + LOOK_SECONDS:
            with self.on.database.transaction(durable=False, within=()) as tx:
                self.step(tx)

    def rest(self) -> None:
        """Leave requests as much time as the last step took: there is one writer at a time, and they wait for it."""
        self.on.sleep(min(self.on.monotonic() - self.stepped_at, LONGEST_REST))

    def hold(self) -> bool:
        """Lengthen the lease between steps; False if the work is no longer ours."""
        with self.on.database.transaction(durable=False, within=()) as tx:
            return store.work.hold(tx, self.item, self.on.clock() + LEASE, None)


def begin_recurring(on: Backends) -> None:
    """See that what comes again for ever is in the table, and not further away than its period."""
    now = on.clock()
    with on.database.snapshot() as tx:
        missing = [
            wanted for wanted in RECURRING if not store.work.is_due_by(tx, wanted, now + (wanted.every or LEASE))
        ]
    if missing:
        with on.database.transaction(durable=False) as tx:
            for wanted in missing:
                store.work.add(tx, wanted, now)


def claim(
    on: Backends,
    owner: str,
    is_stopping: Callable[[], bool] = lambda: False,
    lane: Lane = Lane.PROMPT,
    shunned: Collection[str] = (),
) -> Job | None:
    """The work that has waited longest of a lane, if any is due; nobody else is given it for a while.

    What goes to shunned places is left to others, or to a later time.
    """
    with on.database.snapshot() as tx:
        if store.work.due(tx, on.clock(), lane, shunned) is None:
            return None
    with on.database.transaction(durable=False, within=()) as tx:
        now = on.clock()
        item = store.work.claim(tx, owner, now, now + LEASE, lane, shunned)
        if item is None:
            return None
        if item.attempts > ATTEMPTS and _may_be_given_up(item):
            text = f"its process ended {ATTEMPTS} times while it was being done: {item.error or 'without an error'}"
            store.work.fail(tx, item, text, None)
            _tell_given_up(item)
            return None
    return Job(on, item, is_stopping)


def finish(job: Job, again_at: datetime | None = None) -> None:
    """End work that was done; what recurs comes again."""
    every = job.item.work.every
    # A delivery ends every second or so: what was noted last is enough, and a duplicate is no harm.
    with job.on.database.transaction(durable=not job.item.work.is_delivery, within=()) as tx:
        store.work.finish(tx, job.item, again_at or (job.on.clock() + every if every else None))


def stop(job: Job) -> None:
    """End work that was cancelled; what comes again and again does so after a while."""
    finish(job, job.on.clock() + LONGEST_PAUSE if job.item.work.is_lasting else None)


def fail(job: Job, fault: Exception) -> None:
    """Let work that failed be tried again after a pause, or give it up."""
    item, every = job.item, job.item.work.every
    pause = min(FIRST_PAUSE * 2 ** min(item.attempts - 1, 20), every or LONGEST_PAUSE)
    is_over = item.attempts >= ATTEMPTS and _may_be_given_up(item)
    text = f"{type(fault).__name__}: {fault}"
    with job.on.database.transaction() as tx:
        store.work.fail(tx, item, text, None if is_over else job.on.clock() + pause)
    if is_over:
        _tell_given_up(item)
    else:
        log.warning("work %d (%s %s) failed and is tried again in %s", item.id, item.kind, item.key, pause)


def _may_be_given_up(item: Item) -> bool:
    work = item.work
    return work.every is None and not work.is_lasting and not work.is_persistent


def _tell_given_up(item: Item) -> None:
    log.error("work %d (%s %s) failed %d times and is given up; `holdfast work retry %d` tries it again",
              item.id, item.kind, item.key, ATTEMPTS, item.id)  # fmt: skip


def page(on: Backends, after: int = 0, limit: int = 1000) -> list[Item]:
    """What is in the table, beginning after an item."""
    with on.database.snapshot() as tx:
        return store.work.page(tx, after, limit)


def get(on: Backends, item_id: int) -> Item:
    """An item by its number."""
    with on.database.snapshot() as tx:
        item = store.work.get(tx, item_id)
    if item is None:
        raise NoSuchWork(item_id, "shown")
    return item


def cancel(on: Backends, item_id: int) -> None:
    """Ask that an item be stopped; it stops at its next step."""
    with on.database.transaction() as tx:
        if not store.work.cancel(tx, item_id):
            raise NoSuchWork(item_id, "cancelled")


def retry(on: Backends, item_id: int) -> None:
    """Let an item that waits, or was given up, be done now."""
    with on.database.transaction() as tx:
        if not store.work.hurry(tx, item_id, on.clock()):
            raise NoSuchWork(item_id, "tried now")


def forget(on: Backends, item_id: int) -> None:
    """Forget an item that was given up."""
    with on.database.transaction() as tx:
        if not store.work.forget(tx, item_id):
            raise NoSuchWork(item_id, "forgotten: only what was given up can be")
