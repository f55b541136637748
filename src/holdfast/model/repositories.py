"""A repository, how movable its tags are, and under which key its bytes lie."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from holdfast.model import globs
from holdfast.model.errors import InvalidParameter, InvalidTagParameter, NameInvalid, TooManyTags
from holdfast.model.kms import OWN
from holdfast.model.names import Registry, RepositoryRef

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

MAXIMUM_RESOURCE_TAGS = 50
MAXIMUM_EXCLUSION_FILTERS = 5
DELETION_PROTECTION = "holdfast:delete-protection"  # a resource tag, so that whatever sets tags can set it


class Mutability(StrEnum):
    """ECR's imageTagMutability."""

    MUTABLE = "MUTABLE"
    IMMUTABLE = "IMMUTABLE"
    MUTABLE_WITH_EXCLUSION = "MUTABLE_WITH_EXCLUSION"
    IMMUTABLE_WITH_EXCLUSION = "IMMUTABLE_WITH_EXCLUSION"


@dataclass(frozen=True, slots=True)
class TagMutability:
    """Which tags of a repository may be moved to another image."""

    setting: Mutability = Mutability.MUTABLE
    filters: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        needs_filters = self.setting.name.endswith("WITH_EXCLUSION")
        field = "imageTagMutabilityExclusionFilters"
        if needs_filters and not self.filters:
            raise InvalidParameter(
                field,
                f"ImageTagMutabilityExclusionFilters can't be null when imageTagMutability is set as {self.setting}",
            )
        if self.filters and not needs_filters:
            raise InvalidParameter(
                field,
                f"ImageTagMutabilityExclusionFilters must be null when imageTagMutability is set as {self.setting}",
            )
        if any(pattern.count("*") > 2 for pattern in self.filters):
            raise InvalidParameter(field, "A filter can contain a maximum of two wildcards (*)")

    def may_move(self, tag: str) -> bool:
        """Whether an existing tag may be pointed at another image."""
        excluded = any(globs.matches(pattern, tag) for pattern in self.filters)
        return (self.setting in {Mutability.MUTABLE, Mutability.MUTABLE_WITH_EXCLUSION}) != excluded


@dataclass(frozen=True, slots=True)
class Encryption:
    """ECR's encryptionConfiguration, fixed when a repository is made."""

    type: str = "AES256"
    kms_key: str | None = None

    @property
    def is_by_key(self) -> bool:
        """Whether somebody may take the key away."""
        return self.type != "AES256"

    @property
    def key_scope(self) -> str:
        """Layers are shared among repositories of one scope only: those sealed under one key."""
        return f"{self.type}:{self.kms_key}" if self.is_by_key else OWN


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository that exists."""

    id: int
    registry_id: int  # the row of its registry, not the account
    ref: RepositoryRef
    created_at: datetime
    mutability: TagMutability
    scan_on_push: bool
    encryption: Encryption

    @property
    def name(self) -> str:
        """The repository's name."""
        return self.ref.name

    @property
    def registry(self) -> Registry:
        """The registry that holds it."""
        return self.ref.registry


def check_resource_tags(tags: Mapping[str, str]) -> None:
    """Refuse resource tags that AWS would not keep (AWS tagging rules)."""
    if tags.get(DELETION_PROTECTION, "true") not in {"true", "false"}:
        raise InvalidTagParameter(f"The tag '{DELETION_PROTECTION}' protects a repository: it must be true or false")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256:
            raise InvalidTagParameter(
                f"The tag key '{key[:128]}' or its value is too long: keys have 1 to 128 characters, values up to 256"
            )
        if key.lower().startswith("aws:"):
            raise InvalidTagParameter(f"The tag key '{key}' starts with 'aws:', which is reserved")
    if len(tags) > MAXIMUM_RESOURCE_TAGS:
        raise TooManyTags(MAXIMUM_RESOURCE_TAGS)


def is_protected(tags: Mapping[str, str]) -> bool:
    """Whether a repository with these resource tags must not be deleted."""
    return tags.get(DELETION_PROTECTION) == "true"


def repository_of_arn(arn: str) -> RepositoryRef:
    """The repository that an ARN names, or `InvalidParameter`."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or parts[2] != "ecr" or not parts[5].startswith("repository/"):
        raise InvalidParameter("resourceArn", "Invalid ARN")
    try:
        return RepositoryRef(Registry(parts[4], parts[3]), parts[5].removeprefix("repository/"))
    except NameInvalid:
        raise InvalidParameter("resourceArn", "Invalid ARN") from None
