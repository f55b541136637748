"""Create, describe, change and delete users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import iam_entities
from holdfast.model.errors import DeleteConflict, EntityAlreadyExists, NoSuchEntity
from holdfast.model.iam_entities import User
from holdfast.registry.iam import boundaries, quotas

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from holdfast.registry.backends import Backends

MUST_GO = {
    "login profile": "Cannot delete entity, must delete login profile first.",
    "access keys": "Cannot delete entity, must delete access keys first.",
    "groups": "Cannot delete entity, must remove users from group first.",
    "attached policies": "Cannot delete entity, must detach all policies first.",
    "inline policies": "Cannot delete entity, must delete policies first.",
}


def create(
    on: Backends,
    account_id: str,
    name: str,
    *,
    path: str = "/",
    boundary_arn: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> User:
    """Make a user, who has no credentials yet."""
    user_id = iam_entities.new_id(iam_entities.USER, on.random_bytes(iam_entities.ID_BYTES))
    user = User(user_id, account_id, name, path, on.clock(), boundary_arn, tags or {})
    with on.database.transaction() as tx:
        if boundary_arn is not None:
            boundaries.require(tx, account_id, boundary_arn, kind="user")
        if not store.iam_users.insert_new(tx, user):
            raise EntityAlreadyExists("user", name)
        quotas.check("UsersPerAccount", store.iam_users.count(tx, account_id), on.limits.users)
        store.counters.bump_access(tx, account_id)
    return user


def get(on: Backends, account_id: str, name: str) -> User:
    """A user by name."""
    with on.database.snapshot() as tx:
        return store.iam_users.get(tx, account_id, name)


def get_by_id(on: Backends, user_id: str) -> User:
    """A user by id, such as the one who calls."""
    with on.database.snapshot() as tx:
        user = store.iam_users.find_by_id(tx, user_id)
    if user is None:
        raise NoSuchEntity("user", user_id)
    return user


def arn(on: Backends, account_id: str, name: str) -> str:
    """The ARN of a user, or the one he would have."""
    with on.database.snapshot() as tx:
        user = store.iam_users.find(tx, account_id, name)
    return user.arn if user else iam_entities.arn(account_id, "user", "/", name)


def page(on: Backends, account_id: str, path_prefix: str, after: str, limit: int) -> tuple[list[User], bool]:
    """Users whose paths begin alike, in the order of their names, and whether there are more."""
    with on.database.snapshot() as tx:
        found = store.iam_users.page(tx, account_id, after, limit + 1, path_prefix)
    return found[:limit], len(found) > limit


def update(on: Backends, account_id: str, name: str, *, new_name: str | None, new_path: str | None) -> None:
    """Give a user another name or path; what refers to him goes on to mean him."""
    with on.database.transaction() as tx:
        user = store.iam_users.get(tx, account_id, name)
        changed = new_name or user.name, new_path or user.path
        iam_entities.check_name("newUserName", changed[0], iam_entities.USER_NAME_LENGTH)
        iam_entities.check_path("newPath", changed[1])
        if not store.iam_users.rename(tx, user, *changed):
            raise EntityAlreadyExists("user", changed[0])
        store.counters.bump_access(tx, account_id)


def delete(on: Backends, account_id: str, name: str) -> None:
    """Remove a user on whom nothing hangs."""
    with on.database.transaction() as tx:
        user = store.iam_users.get(tx, account_id, name)
        hanging = store.iam_users.what_hangs_on(tx, user)
        if hanging is not None:
            raise DeleteConflict(MUST_GO[hanging])
        store.iam_sessions.end_of_entity(tx, user.id)
        store.iam_users.delete(tx, user)
        store.counters.bump_access(tx, account_id)


def tag(on: Backends, account_id: str, name: str, tags: Mapping[str, str]) -> None:
    """Add tags, or overwrite those of the same keys."""
    with on.database.transaction() as tx:
        user = store.iam_users.get(tx, account_id, name)
        store.iam_users.set_tags(tx, user, iam_entities.tagged(user.tags, tags))
        store.counters.bump_access(tx, account_id)


def untag(on: Backends, account_id: str, name: str, keys: Collection[str]) -> None:
    """Remove tags; absent ones are no fault."""
    with on.database.transaction() as tx:
        user = store.iam_users.get(tx, account_id, name)
        store.iam_users.set_tags(tx, user, iam_entities.untagged(user.tags, keys))
        store.counters.bump_access(tx, account_id)


def put_boundary(on: Backends, account_id: str, name: str, policy_arn: str) -> None:
    """Let a policy bound what a user may do, whatever else allows it."""
    with on.database.transaction() as tx:
        user = store.iam_users.get(tx, account_id, name)
        boundaries.require(tx, account_id, policy_arn, kind="user")
        store.iam_users.set_boundary(tx, user, policy_arn)
        store.counters.bump_access(tx, account_id)


def delete_boundary(on: Backends, account_id: str, name: str) -> None:
    """Let no policy bound what a user may do any more; that none does is no fault."""
    with on.database.transaction() as tx:
        store.iam_users.set_boundary(tx, store.iam_users.get(tx, account_id, name), None)
        store.counters.bump_access(tx, account_id)
