"""Does what is due, one thing after the other; the database sees to it that no two processes do the same."""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.model.errors import DatabaseUnavailable, Unavailable
from holdfast.model.work import Lane
from holdfast.registry.work import LEASE, Job, LeaseLost, WorkCancelled, WorkInterrupted
from holdfast.worker.handlers import HANDLERS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from contextlib import AbstractContextManager

    from holdfast.registry import Backends
    from holdfast.worker.handlers import Handler

log = logging.getLogger(__name__)

TURN_SECONDS = 30.0  # of one tick, so that a process comes to rest when it is asked to
STILL_SECONDS = 1800.0  # without a step, after which work counts as stuck
LOOK_SECONDS = 60.0  # between two looks whether what recurs is there


class Runner:
    """Runs what is due of a lane, one thing after the other."""

    def __init__(
        self,
        on: Backends,
        handlers: Mapping[str, Handler] = HANDLERS,
        beating_for: Callable[[Job], AbstractContextManager[None]] | None = None,
        *,
        lane: Lane = Lane.PROMPT,
    ) -> None:
        self.is_stopping: Callable[[], bool] = lambda: False
        self._on = on
        self._lane = lane
        self._handlers = handlers
        self._looked_at = -1e9
        self._beating_for = beating_for or Heart().beating_for

    def tick(self) -> None:
        """Do what is due now; a fault is logged and the work is tried again later."""
        monotonic = self._on.monotonic
        until = monotonic() + TURN_SECONDS
        try:
            if monotonic() - self._looked_at > LOOK_SECONDS:
                registry.work.begin_recurring(self._on)
                self._looked_at = monotonic()
            while monotonic() < until and not self.is_stopping():
                job = self.claim()
                if job is None:
                    break
                self.run(job)
        except DatabaseUnavailable:
            log.warning("background work waits until the database can be had")
        except Exception:
            log.exception("background work failed; it will be tried again")

    def claim(self, shunned: Collection[str] = ()) -> Job | None:
        """What has waited longest, if anything is due that does not go to a shunned place."""
        return registry.work.claim(self._on, _owner(), self.is_stopping, self._lane, shunned)

    def run(self, job: Job) -> None:
        """Do something that was claimed; a fault is logged, and it is tried again later."""
        with self._beating_for(job):
            try:
                again_at = self._handlers[job.item.kind](job.on, job)
            except WorkCancelled:
                log.info("work %d (%s %s) was cancelled", job.item.id, job.item.kind, job.item.key)
                registry.work.stop(job)
                return
            except WorkInterrupted:
                log.info("work %d (%s) goes on after the restart", job.item.id, job.item.kind)
                again_at = job.on.clock()
            except LeaseLost:
                log.warning("work %d (%s) is somebody else's now and is left to him", job.item.id, job.item.kind)
                return
            except Unavailable as fault:
                log.warning("work %d (%s %s) waits: %s", job.item.id, job.item.kind, job.item.key, fault)
                registry.work.fail(job, fault)
                return
            except Exception as fault:
                log.exception("work %d (%s %s) failed", job.item.id, job.item.kind, job.item.key)
                registry.work.fail(job, fault)
                return
            registry.work.finish(job, again_at)


class Heart:
    """Lengthens the leases of what is being done, for as long as the process lives and the work moves; one thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began: list[tuple[Job, float]] = []
        self._thread: threading.Thread | None = None

    @contextmanager
    def beating_for(self, job: Job) -> Iterator[None]:
        """Hold on to a job until the block ends."""
        held = job, time.monotonic()
        with self._lock:
            self._began.append(held)
            if self._thread is None or not self._thread.is_alive():  # a forked process has none
                self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._began = [one for one in self._began if one is not held]

    def _beat(self) -> None:
        while True:
            time.sleep(LEASE.total_seconds() / 3)
            with self._lock:
                held = list(self._began)
                if not held:
                    self._thread = None
                    return
            for job, began_at in held:
                _hold(job, time.monotonic() - max(began_at, job.stepped_at))


def _hold(job: Job, seconds: float) -> None:
    """Lengthen a lease, unless the work has not moved for too many seconds."""
    if seconds > STILL_SECONDS:
        log.error("work %d (%s) has not moved for %d s; its lease is not lengthened any more",
                  job.item.id, job.item.kind, seconds)  # fmt: skip
        return
    try:
        job.hold()
    except Exception:
        log.exception("the lease of work %d could not be lengthened", job.item.id)


def _owner() -> str:
    return f"{platform.node()[:100]}:{os.getpid()}"
