"""What is done from time to time. Every process asks; the database lets one of them do it."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.registry import Backends

log = logging.getLogger(__name__)

ENTRIES: tuple[tuple[str, timedelta, Callable[[Backends], int]], ...] = (
    ("sweep abandoned uploads", timedelta(minutes=1), registry.cleaning.sweep),
)


class Timetable:
    """Runs what is due; one a process."""

    def __init__(self, on: Backends) -> None:
        self._on = on
        self._asked_at = dict.fromkeys((name for name, _, _ in ENTRIES), 0.0)

    def tick(self) -> None:
        """Run what is due now; a fault is logged, and the next tick tries again."""
        for name, every, work in ENTRIES:
            if time.monotonic() - self._asked_at[name] < every.total_seconds() / 2:
                continue
            self._asked_at[name] = time.monotonic()
            try:
                if registry.cleaning.claim(self._on, name, every):
                    work(self._on)
            except Exception:
                log.exception("background work '%s' failed; it will be tried again", name)
