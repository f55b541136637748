"""Which access key was last used for what: noted in memory by whoever proves a key, written down by the background.

AWS's own record may lag behind by minutes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from holdfast import store
from holdfast.registry import notebook
from holdfast.registry.notebook import Notebook

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.registry.backends import Backends

RESOLUTION_SECONDS = 60.0  # a use so soon after one that is written down need not be


class Use(NamedTuple):
    """What a key was used for."""

    service: str
    region: str
    at: datetime


class KeyUses(Notebook[str, Use]):
    """What each access key was last used for, by its id."""

    def __init__(self) -> None:
        super().__init__()
        self._written: dict[str, datetime] = {}

    def note(self, access_key_id: str, service: str, region: str, now: datetime) -> None:
        """Note a use, unless one almost as late is written down."""
        written = self._written.get(access_key_id)
        if written is None or (now - written).total_seconds() >= RESOLUTION_SECONDS:
            self._put(access_key_id, Use(service, region, now))

    def take(self) -> dict[str, Use]:
        """What was noted, by key; it is forgotten, and counts as written down."""
        notes = super().take()
        if len(self._written) + len(notes) > notebook.MOST_NOTES:
            self._written = {}
        self._written.update((key, use.at) for key, use in notes.items())
        return notes

    def _put_back(self, notes: dict[str, Use]) -> None:
        for key in notes:
            self._written.pop(key, None)
        super()._put_back(notes)


def record(on: Backends) -> None:
    """Write down what keys were used for; a key that is gone, or was none of ours, is no fault."""
    with on.key_uses.taken() as notes:
        if not notes:
            return
        with on.database.transaction(durable=False, within=["key uses"]) as tx:
            for access_key_id, use in notes.items():
                store.accounts.key_used(tx, access_key_id, use.service, use.region, use.at)
                store.iam_roles.session_used(tx, access_key_id, use.region, use.at)
