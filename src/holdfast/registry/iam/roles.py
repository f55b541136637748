"""Create, describe, change and delete roles; and those that belong to services."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import iam_entities, iam_policies, iam_roles
from holdfast.model.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    InvalidInput,
    NoSuchEntity,
    UnmodifiableEntity,
)
from holdfast.model.iam_roles import DEFAULT_SESSION_SECONDS, SERVICE_ROLES, Role
from holdfast.registry.iam import boundaries, principals, quotas

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

_TASK = re.compile(
    r"task/aws-service-role/(?P<service>[a-z0-9.-]+)/(?P<role>\w+)/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII
)


def create(
    on: Backends,
    account_id: str,
    name: str,
    trust_policy: str,
    *,
    path: str = "/",
    description: str | None = None,
    max_session_seconds: int = DEFAULT_SESSION_SECONDS,
    boundary_arn: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Role:
    """Make a role that the principals of its trust policy may become."""
    iam_roles.check_path_of_customer(path)
    iam_policies.check_trust(trust_policy, on.limits.trust_policy_characters)
    role = Role(
        _new_id(on),
        account_id,
        name,
        path,
        trust_policy,
        on.clock(),
        description,
        max_session_seconds,
        boundary_arn,
        tags or {},
    )
    with on.database.transaction() as tx:
        if boundary_arn is not None:
            boundaries.require(tx, account_id, boundary_arn)
        _insert(on, tx, replace(role, trust_policy=principals.resolve_trust(tx, trust_policy)))
        return _shown(tx, [role])[0]


def get(on: Backends, account_id: str, name: str) -> Role:
    """A role by name."""
    with on.database.snapshot() as tx:
        return _shown(tx, [store.iam_roles.get(tx, account_id, name)])[0]


def arn(on: Backends, account_id: str, name: str) -> str:
    """The ARN of a role, or the one that it would have."""
    with on.database.snapshot() as tx:
        role = store.iam_roles.find(tx, account_id, name)
    return role.arn if role else iam_entities.arn(account_id, "role", "/", name)


def page(on: Backends, account_id: str, path_prefix: str, after: str, limit: int) -> tuple[list[Role], bool]:
    """Roles whose paths begin alike, in the order of their names, and whether there are more."""
    with on.database.snapshot() as tx:
        found = store.iam_roles.page(tx, account_id, after, limit + 1, path_prefix)
        return _shown(tx, found[:limit]), len(found) > limit


def update(
    on: Backends, account_id: str, name: str, *, description: str | None, max_session_seconds: int | None = None
) -> Role:
    """Describe a role in other words, or say for how long somebody may be it; what is not given stays as it is."""
    with on.database.transaction() as tx:
        role = store.iam_roles.get(tx, account_id, name)
        if max_session_seconds is not None:
            _require_customers(role)
            store.iam_roles.set_max_session(tx, role, max_session_seconds)
        if description is not None:  # of the roles of services, too
            store.iam_roles.set_description(tx, role, description)
        store.counters.bump_access(tx, account_id)
        return _shown(tx, [store.iam_roles.get(tx, account_id, name)])[0]


def set_trust(on: Backends, account_id: str, name: str, trust_policy: str) -> None:
    """Say who may become a role."""
    with on.database.transaction() as tx:
        role = customers(tx, account_id, name)
        iam_policies.check_trust(trust_policy, on.limits.trust_policy_characters)
        store.iam_roles.set_trust(tx, role, principals.resolve_trust(tx, trust_policy))
        store.counters.bump_access(tx, account_id)


def delete(on: Backends, account_id: str, name: str) -> None:
    """Remove a role on which nothing hangs."""
    with on.database.transaction() as tx:
        role = customers(tx, account_id, name)
        if store.iam_instance_profiles.of_role(tx, role, "", 1):
            raise DeleteConflict("Cannot delete entity, must remove roles from instance profile first.")
        if store.iam_attachments.attached(tx, role.id):
            raise DeleteConflict("Cannot delete entity, must detach all policies first.")
        if store.iam_attachments.inline_names(tx, role.id):
            raise DeleteConflict("Cannot delete entity, must delete policies first.")
        store.iam_sessions.end_of_entity(tx, role.id)
        store.iam_roles.delete(tx, role)
        store.counters.bump_access(tx, account_id)


def tag(on: Backends, account_id: str, name: str, tags: Mapping[str, str]) -> None:
    """Add tags, or overwrite those of the same keys."""
    with on.database.transaction() as tx:
        role = store.iam_roles.get(tx, account_id, name)
        store.iam_roles.set_tags(tx, role, iam_entities.tagged(role.tags, tags))
        store.counters.bump_access(tx, account_id)


def untag(on: Backends, account_id: str, name: str, keys: Collection[str]) -> None:
    """Remove tags; absent ones are no fault."""
    with on.database.transaction() as tx:
        role = store.iam_roles.get(tx, account_id, name)
        store.iam_roles.set_tags(tx, role, iam_entities.untagged(role.tags, keys))
        store.counters.bump_access(tx, account_id)


def put_boundary(on: Backends, account_id: str, name: str, policy_arn: str) -> None:
    """Let a policy bound what a role may do, whatever else allows it."""
    with on.database.transaction() as tx:
        role = customers(tx, account_id, name)
        boundaries.require(tx, account_id, policy_arn)
        store.iam_roles.set_boundary(tx, role, policy_arn)
        store.counters.bump_access(tx, account_id)


def delete_boundary(on: Backends, account_id: str, name: str) -> None:
    """Let no policy bound what a role may do any more; that none does is no fault."""
    with on.database.transaction() as tx:
        store.iam_roles.set_boundary(tx, customers(tx, account_id, name), None)
        store.counters.bump_access(tx, account_id)


# ---- Roles of services


def create_for_service(
    on: Backends, account_id: str, service: str, *, suffix: str | None = None, description: str | None = None
) -> Role:
    """Make the role that a service has in an account, with the policy that belongs to it."""
    known = iam_roles.service_role(service, suffix)
    role = Role(_new_id(on), account_id, known.role_name, known.path, known.trust_policy, on.clock(), description)
    with on.database.transaction() as tx:
        if store.iam_roles.find(tx, account_id, role.name) is not None:
            raise InvalidInput(
                f"Service role name {role.name} has been taken in this account, please try a different suffix."
            )
        _insert(on, tx, role)
        store.iam_attachments.attach(tx, role.id, known.policy_arn, role.created_at)
    return role


def delete_of_service(on: Backends, account_id: str, name: str) -> str:
    """Remove the role of a service; the id by which to ask whether that is done, which it is at once."""
    with on.database.transaction() as tx:
        role = store.iam_roles.get(tx, account_id, name)
        if not role.is_of_a_service:
            raise NoSuchEntity("role", name)
        for policy_arn in store.iam_attachments.attached(tx, role.id):
            store.iam_attachments.detach(tx, role.id, policy_arn)
        store.iam_sessions.end_of_entity(tx, role.id)
        store.iam_roles.delete(tx, role)
        store.counters.bump_access(tx, account_id)
    return f"task{role.path}{role.name}/{on.new_id()}"


def check_deletion(task_id: str) -> None:
    """Refuse what is no id of the deletion of a service's role; every one that was begun is done."""
    found = _TASK.fullmatch(task_id)
    if found is None:
        raise InvalidInput(f"The deletion task id {task_id} is not valid.")
    known = SERVICE_ROLES.get(found["service"])
    if known is None or known.role_name != found["role"]:
        raise NoSuchEntity("deletion task", task_id)


# ---- What others do with roles


def customers(tx: Transaction, account_id: str, name: str) -> Role:
    """A role that is not a service's; `NoSuchEntity` or `UnmodifiableEntity` otherwise."""
    role = store.iam_roles.get(tx, account_id, name)
    _require_customers(role)
    return role


def _require_customers(role: Role) -> None:
    if role.is_of_a_service:
        raise UnmodifiableEntity(role.name)


def _insert(on: Backends, tx: Transaction, role: Role) -> None:
    if not store.iam_roles.insert_new(tx, role):
        raise EntityAlreadyExists("role", role.name)
    quotas.check("RolesPerAccount", store.iam_roles.count(tx, role.account_id), on.limits.roles)
    store.counters.bump_access(tx, role.account_id)


def _shown(tx: Transaction, roles: Sequence[Role]) -> list[Role]:
    texts = principals.shown(tx, [role.trust_policy for role in roles])
    return [replace(role, trust_policy=text) for role, text in zip(roles, texts, strict=True)]


def _new_id(on: Backends) -> str:
    return iam_entities.new_id(iam_entities.ROLE, on.random_bytes(iam_entities.ID_BYTES))
