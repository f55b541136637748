"""A bell that every process of a server hears: something may have happened that somebody waits to be told of."""

from __future__ import annotations

import mmap
import time

SIZE_BYTES = 8


class Bell:
    """The instant of its last ring, in memory that is shared with the processes that are forked later."""

    def __init__(self) -> None:
        self._rung = mmap.mmap(-1, SIZE_BYTES)

    def ring(self) -> None:
        """Be heard, whoever else rings."""
        self._rung[:] = time.monotonic_ns().to_bytes(SIZE_BYTES, "little")

    @property
    def rung(self) -> bytes:
        """Something else after each ring."""
        return self._rung[:]
