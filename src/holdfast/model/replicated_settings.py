"""Which settings of repositories go where their images go, and when two sides are set alike."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from holdfast.model.names import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SETTING = "replicated-settings"  # under which the choice of a registry is kept
OWN_TAGS = ("holdfast:", "aws:")  # resource tags that say something of one repository only
_ACCOUNT = re.compile(r"[0-9]{12}", re.ASCII)


class Setting(StrEnum):
    """A setting of a repository."""

    TAG_MUTABILITY = "TAG_MUTABILITY"
    SCAN_ON_PUSH = "SCAN_ON_PUSH"
    LIFECYCLE_POLICY = "LIFECYCLE_POLICY"
    REPOSITORY_POLICY = "REPOSITORY_POLICY"
    RESOURCE_TAGS = "RESOURCE_TAGS"

    @property
    def action(self) -> str:
        """What another account must allow, beside ecr:ReplicateImage, so that it may be set there."""
        return _ACTIONS[self]


_ACTIONS = {
    Setting.TAG_MUTABILITY: "ecr:PutImageTagMutability",
    Setting.SCAN_ON_PUSH: "ecr:PutImageScanningConfiguration",
    Setting.LIFECYCLE_POLICY: "ecr:PutLifecyclePolicy",
    Setting.REPOSITORY_POLICY: "ecr:SetRepositoryPolicy",
    Setting.RESOURCE_TAGS: "ecr:TagResource",
}
Choices = dict[Registry, tuple[Setting, ...]]  # by destination; none: nothing but images goes


def read(text: str | None) -> Choices:
    """The choice of a registry as it was kept."""
    if text is None:
        return {}
    kept = json.loads(text)
    return {Registry(one["account_id"], one["region"]): tuple(map(Setting, one["settings"])) for one in kept}


def text_of(choices: Choices) -> str:
    """As it is kept."""
    return json.dumps(
        [
            {"account_id": to.account_id, "region": to.region, "settings": settings}
            for to, settings in choices.items()
            if settings
        ]
    )


def differing(here: Mapping[Setting, Any], there: Mapping[Setting, Any]) -> list[Setting]:
    """The settings that are not alike."""
    return [setting for setting, value in here.items() if _normal(setting, value) != _normal(setting, there[setting])]


def _normal(setting: Setting, value: Any) -> Any:
    """The same for all that mean the same: a policy may be written in several ways, and AWS writes it in its own."""
    if setting in {Setting.LIFECYCLE_POLICY, Setting.REPOSITORY_POLICY} and value is not None:
        try:
            return _plain(json.loads(value))
        except (ValueError, RecursionError):
            return value
    if setting is Setting.TAG_MUTABILITY:
        return value.setting, sorted(value.filters)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        items: Sequence[Any] = [_plain(item) for item in value]
        return items[0] if len(items) == 1 else sorted(items, key=str)
    if isinstance(value, str) and _ACCOUNT.fullmatch(value):
        return f"arn:aws:iam::{value}:root"
    return value
