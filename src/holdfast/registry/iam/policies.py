"""Create, describe, change and delete managed policies and their versions; Amazon's are there and stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import iam_entities, iam_managed, iam_policies
from holdfast.model.errors import DeleteConflict, EntityAlreadyExists, LimitExceeded, NoSuchEntity
from holdfast.model.iam_policies import MOST_VERSIONS, ManagedPolicy, PolicyArn, PolicyVersion, Usage
from holdfast.registry.iam import quotas

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from holdfast.model.iam_principals import Entity
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction


@dataclass(frozen=True, slots=True)
class Used:
    """A policy, and by how many entities of an account it is used."""

    policy: ManagedPolicy
    usage: Usage

    @property
    def place(self) -> str:
        """Where it stands in a list: of two with the same name, the account's own comes first."""
        return f"{iam_entities.key_of(self.policy.name)} {self.policy.account_id}"


@dataclass(frozen=True, slots=True)
class Wish:
    """Which policies are to be listed."""

    own: bool = True
    amazons: bool = True
    path_prefix: str = "/"
    attached: bool = False
    boundaries: bool = False

    def includes(self, used: Used) -> bool:
        """Whether a policy is among them, its owner aside."""
        return (
            used.policy.path.startswith(self.path_prefix)
            and (not self.attached or used.usage.attachments > 0)
            and (not self.boundaries or used.usage.boundaries > 0)
        )


