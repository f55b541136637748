"""Which images are scanned when, and how a scan stands (ECR user guide, "Scan images for software vulnerabilities")."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from holdfast.model import globs
from holdfast.model.errors import InvalidParameter
from holdfast.model.events import SOURCE, Event
from holdfast.model.image_findings import is_of_system

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime, timedelta

    from holdfast.model.image_findings import Counts
    from holdfast.model.images import Image
    from holdfast.model.names import RepositoryRef

INSPECTOR = "aws.inspector2"  # the source of events of enhanced scans
SETTING = "scanning"  # under which a registry's configuration is kept
CONFIG_TYPES = frozenset({
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
    # Old clients pushed images with these, so docker runs them.
    "application/octet-stream",
    "application/json",
    "text/html",
    "",
})  # fmt: skip


class ScanType(StrEnum):
    """ECR's scanType."""

    BASIC = "BASIC"
    ENHANCED = "ENHANCED"


class Frequency(StrEnum):
    """ECR's scanFrequency."""

    SCAN_ON_PUSH = "SCAN_ON_PUSH"
    CONTINUOUS_SCAN = "CONTINUOUS_SCAN"
    MANUAL = "MANUAL"


# What may be asked for; the first that matches a repository wins.
FREQUENCIES = {
    ScanType.BASIC: (Frequency.SCAN_ON_PUSH, Frequency.MANUAL),
    ScanType.ENHANCED: (Frequency.CONTINUOUS_SCAN, Frequency.SCAN_ON_PUSH),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """How often the repositories that some filters match are scanned."""

    frequency: Frequency
    filters: tuple[str, ...]

    def matching(self, repository_name: str) -> tuple[str, ...]:
        """Those filters that match a repository."""
        return tuple(pattern for pattern in self.filters if _matches(pattern, repository_name))


def _matches(pattern: str, repository_name: str) -> bool:
    """A filter without `*` is found anywhere in a name ("Filters for image scanning")."""
    return globs.matches(pattern, repository_name) if "*" in pattern else pattern in repository_name


@dataclass(frozen=True, slots=True)
class Configuration:
    """ECR's registry scanning configuration."""

    type: ScanType = ScanType.BASIC
    rules: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        frequencies = [rule.frequency for rule in self.rules]
        for frequency in frequencies:
            if frequency not in FREQUENCIES[self.type]:
                raise InvalidParameter("scanFrequency", f"{frequency} is not supported when scanType is {self.type}")
        if len(set(frequencies)) < len(frequencies):
            raise InvalidParameter("rules", "Each scanFrequency can be used by one rule only")

    @property
    def text(self) -> str:
        """As it is kept."""
        return msgspec.json.encode(self).decode()


def read(text: str | None) -> Configuration:
    """A configuration as it was kept; without one, the default."""
    return Configuration() if text is None else msgspec.json.decode(text, type=Configuration)


@dataclass(frozen=True, slots=True)
class Effective:
    """How often a repository is scanned, and the filters that say so."""

    frequency: Frequency
    filters: tuple[str, ...] = ()

    @property
    def is_on_push(self) -> bool:
        """Whether an image is scanned when it comes."""
        return self.frequency is not Frequency.MANUAL


def effective(configuration: Configuration, repository_name: str, repository_scan_on_push: bool) -> Effective:
    """What is done with a repository; its own setting counts only where the registry has nothing to say."""
    if configuration.type is ScanType.BASIC and not configuration.rules:
        return Effective(Frequency.SCAN_ON_PUSH if repository_scan_on_push else Frequency.MANUAL)
    rules = {rule.frequency: rule for rule in configuration.rules}
    for frequency in FREQUENCIES[configuration.type]:
        filters = rules[frequency].matching(repository_name) if frequency in rules else ()
        if filters:
            return Effective(frequency, filters)
    return Effective(Frequency.MANUAL)


class Status(StrEnum):
    """ECR's scan status, as far as a scan of this registry can be in one."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"
    ACTIVE = "ACTIVE"  # scanned, and scanned again by itself
    UNSUPPORTED_IMAGE = "UNSUPPORTED_IMAGE"
    SCAN_ELIGIBILITY_EXPIRED = "SCAN_ELIGIBILITY_EXPIRED"
    FINDINGS_UNAVAILABLE = "FINDINGS_UNAVAILABLE"  # no advisories are there to find anything by
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    IMAGE_ARCHIVED = "IMAGE_ARCHIVED"
    IMAGE_SIZE_EXCEEDED = "IMAGE_SIZE_EXCEEDED"


NOT_SCANNED = "The image was not scanned:"
DESCRIPTIONS = {
    Status.PENDING: "The scan is waiting to be started.",
    Status.IN_PROGRESS: "The scan is in progress.",
    Status.COMPLETE: "The scan was completed successfully.",
    Status.ACTIVE: "The image is scanned continuously: its findings are those of the advisories of this moment.",
    Status.SCAN_ELIGIBILITY_EXPIRED: "The image is no longer scanned: it was neither pushed nor pulled for too long.",
    Status.FINDINGS_UNAVAILABLE: "The packages of the image are not known: its inventory has to be taken again.",
    Status.UNSUPPORTED_IMAGE: f"{NOT_SCANNED} it is of a type that cannot be scanned.",
    Status.LIMIT_EXCEEDED: f"{NOT_SCANNED} the registry's quota of scans in 24 hours is exhausted.",
    Status.IMAGE_ARCHIVED: f"{NOT_SCANNED} it is archived.",
}
UNDER_WAY = frozenset({Status.PENDING, Status.IN_PROGRESS})
NEVER_BEGUN = frozenset({
    Status.UNSUPPORTED_IMAGE,
    Status.LIMIT_EXCEEDED,
    Status.IMAGE_ARCHIVED,
    Status.IMAGE_SIZE_EXCEEDED,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scan:
    """The latest scan of an image."""

    status: Status
    description: str
    requested_at: datetime
    completed_at: datetime | None = None
    type: ScanType = ScanType.BASIC
    is_live: bool = False  # what it found is read from the advisories of this moment
    counts: Counts | None = None  # None: it did not look, or they are to be counted
    ecosystems: tuple[str, ...] | None = None  # of the packages that it looked up, or would have
    source_updated_at: datetime | None = None

    def not_done(self, why: str, status: Status = Status.FAILED) -> Scan:
        """The same, which did not look at the image, with the reason."""
        return replace(self, status=status, description=f"{NOT_SCANNED} {why}")

    @property
    def has_findings(self) -> bool:
        """Whether it looked at the image, so that finding nothing means something."""
        return self.status in {Status.COMPLETE, Status.ACTIVE}

    @property
    def was_begun(self) -> bool:
        """Whether it counts as a scan of the image."""
        lacked_advisories = self.status is Status.FAILED and self.ecosystems is not None
        return self.status not in NEVER_BEGUN and not lacked_advisories


def is_watched(image: Image, now: datetime, watch: timedelta) -> bool:
    """Whether an image was pushed or pulled lately enough to be scanned continuously; a watch of 0 has no end."""
    last = max(image.pushed_at, image.pulled_at or image.pushed_at)
    return not watch or last > now - watch


def is_blind(ecosystems: Collection[str], missing: Collection[str]) -> bool:
    """Whether too much of an image cannot be judged for want of advisories: its system, or all of it."""
    return any(is_of_system(one) for one in missing) or (bool(missing) and set(missing) == set(ecosystems))


def lacking(missing: Collection[str]) -> str:
    """What cannot be judged, and what to do."""
    named = ", ".join(sorted(missing)[:10])
    return f"No advisories for {named} are loaded, so what is wrong there is not known; see `holdfast advisories`"


def is_scannable(image: Image) -> bool:
    """Whether an image has files to look at: lists have none, and other artifacts are anything."""
    return image.config_media_type in CONFIG_TYPES


def scanned(at: RepositoryRef, image: Image, scan: Scan) -> Event:
    """The event of a scan that ended, of an image with its tags."""
    counts = {severity.value: number for severity, number in (scan.counts or {}).items()}
    is_inspectors = scan.type is ScanType.ENHANCED and scan.has_findings
    if is_inspectors:
        counts["TOTAL"] = sum(counts.values())
    return Event(
        "Inspector2 Scan" if is_inspectors else "ECR Image Scan",
        {
            "scan-status": "INITIAL_SCAN_COMPLETE" if is_inspectors else scan.status.value,
            "repository-name": at.arn if is_inspectors else at.name,
            "finding-severity-counts": counts,
            "image-digest": image.digest,
            "image-tags": list(image.tags),
        },
        (at.arn,),
        INSPECTOR if is_inspectors else SOURCE,
    )


def frequencies_changed(changes: Sequence[tuple[RepositoryRef, Frequency, Frequency]]) -> Event:
    """The event of repositories that are scanned otherwise than before: each with how it was, and how it is."""
    return Event(
        "ECR Scan Resource Change",
        {
            "action-type": "SCAN_FREQUENCY_CHANGE",
            "repositories": [
                {
                    "repository-name": at.name,
                    "repository-arn": at.arn,
                    "scan-frequency": now.value,
                    "previous-scan-frequency": before.value,
                }
                for at, before, now in changes
            ],
            "resource-type": "REPOSITORY",
            "scan-type": ScanType.ENHANCED.value,
        },
        tuple(at.arn for at, _, _ in changes),
    )
