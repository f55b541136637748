"""What a request wants to have simulated; wishes that cannot be are refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.model.errors import InvalidInput
from holdfast.model.iam import documents, values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MOST_CHARACTERS = documents.MAXIMUM_LENGTH  # of all policies that a request brings

_ACTION = re.compile(r"[A-Za-z0-9.-]+:[A-Za-z0-9]+", re.ASCII)
_RESOURCE = re.compile(r"\*|arn:[^:\s]+:[^:\s]+:[^:\s]*:[^:\s]*:\S+")
_OWNER = re.compile(r"(?:arn:aws(?:-[a-z]+)*:iam::)?(?P<account>[0-9]{12})(?::root)?", re.ASCII)
_READERS: Mapping[str, Callable[[str], object]] = {
    "string": str,
    "numeric": values.number,
    "boolean": values.truth,
    "ip": values.network,
    "binary": values.octets,
    "date": values.instant,
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be simulated, as a request says it."""

    actions: Sequence[str]
    resources: Sequence[str] = ("*",)
    policies: Sequence[str] = ()
    boundaries: Sequence[str] = ()
    resource_policy: str | None = None
    resource_owner: str | None = None
    caller_arn: str | None = None
    context: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    levels: Sequence[Sequence[str]] | None = None

    def __post_init__(self) -> None:
        for action in self.actions:
            if not _ACTION.fullmatch(action):
                raise InvalidInput(
                    f"Invalid action name {action}: it must be a service and an action without wildcards"
                )
        for resource in self.resources:
            if not _RESOURCE.fullmatch(resource):
                raise InvalidInput(f"ARN {resource} is not valid.")
        if not self.actions:
            raise InvalidInput("At least one action must be given")
        if len(self.boundaries) > 1:
            raise InvalidInput("Only one permissions boundary can be simulated")
        texts = [*self.policies, *self.boundaries, self.resource_policy or ""]
        texts += [text for level in self.levels or () for text in level]
        if sum(map(len, texts)) > MOST_CHARACTERS:
            raise InvalidInput(f"The policies must have at most {MOST_CHARACTERS} characters together")

    @property
    def owner(self) -> str | None:
        """The account of resources whose ARNs tell none."""
        if self.resource_owner is None:
            return None
        found = _OWNER.fullmatch(self.resource_owner)
        if found is None:
            raise InvalidInput(f"ResourceOwner {self.resource_owner} is not valid: it must be an account")
        return found["account"]


def context_value(name: str, type_: str, texts: Sequence[str]) -> str | tuple[str, ...]:
    """The value of a context key, or the refusal of one that is not of its type."""
    kind = type_.removesuffix("List")
    if not all(_READERS[kind](text) is not None for text in texts):
        raise InvalidInput(f"The value of the context key {name} is not of the type {type_}")
    if type_ != kind:
        return tuple(texts)
    if len(texts) != 1:
        raise InvalidInput(f"The context key {name} of the type {type_} must have one value")
    return texts[0]
