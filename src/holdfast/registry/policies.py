"""Put, get and delete the policies of repositories and of a registry; the texts are kept as they came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.account_settings import REGISTRY_POLICY_SCOPE
from holdfast.model.errors import InvalidParameter, RegistryPolicyNotFound, RepositoryPolicyNotFound
from holdfast.model.iam_principals import NoSuchPrincipal
from holdfast.model.policies import SETTING, parse_registry_policy, parse_repository_policy
from holdfast.registry import access, account_settings, replicated_settings
from holdfast.registry.iam import principals

if TYPE_CHECKING:
    from holdfast.model.callers import Caller
    from holdfast.model.circumstances import Circumstances
    from holdfast.model.names import Registry, RepositoryRef
    from holdfast.model.policies import Policy
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction


def set_on_repository(
    on: Backends, caller: Caller, at: RepositoryRef, text: str, request: Circumstances, *, force: bool = False
) -> None:
    """Give a repository a policy; one that would not let the caller give it another only by force."""
    policy = parse_repository_policy(text)
    if not force and not _leaves_a_way_back(on, caller, at, policy, text, request):
        raise InvalidParameter(
            "PolicyText", "The policy would keep you from setting another one; set force if that is what you want"
        )
    _put_on_repository(on, at, text)


def bring_to_repository(on: Backends, at: RepositoryRef, text: str) -> None:
    """Give a repository the policy that another one has; nobody asks whether he could give it another."""
    parse_repository_policy(text)
    _put_on_repository(on, at, text)


def _put_on_repository(on: Backends, at: RepositoryRef, text: str) -> None:
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        put_in(tx, repository, text)
        store.counters.bump_access(tx, at.registry.account_id)
        replicated_settings.changed(tx, repository, on.clock())


def put_in(tx: Transaction, repository: Repository, text: str | None) -> None:
    """Give a repository a policy that was checked, or none, in a transaction."""
    if text is not None:
        text = _resolved(tx, text, "Invalid repository policy provided")
    store.repositories.set_policy(tx, repository, text)


def _leaves_a_way_back(
    on: Backends, caller: Caller, at: RepositoryRef, policy: Policy, text: str, request: Circumstances
) -> bool:
    """Whether the caller could set another policy; the root of the account could, but would not expect to."""
    action, known = "ecr:SetRepositoryPolicy", on.access.known(on, caller)
    if known is None or policy.always_denies(known.principal, action, at.arn):
        return False
    return access.would(on, caller, action, at, request, text)


def of_repository(on: Backends, at: RepositoryRef) -> str:
    """The policy of a repository, or `RepositoryPolicyNotFound`."""
    with on.database.snapshot() as tx:
        text = find_in(tx, store.repositories.get(tx, at))
    if text is None:
        raise RepositoryPolicyNotFound(at)
    return text


def find_in(tx: Transaction, repository: Repository) -> str | None:
    """The policy of a repository, if it has one."""
    text = store.repositories.policy(tx, repository)
    return None if text is None else _shown(tx, text)


def delete_from_repository(on: Backends, at: RepositoryRef) -> str:
    """Take the policy of a repository away; what it was."""
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        text = find_in(tx, repository)
        if text is None:
            raise RepositoryPolicyNotFound(at)
        store.repositories.set_policy(tx, repository, None)
        store.counters.bump_access(tx, at.registry.account_id)
        replicated_settings.changed(tx, repository, on.clock())
    return text


def put_on_registry(on: Backends, registry: Registry, text: str) -> None:
    """Give a registry a policy, in the scope that is set for it."""
    with on.database.transaction() as tx:
        parse_registry_policy(text, account_settings.value(tx, registry, REGISTRY_POLICY_SCOPE))
        text = _resolved(tx, text, "Invalid registry policy provided")
        store.registry_settings.put(tx, registry, SETTING, text, on.clock())
        store.counters.bump_access(tx, registry.account_id)


def of_registry(on: Backends, registry: Registry) -> str:
    """The policy of a registry, or `RegistryPolicyNotFound`."""
    with on.database.snapshot() as tx:
        return _of_registry(tx, registry)


def delete_from_registry(on: Backends, registry: Registry) -> str:
    """Take the policy of a registry away; what it was."""
    with on.database.transaction() as tx:
        text = _of_registry(tx, registry)
        store.registry_settings.delete_setting(tx, registry, SETTING, on.clock())
        store.counters.bump_access(tx, registry.account_id)
    return text


def _of_registry(tx: Transaction, registry: Registry) -> str:
    text = store.registry_settings.find(tx, registry, SETTING)
    if text is None:
        raise RegistryPolicyNotFound(registry)
    return _shown(tx, text)


def _resolved(tx: Transaction, text: str, refusal: str) -> str:
    """A policy as it is kept: users and roles by their ids, so that a namesake who comes later is not meant."""
    try:
        return principals.resolve(tx, text)
    except NoSuchPrincipal:
        raise InvalidParameter("PolicyText", refusal) from None


def _shown(tx: Transaction, text: str) -> str:
    """A policy as it is shown: users and roles by their ARNs."""
    return principals.shown(tx, [text])[0]
