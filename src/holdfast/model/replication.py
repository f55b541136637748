"""Where images are copied to, and how the copying stands (ECR user guide, "Private image replication")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from holdfast.model import globs
from holdfast.model.errors import InvalidParameter, Validation
from holdfast.model.names import Registry  # noqa: TC001 - documents are read by the annotations

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.images import ImageId

SETTING = "replication"  # under which a registry's configuration is kept


ARCHIVED = "ImageArchived"  # a failure code: it is copied when it is back from the archive
CANCELLED = "ReplicationCancelled"  # another one: it is left to who asks for everything


PREFIX_MATCH = "PREFIX_MATCH"  # ECR's only filterType
PREFIX = re.compile(r"(?:[a-z0-9]+(?:[._-][a-z0-9]*)*/)*[a-z0-9]*(?:[._-][a-z0-9]*)*", re.ASCII)  # ECR's pattern
SIGNATURE_TAG = re.compile(r"sha256-([0-9a-f]{64})(?:\..*)?", re.ASCII)  # by which cosign and old clients refer


class FilterType(StrEnum):
    """What a filter of ours is about; in each `*` stands for any text."""

    REPOSITORY_MATCH = "REPOSITORY_MATCH"  # as PREFIX_MATCH, by the whole name
    REPOSITORY_EXCLUDE = "REPOSITORY_EXCLUDE"
    TAG_MATCH = "TAG_MATCH"
    TAG_EXCLUDE = "TAG_EXCLUDE"


_PATTERNS = {
    kind: re.compile(r"[a-z0-9*._/-]{2,256}" if kind.name.startswith("REPOSITORY") else r"[0-9a-zA-Z*._-]{2,128}")
    for kind in FilterType
}


@dataclass(frozen=True, slots=True)
class Filter:
    """What ECR's filters cannot say."""

    type: FilterType
    pattern: str

    def __post_init__(self) -> None:
        allowed = _PATTERNS[self.type]
        if not allowed.fullmatch(self.pattern):
            raise InvalidParameter("filter", f"must satisfy regular expression '{allowed.pattern}'")


def check_prefix(prefix: str) -> str:
    """A filter of ECR's, or `InvalidParameter` in its words."""
    if not PREFIX.fullmatch(prefix):
        raise InvalidParameter("filter", f"must satisfy regular expression '^{PREFIX.pattern}$'")
    return prefix


@dataclass(frozen=True, slots=True)
class Rule:
    """Which repositories are copied, what of them, and where to; what was not said stays unsaid."""

    destinations: tuple[Registry, ...]
    prefixes: tuple[str, ...] | None = None  # neither these nor a REPOSITORY_MATCH: every repository
    deletes: bool | None = None  # whether what is deleted here is deleted there
    filters: tuple[Filter, ...] = ()  # that ECR does not have

    def __post_init__(self) -> None:
        if len(set(self.destinations)) < len(self.destinations):
            raise Validation("A replication rule cannot have the same destination twice")
        if self.prefixes is not None and len(set(self.prefixes)) < len(self.prefixes):
            raise Validation("A replication rule cannot have the same repository filter twice")
        if len(set(self.filters)) < len(self.filters):
            raise Validation("A replication rule cannot have the same repository filter twice")

    def selects(self, repository_name: str) -> bool:
        """Whether a repository is copied by this rule."""
        if not self.filters:
            return self.prefixes is None or repository_name.startswith(self.prefixes)
        wanted, unwanted = self._of(FilterType.REPOSITORY_MATCH), self._of(FilterType.REPOSITORY_EXCLUDE)
        is_wanted = (
            (self.prefixes is None and not wanted)
            or repository_name.startswith(self.prefixes or ())
            or _any(wanted, repository_name)
        )
        return is_wanted and not _any(unwanted, repository_name)

    @property
    def tags(self) -> TagFilter:
        """Which tags it copies."""
        return TagFilter(self._of(FilterType.TAG_MATCH), self._of(FilterType.TAG_EXCLUDE))

    def _of(self, kind: FilterType) -> tuple[str, ...]:
        return tuple(one.pattern for one in self.filters if one.type is kind)


def _any(patterns: tuple[str, ...], text: str) -> bool:
    return any(globs.matches(pattern, text) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class TagFilter:
    """Which tags of the repositories of a rule are copied; what is excluded is so whatever else matches."""

    matches: tuple[str, ...] = ()  # none: every tag
    excludes: tuple[str, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Whether images are copied whatever tags they have."""
        return not self.matches and not self.excludes

    def excludes_tag(self, tag: str) -> bool:
        """Whether a tag is left out, whatever it names."""
        return _any(self.excludes, tag)

    def takes(self, tag: str) -> bool:
        """Whether a tag is copied for its own sake; one that refers to an image by its name is so only if it is named.

        The others of these follow their subject.
        """
        is_named = _any(self.matches, tag) if self.matches else subject_of(tag) is None
        return is_named and not self.excludes_tag(tag)


@dataclass(frozen=True, slots=True)
class Choice:
    """What the rules of a registry copy of one repository to one destination: what any of them does."""

    filters: tuple[TagFilter, ...]

    @property
    def is_everything(self) -> bool:
        """Whether every image is copied."""
        return any(one.is_everything for one in self.filters)

    def takes(self, tag: str) -> bool:
        """Whether a tag, and so its image, is copied for its own sake."""
        return any(one.takes(tag) for one in self.filters)

    def follows(self, tag: str) -> bool:
        """Whether a tag that refers to an image by its name is copied if that is."""
        return subject_of(tag) is not None and not all(one.excludes_tag(tag) for one in self.filters)

    def takes_orphan(self, tag: str) -> bool:
        """Whether the same is copied while the repository does not have the image: it is a tag like any other then."""
        return any(not one.matches and not one.excludes_tag(tag) for one in self.filters)

    def may_set(self, tag: str) -> bool:
        """Whether a tag may have been set there, as far as its name tells."""
        return self.is_everything or self.takes(tag) or self.follows(tag)


def subject_of(tag: str) -> str | None:
    """The digest of the image that a tag refers to by its name: `sha256-….sig` of cosign, OCI's referrers tags."""
    found = SIGNATURE_TAG.fullmatch(tag)
    return f"sha256:{found[1]}" if found else None


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
    return tuple(choices_of(configuration, repository_name))


def choices_of(
    configuration: Configuration, repository_name: str, *, deletions: bool = False
) -> dict[Registry, Choice]:
    """The same, with what of it; or where deletions are followed, and of what."""
    found: dict[Registry, tuple[TagFilter, ...]] = {}
    for rule in configuration.rules:
        if (rule.deletes or not deletions) and rule.selects(repository_name):
            for destination in rule.destinations:
                found[destination] = (*found.get(destination, ()), rule.tags)
    return {destination: Choice(filters) for destination, filters in found.items()}


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
