"""Roles: find, insert, list, change and delete them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy import delete as delete_from

from holdfast.model.errors import NoSuchEntity
from holdfast.model.iam_entities import key_of
from holdfast.model.iam_roles import Role
from holdfast.store import iam_names
from holdfast.store.statements import Statement, batches, insertion
from holdfast.store.tables import iam_roles, iam_sessions

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from holdfast.store.database import Transaction

_columns = iam_names.columns(iam_roles)
_the_role = iam_roles.c.id == bindparam("which")
_FIND = iam_names.find(iam_roles)
_FIND_BY_IDS = Statement(select(*_columns).where(iam_roles.c.id.in_(bindparam("ids", expanding=True))))
_PAGE = iam_names.page(iam_roles)
_COUNT = iam_names.count(iam_roles)
_INSERT = insertion(iam_roles)
_SET_DESCRIPTION = Statement(update(iam_roles).where(_the_role).values(description=bindparam("text")))
_SET_SESSION = Statement(update(iam_roles).where(_the_role).values(max_session_seconds=bindparam("seconds")))
_SET_TRUST = Statement(update(iam_roles).where(_the_role).values(trust_policy=bindparam("text")))
_SET_BOUNDARY = Statement(update(iam_roles).where(_the_role).values(boundary_arn=bindparam("arn")))
_SET_TAGS = Statement(update(iam_roles).where(_the_role).values(tags=bindparam("all_tags")))
_SESSION_USED = Statement(
    update(iam_roles)
    .where(iam_roles.c.id.in_(select(iam_sessions.c.entity_id).where(iam_sessions.c.id == bindparam("session"))))
    .where(or_(iam_roles.c.used_at.is_(None), iam_roles.c.used_at < bindparam("moment")))
    .values(used_at=bindparam("moment"), used_in=bindparam("region"))
)
_DELETE = Statement(delete_from(iam_roles).where(_the_role))


def find(tx: Transaction, account_id: str, name: str) -> Role | None:
    """A role by name, in whatever case."""
    row = tx.first(_FIND, account=account_id, key=key_of(name))
    return Role(**row) if row else None


def get(tx: Transaction, account_id: str, name: str) -> Role:
    """A role by name, in whatever case; or `NoSuchEntity`."""
    role = find(tx, account_id, name)
    if role is None:
        raise NoSuchEntity("role", name)
    return role


def find_by_id(tx: Transaction, role_id: str) -> Role | None:
    """A role by id."""
    return find_by_ids(tx, [role_id]).get(role_id)


def find_by_ids(tx: Transaction, role_ids: Collection[str]) -> dict[str, Role]:
    """Roles by their ids; those that are gone are left out."""
    rows = (row for chosen in batches(list(role_ids)) for row in tx.all(_FIND_BY_IDS, ids=chosen))
    return {row["id"]: Role(**row) for row in rows}


def page(tx: Transaction, account_id: str, after: str, limit: int, path_prefix: str = "/") -> list[Role]:
    """Up to `limit` roles whose paths begin alike, in the order of their names' keys, beginning after one."""
    return [Role(**row) for row in tx.all(_PAGE, account=account_id, after=after, prefix=path_prefix, limit=limit)]


def count(tx: Transaction, account_id: str) -> int:
    """How many roles an account has."""
    return int(tx.value(_COUNT, account=account_id))


def insert_new(tx: Transaction, role: Role) -> bool:
    """Make a role; False if the name is taken."""
    if find(tx, role.account_id, role.name) is not None:
        return False
    tx.run(
        _INSERT,
        id=role.id,
        account_id=role.account_id,
        name=role.name,
        name_key=key_of(role.name),
        path=role.path,
        description=role.description,
        trust_policy=role.trust_policy,
        max_session_seconds=role.max_session_seconds,
        boundary_arn=role.boundary_arn,
        tags=dict(role.tags),
        created_at=role.created_at,
        used_at=None,
        used_in=None,
    )
    return True


def set_description(tx: Transaction, role: Role, text: str) -> None:
    """Describe a role in other words."""
    tx.run(_SET_DESCRIPTION, which=role.id, text=text)


def set_max_session(tx: Transaction, role: Role, seconds: int) -> None:
    """Say for how long somebody may be a role at a time."""
    tx.run(_SET_SESSION, which=role.id, seconds=seconds)


def set_trust(tx: Transaction, role: Role, text: str) -> None:
    """Say who may become a role; the principals are ids."""
    tx.run(_SET_TRUST, which=role.id, text=text)


def set_boundary(tx: Transaction, role: Role, policy_arn: str | None) -> None:
    """Bound what a role may do by a policy, or no longer."""
    tx.run(_SET_BOUNDARY, which=role.id, arn=policy_arn)


def set_tags(tx: Transaction, role: Role, tags: Mapping[str, str]) -> None:
    """Let these be a role's tags."""
    tx.run(_SET_TAGS, which=role.id, all_tags=dict(tags))


def session_used(tx: Transaction, access_key_id: str, region: str, at: datetime) -> None:
    """Note that a session was used, if it is one of a role and no later use is known."""
    tx.run(_SESSION_USED, session=access_key_id, moment=at, region=region)


def delete(tx: Transaction, role: Role) -> None:
    """Remove a role on which nothing hangs."""
    tx.run(_DELETE, which=role.id)
