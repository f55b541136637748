"""Users: find, insert, list, change and delete them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, update
from sqlalchemy import delete as delete_from

from holdfast.model.errors import NoSuchEntity
from holdfast.model.iam_entities import User, key_of
from holdfast.store import iam_names
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import (
    access_keys,
    iam_attachments,
    iam_group_members,
    iam_inline_policies,
    iam_login_profiles,
    iam_users,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from holdfast.store.database import Transaction

_columns = iam_names.columns(iam_users)

_the_user = iam_users.c.id == bindparam("which")
_FIND = iam_names.find(iam_users)
_FIND_BY_ID = Statement(select(*_columns).where(_the_user))
_PAGE = iam_names.page(iam_users)
_COUNT = iam_names.count(iam_users)
_INSERT = insertion(iam_users)
_RENAME = Statement(
    update(iam_users)
    .where(_the_user)
    .values(name=bindparam("new_name"), name_key=bindparam("new_key"), path=bindparam("new_path"))
)
_SET_TAGS = Statement(update(iam_users).where(_the_user).values(tags=bindparam("all_tags")))
_SET_BOUNDARY = Statement(update(iam_users).where(_the_user).values(boundary_arn=bindparam("arn")))
_SET_PASSWORD_USED = Statement(update(iam_users).where(_the_user).values(password_used_at=bindparam("moment")))
_DELETE = Statement(delete_from(iam_users).where(_the_user))
_HANGING = {  # what must go before a user can, in the order in which it is told
    "login profile": select(iam_login_profiles.c.user_id).where(iam_login_profiles.c.user_id == bindparam("which")),
    "access keys": select(access_keys.c.id).where(access_keys.c.user_id == bindparam("which")),
    "groups": select(iam_group_members.c.group_id).where(iam_group_members.c.user_id == bindparam("which")),
    "attached policies": select(iam_attachments.c.policy_arn).where(iam_attachments.c.entity_id == bindparam("which")),
    "inline policies": select(iam_inline_policies.c.name).where(iam_inline_policies.c.entity_id == bindparam("which")),
}
_ANY_HANGING = {what: Statement(query.limit(1)) for what, query in _HANGING.items()}


def find(tx: Transaction, account_id: str, name: str) -> User | None:
    """A user by name, in whatever case."""
    row = tx.first(_FIND, account=account_id, key=key_of(name))
    return User(**row) if row else None


def get(tx: Transaction, account_id: str, name: str) -> User:
    """A user by name, in whatever case; or `NoSuchEntity`."""
    user = find(tx, account_id, name)
    if user is None:
        raise NoSuchEntity("user", name)
    return user


def find_by_id(tx: Transaction, user_id: str) -> User | None:
    """A user by id."""
    row = tx.first(_FIND_BY_ID, which=user_id)
    return User(**row) if row else None


def page(tx: Transaction, account_id: str, after: str, limit: int, path_prefix: str = "/") -> list[User]:
    """Up to `limit` users whose paths begin alike, in the order of their names' keys, beginning after one."""
    return [User(**row) for row in tx.all(_PAGE, account=account_id, after=after, prefix=path_prefix, limit=limit)]


def count(tx: Transaction, account_id: str) -> int:
    """How many users an account has."""
    return int(tx.value(_COUNT, account=account_id))


def insert_new(tx: Transaction, user: User) -> bool:
    """Make a user; False if the name is taken."""
    if find(tx, user.account_id, user.name) is not None:
        return False
    tx.run(
        _INSERT,
        id=user.id,
        account_id=user.account_id,
        name=user.name,
        name_key=key_of(user.name),
        path=user.path,
        boundary_arn=user.boundary_arn,
        tags=dict(user.tags),
        created_at=user.created_at,
        password_used_at=None,
    )
    return True


def rename(tx: Transaction, user: User, name: str, path: str) -> bool:
    """Give a user another name and path; False if somebody else has the name."""
    other = find(tx, user.account_id, name)
    if other is not None and other.id != user.id:
        return False
    tx.run(_RENAME, which=user.id, new_name=name, new_key=key_of(name), new_path=path)
    return True


def set_tags(tx: Transaction, user: User, tags: Mapping[str, str]) -> None:
    """Let these be a user's tags."""
    tx.run(_SET_TAGS, which=user.id, all_tags=dict(tags))


def set_boundary(tx: Transaction, user: User, policy_arn: str | None) -> None:
    """Bound what a user may do by a policy, or no longer."""
    tx.run(_SET_BOUNDARY, which=user.id, arn=policy_arn)


def password_used(tx: Transaction, user_id: str, at: datetime) -> None:
    """Note that a user signed in."""
    tx.run(_SET_PASSWORD_USED, which=user_id, moment=at)


def what_hangs_on(tx: Transaction, user: User) -> str | None:
    """What must go before a user can: login profile, access keys, groups, attached policies or inline policies."""
    found = (what for what, statement in _ANY_HANGING.items() if tx.first(statement, which=user.id) is not None)
    return next(found, None)


def delete(tx: Transaction, user: User) -> None:
    """Remove a user on whom nothing hangs."""
    tx.run(_DELETE, which=user.id)