def create(
    on: Backends,
    account_id: str,
    name: str,
    document: str,
    *,
    path: str = "/",
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> ManagedPolicy:
    """Make a managed policy with its first version."""
    iam_policies.check_managed(document)
    policy_id = iam_entities.new_id(iam_entities.POLICY, on.random_bytes(iam_entities.ID_BYTES))
    now = on.clock()
    policy = ManagedPolicy(policy_id, account_id, name, path, description, 1, 1, now, now, tags or {})
    with on.database.transaction() as tx:
        if not store.iam_policies.insert_new(tx, policy, document):
            raise EntityAlreadyExists("policy", name)
        quotas.check("PoliciesPerAccount", store.iam_policies.count(tx, account_id), on.limits.customer_policies)
        store.counters.bump_access(tx, account_id)
    return policy


def get(on: Backends, account_id: str, named: PolicyArn) -> Used:
    """A policy, and its use in an account."""
    with on.database.snapshot() as tx:
        policy = _get(tx, named)
        return Used(policy, store.iam_policies.usage(tx, account_id, [policy.arn])[policy.arn])


def page(on: Backends, account_id: str, wish: Wish, after: str, limit: int) -> tuple[list[Used], bool]:
    """Policies in the order of their names, beginning after one, and whether there are more."""
    with on.database.snapshot() as tx:
        own: list[ManagedPolicy] = []
        if wish.own:
            own = store.iam_policies.page(
                tx,
                account_id,
                after.partition(" ")[0],
                limit + 1,
                wish.path_prefix,
                is_attached=wish.attached,
                is_boundary=wish.boundaries,
            )
        candidates = [*own, *(iam_managed.POLICIES if wish.amazons else ())]
        usage = store.iam_policies.usage(tx, account_id, [policy.arn for policy in candidates])
    used = (Used(policy, usage[policy.arn]) for policy in candidates)
    found = sorted((one for one in used if one.place > after and wish.includes(one)), key=lambda one: one.place)
    return found[:limit], len(found) > limit


def delete(on: Backends, named: PolicyArn) -> None:
    """Remove a policy that nobody uses and that has one version."""
    with on.database.transaction() as tx:
        policy = _get(tx, named)
        usage = store.iam_policies.usage(tx, policy.account_id, [policy.arn])[policy.arn]
        if usage != Usage():
            raise DeleteConflict("Cannot delete a policy attached to entities.")
        if len(store.iam_policies.versions(tx, policy)) > 1:
            raise DeleteConflict(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's "
                "versions. The default version is deleted with the policy."
            )
        store.iam_policies.delete(tx, policy)
        store.counters.bump_access(tx, policy.account_id)


def tag(on: Backends, named: PolicyArn, tags: Mapping[str, str]) -> None:
    """Add tags, or overwrite those of the same keys."""
    with on.database.transaction() as tx:
        policy = _get(tx, named)
        store.iam_policies.set_tags(tx, policy, iam_entities.tagged(policy.tags, tags))
        store.counters.bump_access(tx, policy.account_id)


def untag(on: Backends, named: PolicyArn, keys: Collection[str]) -> None:
    """Remove tags; absent ones are no fault."""
    with on.database.transaction() as tx:
        policy = _get(tx, named)
        store.iam_policies.set_tags(tx, policy, iam_entities.untagged(policy.tags, keys))
        store.counters.bump_access(tx, policy.account_id)


def entities(
    on: Backends,
    account_id: str,
    named: PolicyArn,
    after: tuple[int, str],
    limit: int,
    *,
    path_prefix: str,
    purposes: Collection[str],
    kinds: Collection[str],
) -> tuple[list[Entity], bool]:
    """Who in an account has a policy for any of some purposes, by kind and name, and whether there are more."""
    with on.database.snapshot() as tx:
        policy = _get(tx, named)
        found = store.iam_entities.page_with_policy(
            tx, account_id, policy.arn, after, limit + 1, path_prefix, purposes=purposes, kinds=kinds
        )
    return found[:limit], len(found) > limit


# ---- Versions


def versions(on: Backends, named: PolicyArn) -> list[PolicyVersion]:
    """The versions of a policy, the newest first."""
    with on.database.snapshot() as tx:
        return _versions(tx, _get(tx, named))


def version(on: Backends, named: PolicyArn, version_id: str) -> PolicyVersion:
    """A version of a policy."""
    with on.database.snapshot() as tx:
        return _version(tx, _get(tx, named), version_id)


def create_version(on: Backends, named: PolicyArn, document: str, *, is_default: bool) -> PolicyVersion:
    """Add a version to a policy, which from now on may be what it says."""
    now = on.clock()
    with on.database.transaction() as tx:
        policy = _get(tx, named)
        iam_policies.check_managed(document)
        if len(_versions(tx, policy)) >= MOST_VERSIONS:
            raise LimitExceeded(
                f"A managed policy can have up to {MOST_VERSIONS} versions. Before you create a new version, you must "
                "delete an existing version."
            )
        number = store.iam_policies.add_version(tx, policy, document, now, is_default=is_default)
        store.counters.bump_access(tx, policy.account_id)
    return PolicyVersion(number, document, now, is_default)


def set_default_version(on: Backends, named: PolicyArn, version_id: str) -> None:
    """Let another version be what the policy says."""
    with on.database.transaction() as tx:
        policy = _get(tx, named)
        number = _version(tx, policy, version_id).number
        store.iam_policies.set_default_version(tx, policy, number, on.clock())
        store.counters.bump_access(tx, policy.account_id)


def delete_version(on: Backends, named: PolicyArn, version_id: str) -> None:
    """Remove a version that is not what the policy says."""
    with on.database.transaction() as tx:
        policy = _get(tx, named)
        found = _version(tx, policy, version_id)
        if found.is_default:
            raise DeleteConflict("Cannot delete the default version of a policy.")
        store.iam_policies.delete_version(tx, policy, found.number)
        store.counters.bump_access(tx, policy.account_id)


# ---- Which policy


def find(tx: Transaction, named: PolicyArn) -> ManagedPolicy | None:
    """The policy of an ARN, Amazon's or a customer's."""
    if named.is_amazons:
        return iam_managed.BY_ARN.get(named.text)
    policy = store.iam_policies.find(tx, named.account_id, named.name)
    return policy if policy and policy.arn == named.text else None


def _get(tx: Transaction, named: PolicyArn) -> ManagedPolicy:
    policy = find(tx, named)
    if policy is None:
        raise NoSuchEntity("policy", named.text)
    return policy


def _versions(tx: Transaction, policy: ManagedPolicy) -> list[PolicyVersion]:
    if policy.account_id == iam_policies.AWS:
        return [iam_managed.version(policy.arn)]
    return store.iam_policies.versions(tx, policy)


def _version(tx: Transaction, policy: ManagedPolicy, version_id: str) -> PolicyVersion:
    for found in _versions(tx, policy):
        if found.id == version_id:
            return found
    raise NoSuchEntity("attachable policy", f"{policy.arn} version {version_id}")
