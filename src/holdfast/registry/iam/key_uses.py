"""Which access key was last used for what: noted in memory by whoever proves a key, written down by the background.

A call must not wait for a write. What a process noted in its last second is lost when it is killed; AWS's own record
may lag behind by minutes.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from holdfast import store

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.registry.backends import Backends

RESOLUTION_SECONDS = 60.0  # a use so soon after one that is written down need not be
MOST_NOTES = 100_000


class Use(NamedTuple):
    """What a key was used for."""

    service: str
    region: str
    at: datetime


class KeyUses:
    """What access keys were used for since it was last written down; one a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._notes: dict[str, Use] = {}
        self._written: dict[str, datetime] = {}

    def note(self, access_key_id: str, service: str, region: str, now: datetime) -> None:
        """Note a use, unless one almost as late is written down."""
        written = self._written.get(access_key_id)
        if written is not None and (now - written).total_seconds() < RESOLUTION_SECONDS:
            return
        with self._lock:
            if len(self._notes) < MOST_NOTES or access_key_id in self._notes:
                self._notes[access_key_id] = Use(service, region, now)

    def take(self) -> dict[str, Use]:
        """What was noted, by key; it is forgotten, and counts as written down."""
        with self._lock:
            notes, self._notes = self._notes, {}
            if len(self._written) + len(notes) > MOST_NOTES:
                self._written = {}
            self._written.update((key, use.at) for key, use in notes.items())
        return notes

    def put_back(self, notes: dict[str, Use]) -> None:
        """Note again what could not be written down; what was noted since is later and stays."""
        with self._lock:
            self._notes = {**notes, **self._notes}
            for key in notes:
                self._written.pop(key, None)


def record(on: Backends) -> None:
    """Write down what keys were used for; a key that is gone, or was none of ours, is no fault."""
    notes = on.key_uses.take()
    if not notes:
        return
    try:
        with on.database.transaction(durable=False) as tx:
            for access_key_id, use in notes.items():
                store.accounts.key_used(tx, access_key_id, use.service, use.region, use.at)
                store.iam_roles.session_used(tx, access_key_id, use.region, use.at)
    except Exception:
        on.key_uses.put_back(notes)
        raise
