"""Which images are signed when they come, and how that stands (ECR user guide, "Managed signing")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from holdfast.model import globs
from holdfast.model.errors import Validation

if TYPE_CHECKING:
    from holdfast.model.names import Registry

SETTING = "signing"  # under which a registry's configuration is kept


@dataclass(frozen=True, slots=True)
class Rule:
    """With which profile the images of some repositories are signed; what was not said stays unsaid."""

    profile_arn: str
    patterns: tuple[str, ...] | None = None  # None: every repository

    @property
    def region(self) -> str:
        """The region of the profile."""
        return self.profile_arn.split(":")[3]

    def selects(self, repository_name: str) -> bool:
        """Whether the images of a repository are signed by this rule."""
        return self.patterns is None or any(globs.matches(pattern, repository_name) for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Configuration:
    """ECR's signing configuration of a registry."""

    rules: tuple[Rule, ...]

    def __post_init__(self) -> None:
        if len({rule.profile_arn for rule in self.rules}) < len(self.rules):
            raise Validation("A signing profile can be used by one rule only")

    @property
    def text(self) -> str:
        """As it is kept."""
        return msgspec.json.encode(self).decode()

    def check(self, registry: Registry, *, most_rules: int) -> None:
        """Refuse what a registry cannot do."""
        if len(self.rules) > most_rules:
            raise Validation(f"A signing configuration cannot have more than {most_rules} rules")
        for rule in self.rules:
            if rule.region != registry.region:
                raise Validation(f"The signing profile '{rule.profile_arn}' must be of the region '{registry.region}'")


def read(text: str) -> Configuration:
    """A configuration as it was kept."""
    return msgspec.json.decode(text, type=Configuration)


def profiles_of(configuration: Configuration, repository_name: str) -> tuple[str, ...]:
    """The profiles with which the images of a repository are signed."""
    return tuple(rule.profile_arn for rule in configuration.rules if rule.selects(repository_name))


@dataclass(frozen=True, slots=True)
class Signing:
    """How the signing of an image with a profile stands."""

    profile_arn: str
    status: str  # IN_PROGRESS, COMPLETE or FAILED
    failure_code: str | None = None
    failure_reason: str | None = None
