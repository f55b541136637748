"""What managed policies are, how their ARNs and versions are spelled, and how much a policy may say."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.model.errors import InvalidInput, LimitExceeded, Validation
from holdfast.model.iam import kinds
from holdfast.model.iam.documents import size
from holdfast.model.iam.kinds import Kind
from holdfast.model.iam_entities import arn, check_name, key_of
from holdfast.model.iam_roles import SERVICE_PATH

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

AWS = "aws"  # the account of the policies that are Amazon's
POLICY_NAME_LENGTH = 128
PATH_LENGTH = 512
PATH = re.compile(r"((/[A-Za-z0-9.,+@=_-]+)*)/", re.ASCII)
MOST_VERSIONS = 5
MANAGED_CHARACTERS = 6144
NOTHING_GOES = '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}'
INLINE_CHARACTERS = {"user": 2048, "group": 5120, "role": 10240}  # all inline policies of one together

_ARN = re.compile(r"arn:[^:\s]*:[^:\s]*:[^:\s]*:[^:\s]*:\S+", re.ASCII)
_POLICY_ARN = re.compile(
    r"arn:aws(?:-[a-z]+)*:iam::(?P<account>aws|[0-9]{12}):policy(?P<path>/(?:[\u0021-\u007e]+/)?)(?P<name>[\w+=,.@-]+)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class ManagedPolicy:
    """A policy that may be attached to many; each change of it is a new version."""

    id: str
    account_id: str
    name: str
    path: str
    description: str | None
    default_version: int
    latest_version: int
    created_at: datetime
    updated_at: datetime
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name("policyName", self.name, POLICY_NAME_LENGTH)
        if not PATH.fullmatch(self.path) or len(self.path) > PATH_LENGTH:
            raise Validation("The specified value for path is invalid. It must begin and end with /")

    @property
    def arn(self) -> str:
        """The policy's ARN, which has the path in it."""
        return arn(self.account_id, "policy", self.path, self.name)


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """What a policy says, or said once."""

    number: int
    document: str
    created_at: datetime
    is_default: bool

    @property
    def id(self) -> str:
        """The version as requests name it."""
        return f"v{self.number}"


@dataclass(frozen=True, slots=True)
class Usage:
    """By how many entities of an account a policy is used, for either purpose."""

    attachments: int = 0
    boundaries: int = 0


@dataclass(frozen=True, slots=True)
class PolicyArn:
    """The ARN of a managed policy, whether or not it is there."""

    text: str
    account_id: str
    path: str
    name: str

    @property
    def key(self) -> str:
        """What is the same for all names that IAM takes for the same."""
        return key_of(self.name)

    @property
    def is_amazons(self) -> bool:
        """Whether the policy is one of those that every account has."""
        return self.account_id == AWS

    @property
    def is_of_a_service(self) -> bool:
        """Whether only the roles of services may have the policy."""
        return self.is_amazons and self.path == SERVICE_PATH


def read_arn(text: str) -> PolicyArn:
    """The policy that an ARN names; refused in IAM's words if it names none."""
    if not _ARN.fullmatch(text):
        raise Validation("Invalid ARN:  Could not be parsed!")
    found = _POLICY_ARN.fullmatch(text)
    if found is None:
        raise InvalidInput(f"ARN {text} is not valid.")
    return PolicyArn(text, found["account"], found["path"], found["name"])


def check_managed(text: str) -> None:
    """Refuse what is no policy that can be attached, or is too long for one."""
    kinds.parse(text, Kind.IDENTITY)
    if size(text) > MANAGED_CHARACTERS:
        raise LimitExceeded(f"Cannot exceed quota for PolicySize: {MANAGED_CHARACTERS}")


def check_inline(text: str, kind: str, name: str, others: int) -> None:
    """Refuse what is no policy of an entity, or with its other ones says more than it may."""
    kinds.parse(text, Kind.IDENTITY)
    most = INLINE_CHARACTERS[kind]
    if size(text) + others > most:
        raise LimitExceeded(f"Maximum policy size of {most} bytes exceeded for {kind} {name}")


def check_trust(text: str, most: int) -> None:
    """Refuse what is no trust policy, or is too long for one."""
    kinds.parse(text, Kind.TRUST)
    if size(text) > most:
        raise LimitExceeded(f"Cannot exceed quota for ACLSizePerRole: {most}")
