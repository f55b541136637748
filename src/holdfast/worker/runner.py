"""Does what is due, one thing after the other; the database sees to it that no two processes do the same."""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.registry.work import LEASE, Job, LeaseLost, WorkCancelled, WorkInterrupted
from holdfast.worker.handlers import HANDLERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.registry import Backends

log = logging.getLogger(__name__)

TURN_SECONDS = 30.0  # of one tick, so that a process comes to rest when it is asked to
LOOK_SECONDS = 60.0  # between two looks whether what recurs is there


class Runner:
    """Runs what is due; one a process."""

    def __init__(self, on: Backends) -> None:
        self.is_stopping: Callable[[], bool] = lambda: False
        self._on = on
        self._looked_at = -1e9

    def tick(self) -> None:
        """Write down who pulled what, then do what is due now; a fault is logged and the work is tried again later."""
        until = time.monotonic() + TURN_SECONDS
        try:
            if time.monotonic() - self._looked_at > LOOK_SECONDS:
                registry.work.begin_recurring(self._on)
                self._looked_at = time.monotonic()
            registry.pulls.record(self._on)
            while time.monotonic() < until and not self.is_stopping():
                job = registry.work.claim(self._on, _owner(), self.is_stopping)
                if job is None:
                    break
                self._run(job)
        except Exception:
            log.exception("background work failed; it will be tried again")

    @staticmethod
    def _run(job: Job) -> None:
        with _Heart(job):
            try:
                again_at = HANDLERS[job.item.kind](job.on, job)
            except WorkCancelled:
                log.info("work %d (%s %s) was cancelled", job.item.id, job.item.kind, job.item.key)
                again_at = None
            except WorkInterrupted:
                log.info("work %d (%s) goes on after the restart", job.item.id, job.item.kind)
                again_at = job.on.clock()
            except LeaseLost:
                log.warning("work %d (%s) is somebody else's now and is left to him", job.item.id, job.item.kind)
                return
            except Exception as fault:
                log.exception("work %d (%s %s) failed", job.item.id, job.item.kind, job.item.key)
                registry.work.fail(job, fault)
                return
            registry.work.finish(job, again_at)


class _Heart:
    """Lengthens the lease of a job for as long as its process lives."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._is_done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._is_done.set()

    def _beat(self) -> None:
        while not self._is_done.wait(LEASE.total_seconds() / 3):
            try:
                if not self._job.hold():
                    return
            except Exception:
                log.exception("the lease of work %d could not be lengthened", self._job.item.id)


def _owner() -> str:
    return f"{platform.node()[:100]}:{os.getpid()}"
