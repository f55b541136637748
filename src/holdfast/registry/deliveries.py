"""Tell targets what happened: in order, at least once, and nobody waits for anybody else's.

    page of the outbox ─► what the target wants ─► send ─┬─ taken: the cursor moves ─► …
                                                          └─ not: pause, and from there again; or a dead letter

How far a target is stands in its row, and moves in a transaction that makes sure that the work is still ours. So a
process may die anywhere: what was sent and not noted is sent once more.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.blobs.keys import WrongKey
from holdfast.model.event_targets import UNTRIED, Fault, Message
from holdfast.registry.event_senders import open_sender
from holdfast.registry.event_targets import secrets_of
from holdfast.registry.work import WorkInterrupted

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from holdfast.model.event_targets import Target
    from holdfast.model.events import Told
    from holdfast.registry.backends import Backends
    from holdfast.registry.event_senders import Sender
    from holdfast.registry.work import Job

log = logging.getLogger(__name__)

TURN_SECONDS = 10.0  # of one target, if others wait for a thread
PAGE = 500  # events that are looked at together
REPLAYED = 100  # dead letters that are tried again in one turn
LONGEST_WISH = timedelta(hours=1)  # of a target, to be left alone


class _Moved(Exception):
    """Somebody else says where the target is: a replay, or whoever gave up on it."""


def deliver(on: Backends, job: Job) -> datetime | None:
    """Tell a target what it was not told yet; when to come again, if that is not all or it did not take it."""
    target_id: int = job.item.payload["target_id"]
    with on.database.snapshot() as tx:
        target = store.event_targets.find_by_id(tx, target_id)
    if target is None:
        return None
    if target.resting_until is not None and target.resting_until > on.clock():
        return target.resting_until
    try:
        turn = _Turn(on, job, target, open_sender(on, target, secrets_of(on, target)))
    except WrongKey:
        log.error("the credentials of event target %s cannot be opened", target.wishes.name)  # noqa: TRY400
        return on.clock() + LONGEST_WISH
    try:
        return turn.run()
    except _Moved:
        return on.clock()
    finally:
        turn.close()


class _Turn:
    """One turn of one target."""

    def __init__(self, on: Backends, job: Job, target: Target, sender: Sender) -> None:
        self._on = on
        self._job = job
        self._target = target
        self._sender = sender
        self._until = on.monotonic() + TURN_SECONDS

    def close(self) -> None:
        """Keep no connection."""
        self._sender.close()

    def run(self) -> datetime | None:
        """Tell what there is to tell, for a while."""
        on = self._on
        again_at = self._replay()
        while again_at is None:
            with on.database.snapshot() as tx:
                page = store.events.page(tx, self._target.cursor, PAGE)
            if not page:
                return None
            again_at = self._pass(page)
        return again_at

    def _pass(self, page: Sequence[Told]) -> datetime | None:
        """Tell those of a page that the target wants, and note how far it is."""
        target = self._target
        messages = [
            Message(told.number, told.envelope, told.occurred_at)
            for told in page
            if told.number not in target.taken and target.wants(told.registry, told.envelope)
        ]
        while messages:
            if self._job.is_stopping():
                raise WorkInterrupted
            if self._on.monotonic() > self._until:
                return self._on.clock()
            most = self._sender.batch if self._target.fault is None else 1  # who has trouble is asked, and not stormed
            faults = self._sender.send(messages[:most])
            batch, messages = messages[: len(faults)], messages[len(faults) :]
            if any(faults):
                return self._note_some(batch, faults, messages)
            self._note(batch[-1].number, (), delivered=len(batch))
        if self._target.cursor < page[-1].number:
            self._note(page[-1].number, ())
        return None

    def _note_some(
        self, batch: Sequence[Message], faults: Sequence[Fault | None], later: Sequence[Message]
    ) -> datetime:
        """Note what was taken and what was not, and let what was tried in vain for long enough be dead."""
        on, target, now = self._on, self._target, self._on.clock()
        attempts, failures = target.attempts + 1, target.failures + 1
        refusals = target.refusals + any(fault is not None and fault.is_refused for fault in faults)
        told = [(message, fault) for message, fault in zip(batch, faults, strict=True) if fault is not UNTRIED]
        later = [*(message for message, fault in zip(batch, faults, strict=True) if fault is UNTRIED), *later]
        bad = [(message, fault) for message, fault in told if fault is not None]
        dead = [
            (message, fault)
            for message, fault in bad
            if target.is_over(attempts, refusals if fault.is_refused else 0, message.occurred_at, now)
        ]
        trouble = next((fault for _, fault in bad if not fault.is_refused), None)
        if trouble is not None and len(dead) == len(bad):  # whatever comes next would not be taken either
            dead += [(message, trouble) for message in later if target.is_too_old(message.occurred_at, now)]
        gone = {message.number for message, _ in dead} | {message.number for message, fault in told if fault is None}
        left = [message.number for message in [*(one for one, _ in bad), *later] if message.number not in gone]
        ended = [message.number for message, _ in told] + [message.number for message, _ in dead]
        # Up to what is still to be told; what the target does not want in between is passed with the next page.
        cursor = min(min(left) - 1, max(ended)) if left else max(ended)
        if not bad:  # there was no time for all of them
            self._note(cursor, gone, delivered=len(told))
            return now
        reason = bad[0][1].reason
        wish = min(timedelta(seconds=max(fault.retry_after for _, fault in bad)), LONGEST_WISH)
        is_refusal = trouble is None and len(dead) == len(bad)  # which does not speak against what comes next
        rest = timedelta(0) if is_refusal else max(target.pause(failures, self._chance()), wish)
        self._note(
            cursor,
            gone,
            dead=dead,
            attempts=0 if len(dead) >= len(bad) else attempts,
            refusals=0 if len(dead) >= len(bad) else refusals,
            failures=0 if is_refusal else failures,
            failing_since=None if is_refusal else target.failing_since or now,
            resting_until=now + rest if rest else None,
            fault=reason,
            delivered=sum(fault is None for _, fault in told),
            failed=1,
        )
        log.log(
            logging.INFO if failures > 1 and not dead else logging.WARNING,
            "event target %s did not take %d events (%d of them are dead letters now): %s",
            target.wishes.name, len(bad), len(dead), reason,
        )  # fmt: skip
        return on.clock() + rest

    def _note(
        self, cursor: int, taken: Collection[int], *, dead: Sequence[tuple[Message, Fault]] = (), **state: object
    ) -> None:
        """Note how far the target is, unless somebody else moved it or has the work by now."""
        on, target = self._on, self._target
        taken = [number for number in {*taken, *target.taken} if number > cursor]
        with on.database.transaction(durable=False, within=()) as tx:
            self._job.keep(tx)
            if not store.event_targets.move(tx, target, cursor, taken, **state):  # type: ignore[arg-type]
                raise _Moved
            for message, fault in dead:
                store.event_targets.add_dead(tx, target, [message], fault.reason, target.attempts + 1, on.clock())
        kept = {name: value for name, value in state.items() if name not in {"delivered", "failed"}}
        fresh = {
            "attempts": 0,
            "refusals": 0,
            "failures": 0,
            "failing_since": None,
            "resting_until": None,
            "fault": None,
            **kept,
        }
        self._target = replace(target, cursor=cursor, taken=tuple(taken), **fresh)  # type: ignore[arg-type]

    def _replay(self) -> datetime | None:
        """Try dead letters again that somebody wants to be tried; when to come again, if that is not all."""
        on, target, done = self._on, self._target, 0
        while done < REPLAYED:
            if self._job.is_stopping():
                raise WorkInterrupted
            with on.database.snapshot() as tx:
                batch = store.event_targets.wanted_again(tx, target, self._sender.batch)
            if not batch:
                return None
            faults = self._sender.send(batch)
            done += len(faults)
            with on.database.transaction(durable=False, within=()) as tx:
                self._job.keep(tx)
                taken = [one.number for one, fault in zip(batch, faults, strict=False) if fault is None]
                if taken:
                    store.event_targets.bury(tx, taken)
                for message, fault in zip(batch, faults, strict=False):
                    if fault is not None and fault is not UNTRIED:
                        store.event_targets.dead_again(tx, message.number, fault.reason)
        return on.clock()

    def _chance(self) -> float:
        return self._on.random_bytes(1)[0] / 255
