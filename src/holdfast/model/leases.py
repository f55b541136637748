"""Leases: somebody says that an image runs, and until when that is to be believed.

a leased digest ── holds ──► itself · what it lists · indexes that list it · what refers to any of these
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=30)
USUAL = timedelta(hours=24)
_COSIGN_TAG = re.compile(r"sha256-(?P<hex>[0-9a-f]{64})(\.[a-z]+)?")


@dataclass(frozen=True, slots=True)
class Lease:
    """That an image of a repository is in use."""

    id: int
    digest: str
    holder: str  # such as a cluster
    kind: str
    detail: str  # what runs it
    owner: str  # the ARN of who said so
    created_at: datetime
    renewed_at: datetime
    expires_at: datetime

    @property
    def told(self) -> str:
        """Who holds what, for people."""
        what = f" ({self.detail})" if self.detail else ""
        return f"{self.kind} {self.holder}{what} until {self.expires_at:%Y-%m-%dT%H:%M:%SZ}"


def spoken_of(tags: Iterable[str]) -> Iterator[str]:
    """The digests of images that tags of cosign's making speak of: signatures and the like without a subject."""
    for tag in tags:
        found = _COSIGN_TAG.fullmatch(tag)
        if found is not None:
            yield f"sha256:{found['hex']}"
