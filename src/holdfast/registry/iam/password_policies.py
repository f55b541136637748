"""What an account asks of the passwords of its users: say it, tell it, and take it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.circumstances import NOTHING
from holdfast.model.errors import NoSuchEntity
from holdfast.model.names import Arn

if TYPE_CHECKING:
    from holdfast.model.callers import Caller
    from holdfast.model.circumstances import Circumstances
    from holdfast.model.password_policies import PasswordPolicy
    from holdfast.registry.backends import Backends


def get(on: Backends, account_id: str) -> PasswordPolicy:
    """The password policy of an account, or `NoSuchEntity` if it has none."""
    with on.database.snapshot() as tx:
        found = store.iam_password_policies.find(tx, account_id)
    if found is None:
        raise NoSuchEntity("password policy", account_id)
    return found


def put(on: Backends, account_id: str, policy: PasswordPolicy) -> None:
    """Let this be the password policy of an account; it holds for passwords that are chosen from now on."""
    with on.database.transaction() as tx:
        store.iam_password_policies.put(tx, account_id, policy)


def delete(on: Backends, account_id: str) -> None:
    """Let AWS's default policy hold again."""
    with on.database.transaction() as tx:
        if not store.iam_password_policies.delete(tx, account_id):
            raise NoSuchEntity("password policy", account_id)


def lets_change(on: Backends, caller: Caller, request: Circumstances) -> bool:
    """Whether a user may change his password because the account lets all its users, and no policy denies it."""
    with on.database.snapshot() as tx:
        policy = store.iam_password_policies.find(tx, caller.account_id)
    if policy is None or not policy.users_may_change or caller.kind != "user":
        return False
    place = Arn(caller.account_id, caller.arn)
    decision = on.access.decide(on, caller, "iam:ChangePassword", place, request, NOTHING)
    return decision.is_allowed or (decision.outcome == "implicit_deny" and decision.missing == ("identity",))
