"""Repository creation templates: what a repository gets that nobody created by hand (ECR user guide)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from holdfast.model.errors import InvalidParameter, InvalidTagParameter, TooManyTags
from holdfast.model.names import check_role_arn
from holdfast.model.repositories import Encryption, TagMutability, check_resource_tags

if TYPE_CHECKING:
    from datetime import datetime


class Purpose(StrEnum):
    """ECR's appliedFor: by what a repository comes into being."""

    PULL_THROUGH_CACHE = "PULL_THROUGH_CACHE"
    REPLICATION = "REPLICATION"
    CREATE_ON_PUSH = "CREATE_ON_PUSH"


@dataclass(frozen=True, slots=True)
class TemplateSettings:
    """What somebody set in a template; the texts of its policies are checked where they are set."""

    applied_for: tuple[Purpose, ...]
    description: str | None = None
    encryption: Encryption = field(default_factory=Encryption)
    resource_tags: tuple[tuple[str, str], ...] = ()
    mutability: TagMutability = field(default_factory=TagMutability)
    repository_policy: str | None = None
    lifecycle_policy: str | None = None
    custom_role_arn: str | None = None

    def __post_init__(self) -> None:
        if not self.applied_for:
            raise InvalidParameter("appliedFor", "Member must have length greater than or equal to 1")
        if self.custom_role_arn is not None:
            check_role_arn("customRoleArn", self.custom_role_arn)
        if len(dict(self.resource_tags)) != len(self.resource_tags):
            raise InvalidParameter("resourceTags", "A tag key can be given only once")
        try:
            check_resource_tags(dict(self.resource_tags))
        except (InvalidTagParameter, TooManyTags) as refusal:  # the operations of templates do not have these
            raise InvalidParameter("resourceTags", refusal.message) from None

    @property
    def lacks_role(self) -> bool:
        """Whether it asks for what ECR does only in a role of the caller's, and names none."""
        return self.custom_role_arn is None and (bool(self.resource_tags) or self.encryption.is_by_key)


@dataclass(frozen=True, slots=True)
class Template:
    """A template that exists."""

    prefix: str
    settings: TemplateSettings
    created_at: datetime
    updated_at: datetime
