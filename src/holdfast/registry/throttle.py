"""Token buckets: how often an account may call each operation in a region, or an address may come with tokens.

The buckets lie in memory that all workers of a node share. A node lets through what the rates say; several nodes let
through as many times as much.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import struct
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.model.errors import Throttling
from holdfast.model.quotas import ANY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BURST_SECONDS = 2.0  # how long a bucket fills
SLOTS = 8192
PROBES = 16
_SLOT = struct.Struct("=Qdd")  # whose bucket, tokens, when they were counted


class Throttle:
    """Every bucket of a node. Made before the workers are forked."""

    def __init__(self, rates: Mapping[str, float], clock: Callable[[], float]) -> None:
        self._rates = rates
        self._clock = clock
        self._memory = mmap.mmap(-1, SLOTS * _SLOT.size)
        self._file, path = tempfile.mkstemp()  # the system releases its lock when a holder dies
        Path(path).unlink()
        self._lock = threading.Lock()  # for the file's lock is the process's, not the thread's

    def take(self, who: str, where: str, operation: str) -> None:
        """Take a token of an operation's bucket, such as an account has in a region; or refuse with `Throttling`."""
        rate = self._rates.get(operation, self._rates.get(ANY))
        if rate is None:
            return
        name = operation if operation in self._rates else ANY
        key = int.from_bytes(hashlib.blake2b(f"{who}/{where}/{name}".encode(), digest_size=8).digest()) | 1
        capacity = max(rate * BURST_SECONDS, 1.0)
        with self._lock:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                has_token = self._take(key, rate, capacity)
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)
        if not has_token:
            raise Throttling

    def _take(self, key: int, rate: float, capacity: float) -> bool:
        now = self._clock()
        place, tokens, counted_at = self._find(key)
        tokens = capacity if counted_at is None else min(capacity, tokens + max(now - counted_at, 0.0) * rate)
        has_token = tokens >= 1.0
        _SLOT.pack_into(self._memory, place, key, tokens - has_token, now)
        return has_token

    def _find(self, key: int) -> tuple[int, float, float | None]:
        """Where a bucket is, or may be made: a free slot, or the one that was not used for the longest time."""
        oldest = (float("inf"), 0)
        for probe in range(PROBES):
            place = (key + probe) % SLOTS * _SLOT.size
            owner, tokens, counted_at = _SLOT.unpack_from(self._memory, place)
            if owner == key:
                return place, tokens, counted_at
            if owner == 0:
                return place, 0.0, None
            oldest = min(oldest, (counted_at, place))
        return oldest[1], 0.0, None
