"""Secrets that accounts keep, as AWS Secrets Manager has them: a name, and values of which labels name some.

AWSCURRENT ──► the value that is given out      AWSPREVIOUS ──► the one before      without a label: forgotten soon
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.model.errors import InvalidParameter, Validation
from holdfast.model.names import Registry, partition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
NAME = re.compile(r"[A-Za-z0-9/_+=.@!-]{1,512}", re.ASCII)
SUFFIX_CHARACTERS = 6
ANY_SUFFIX = "?" * SUFFIX_CHARACTERS  # in the ARN of what is not there yet: patterns of policies match it
MOST_BYTES = 64 * 1024
RECOVERY_DAYS = range(7, 31)
DEFAULT_KEY = "alias/aws/secretsmanager"
MOST_TAGS = 50
_ARN = re.compile(
    r"arn:aws[a-z-]*:secretsmanager:(?P<region>[0-9a-z-]{2,25}):(?P<account>[0-9]{12}):secret:(?P<rest>.+)"
)


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret without its values."""

    id: int
    registry: Registry  # the account and region that it is of
    name: str
    suffix: str
    description: str
    tags: Mapping[str, str]
    created_at: datetime
    changed_at: datetime
    gone_at: datetime | None = None  # until then it can be restored
    used_at: datetime | None = None  # the day on which a value was read last, as AWS tells it

    @property
    def arn(self) -> str:
        """Its ARN, which another secret of the same name would not have."""
        return arn(self.registry, self.name, self.suffix)


@dataclass(frozen=True, slots=True)
class Version:
    """One value of a secret, without the value."""

    id: str
    stages: Sequence[str]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Value:
    """What is secret: a text, or bytes."""

    text: str | None = field(default=None, repr=False)
    data: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if len(self.plain) > MOST_BYTES + 1:
            member = "SecretString" if self.data is None else "SecretBinary"
            raise InvalidParameter(member, f"Member must have length less than or equal to {MOST_BYTES}")

    @property
    def plain(self) -> bytes:
        """The bytes to be sealed; the first one tells what they are."""
        return b"b" + self.data if self.data is not None else b"s" + (self.text or "").encode()

    @classmethod
    def of(cls, plain: bytes) -> Value:
        """The value whose bytes these are."""
        return cls(data=plain[1:]) if plain[:1] == b"b" else cls(text=plain[1:].decode())


@dataclass(frozen=True, slots=True)
class UpstreamCredential:
    """By which an upstream registry lets a pull-through cache in."""

    username: str
    access_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Named:
    """What a SecretId may mean, the likeliest first: an ARN may lack its suffix."""

    registry: Registry
    candidates: Sequence[tuple[str, str | None]]


def arn(registry: Registry, name: str, suffix: str) -> str:
    """The ARN of a secret."""
    head = f"arn:{partition(registry.region)}:secretsmanager:{registry.region}:{registry.account_id}:secret:"
    return f"{head}{name}-{suffix}"


def new_suffix(chance: bytes) -> str:
    """The end of an ARN that nobody can guess."""
    return base64.b64encode(chance, b"ab").decode()[:SUFFIX_CHARACTERS]


def read_id(home: Registry, text: str) -> Named:
    """What a SecretId names: a name in a registry, or an ARN of wherever it says."""
    return read_arn(text) or Named(home, [(text, None)])


def read_arn(text: str) -> Named | None:
    """What the ARN of a secret names; None if it is no such ARN."""
    found = _ARN.fullmatch(text)
    if found is None:
        return None
    rest = found["rest"]
    name, dash, suffix = rest[: -SUFFIX_CHARACTERS - 1], rest[-SUFFIX_CHARACTERS - 1 : -SUFFIX_CHARACTERS], rest[-6:]
    whole: list[tuple[str, str | None]] = [(name, suffix)] if name and dash == "-" else []
    return Named(Registry(found["account"], found["region"]), [*whole, (rest, None)])


def check_name(name: str) -> None:
    """Refuse a name that AWS would refuse."""
    if not NAME.fullmatch(name):
        raise Validation(
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!"
        )


def check_tags(tags: Mapping[str, str]) -> None:
    """Refuse tags that AWS would not keep."""
    if len(tags) > MOST_TAGS:
        raise InvalidParameter("Tags", f"A secret cannot have more than {MOST_TAGS} tags")
    if any(key.lower().startswith("aws:") for key in tags):
        raise InvalidParameter("Tags", "Tag keys that start with 'aws:' are reserved")


def labelled(stages: Mapping[str, Sequence[str]], to: str, labels: Sequence[str]) -> dict[str, list[str]]:
    """The labels of every version when one is given some; what was current becomes the previous one."""
    current = next((version for version, names in stages.items() if CURRENT in names), None)
    is_replaced = CURRENT in labels and current is not None and current != to
    moving = {*labels, PREVIOUS} if is_replaced else set(labels)
    after = {version: [name for name in names if name not in moving] for version, names in stages.items()}
    after[to] = [*after.get(to, ()), *dict.fromkeys(labels)]
    if is_replaced and current is not None:
        after[current].append(PREVIOUS)
    return after
