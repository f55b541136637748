"""Threads that wait for the next thing to do: a new one would have to connect to the database first."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

IDLE_SECONDS = 30.0


class Crew:
    """As many threads as there are calls at the same time; none keeps a process from ending."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[Callable[[], None]]] = []

    def run(self, call: Callable[[], None]) -> None:
        """Let a thread do something; a fault ends that thread."""
        with self._lock:
            queue = self._idle.pop() if self._idle else None
        if queue is None:
            queue = SimpleQueue()
            threading.Thread(target=self._serve, args=(queue,), name="upstreams", daemon=True).start()
        queue.put(call)

    def _serve(self, queue: SimpleQueue[Callable[[], None]]) -> None:
        while True:
            try:
                call = queue.get(timeout=IDLE_SECONDS)
            except Empty:
                with self._lock:
                    if queue not in self._idle:
                        continue  # somebody just took it, and puts something in
                    self._idle.remove(queue)
                return
            call()
            del call  # and what it holds
            with self._lock:
                self._idle.append(queue)
