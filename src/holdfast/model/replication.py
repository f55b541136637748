"""Where images are copied to, and how the copying stands (ECR user guide, "Private image replication")."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from holdfast.model.errors import InvalidParameter, Validation
from holdfast.model.names import Registry  # noqa: TC001 - documents are read by the annotations

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.images import ImageId

SETTING = "replication"  # under which a registry's configuration is kept


ARCHIVED = "ImageArchived"  # a failure code: it is copied when it is back from the archive


@dataclass(frozen=True, slots=True)
class Rule:
    """Which repositories are copied, and where to; what was not said stays unsaid."""

    destinations: tuple[Registry, ...]
    prefixes: tuple[str, ...] | None = None  # None: every repository
    deletes: bool | None = None  # whether what is deleted here is deleted there

    def __post_init__(self) -> None:
        if len(set(self.destinations)) < len(self.destinations):
            raise Validation("A replication rule cannot have the same destination twice")
        if self.prefixes is not None and len(set(self.prefixes)) < len(self.prefixes):
            raise Validation("A replication rule cannot have the same repository filter twice")

    def selects(self, repository_name: str) -> bool:
        """Whether a repository is copied by this rule."""
        return self.prefixes is None or repository_name.startswith(self.prefixes)


@dataclass(frozen=True, slots=True)
class Configuration:
    """ECR's replication configuration of a registry."""

    rules: tuple[Rule, ...] = ()

    @property
    def destinations(self) -> tuple[Registry, ...]:
        """Every destination, each once."""
        return tuple(dict.fromkeys(destination for rule in self.rules for destination in rule.destinations))

    @property
    def text(self) -> str:
        """As it is kept."""
        return msgspec.json.encode(self).decode()

    def check(self, source: Registry, *, most_rules: int, most_destinations: int) -> None:
        """Refuse what a registry cannot do."""
        if source in self.destinations:
            raise InvalidParameter(
                "replicationConfiguration", "Replication destination cannot be the same as the source registry"
            )
        if len(self.rules) > most_rules:
            raise Validation(f"A replication configuration cannot have more than {most_rules} rules")
        if len(self.destinations) > most_destinations:
            raise Validation(f"A replication configuration cannot have more than {most_destinations} destinations")


def read(text: str | None) -> Configuration:
    """A configuration as it was kept; without one, the default."""
    return Configuration() if text is None else msgspec.json.decode(text, type=Configuration)


def destinations_of(configuration: Configuration, repository_name: str) -> tuple[Registry, ...]:
    """Where the images of a repository are copied to, each place once."""
    rules = tuple(rule for rule in configuration.rules if rule.selects(repository_name))
    return Configuration(rules).destinations


def deletion_destinations_of(configuration: Configuration, repository_name: str) -> tuple[Registry, ...]:
    """Where what is deleted in a repository is deleted, too."""
    rules = tuple(rule for rule in configuration.rules if rule.deletes and rule.selects(repository_name))
    return Configuration(rules).destinations


@dataclass(frozen=True, slots=True)
class Copied:
    """How the copying of one image to one destination ended."""

    failure_code: str | None = None
    member_failure_codes: tuple[str, ...] = ()  # of the images that an index lists

    @property
    def status(self) -> str:
        """ECR's status of a replication that is over."""
        return "COMPLETE" if self.failure_code is None else "FAILED"


@dataclass(frozen=True, slots=True)
class Replication:
    """How the copying of an image to a destination stands."""

    destination: Registry
    status: str  # IN_PROGRESS, COMPLETE or FAILED
    failure_code: str | None = None


class BackfillStatus(StrEnum):
    """ECR's replicationBackfillStatus."""

    PREPARING = "PREPARING"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"


STOPPABLE = frozenset({BackfillStatus.PREPARING, BackfillStatus.IN_PROGRESS})
FAILURE_CODES = 100  # distinct ones that a backfill remembers


@dataclass(frozen=True, slots=True)
class Progress:
    """How many images with their tags a backfill has to copy, and how many it did."""

    total: int
    completed: int = 0
    failed: int = 0
    failure_codes: tuple[str, ...] = ()

    @property
    def done(self) -> int:
        """How many were tried."""
        return self.completed + self.failed

    def after(self, results: list[Copied]) -> Progress:
        """The progress when some more were tried; what was pushed meanwhile can make them more than were counted."""
        codes = [result.failure_code for result in results if result.failure_code is not None]
        done = self.done + len(results)
        return Progress(
            max(self.total, done),
            self.completed + len(results) - len(codes),
            self.failed + len(codes),
            tuple(dict.fromkeys([*self.failure_codes, *codes]))[:FAILURE_CODES],
        )

    @property
    def outcome(self) -> BackfillStatus:
        """How a backfill ends that has tried all: it failed if half of its images did."""
        return BackfillStatus.FAILED if self.failed and self.failed * 2 >= self.done else BackfillStatus.COMPLETE


@dataclass(frozen=True, slots=True)
class Backfill:
    """The copying of all that was pushed before a rule."""

    id: str
    destination: Registry
    status: BackfillStatus
    failure_code: str | None
    progress: Progress | None  # None while the images are counted
    started_at: datetime
    ended_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        """Whether its results are complete."""
        return self.ended_at is not None


@dataclass(frozen=True, slots=True)
class BackfillResult:
    """How the copying of one image under one of its tags ended."""

    position: int
    repository_name: str
    image_id: ImageId
    copied: Copied
