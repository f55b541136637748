"""Decisions that a finding does not count: by whom, why, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.model.severities import ORDER, Severity

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Suppression:
    """One vulnerability that does not count in a repository or a whole registry, as long as nothing changes."""

    id: int
    repository: str | None  # its name; None: in all of the registry
    vulnerability: str  # by its CVE, or any other name
    package: str | None  # by the name of its source; None: in whatever package
    version: str | None  # of that package; None: in whatever version
    digest: str | None  # of the image; None: in all of the repository
    maximum: Severity | None  # a finding that is worse counts again
    reason: str
    owner: str
    created_at: datetime
    expires_at: datetime

    def covers(
        self, digest: str, names: Collection[str], package: tuple[str | None, str | None], severity: Severity
    ) -> bool:
        """Whether a finding of an image does not count; its package has no name and version if it is in several."""
        return (
            self.vulnerability in names
            and self.package in {None, package[0]}
            and self.version in {None, package[1]}
            and self.digest in {None, digest}
            and (self.maximum is None or ORDER.index(severity) >= ORDER.index(self.maximum))
        )
