"""How a repository agrees with a copy of it in another registry."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from holdfast.model.events import Event

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.names import Registry, RepositoryRef


class State(StrEnum):
    """In a word, what a comparison found."""

    IN_SYNC = "IN_SYNC"  # all that was to be copied is there
    COPYING = "COPYING"  # the rest is on its way
    DRIFTED = "DRIFTED"  # something is missing, or another image has its tag
    REPAIRING = "REPAIRING"  # the same, and it is copied again
    FAILED = "FAILED"  # they could not be compared


@dataclass(frozen=True, slots=True)
class Counts:
    """Images and tags, each counted for itself."""

    agreeing: int = 0
    missing_images: int = 0
    missing_tags: int = 0
    moved_tags: int = 0  # that name another image there
    frozen_tags: int = 0  # the same, but may not be moved there
    copying: int = 0  # that are on their way
    unreplicated: int = 0  # that were pushed before their rule, and were never to be copied
    extra: int = 0  # that only the copy has; nothing is done about these
    repairs: int = 0  # images that are copied again, and settings that are set again
    differing_settings: int = 0  # of the repository, that should be there as they are here
    deletions: int = 0  # that were made here, and wait to be made there

    @property
    def drifted(self) -> int:
        """What should be there, and is not."""
        return self.missing_images + self.missing_tags + self.moved_tags + self.differing_settings

    @property
    def state(self) -> State:
        """What they come to."""
        if self.drifted:
            return State.REPAIRING if self.repairs else State.DRIFTED
        return State.COPYING if self.copying or self.repairs or self.deletions else State.IN_SYNC

    @property
    def document(self) -> dict[str, int]:
        """As they are told."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison."""

    at: RepositoryRef
    destination: Registry
    checked_at: datetime
    state: State
    counts: Counts
    digest: str  # of what the repository held
    failure: str | None = None


def drift_event(check: Check) -> Event:
    """A copy was found to have drifted; told in the registry that is copied."""
    counts = check.counts
    detail = {
        "repository-name": check.at.name,
        "destination-account": check.destination.account_id,
        "destination-region": check.destination.region,
        "missing-images": counts.missing_images,
        "missing-tags": counts.missing_tags,
        "moved-tags": counts.moved_tags,
        "differing-settings": counts.differing_settings,
        "repairs": counts.repairs,
    }
    return Event("Replication Drift", detail, (check.at.arn,), source="holdfast")
