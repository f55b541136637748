"""Sessions: what temporary credentials stand for, and what holds for as long as they do.

kind        came of                                     acts as
role        AssumeRole, AssumeRoleWithWebIdentity       a session of the role
user        GetSessionToken of a user                   the user
root        GetSessionToken of an account's root        the root
federated   GetFederationToken                          a federated user
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.model.callers import Caller, holder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

ROLE, USER, ROOT, FEDERATED = "role", "user", "root", "federated"

# What holds for a whole session, by the context key that policies read it by.
ISSUED = "aws:tokenissuetime"
MFA = "aws:multifactorauthpresent"
SOURCE_IDENTITY = "aws:sourceidentity"
TRANSITIVE_KEYS = "sts:transitivetagkeys"
PROVIDER = "aws:federatedprovider"

Fact = str | list[str]


@dataclass(frozen=True, slots=True)
class Session:
    """Temporary credentials without their secret."""

    id: str  # the access key id
    account_id: str
    kind: str
    entity_id: str | None  # of the role, or of the user who asked
    name: str
    policies: tuple[str, ...]
    tags: Mapping[str, str]
    facts: Mapping[str, Fact]
    issued_at: datetime
    expires_at: datetime
    entity_name: str = ""  # of the role or user, as it is called now
    entity_path: str = "/"

    @property
    def caller(self) -> Caller:
        """Whom the credentials speak for."""
        behind = (self.entity_id, self.name, self.entity_name, self.entity_path)
        return caller(self.id, self.account_id, self.kind, *behind)

    @property
    def transitive_keys(self) -> tuple[str, ...]:
        """The keys of the tags that sessions of roles assumed with these credentials have too."""
        return tuple(self.facts.get(TRANSITIVE_KEYS, ()))

    @property
    def source_identity(self) -> str | None:
        """Who is behind it, as it was told when the first role was assumed."""
        found = self.facts.get(SOURCE_IDENTITY)
        return found if isinstance(found, str) else None


@dataclass(frozen=True, slots=True)
class Credentials:
    """Temporary credentials as they are told, once."""

    access_key_id: str
    secret: str = field(repr=False)
    session_token: str = field(repr=False)
    expires_at: datetime


def caller(
    access_key_id: str,
    account_id: str,
    kind: str,
    entity_id: str | None,
    name: str,
    entity_name: str,
    entity_path: str,
) -> Caller:
    """Whom the key of a session speaks for."""
    match kind:
        case "role":
            own_arn = role_session_arn(account_id, entity_name, name)
            return Caller(account_id, access_key_id, "session", entity_id, own_arn)
        case "federated":
            own_arn = federated_user_arn(account_id, name)
            return Caller(account_id, access_key_id, "federated-user", entity_id, own_arn)
        case "user":
            return holder(access_key_id, account_id, entity_id, entity_path, entity_name)
        case _:
            return Caller(account_id, access_key_id)


def role_session_arn(account_id: str, role_name: str, session_name: str) -> str:
    """The ARN of a role's session, which has no path."""
    return f"arn:aws:sts::{account_id}:assumed-role/{role_name}/{session_name}"


def federated_user_arn(account_id: str, name: str) -> str:
    """The ARN of a federated user."""
    return f"arn:aws:sts::{account_id}:federated-user/{name}"
