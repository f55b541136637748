"""A time within which somebody else's server has to answer: nothing else bounds an answer that comes in drops."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Deadline:
    """Cuts a connection when its time is over."""

    def __init__(self, seconds: float, connected: socket.socket | None = None) -> None:
        self.is_over = False
        self._socket = connected
        self._timer = self._begun(seconds)

    def binds(self, connected: socket.socket | None) -> None:
        """Let it be about another connection: that one is cut at once if the time is over."""
        self._socket = connected
        if self.is_over:
            self._cut()

    def begin_again(self, seconds: float) -> None:
        """Let so many seconds be left from now on."""
        self._timer.cancel()
        self._timer = self._begun(seconds)

    def end(self) -> None:
        """The answer is there."""
        self._timer.cancel()

    def _begun(self, seconds: float) -> threading.Timer:
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()
        return timer

    def _cut(self) -> None:
        self.is_over = True
        with suppress(OSError, AttributeError):  # it may be closing at this very moment, or be none yet
            self._socket.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
