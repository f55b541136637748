"""The policies of repositories, and that of the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws.operations import Call, Shape, operation, the_registry, the_repository

if TYPE_CHECKING:
    from holdfast.model.names import RepositoryRef


@operation(on=the_repository)
def set_repository_policy(call: Call, request: Shape) -> Shape:
    """Give a repository a policy, whatever it had before."""
    at, text = the_repository(call, request), request["policyText"]
    registry.policies.set_on_repository(call.on, call.caller, at, text, call.http, force=request.get("force", False))
    return _rendered(at, text)


@operation(on=the_repository)
def get_repository_policy(call: Call, request: Shape) -> Shape:
    """The policy of a repository."""
    at = the_repository(call, request)
    return _rendered(at, registry.policies.of_repository(call.on, at))


@operation(on=the_repository)
def delete_repository_policy(call: Call, request: Shape) -> Shape:
    """Take the policy of a repository away."""
    at = the_repository(call, request)
    return _rendered(at, registry.policies.delete_from_repository(call.on, at))


@operation(on=the_registry)
def put_registry_policy(call: Call, request: Shape) -> Shape:
    """Give the registry a policy, whatever it had before."""
    home, text = the_registry(call, request), request["policyText"]
    registry.policies.put_on_registry(call.on, home, text)
    return {"registryId": home.account_id, "policyText": text}


@operation(on=the_registry)
def get_registry_policy(call: Call, request: Shape) -> Shape:
    """The policy of the registry."""
    home = the_registry(call, request)
    return {"registryId": home.account_id, "policyText": registry.policies.of_registry(call.on, home)}


@operation(on=the_registry)
def delete_registry_policy(call: Call, request: Shape) -> Shape:
    """Take the policy of the registry away."""
    home = the_registry(call, request)
    return {"registryId": home.account_id, "policyText": registry.policies.delete_from_registry(call.on, home)}


def _rendered(at: RepositoryRef, text: str) -> Shape:
    return {"registryId": at.registry.account_id, "repositoryName": at.name, "policyText": text}
