"""What IAM's users and groups are, and what every entity has: an id, a name, a path and perhaps tags.

An id is never given twice. A name is unique in its account without regard to case, and so is a tag's key on its entity.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.model.errors import InvalidInput, LimitExceeded, Validation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

ID_BYTES = 11  # of chance, of which 85 bits are used
MAXIMUM_TAGS = 50
USER_NAME_LENGTH = 64
GROUP_NAME_LENGTH = 128
NAME = re.compile(r"[\w+=,.@-]+", re.ASCII)
PATH = re.compile(r"/|/[\u0021-\u007e]+/", re.ASCII)
PATH_LENGTH = 512

# The prefixes of ids (IAM user guide, "Unique identifiers").
USER = "AIDA"
GROUP = "AGPA"
ROLE = "AROA"
POLICY = "ANPA"
INSTANCE_PROFILE = "AIPA"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody, or some program, with credentials of its own."""

    id: str
    account_id: str
    name: str
    path: str
    created_at: datetime
    boundary_arn: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    password_used_at: datetime | None = None

    def __post_init__(self) -> None:
        check_name("userName", self.name, USER_NAME_LENGTH)
        check_path("path", self.path)

    @property
    def arn(self) -> str:
        """The user's ARN, which has the path in it."""
        return arn(self.account_id, "user", self.path, self.name)


@dataclass(frozen=True, slots=True)
class Group:
    """Users who may do the same."""

    id: str
    account_id: str
    name: str
    path: str
    created_at: datetime

    def __post_init__(self) -> None:
        check_name("groupName", self.name, GROUP_NAME_LENGTH)
        check_path("path", self.path)

    @property
    def arn(self) -> str:
        """The group's ARN, which has the path in it."""
        return arn(self.account_id, "group", self.path, self.name)


@dataclass(frozen=True, slots=True)
class LoginProfile:
    """That a user has a password for the console; the password itself is nowhere."""

    user: User
    password_hash: str = field(repr=False)
    must_change: bool
    created_at: datetime
    changed_at: datetime | None = None
    previous_hashes: Sequence[str] | None = field(default=None, repr=False)


def arn(account_id: str, kind: str, path: str, name: str) -> str:
    """The ARN of an entity of an account; `kind` is user, group, role, policy or instance-profile."""
    return f"arn:aws:iam::{account_id}:{kind}{path}{name}"


def new_id(prefix: str, chance: bytes) -> str:
    """An id that nobody has yet, made of a prefix and `ID_BYTES` of chance."""
    return prefix + base64.b32encode(chance).decode()[:17]


def key_of(name: str) -> str:
    """What is the same for all names that IAM takes for the same."""
    return name.lower()


def check_name(field_: str, name: str, longest: int) -> None:
    """Refuse a name that no entity can have."""
    if not NAME.fullmatch(name):
        raise Validation(
            f"The specified value for {field_} is invalid. "
            "It must contain only alphanumeric characters and/or the following: +=,.@_-"
        )
    if len(name) > longest:
        raise Validation(
            f"1 validation error detected: Value at '{field_}' failed to satisfy constraint: "
            f"Member must have length less than or equal to {longest}"
        )


def check_path(field_: str, path: str) -> None:
    """Refuse what is no path: `/`, or more between two of them."""
    if not PATH.fullmatch(path) or len(path) > PATH_LENGTH:
        raise Validation(
            f"The specified value for {field_} is invalid. "
            "It must begin and end with / and contain only alphanumeric characters and/or / characters."
        )


# ---- Tags


def tags_of(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Tags by key, in the order in which they were given; a key that is given twice is refused."""
    pairs = list(pairs)
    if len({key_of(key) for key, _ in pairs}) != len(pairs):
        raise InvalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(key_of(key).startswith("aws:") for key, _ in pairs):
        raise InvalidInput("Tag keys that begin with 'aws:' are reserved for AWS.")
    return dict(pairs)


def tagged(tags: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """Tags with others added, each of which takes the place of the one with the same key."""
    places = {key_of(key): (key, value) for key, value in tags.items()}
    places.update({key_of(key): (key, value) for key, value in added.items()})
    if len(places) > MAXIMUM_TAGS:
        raise LimitExceeded("The number of tags has reached the maximum limit.")
    return dict(places.values())


def untagged(tags: Mapping[str, str], keys: Collection[str]) -> dict[str, str]:
    """Tags without those of some keys; an absent key is no fault."""
    gone = {key_of(key) for key in keys}
    return {key: value for key, value in tags.items() if key_of(key) not in gone}
