"""Create, describe and delete instance profiles, and say which role is in each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import iam_entities
from holdfast.model.errors import DeleteConflict, EntityAlreadyExists, NoSuchEntity
from holdfast.model.iam_roles import InstanceProfile
from holdfast.registry.iam import principals, quotas, roles

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from holdfast.model.iam_roles import Role
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction


@dataclass(frozen=True, slots=True)
class Furnished:
    """An instance profile with the role that is in it."""

    profile: InstanceProfile
    role: Role | None = None


def create(
    on: Backends, account_id: str, name: str, *, path: str = "/", tags: Mapping[str, str] | None = None
) -> InstanceProfile:
    """Make an instance profile without a role."""
    profile_id = iam_entities.new_id(iam_entities.INSTANCE_PROFILE, on.random_bytes(iam_entities.ID_BYTES))
    profile = InstanceProfile(profile_id, account_id, name, path, on.clock(), tags=tags or {})
    with on.database.transaction() as tx:
        if not store.iam_instance_profiles.insert_new(tx, profile):
            raise EntityAlreadyExists("instance profile", name)
        count = store.iam_instance_profiles.count(tx, account_id)
        quotas.check("InstanceProfilesPerAccount", count, on.limits.instance_profiles)
        store.counters.bump_access(tx, account_id)
    return profile


def get(on: Backends, account_id: str, name: str) -> Furnished:
    """An instance profile by name."""
    with on.database.snapshot() as tx:
        return _furnished(tx, [store.iam_instance_profiles.get(tx, account_id, name)])[0]


def arn(on: Backends, account_id: str, name: str) -> str:
    """The ARN of an instance profile, or the one that it would have."""
    with on.database.snapshot() as tx:
        profile = store.iam_instance_profiles.find(tx, account_id, name)
    return profile.arn if profile else iam_entities.arn(account_id, "instance-profile", "/", name)


def page(on: Backends, account_id: str, path_prefix: str, after: str, limit: int) -> tuple[list[Furnished], bool]:
    """Instance profiles whose paths begin alike, in the order of their names, and whether there are more."""
    with on.database.snapshot() as tx:
        found = store.iam_instance_profiles.page(tx, account_id, after, limit + 1, path_prefix)
        return _furnished(tx, found[:limit]), len(found) > limit


def of_role(on: Backends, account_id: str, role_name: str, after: str, limit: int) -> tuple[list[Furnished], bool]:
    """The instance profiles that a role is in, in the order of their names, and whether there are more."""
    with on.database.snapshot() as tx:
        role = store.iam_roles.get(tx, account_id, role_name)
        found = store.iam_instance_profiles.of_role(tx, role, after, limit + 1)
        return _furnished(tx, found[:limit]), len(found) > limit


def add_role(on: Backends, account_id: str, name: str, role_name: str) -> None:
    """Put a role into an instance profile that has none."""
    with on.database.transaction() as tx:
        profile = store.iam_instance_profiles.get(tx, account_id, name)
        role = roles.customers(tx, account_id, role_name)
        quotas.check("InstanceSessionsPerInstanceProfile", 1 if profile.role_id is None else 2, 1)
        store.iam_instance_profiles.set_role(tx, profile, role)


def remove_role(on: Backends, account_id: str, name: str, role_name: str) -> None:
    """Take the role out of an instance profile."""
    with on.database.transaction() as tx:
        profile = store.iam_instance_profiles.get(tx, account_id, name)
        role = roles.customers(tx, account_id, role_name)
        if profile.role_id != role.id:
            raise NoSuchEntity("role", role_name)
        store.iam_instance_profiles.set_role(tx, profile, None)


def delete(on: Backends, account_id: str, name: str) -> None:
    """Remove an instance profile without a role."""
    with on.database.transaction() as tx:
        profile = store.iam_instance_profiles.get(tx, account_id, name)
        if profile.role_id is not None:
            raise DeleteConflict("Cannot delete entity, must remove roles from instance profile first.")
        store.iam_instance_profiles.delete(tx, profile)
        store.counters.bump_access(tx, account_id)


def tag(on: Backends, account_id: str, name: str, tags: Mapping[str, str]) -> None:
    """Add tags, or overwrite those of the same keys."""
    with on.database.transaction() as tx:
        profile = store.iam_instance_profiles.get(tx, account_id, name)
        store.iam_instance_profiles.set_tags(tx, profile, iam_entities.tagged(profile.tags, tags))
        store.counters.bump_access(tx, account_id)


def untag(on: Backends, account_id: str, name: str, keys: Collection[str]) -> None:
    """Remove tags; absent ones are no fault."""
    with on.database.transaction() as tx:
        profile = store.iam_instance_profiles.get(tx, account_id, name)
        store.iam_instance_profiles.set_tags(tx, profile, iam_entities.untagged(profile.tags, keys))
        store.counters.bump_access(tx, account_id)


def _furnished(tx: Transaction, profiles: Sequence[InstanceProfile]) -> list[Furnished]:
    ids = {profile.role_id for profile in profiles if profile.role_id is not None}
    inside = list(store.iam_roles.find_by_ids(tx, ids).values())
    texts = principals.shown(tx, [role.trust_policy for role in inside])
    by_id = {role.id: replace(role, trust_policy=text) for role, text in zip(inside, texts, strict=True)}
    return [Furnished(profile, by_id.get(profile.role_id or "")) for profile in profiles]
