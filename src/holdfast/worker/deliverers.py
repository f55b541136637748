"""Tells several targets at once what happened: one that is slow holds a thread and nobody else."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

from holdfast.model.errors import DatabaseUnavailable
from holdfast.model.work import Lane
from holdfast.worker.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.registry import Backends
    from holdfast.registry.work import Job

log = logging.getLogger(__name__)

THREADS = 16
REST_SECONDS = 3.0


class Deliverers:
    """A thread for each target that is told something at the moment; one a process.

    The steps of a delivery are shorter than a lease, so no heart has to beat for it. Threads end with the process.
    """

    def __init__(self, on: Backends) -> None:
        self._runner = Runner(on, beating_for=lambda _job: nullcontext(), lane=Lane.DELIVERY)
        self._free = threading.Semaphore(THREADS)

    @property
    def is_stopping(self) -> Callable[[], bool]:
        """Whether the process comes to rest."""
        return self._runner.is_stopping

    @is_stopping.setter
    def is_stopping(self, is_stopping: Callable[[], bool]) -> None:
        self._runner.is_stopping = is_stopping

    def tick(self) -> None:
        """Begin what is due, as long as there are threads for it."""
        while not self.is_stopping() and self._free.acquire(blocking=False):
            job = None
            try:
                job = self._runner.claim()
            except DatabaseUnavailable:
                log.warning("deliveries of events wait until the database can be had")
            except Exception:
                log.exception("deliveries of events could not be begun; they will be tried again")
            if job is None:
                self._free.release()
                return
            threading.Thread(target=self._run, args=(job,), name="delivery", daemon=True).start()

    def rest(self) -> None:
        """Wait a little for what is being told; what takes longer is told again by another process."""
        until = time.monotonic() + REST_SECONDS
        for _ in range(THREADS):
            self._free.acquire(timeout=max(until - time.monotonic(), 0))

    def _run(self, job: Job | None) -> None:
        try:
            while job is not None:
                self._runner.run(job)
                job = None if self.is_stopping() else self._runner.claim()
        except DatabaseUnavailable:
            log.warning("deliveries of events wait until the database can be had")
        except Exception:
            log.exception("a delivery of events failed; it will be tried again")
        finally:
            self._free.release()
