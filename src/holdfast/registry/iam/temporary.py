"""Temporary credentials of a user or of an account's root, and of strangers whom a user vouches for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import access_key_ids
from holdfast.model.errors import StsAccessDenied, Validation
from holdfast.model.iam_sessions import FEDERATED, ROOT, USER, federated_user_arn
from holdfast.registry.iam import session_policies, sessions

if TYPE_CHECKING:
    from holdfast.model.callers import Caller
    from holdfast.model.iam_session_limits import SessionPolicies, SessionTags
    from holdfast.model.iam_sessions import Credentials
    from holdfast.registry.backends import Backends

USUAL = timedelta(hours=12)
LONGEST_OF_ROOT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Federated:
    """A federated user as he is told to whoever asked."""

    credentials: Credentials
    account_id: str
    name: str
    packed_percent: int | None

    @property
    def id(self) -> str:
        """What nobody else in the account is called."""
        return f"{self.account_id}:{self.name}"

    @property
    def arn(self) -> str:
        """The ARN of the federated user."""
        return federated_user_arn(self.account_id, self.name)


def user_id(on: Backends, caller: Caller) -> str:
    """What nobody else has, as STS tells callers who they are."""
    if caller.kind == "root":
        return caller.account_id
    if caller.kind == "user":
        return caller.entity_id or ""
    session = sessions.find(on, caller.access_key_id)
    name = session.name if session else ""
    return f"{caller.account_id if caller.kind == 'federated-user' else caller.entity_id}:{name}"


def require_long_term(on: Backends, caller: Caller, operation: str) -> None:
    """Refuse a caller with temporary credentials."""
    if caller.kind == "session" or sessions.find(on, caller.access_key_id) is not None:
        raise StsAccessDenied(f"Cannot call {operation} with session credentials")


def require_not_of_user(on: Backends, caller: Caller, operation: str) -> None:
    """Refuse the temporary credentials of a user or a root, or of a federated user: they may call little of STS."""
    if caller.kind != "session":
        require_long_term(on, caller, operation)


def of_caller(on: Backends, caller: Caller, seconds: int | None) -> Credentials:
    """Temporary credentials of the caller himself."""
    is_root = caller.kind == "root"
    with on.database.transaction() as tx:
        return sessions.begin(
            on,
            tx,
            account_id=caller.account_id,
            kind=ROOT if is_root else USER,
            entity_id=caller.entity_id,
            name=caller.arn.rpartition("/")[2][:64],
            lifetime=_lifetime(seconds, is_root=is_root),
        )


def of_federated_user(
    on: Backends, caller: Caller, name: str, seconds: int | None, policies: SessionPolicies, tags: SessionTags
) -> Federated:
    """Temporary credentials of somebody whom the caller vouches for, with no more rights than the caller's own."""
    packed_percent = policies.packed_percent(tags.tags)
    with on.database.transaction() as tx:
        credentials = sessions.begin(
            on,
            tx,
            account_id=caller.account_id,
            kind=FEDERATED,
            entity_id=caller.entity_id,
            name=name,
            lifetime=_lifetime(seconds, is_root=caller.kind == "root"),
            policies=session_policies.texts(tx, caller.account_id, policies),
            tags=tags.tags,
        )
    return Federated(credentials, caller.account_id, name, packed_percent)


def account_of_key(on: Backends, access_key_id: str) -> str:
    """The account of an access key, which its id tells unless an operator chose it."""
    account_id = access_key_ids.account_of(access_key_id)
    if account_id is None:
        with on.database.snapshot() as tx:
            found = store.accounts.find_key(tx, access_key_id)
        account_id = found[0].account_id if found else None
    if account_id is None:
        raise Validation(f"The access key {access_key_id} is invalid")
    return account_id


def _lifetime(seconds: int | None, *, is_root: bool) -> timedelta:
    """How long credentials live; those of a root never longer than an hour, whatever is asked."""
    wanted = USUAL if seconds is None else timedelta(seconds=seconds)
    return min(wanted, LONGEST_OF_ROOT) if is_root else wanted
