"""Times within which somebody else's server has to answer: nothing else bounds an answer that comes in drops."""

from __future__ import annotations

import heapq
import itertools
import socket
import threading
import time
from contextlib import suppress

IDLE_SECONDS = 5.0  # after which the thread that watches ends, if there is nothing to be watched


class Deadline:
    """Cuts a connection when its time is over."""

    def __init__(self, watch: Watch, seconds: float, connected: socket.socket | None) -> None:
        self.is_over = False
        self.ends_at: float | None = None  # None when it does not matter any more
        self._watch = watch
        self._socket = connected
        self.begin_again(seconds)

    def binds(self, connected: socket.socket | None) -> None:
        """Let it be about another connection: that one is cut at once if the time is over."""
        self._socket = connected
        if self.is_over:
            self.cut()

    def begin_again(self, seconds: float) -> None:
        """Let so many seconds be left from now on."""
        self._watch.see_to(self, time.monotonic() + seconds)

    def end(self) -> None:
        """The answer is there: from now on nothing is cut."""
        self._watch.leave(self)
        self._socket = None

    def cut(self) -> None:
        """The time is over."""
        self.is_over = True
        with suppress(OSError, AttributeError):  # it may be closing at this very moment, or be none yet
            self._socket.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]


class Watch:
    """Sees to many deadlines in one thread: to begin one for each would cost more than all else of a small request."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int, Deadline]] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    def deadline(self, seconds: float, connected: socket.socket | None = None) -> Deadline:
        """A time that begins now."""
        return Deadline(self, seconds, connected)

    def see_to(self, deadline: Deadline, ends_at: float) -> None:
        """Cut a connection when its time comes."""
        with self._changed:
            deadline.ends_at = ends_at
            self._forget()
            heapq.heappush(self._waiting, (ends_at, next(self._numbers), deadline))
            if self._thread is None or not self._thread.is_alive():  # a forked process has none
                self._thread = threading.Thread(target=self._look, name="deadlines", daemon=True)
                self._thread.start()
            elif self._waiting[0][2] is deadline:
                self._changed.notify()

    def leave(self, deadline: Deadline) -> None:
        """Do not cut it any more: its connection may be somebody else's from now on."""
        with self._changed:
            deadline.ends_at = None

    def _forget(self) -> None:
        """Forget those that ended, or began again, as far as they are next."""
        while self._waiting and self._waiting[0][2].ends_at != self._waiting[0][0]:
            heapq.heappop(self._waiting)

    def _look(self) -> None:
        with self._changed:
            while True:
                self._forget()
                left = self._waiting[0][0] - time.monotonic() if self._waiting else IDLE_SECONDS
                if self._waiting and left <= 0:
                    heapq.heappop(self._waiting)[2].cut()
                elif not self._changed.wait(left) and not self._waiting:
                    self._thread = None
                    return
