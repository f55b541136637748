"""Pull-through cache rules: what is below a prefix comes from an upstream."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import caching
from holdfast.model.caching import CacheRule
from holdfast.model.errors import (
    InvalidParameter,
    LimitExceeded,
    PullThroughCacheRuleAlreadyExists,
    PullThroughCacheRuleNotFound,
    UnsupportedUpstreamRegistry,
)
from holdfast.model.profiles import Profile
from holdfast.outbound.distribution import vouches

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.model.caching import Options, Upstream
    from holdfast.model.names import Registry, RepositoryRef
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction


def create(on: Backends, registry: Registry, prefix: str, upstream: Upstream) -> CacheRule:
    """Let what is below a prefix come from an upstream."""
    if on.profile is Profile.ECR_STRICT and caching.kind_of(upstream.url) is caching.ANY:
        raise UnsupportedUpstreamRegistry(upstream.url)
    now, limit = on.clock(), on.limits.cache_rules
    rule = CacheRule(registry, prefix, upstream, now, now)
    with on.database.transaction() as tx:
        if store.cache_rules.is_taken(tx, registry, prefix):
            raise PullThroughCacheRuleAlreadyExists(registry, prefix)
        if store.cache_rules.add(tx, rule) > limit:
            raise LimitExceeded(f"The registry cannot have more than {limit} pull through cache rules")
    return rule


def update(
    on: Backends, registry: Registry, prefix: str, *, credential_arn: str | None, custom_role_arn: str | None
) -> CacheRule:
    """Ask a rule's upstream with other credentials, or in another role."""
    with on.database.transaction() as tx:
        rule = _get(tx, registry, prefix)
        url = rule.upstream.url
        if credential_arn is None and (custom_role_arn is None or caching.kind_of(url).needs_credential):
            wanted = "customRoleArn" if caching.needs_role(registry, url) else "credentialArn"
            raise InvalidParameter(wanted, "Member must not be null")
        upstream = replace(
            rule.upstream,
            credential_arn=credential_arn or rule.upstream.credential_arn,
            custom_role_arn=custom_role_arn or rule.upstream.custom_role_arn,
        )
        rule = replace(rule, upstream=upstream, updated_at=on.clock())
        store.cache_rules.change(tx, rule)
    return rule


def set_options(on: Backends, registry: Registry, prefix: str, change: Callable[[Options], Options]) -> CacheRule:
    """Change what a rule has beyond ECR's."""
    with on.database.transaction() as tx:
        rule = _get(tx, registry, prefix)
        rule = replace(rule, options=change(rule.options), updated_at=on.clock())
        if rule.options.ca_pem is not None and not vouches(rule.options.ca_pem):
            raise InvalidParameter("caCertificates", "Member must be certificates in PEM")
        store.cache_rules.set_options(tx, rule)
    return rule


def describe(on: Backends, registry: Registry, prefixes: Sequence[str]) -> list[CacheRule]:
    """Named rules; one that is missing fails the whole call."""
    with on.database.snapshot() as tx:
        return [_get(tx, registry, prefix) for prefix in dict.fromkeys(prefixes)]


def page(on: Backends, registry: Registry, after: str, limit: int) -> tuple[list[CacheRule], bool]:
    """Rules by prefix, beginning after one, and whether there are more."""
    with on.database.snapshot() as tx:
        found = store.cache_rules.page(tx, registry, after, limit + 1)
    return found[:limit], len(found) > limit


def delete(on: Backends, registry: Registry, prefix: str) -> CacheRule:
    """Remove a rule; what it was. Repositories that it filled stay."""
    with on.database.transaction() as tx:
        rule = _get(tx, registry, prefix)
        store.cache_rules.remove(tx, rule, on.clock())
    return rule


def rule_for(tx: Transaction, at: RepositoryRef) -> CacheRule | None:
    """The rule that fills a repository: that of the longest prefix, ROOT the last."""
    return store.cache_rules.nearest(tx, at.registry, at.name)


def _get(tx: Transaction, registry: Registry, prefix: str) -> CacheRule:
    rule = store.cache_rules.find(tx, registry, prefix)
    if rule is None:
        raise PullThroughCacheRuleNotFound(registry, prefix)
    return rule
