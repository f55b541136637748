"""Users and roles that policies name: kept by the id that is never given twice, shown by their ARN.

Who deletes a role and makes one of the same name has made a stranger, whom older policies do not mean (IAM user guide,
"AWS JSON policy elements: Principal"). A principal that is gone is shown by its id.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.model.iam_entities import arn, key_of
from holdfast.model.json_places import places, replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.model.json_places import Place

KINDS = ("user", "group", "role")
UNIQUE_ID = re.compile(r"A(?:IDA|ROA)[A-Z2-7]{17}", re.ASCII)
_PLACES = {("Statement", "Principal", "AWS"), ("Statement", "NotPrincipal", "AWS")}
_ENTITY_ARN = re.compile(
    r"arn:aws(?:-[a-z]+)*:iam::(?P<account>[0-9]{12}):(?P<kind>user|group|role)(?P<path>/(?:[\u0021-\u007e]+/)?)(?P<name>[^/]+)",
    re.ASCII,
)


class NoSuchPrincipal(LookupError):
    """A policy names a user or a role that is not there."""

    def __init__(self, principal: str) -> None:
        super().__init__(principal)
        self.principal = principal


@dataclass(frozen=True, slots=True)
class Entity:
    """A user, a group or a role: what they have in common."""

    kind: str
    id: str
    account_id: str
    name: str
    path: str
    boundary_arn: str | None = None

    @property
    def arn(self) -> str:
        """The ARN, which has the path in it."""
        return arn(self.account_id, self.kind, self.path, self.name)


@dataclass(frozen=True, slots=True)
class EntityArn:
    """The ARN of a user, a group or a role, whether or not it is there."""

    account_id: str
    kind: str
    path: str
    name: str

    def is_of(self, entity: Entity) -> bool:
        """Whether it is the ARN of an entity."""
        return (self.path, self.name) == (entity.path, entity.name)

    @property
    def key(self) -> str:
        """What is the same for all names that IAM takes for the same."""
        return key_of(self.name)


def read_arn(text: str) -> EntityArn | None:
    """The user, group or role that an ARN names; None if it names something else."""
    found = _ENTITY_ARN.fullmatch(text)
    return EntityArn(found["account"], found["kind"], found["path"], found["name"]) if found else None


def resolve(text: str, lookup: Callable[[str], str | None]) -> str:
    """A policy with the ids of its principals, the rest as it is.

    The lookup tells for an ARN of a user or role, or an id of one, what is kept for it; None refuses it with
    `NoSuchPrincipal`. The text is one that was read as a policy.
    """
    changes: dict[Place, str] = {}
    for place, principal in _principals(text):
        if UNIQUE_ID.fullmatch(principal) or read_arn(principal):
            kept = lookup(principal)
            if kept is None:
                raise NoSuchPrincipal(principal)
            changes[place] = kept
    return replaced(text, changes)


def show(text: str, lookup: Callable[[str], str | None]) -> str:
    """A policy that was resolved, with the ARNs of its principals; the lookup tells none of who is gone."""
    if not UNIQUE_ID.search(text):
        return text
    named = ((place, lookup(principal)) for place, principal in _principals(text) if UNIQUE_ID.fullmatch(principal))
    return replaced(text, {place: shown for place, shown in named if shown is not None})


def ids_in(text: str) -> set[str]:
    """The ids that a resolved policy may have to show as something else."""
    return set(UNIQUE_ID.findall(text))


def _principals(text: str) -> Iterator[tuple[Place, str]]:
    """The AWS principals of a policy, with their places."""
    for place in places(text):
        names = tuple(step for step in place.path if isinstance(step, str))
        if names in _PLACES and text[place.start] == '"':
            yield place, json.loads(text[place.start : place.end])
