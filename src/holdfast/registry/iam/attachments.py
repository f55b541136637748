"""Give users, groups and roles policies, and take them away: managed ones, and inline ones of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import iam_entities, iam_policies
from holdfast.model.errors import NoSuchEntity, PolicyNotAttachable, UnmodifiableEntity
from holdfast.model.iam.documents import size
from holdfast.model.iam_roles import SERVICE_PATH
from holdfast.registry.iam import policies, quotas

if TYPE_CHECKING:
    from holdfast.model.iam_policies import PolicyArn
    from holdfast.model.iam_principals import Entity
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction


def holder(on: Backends, kind: str, account_id: str, name: str) -> tuple[str, str | None]:
    """The ARN of a user, group or role, or the one that it would have; and the policy that bounds it."""
    with on.database.snapshot() as tx:
        entity = store.iam_entities.find(tx, kind, account_id, name)
    if entity is None:
        return iam_entities.arn(account_id, kind, "/", name), None
    return entity.arn, entity.boundary_arn


# ---- Managed policies


def attach(on: Backends, kind: str, account_id: str, name: str, named: PolicyArn) -> None:
    """Give an entity a managed policy; that it has it already is no fault."""
    with on.database.transaction() as tx:
        entity = _changeable(tx, kind, account_id, name)
        if named.is_of_a_service:
            raise PolicyNotAttachable(kind)
        if named.account_id not in {account_id, iam_policies.AWS} or policies.find(tx, named) is None:
            raise NoSuchEntity("attachable policy", named.text)
        attached = store.iam_attachments.attached(tx, entity.id)
        if named.text in attached:
            return
        quotas.check(f"PoliciesPer{kind.capitalize()}", len(attached) + 1, on.limits.policies_per_entity)
        store.iam_attachments.attach(tx, entity.id, named.text, on.clock())
        store.counters.bump_access(tx, account_id)


def detach(on: Backends, kind: str, account_id: str, name: str, named: PolicyArn) -> None:
    """Take a managed policy from an entity that has it."""
    with on.database.transaction() as tx:
        entity = _changeable(tx, kind, account_id, name)
        if not store.iam_attachments.detach(tx, entity.id, named.text):
            raise NoSuchEntity("policy", named.text)
        store.counters.bump_access(tx, account_id)


def attached(on: Backends, kind: str, account_id: str, name: str, path_prefix: str) -> list[PolicyArn]:
    """The managed policies of an entity whose paths begin alike, in the order of their names."""
    with on.database.snapshot() as tx:
        entity = store.iam_entities.get(tx, kind, account_id, name)
        found = map(iam_policies.read_arn, store.iam_attachments.attached(tx, entity.id))
    return sorted((one for one in found if one.path.startswith(path_prefix)), key=lambda one: (one.key, one.text))


# ---- Inline policies


def put_inline(on: Backends, kind: str, account_id: str, name: str, policy_name: str, document: str) -> None:
    """Give an entity an inline policy, whatever it had under that name."""
    with on.database.transaction() as tx:
        entity = _changeable(tx, kind, account_id, name)
        others = sum(map(size, store.iam_attachments.other_inline(tx, entity.id, policy_name)))
        iam_policies.check_inline(document, kind, entity.name, others)
        store.iam_attachments.put_inline(tx, entity.id, policy_name, document)
        store.counters.bump_access(tx, account_id)


def inline(on: Backends, kind: str, account_id: str, name: str, policy_name: str) -> str:
    """What an inline policy of an entity says."""
    with on.database.snapshot() as tx:
        entity = store.iam_entities.get(tx, kind, account_id, name)
        document = store.iam_attachments.inline(tx, entity.id, policy_name)
    if document is None:
        raise NoSuchEntity(f"{kind} policy", policy_name)
    return document


def inline_names(on: Backends, kind: str, account_id: str, name: str) -> list[str]:
    """The names of the inline policies of an entity, in order."""
    with on.database.snapshot() as tx:
        return store.iam_attachments.inline_names(tx, store.iam_entities.get(tx, kind, account_id, name).id)


def delete_inline(on: Backends, kind: str, account_id: str, name: str, policy_name: str) -> None:
    """Take an inline policy from an entity that has it."""
    with on.database.transaction() as tx:
        entity = _changeable(tx, kind, account_id, name)
        if not store.iam_attachments.delete_inline(tx, entity.id, policy_name):
            raise NoSuchEntity(f"{kind} policy", policy_name)
        store.counters.bump_access(tx, account_id)


def _changeable(tx: Transaction, kind: str, account_id: str, name: str) -> Entity:
    entity = store.iam_entities.get(tx, kind, account_id, name)
    if kind == "role" and entity.path.startswith(SERVICE_PATH):
        raise UnmodifiableEntity(entity.name)
    return entity
