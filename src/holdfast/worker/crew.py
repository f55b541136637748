"""Does several things of a lane at once: one that waits for somebody else's server holds a thread and nobody else."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
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
AT_EACH = 4  # for one place abroad: images that are copied to it at the same time
SHARE = 2  # of an account's deliveries to the threads that they leave free, so that none has all of them
REST_SECONDS = 3.0


class Crew:
    """A thread for each thing of a lane that is being done at the moment; one a process and lane.

    The steps of a delivery are shorter than a lease, so no heart has to beat for it. Threads end with the process.
    """

    def __init__(self, on: Backends, lane: Lane) -> None:
        self._runner = Runner(on, beating_for=None if lane is Lane.ABROAD else lambda _job: nullcontext(), lane=lane)
        self._lane = lane
        self._name = lane.name.lower()
        self._free = threading.Semaphore(THREADS)
        self._lock = threading.Lock()
        self._places: Counter[str] = Counter()

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
                job = self._claim()
            except DatabaseUnavailable:
                log.warning("what is done in the lane %s waits until the database can be had", self._name)
            except Exception:
                log.exception("nothing could be begun in the lane %s; it will be tried again", self._name)
            if job is None:
                self._free.release()
                return
            threading.Thread(target=self._run, args=(job,), name=self._name, daemon=True).start()

    def rest(self) -> None:
        """Wait a little for what is being done; what takes longer is done again by another process."""
        until = time.monotonic() + REST_SECONDS
        for _ in range(THREADS):
            self._free.acquire(timeout=max(until - time.monotonic(), 0))

    def _claim(self) -> Job | None:
        """Something that is due, to a place to which there is not enough on its way already."""
        with self._lock:
            job = self._runner.claim([place for place, _ in self._places.most_common() if self._has_enough(place)])
            if job is not None and job.item.work.place:
                self._places[job.item.work.place] += 1
            return job

    def _has_enough(self, place: str) -> bool:
        """Whether what goes to a place has to wait for what goes there already."""
        if self._lane is Lane.ABROAD:
            return self._places[place] >= AT_EACH
        left = THREADS - self._places.total() - 1  # if it were begun
        return self._places[place] + 1 > SHARE * left

    def _run(self, job: Job | None) -> None:
        try:
            while job is not None:
                try:
                    self._runner.run(job)
                finally:
                    self._leave(job.item.work.place)
                job = None if self.is_stopping() else self._claim()
        except DatabaseUnavailable:
            log.warning("what is done in the lane %s waits until the database can be had", self._name)
        except Exception:
            log.exception("something failed in the lane %s; it will be tried again", self._name)
        finally:
            self._free.release()

    def _leave(self, place: str) -> None:
        with self._lock:
            self._places[place] -= 1
            self._places += Counter()  # what came to nothing is forgotten
