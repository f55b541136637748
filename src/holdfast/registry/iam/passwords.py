"""Passwords of users for the console: kept as hashes that cost much to guess from."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import password_policies
from holdfast.model.errors import (
    AccessDenied,
    EntityAlreadyExists,
    NoSuchEntity,
    PasswordPolicyViolation,
    Unauthenticated,
)

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.iam_entities import LoginProfile, User
    from holdfast.model.password_policies import PasswordPolicy
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

# 16 MiB and some 200 ms a hash (OWASP, "Password Storage Cheat Sheet"); a kept hash says what it was made with.
COST, BLOCK_SIZE, PARALLELISM = 2**14, 8, 5
SALT_BYTES = 16
HASH_BYTES = 32
# The text of no password; to see that none is it costs as much as for any other.
NOBODYS = f"scrypt${COST}${BLOCK_SIZE}${PARALLELISM}${base64.b64encode(bytes(SALT_BYTES)).decode()}$"


def create(on: Backends, account_id: str, user_name: str, password: str, *, must_change: bool) -> LoginProfile:
    """Give a user a password."""
    with on.database.snapshot() as tx:
        policy = store.iam_password_policies.find(tx, account_id)
    password_policies.check(policy, password, user_name)
    hashed = hash_of(password, on.random_bytes(SALT_BYTES))
    with on.database.transaction() as tx:
        user = store.iam_users.get(tx, account_id, user_name)
        if not store.iam_login_profiles.insert_new(tx, user, hashed, must_change=must_change, now=on.clock()):
            raise EntityAlreadyExists("login profile", user.name)
        store.counters.bump_access(tx, account_id)
        return _profile(tx, user)


def get(on: Backends, account_id: str, user_name: str) -> LoginProfile:
    """The login profile of a user, or `NoSuchEntity`."""
    with on.database.snapshot() as tx:
        return _profile(tx, store.iam_users.get(tx, account_id, user_name))


def update(
    on: Backends, account_id: str, user_name: str, *, password: str | None = None, must_change: bool | None = None
) -> None:
    """Give a user another password, or say whether he must choose one."""
    hashed = None
    if password is not None:
        with on.database.snapshot() as tx:
            policy = store.iam_password_policies.find(tx, account_id)
            password_policies.check(policy, password, user_name)
            before = _profile(tx, store.iam_users.get(tx, account_id, user_name))
        _check_new(policy, before, password)
        hashed = hash_of(password, on.random_bytes(SALT_BYTES))
    with on.database.transaction() as tx:
        profile = _profile(tx, store.iam_users.get(tx, account_id, user_name))
        must = profile.must_change if must_change is None else must_change
        if hashed is None:
            store.iam_login_profiles.set_must_change(tx, profile, must_change=must)
        else:
            store.iam_login_profiles.change(tx, profile, hashed, must_change=must, now=on.clock())
        store.counters.bump_access(tx, account_id)


def delete(on: Backends, account_id: str, user_name: str) -> None:
    """Take a user's password away."""
    with on.database.transaction() as tx:
        user = store.iam_users.get(tx, account_id, user_name)
        if not store.iam_login_profiles.delete(tx, user):
            raise NoSuchEntity("login profile", user.name)
        store.counters.bump_access(tx, account_id)


def change(on: Backends, user_id: str, old: str, new: str) -> None:
    """Let a user choose another password, who knows the old one."""
    with on.database.snapshot() as tx:
        user = store.iam_users.find_by_id(tx, user_id)
        if user is None:
            raise NoSuchEntity("user", user_id)
        profile = _profile(tx, user)
        policy = store.iam_password_policies.find(tx, user.account_id)
    _, is_locked = _expiry(policy, profile, on.clock())
    if not is_of(old, profile.password_hash):
        raise AccessDenied(user.arn, "iam:ChangePassword", user.arn, "because the old password is not that of the user")
    if is_locked:
        why = "because the password has expired, and the account lets administrators alone set another one"
        raise AccessDenied(user.arn, "iam:ChangePassword", user.arn, why)
    password_policies.check(policy, new, user.name)
    _check_new(policy, profile, new)
    hashed = hash_of(new, on.random_bytes(SALT_BYTES))
    with on.database.transaction() as tx:
        if _profile(tx, user).password_hash != profile.password_hash:
            raise AccessDenied(user.arn, "iam:ChangePassword", user.arn, "because the password was changed meanwhile")
        store.iam_login_profiles.change(tx, profile, hashed, must_change=False, now=on.clock())
        store.counters.bump_access(tx, user.account_id)


def check(on: Backends, account_id: str, user_name: str, password: str) -> LoginProfile:
    """Whom a name and a password speak for, who counts as having signed in; or `Unauthenticated`.

    Who has an expired password must choose another one, or is refused if the account says so.
    """
    with on.database.snapshot() as tx:
        user = store.iam_users.find(tx, account_id, user_name)
        profile = store.iam_login_profiles.find(tx, user) if user else None
    # Who is not there costs as much as who is: the time must not tell which users there are.
    if not is_of(password, profile.password_hash if profile else NOBODYS) or profile is None:
        raise Unauthenticated
    with on.database.transaction(durable=False) as tx:
        policy = store.iam_password_policies.find(tx, account_id)
        is_over, is_locked = _expiry(policy, profile, on.clock())
        if is_locked:
            raise Unauthenticated
        store.iam_users.password_used(tx, profile.user.id, on.clock())
    return replace(profile, must_change=profile.must_change or is_over)


# ---- Hashes


def hash_of(password: str, salt: bytes) -> str:
    """The text that is kept of a password: how it was hashed, the salt and the hash."""
    return _written(password, salt, COST, BLOCK_SIZE, PARALLELISM)


def is_of(password: str, kept: str) -> bool:
    """Whether a text was made of this password, told in constant time."""
    _, cost, block_size, parallelism, salt, _ = kept.split("$")
    again = _written(password, base64.b64decode(salt), int(cost), int(block_size), int(parallelism))
    return hmac.compare_digest(again.encode(), kept.encode())


def _written(password: str, salt: bytes, cost: int, block_size: int, parallelism: int) -> str:
    # scrypt fills up a short password with zeros: without a hash before it, one that ends in zeros would be the same.
    digest = hashlib.sha256(password.encode()).digest()
    hashed = hashlib.scrypt(digest, salt=salt, n=cost, r=block_size, p=parallelism, maxmem=2**26, dklen=HASH_BYTES)
    salt_text, hash_text = (base64.b64encode(part).decode() for part in (salt, hashed))
    return f"scrypt${cost}${block_size}${parallelism}${salt_text}${hash_text}"


# ---- Rules


def _check_new(policy: PasswordPolicy | None, profile: LoginProfile, password: str) -> None:
    """Refuse a password that its user had before, as far back as the account remembers."""
    before = [profile.password_hash, *(profile.previous_hashes or ())]
    if policy and any(is_of(password, kept) for kept in before[: policy.reuse_prevention or 0]):
        raise PasswordPolicyViolation


def _expiry(policy: PasswordPolicy | None, profile: LoginProfile, now: datetime) -> tuple[bool, bool]:
    """Whether a password is over, and whether only somebody else may choose the next one."""
    expires_at = policy.expires_at(profile.changed_at or profile.created_at) if policy else None
    is_over = expires_at is not None and expires_at <= now
    return is_over, is_over and bool(policy and policy.hard_expiry)


def _profile(tx: Transaction, user: User) -> LoginProfile:
    profile = store.iam_login_profiles.find(tx, user)
    if profile is None:
        raise NoSuchEntity("login profile", user.name)
    return profile
