"""Instance profiles, and the role that is in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, update
from sqlalchemy import delete as delete_from

from holdfast.model.errors import NoSuchEntity
from holdfast.model.iam_entities import key_of
from holdfast.model.iam_roles import InstanceProfile
from holdfast.store import iam_names
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import iam_instance_profiles as profiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.model.iam_roles import Role
    from holdfast.store.database import Transaction

_columns = iam_names.columns(profiles)
_the_profile = profiles.c.id == bindparam("which")
_FIND = iam_names.find(profiles)
_PAGE = iam_names.page(profiles)
_OF_ROLE = Statement(
    select(*_columns)
    .where(profiles.c.role_id == bindparam("role"), profiles.c.name_key > bindparam("after"))
    .order_by(profiles.c.name_key)
    .limit(bindparam("limit"))
)
_COUNT = iam_names.count(profiles)
_INSERT = insertion(profiles)
_SET_ROLE = Statement(update(profiles).where(_the_profile).values(role_id=bindparam("role")))
_SET_TAGS = Statement(update(profiles).where(_the_profile).values(tags=bindparam("all_tags")))
_DELETE = Statement(delete_from(profiles).where(_the_profile))


def find(tx: Transaction, account_id: str, name: str) -> InstanceProfile | None:
    """An instance profile by name, in whatever case."""
    row = tx.first(_FIND, account=account_id, key=key_of(name))
    return InstanceProfile(**row) if row else None


def get(tx: Transaction, account_id: str, name: str) -> InstanceProfile:
    """An instance profile by name, in whatever case; or `NoSuchEntity`."""
    profile = find(tx, account_id, name)
    if profile is None:
        raise NoSuchEntity("instance profile", name)
    return profile


def page(tx: Transaction, account_id: str, after: str, limit: int, path_prefix: str = "/") -> list[InstanceProfile]:
    """Up to `limit` profiles whose paths begin alike, in the order of their names' keys, beginning after one."""
    rows = tx.all(_PAGE, account=account_id, after=after, prefix=path_prefix, limit=limit)
    return [InstanceProfile(**row) for row in rows]


def of_role(tx: Transaction, role: Role, after: str, limit: int) -> list[InstanceProfile]:
    """Up to `limit` profiles that a role is in, in the order of their names' keys, beginning after one."""
    return [InstanceProfile(**row) for row in tx.all(_OF_ROLE, role=role.id, after=after, limit=limit)]


def count(tx: Transaction, account_id: str) -> int:
    """How many instance profiles an account has."""
    return int(tx.value(_COUNT, account=account_id))


def insert_new(tx: Transaction, profile: InstanceProfile) -> bool:
    """Make an instance profile without a role; False if the name is taken."""
    if find(tx, profile.account_id, profile.name) is not None:
        return False
    tx.run(
        _INSERT,
        id=profile.id,
        account_id=profile.account_id,
        name=profile.name,
        name_key=key_of(profile.name),
        path=profile.path,
        role_id=None,
        tags=dict(profile.tags),
        created_at=profile.created_at,
    )
    return True


def set_role(tx: Transaction, profile: InstanceProfile, role: Role | None) -> None:
    """Put a role into a profile, or take it out."""
    tx.run(_SET_ROLE, which=profile.id, role=role.id if role else None)


def set_tags(tx: Transaction, profile: InstanceProfile, tags: Mapping[str, str]) -> None:
    """Let these be a profile's tags."""
    tx.run(_SET_TAGS, which=profile.id, all_tags=dict(tags))


def delete(tx: Transaction, profile: InstanceProfile) -> None:
    """Remove an instance profile."""
    tx.run(_DELETE, which=profile.id)
