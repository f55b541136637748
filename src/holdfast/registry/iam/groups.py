"""Create, describe, change and delete groups, and say who is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import iam_entities
from holdfast.model.errors import DeleteConflict, EntityAlreadyExists
from holdfast.model.iam_entities import Group
from holdfast.registry.iam import quotas

if TYPE_CHECKING:
    from holdfast.model.iam_entities import User
    from holdfast.registry.backends import Backends

MUST_GO = {
    "members": "Cannot delete entity, must remove users from group first.",
    "attached policies": "Cannot delete entity, must detach all policies first.",
    "inline policies": "Cannot delete entity, must delete policies first.",
}


def create(on: Backends, account_id: str, name: str, *, path: str = "/") -> Group:
    """Make a group that nobody is in."""
    group_id = iam_entities.new_id(iam_entities.GROUP, on.random_bytes(iam_entities.ID_BYTES))
    group = Group(group_id, account_id, name, path, on.clock())
    with on.database.transaction() as tx:
        if not store.iam_groups.insert_new(tx, group):
            raise EntityAlreadyExists("group", name)
        quotas.check("GroupsPerAccount", store.iam_groups.count(tx, account_id), on.limits.groups)
        store.counters.bump_access(tx, account_id)
    return group


def get(on: Backends, account_id: str, name: str, after: str, limit: int) -> tuple[Group, list[User], bool]:
    """A group by name, its users in the order of their names, and whether there are more of them."""
    with on.database.snapshot() as tx:
        group = store.iam_groups.get(tx, account_id, name)
        members = store.iam_groups.members(tx, group, after, limit + 1)
    return group, members[:limit], len(members) > limit


def arn(on: Backends, account_id: str, name: str) -> str:
    """The ARN of a group, or the one that it would have."""
    with on.database.snapshot() as tx:
        group = store.iam_groups.find(tx, account_id, name)
    return group.arn if group else iam_entities.arn(account_id, "group", "/", name)


def page(on: Backends, account_id: str, path_prefix: str, after: str, limit: int) -> tuple[list[Group], bool]:
    """Groups whose paths begin alike, in the order of their names, and whether there are more."""
    with on.database.snapshot() as tx:
        found = store.iam_groups.page(tx, account_id, after, limit + 1, path_prefix)
    return found[:limit], len(found) > limit


def of_user(on: Backends, account_id: str, user_name: str, after: str, limit: int) -> tuple[list[Group], bool]:
    """The groups that a user is in, in the order of their names, and whether there are more."""
    with on.database.snapshot() as tx:
        user = store.iam_users.get(tx, account_id, user_name)
        found = store.iam_groups.of_user(tx, user, after, limit + 1)
    return found[:limit], len(found) > limit


def update(on: Backends, account_id: str, name: str, *, new_name: str | None, new_path: str | None) -> None:
    """Give a group another name or path; who is in it stays there."""
    with on.database.transaction() as tx:
        group = store.iam_groups.get(tx, account_id, name)
        changed = new_name or group.name, new_path or group.path
        iam_entities.check_name("newGroupName", changed[0], iam_entities.GROUP_NAME_LENGTH)
        iam_entities.check_path("newPath", changed[1])
        if not store.iam_groups.rename(tx, group, *changed):
            raise EntityAlreadyExists("group", changed[0])
        store.counters.bump_access(tx, account_id)


def delete(on: Backends, account_id: str, name: str) -> None:
    """Remove a group on which nothing hangs."""
    with on.database.transaction() as tx:
        group = store.iam_groups.get(tx, account_id, name)
        hanging = store.iam_groups.what_hangs_on(tx, group)
        if hanging is not None:
            raise DeleteConflict(MUST_GO[hanging])
        store.iam_groups.delete(tx, group)
        store.counters.bump_access(tx, account_id)


def add_user(on: Backends, account_id: str, name: str, user_name: str) -> None:
    """Put a user into a group; that he is there already is no fault."""
    with on.database.transaction() as tx:
        user = store.iam_users.get(tx, account_id, user_name)
        group = store.iam_groups.get(tx, account_id, name)
        if store.iam_groups.has_member(tx, group, user):
            return
        quotas.check("GroupsPerUser", store.iam_groups.count_of_user(tx, user) + 1, on.limits.groups_per_user)
        store.iam_groups.add_member(tx, group, user)
        store.counters.bump_access(tx, account_id)


def remove_user(on: Backends, account_id: str, name: str, user_name: str) -> None:
    """Take a user out of a group; that he is not in it is no fault."""
    with on.database.transaction() as tx:
        # AWS looks for the user first, and says so.
        user = store.iam_users.get(tx, account_id, user_name)
        group = store.iam_groups.get(tx, account_id, name)
        store.iam_groups.remove_member(tx, group, user)
        store.counters.bump_access(tx, account_id)
