"""Who is asking, and how they came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.model.iam_entities import arn

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A long-term access key without its secret."""

    id: str
    account_id: str
    is_active: bool
    description: str
    created_at: datetime
    user_id: str | None = None  # None: the account's root
    used_at: datetime | None = None
    used_for: str | None = None
    used_in: str | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated principal."""

    account_id: str
    access_key_id: str
    kind: str = "root"  # root, user, session (of a role), federated-user, scanner or anonymous
    entity_id: str | None = None  # of the user or role behind it; of a scanner the ARN of its repository
    own_arn: str = ""  # of every kind but root

    @property
    def arn(self) -> str:
        """The principal's ARN; a role's session has that of the session."""
        return self.own_arn or f"arn:aws:iam::{self.account_id}:root"


SCANNER = "scanner"  # of this registry, which reads one repository to judge its images
ANONYMOUS = Caller("anonymous", "", kind="anonymous", own_arn="anonymous")  # without any credentials


def scanner(at_arn: str, account_id: str) -> Caller:
    """The scanner of this registry, for one repository; STS gives nobody such a name."""
    own_arn = f"arn:aws:sts::{account_id}:federated-user/holdfast/scanner"
    return Caller(account_id, "", SCANNER, at_arn, own_arn)


def holder(access_key_id: str, account_id: str, user_id: str | None, path: str | None, name: str | None) -> Caller:
    """Whom a long-term key speaks for: a user, or its account's root if it is no user's."""
    if user_id is None or path is None or name is None:
        return Caller(account_id, access_key_id)
    return Caller(account_id, access_key_id, "user", user_id, arn(account_id, "user", path, name))
