"""What requests note in memory, for the background to write down."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

K = TypeVar("K")
V = TypeVar("V")
MOST_NOTES = 100_000


class Notebook(Generic[K, V]):
    """The latest note on each of some things, until it is written down; one a process.

    A request must not wait for a write. What a process noted in its last second is lost when it is killed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._notes: dict[K, V] = {}

    def take(self) -> dict[K, V]:
        """What was noted, which is forgotten."""
        with self._lock:
            notes, self._notes = self._notes, {}
        return notes

    @contextmanager
    def taken(self) -> Iterator[dict[K, V]]:
        """What was noted, to be written down in the block; if that fails, it is noted as before."""
        notes = self.take()
        try:
            yield notes
        except Exception:
            self._put_back(notes)
            raise

    def _put(self, key: K, value: V) -> None:
        with self._lock:
            if len(self._notes) < MOST_NOTES or key in self._notes:
                self._notes[key] = value

    def _put_back(self, notes: dict[K, V]) -> None:
        with self._lock:
            self._notes = {**notes, **self._notes}  # what was noted since is later and stays
