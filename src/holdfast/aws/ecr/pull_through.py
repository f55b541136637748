"""Pull-through cache rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws import pages
from holdfast.aws.operations import Again, Call, Shape, operation, the_registry
from holdfast.model.caching import Upstream, kind_of
from holdfast.model.prefixes import ROOT

if TYPE_CHECKING:
    from holdfast.model.caching import CacheRule


@operation(on=the_registry)
def create_pull_through_cache_rule(call: Call, request: Shape) -> Shape:
    """Let what is below a prefix come from an upstream registry."""
    url = request["upstreamRegistryUrl"]
    upstream = Upstream(
        kind=request.get("upstreamRegistry") or kind_of(url).name,
        url=url,
        prefix=request.get("upstreamRepositoryPrefix", ROOT),
        credential_arn=request.get("credentialArn"),
        custom_role_arn=request.get("customRoleArn"),
    )
    rule = registry.caching.create(call.on, the_registry(call, request), request["ecrRepositoryPrefix"], upstream)
    return _rendered(rule) | {
        "upstreamRegistryUrl": upstream.url,
        "upstreamRegistry": upstream.kind or None,
        "createdAt": rule.created_at,
    }


@operation(on=the_registry)
def update_pull_through_cache_rule(call: Call, request: Shape) -> Shape:
    """Ask the upstream with other credentials, or in another role."""
    rule = registry.caching.update(
        call.on,
        the_registry(call, request),
        request["ecrRepositoryPrefix"],
        credential_arn=request.get("credentialArn"),
        custom_role_arn=request.get("customRoleArn"),
    )
    return _rendered(rule) | {"updatedAt": rule.updated_at}


@operation(on=the_registry)
def describe_pull_through_cache_rules(call: Call, request: Shape) -> Shape:
    """List rules, or look some up by prefix."""
    home, named = the_registry(call, request), "ecrRepositoryPrefixes"
    if named in request:
        pages.refuse_with(request, named)
        return {
            "pullThroughCacheRules": [_whole(rule) for rule in registry.caching.describe(call.on, home, request[named])]
        }
    found, more = registry.caching.page(call.on, home, pages.after(request, ""), pages.size(request))
    return {
        "pullThroughCacheRules": [_whole(rule) for rule in found],
        "nextToken": pages.token(found[-1].prefix) if more else None,
    }


@operation(on=the_registry)
def delete_pull_through_cache_rule(call: Call, request: Shape) -> Shape:
    """Remove a rule; repositories that it filled stay."""
    rule = registry.caching.delete(call.on, the_registry(call, request), request["ecrRepositoryPrefix"])
    return _rendered(rule) | {"upstreamRegistryUrl": rule.upstream.url, "createdAt": rule.created_at}


@operation(on=the_registry)
def validate_pull_through_cache_rule(call: Call, request: Shape) -> Again:
    """Try whether the upstream of a rule can be had."""
    home = the_registry(call, request)
    [rule] = registry.caching.describe(call.on, home, [request["ecrRepositoryPrefix"]])

    def tried() -> Shape:
        failure = registry.pull_through.validate(call.on, rule)
        told = {"upstreamRegistryUrl": rule.upstream.url, "isValid": failure is None, "failure": failure}
        return _rendered(rule) | told

    return Again(tried)


def _rendered(rule: CacheRule) -> Shape:
    """What every answer about a rule has."""
    return {
        "ecrRepositoryPrefix": rule.prefix,
        "registryId": rule.registry.account_id,
        "credentialArn": rule.upstream.credential_arn,
        "customRoleArn": rule.upstream.custom_role_arn,
        "upstreamRepositoryPrefix": rule.upstream.prefix,
    }


def _whole(rule: CacheRule) -> Shape:
    return _rendered(rule) | {
        "upstreamRegistryUrl": rule.upstream.url,
        "upstreamRegistry": rule.upstream.kind or None,
        "createdAt": rule.created_at,
        "updatedAt": rule.updated_at,
    }
