"""What repositories hold, from commit to commit: nothing leaves them that somebody may still count on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.registry.pull_through.evicting import GRACE
from holdfast.simulation.things import name_of

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from holdfast.registry import Limits
    from holdfast.store.invariants import Link


class Leases:
    """Compares each state with the one before it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._before: dict[tuple[int, str], Link] = {}

    def look(self, links: Collection[Link], now: datetime) -> list[str]:
        """What went too early since the last look; `now` is the moment of the commit."""
        before, self._before = self._before, {(link.repository_id, link.digest): link for link in links}
        broken = []
        if len(self._before) < len(links):
            broken.append("a blob is in quarantine and linked at the same time")
        for key, was in before.items():
            fault = self._fault(was, self._before.get(key), now)
            if fault is not None:
                broken.append(f"{name_of(was.digest)} {fault}")
        return broken

    def _fault(self, was: Link, link: Link | None, now: datetime) -> str | None:
        if link is not None:
            since = link.quarantined_at
            is_wanted = link.is_deleted or link.is_evicted
            is_early = since is not None and not is_wanted and since < link.added_at + self._limits.push_time
            return "is taken for garbage before its time" if is_early else None
        if was.quarantined_at is None:
            return "goes without a quarantine"
        rest = GRACE if was.is_evicted else self._limits.quarantine
        return "leaves the quarantine before its time" if now < was.quarantined_at + rest else None

    def forget(self) -> None:
        """The power went: what was committed last may be undone."""
        self._before = {}
