"""Access keys of users, and of the root of an account, whose `user_name` is None."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.errors import AccessDenied, NoSuchEntity
from holdfast.registry import accounts
from holdfast.registry.iam import quotas

if TYPE_CHECKING:
    from holdfast.model.callers import AccessKey, Caller
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose a key is: a user, or an account's root, who goes by the alias of the account if it has one."""

    account_id: str
    user_id: str | None
    name: str | None


def create(on: Backends, account_id: str, user_name: str | None) -> tuple[Holder, AccessKey, str]:
    """Make a key; the secret is told once and kept sealed."""
    with on.database.transaction() as tx:
        holder = _holder(tx, account_id, user_name)
        count = store.accounts.count_keys_of(tx, account_id, holder.user_id) + 1
        quotas.check("AccessKeysPerUser", count, on.limits.keys_per_user)
        return holder, *accounts.add_key(on, tx, account_id, user_id=holder.user_id)


def page(
    on: Backends, account_id: str, user_name: str | None, after: str, limit: int
) -> tuple[Holder, list[AccessKey], bool]:
    """Whose they are, keys in the order of their ids, and whether there are more."""
    with on.database.snapshot() as tx:
        holder = _holder(tx, account_id, user_name)
        found = store.accounts.keys_of(tx, account_id, holder.user_id, after, limit + 1)
    return holder, found[:limit], len(found) > limit


def set_active(on: Backends, account_id: str, user_name: str | None, key_id: str, *, is_active: bool) -> None:
    """Switch a key on or off; what was made from it stops with it."""
    with on.database.transaction() as tx:
        _require(tx, account_id, user_name, key_id)
        store.accounts.set_key_active(tx, key_id, is_active=is_active)
        store.counters.bump_access(tx, account_id)


def delete(on: Backends, account_id: str, user_name: str | None, key_id: str) -> None:
    """Forget a key; login tokens made from it are worthless at once."""
    with on.database.transaction() as tx:
        _require(tx, account_id, user_name, key_id)
        store.accounts.delete_key(tx, key_id)
        store.counters.bump_access(tx, account_id)


def find(on: Backends, account_id: str, key_id: str) -> AccessKey | None:
    """A key of an account."""
    with on.database.snapshot() as tx:
        found = store.accounts.find_key(tx, key_id)
    return found[0] if found and found[0].account_id == account_id else None


def last_used(on: Backends, caller: Caller, key_id: str) -> tuple[Holder, AccessKey]:
    """Whose a key is, and what it was last used for; a key of another account is as one that is not there."""
    with on.database.snapshot() as tx:
        found = store.accounts.find_key(tx, key_id)
        if found is None or found[0].account_id != caller.account_id:
            action = "iam:GetAccessKeyLastUsed"
            reason = f"because no identity-based policy allows the {action} action"
            raise AccessDenied(caller.arn, action, f"access key {key_id}", reason)
        key = found[0]
        user = store.iam_users.find_by_id(tx, key.user_id) if key.user_id else None
        return _holder(tx, key.account_id, user.name if user else None), key


def _holder(tx: Transaction, account_id: str, user_name: str | None) -> Holder:
    if user_name is None:
        return Holder(account_id, None, store.iam_aliases.find(tx, account_id))
    user = store.iam_users.get(tx, account_id, user_name)
    return Holder(account_id, user.id, user.name)


def _require(tx: Transaction, account_id: str, user_name: str | None, key_id: str) -> None:
    """Refuse with `NoSuchEntity` a key that is not this holder's."""
    user_id = _holder(tx, account_id, user_name).user_id
    found = store.accounts.find_key(tx, key_id)
    if found is None or (found[0].account_id, found[0].user_id) != (account_id, user_id):
        raise NoSuchEntity("access key", key_id)
