"""Passwords of users, as their hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, update
from sqlalchemy import delete as delete_from

from holdfast.model.iam_entities import LoginProfile
from holdfast.model.password_policies import REMEMBERED
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import iam_login_profiles

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.iam_entities import User
    from holdfast.store.database import Transaction

_of_user = iam_login_profiles.c.user_id == bindparam("which")
_FIND = Statement(
    select(*(column for column in iam_login_profiles.c if column is not iam_login_profiles.c.user_id)).where(_of_user)
)
_INSERT = insertion(iam_login_profiles)
_UPDATE = Statement(
    update(iam_login_profiles)
    .where(_of_user)
    .values(
        password_hash=bindparam("hash"),
        must_change=bindparam("must"),
        changed_at=bindparam("moment"),
        previous_hashes=bindparam("before"),
    )
)
_SET_MUST_CHANGE = Statement(update(iam_login_profiles).where(_of_user).values(must_change=bindparam("must")))
_DELETE = Statement(delete_from(iam_login_profiles).where(_of_user))


def find(tx: Transaction, user: User) -> LoginProfile | None:
    """The login profile of a user."""
    row = tx.first(_FIND, which=user.id)
    return LoginProfile(user=user, **row) if row else None


def insert_new(tx: Transaction, user: User, password_hash: str, *, must_change: bool, now: datetime) -> bool:
    """Give a user a password; False if he has one."""
    if find(tx, user) is not None:
        return False
    tx.run(
        _INSERT,
        user_id=user.id,
        password_hash=password_hash,
        must_change=must_change,
        created_at=now,
        changed_at=now,
        previous_hashes=[],
    )
    return True


def change(tx: Transaction, profile: LoginProfile, password_hash: str, *, must_change: bool, now: datetime) -> None:
    """Give a user another password; the one he had is remembered."""
    before = [profile.password_hash, *(profile.previous_hashes or ())][:REMEMBERED]
    tx.run(_UPDATE, which=profile.user.id, hash=password_hash, must=must_change, moment=now, before=before)


def set_must_change(tx: Transaction, profile: LoginProfile, *, must_change: bool) -> None:
    """Say whether a user must choose another password."""
    tx.run(_SET_MUST_CHANGE, which=profile.user.id, must=must_change)


def delete(tx: Transaction, user: User) -> bool:
    """Take a user's password away; False if he has none."""
    return tx.run(_DELETE, which=user.id) == 1
