"""Groups and their members: find, insert, list, change and delete them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select, update
from sqlalchemy import delete as delete_from

from holdfast.model.errors import NoSuchEntity
from holdfast.model.iam_entities import Group, User, key_of
from holdfast.store import iam_names
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import iam_attachments, iam_group_members, iam_groups, iam_inline_policies, iam_users

if TYPE_CHECKING:
    from holdfast.store.database import Transaction

_columns = iam_names.columns(iam_groups)
_the_group = iam_groups.c.id == bindparam("which")
_FIND = iam_names.find(iam_groups)
_PAGE = iam_names.page(iam_groups)
_COUNT = iam_names.count(iam_groups)
_INSERT = insertion(iam_groups)
_RENAME = Statement(
    update(iam_groups)
    .where(_the_group)
    .values(name=bindparam("new_name"), name_key=bindparam("new_key"), path=bindparam("new_path"))
)
_DELETE = Statement(delete_from(iam_groups).where(_the_group))
_HANGING = {  # what must go before a group can, in the order in which it is told
    "members": select(iam_group_members.c.user_id).where(iam_group_members.c.group_id == bindparam("which")),
    "attached policies": select(iam_attachments.c.policy_arn).where(iam_attachments.c.entity_id == bindparam("which")),
    "inline policies": select(iam_inline_policies.c.name).where(iam_inline_policies.c.entity_id == bindparam("which")),
}
_ANY_HANGING = {what: Statement(query.limit(1)) for what, query in _HANGING.items()}

_membership = (iam_group_members.c.group_id == bindparam("group"), iam_group_members.c.user_id == bindparam("user"))
_IS_MEMBER = Statement(select(iam_group_members.c.user_id).where(*_membership))
_INSERT_MEMBER = insertion(iam_group_members)
_DELETE_MEMBER = Statement(delete_from(iam_group_members).where(*_membership))
_MEMBERS = Statement(
    select(*iam_names.columns(iam_users))
    .join(iam_group_members, iam_group_members.c.user_id == iam_users.c.id)
    .where(iam_group_members.c.group_id == bindparam("which"), iam_users.c.name_key > bindparam("after"))
    .order_by(iam_users.c.name_key)
    .limit(bindparam("limit"))
)
_OF_USER = Statement(
    select(*_columns)
    .join(iam_group_members, iam_group_members.c.group_id == iam_groups.c.id)
    .where(iam_group_members.c.user_id == bindparam("user"), iam_groups.c.name_key > bindparam("after"))
    .order_by(iam_groups.c.name_key)
    .limit(bindparam("limit"))
)
_COUNT_OF_USER = Statement(
    select(func.count()).select_from(iam_group_members).where(iam_group_members.c.user_id == bindparam("user"))
)


def find(tx: Transaction, account_id: str, name: str) -> Group | None:
    """A group by name, in whatever case."""
    row = tx.first(_FIND, account=account_id, key=key_of(name))
    return Group(**row) if row else None


def get(tx: Transaction, account_id: str, name: str) -> Group:
    """A group by name, in whatever case; or `NoSuchEntity`."""
    group = find(tx, account_id, name)
    if group is None:
        raise NoSuchEntity("group", name)
    return group


def page(tx: Transaction, account_id: str, after: str, limit: int, path_prefix: str = "/") -> list[Group]:
    """Up to `limit` groups whose paths begin alike, in the order of their names' keys, beginning after one."""
    return [Group(**row) for row in tx.all(_PAGE, account=account_id, after=after, prefix=path_prefix, limit=limit)]


def count(tx: Transaction, account_id: str) -> int:
    """How many groups an account has."""
    return int(tx.value(_COUNT, account=account_id))


def insert_new(tx: Transaction, group: Group) -> bool:
    """Make a group; False if the name is taken."""
    if find(tx, group.account_id, group.name) is not None:
        return False
    tx.run(
        _INSERT,
        id=group.id,
        account_id=group.account_id,
        name=group.name,
        name_key=key_of(group.name),
        path=group.path,
        created_at=group.created_at,
    )
    return True


def rename(tx: Transaction, group: Group, name: str, path: str) -> bool:
    """Give a group another name and path; False if another one has the name."""
    other = find(tx, group.account_id, name)
    if other is not None and other.id != group.id:
        return False
    tx.run(_RENAME, which=group.id, new_name=name, new_key=key_of(name), new_path=path)
    return True


def what_hangs_on(tx: Transaction, group: Group) -> str | None:
    """What must go before a group can: members, attached policies or inline policies."""
    found = (what for what, statement in _ANY_HANGING.items() if tx.first(statement, which=group.id) is not None)
    return next(found, None)


def delete(tx: Transaction, group: Group) -> None:
    """Remove a group on which nothing hangs."""
    tx.run(_DELETE, which=group.id)


def has_member(tx: Transaction, group: Group, user: User) -> bool:
    """Whether a user is in a group."""
    return tx.first(_IS_MEMBER, group=group.id, user=user.id) is not None


def add_member(tx: Transaction, group: Group, user: User) -> None:
    """Put a user who is not in a group there."""
    tx.run(_INSERT_MEMBER, group_id=group.id, user_id=user.id)


def remove_member(tx: Transaction, group: Group, user: User) -> None:
    """Take a user out of a group; that he is not in it is no fault."""
    tx.run(_DELETE_MEMBER, group=group.id, user=user.id)


def members(tx: Transaction, group: Group, after: str, limit: int) -> list[User]:
    """Up to `limit` users of a group, in the order of their names' keys, beginning after one."""
    return [User(**row) for row in tx.all(_MEMBERS, which=group.id, after=after, limit=limit)]


def of_user(tx: Transaction, user: User, after: str, limit: int) -> list[Group]:
    """Up to `limit` groups that a user is in, in the order of their names' keys, beginning after one."""
    return [Group(**row) for row in tx.all(_OF_USER, user=user.id, after=after, limit=limit)]


def count_of_user(tx: Transaction, user: User) -> int:
    """How many groups a user is in."""
    return int(tx.value(_COUNT_OF_USER, user=user.id))
