"""Pull-through cache rules, and what is answered for images that only an upstream has.

Rules are kept and told of; upstreams are not asked yet.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import caching
from holdfast.model.caching import CacheRule
from holdfast.model.errors import (
    InvalidParameter,
    LayersNotFound,
    LimitExceeded,
    PullThroughCacheRuleAlreadyExists,
    PullThroughCacheRuleNotFound,
    RepositoryNotFound,
    UnableToGetUpstreamImage,
    UnableToGetUpstreamLayer,
    UnableToListUpstreamImageReferrers,
)
from holdfast.registry import images, layers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.model.caching import Upstream
    from holdfast.model.images import Image, ImageId
    from holdfast.model.names import Registry, RepositoryRef
    from holdfast.registry.backends import Backends
    from holdfast.registry.images import Failure
    from holdfast.store import Transaction

UNREACHABLE = "This version of Holdfast does not reach upstream registries yet"


# ---- Rules


def create(on: Backends, registry: Registry, prefix: str, upstream: Upstream) -> CacheRule:
    """Let what is below a prefix come from an upstream."""
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
        if custom_role_arn is None and caching.needs_role(registry, url):
            raise InvalidParameter("customRoleArn", "Member must not be null")
        upstream = replace(
            rule.upstream,
            credential_arn=credential_arn or rule.upstream.credential_arn,
            custom_role_arn=custom_role_arn or rule.upstream.custom_role_arn,
        )
        rule = replace(rule, upstream=upstream, updated_at=on.clock())
        store.cache_rules.change(tx, rule)
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


def validate(on: Backends, registry: Registry, prefix: str) -> tuple[CacheRule, str]:
    """Try a rule's upstream; the rule, and why it cannot be had."""
    with on.database.snapshot() as tx:
        return _get(tx, registry, prefix), UNREACHABLE


def rule_for(tx: Transaction, at: RepositoryRef) -> CacheRule | None:
    """The rule that fills a repository: that of the longest prefix, ROOT the last."""
    return store.cache_rules.nearest(tx, at.registry, at.name)


def _get(tx: Transaction, registry: Registry, prefix: str) -> CacheRule:
    rule = store.cache_rules.find(tx, registry, prefix)
    if rule is None:
        raise PullThroughCacheRuleNotFound(registry, prefix)
    return rule


# ---- What only an upstream has


def get_images(
    on: Backends, at: RepositoryRef, ids: Sequence[ImageId], *, puller: str
) -> tuple[list[tuple[ImageId, Image, bytes]], list[Failure]]:
    """Manifests as `images.get` finds them; of those it does not find, whether an upstream would have to be asked."""
    try:
        found, failures = images.get(on, at, ids, puller=puller)
    except RepositoryNotFound:
        if (url := _upstream_url(on, at)) is not None:
            raise UnableToGetUpstreamImage(at, url) from None
        raise
    if any(failure.code == "ImageNotFound" for failure in failures) and (url := _upstream_url(on, at)) is not None:
        if not found:
            raise UnableToGetUpstreamImage(at, url)
        failures = [_unavailable(failure, url) if failure.code == "ImageNotFound" else failure for failure in failures]
    return found, failures


def require_layer(on: Backends, at: RepositoryRef, digest: str) -> None:
    """Refuse a layer as `layers.require_in_image` does; of one it does not know, whether an upstream may."""
    try:
        layers.require_in_image(on, at, digest)
    except LayersNotFound:
        if (url := _upstream_url(on, at)) is not None:
            raise UnableToGetUpstreamLayer(at, url) from None
        raise


def require_subject(on: Backends, at: RepositoryRef, digest: str) -> None:
    """Refuse to say that nothing refers to an image that only an upstream may have."""
    with on.database.snapshot() as tx:
        if store.images.find(tx, store.repositories.get(tx, at), digest=digest) is not None:
            return
        rule = rule_for(tx, at)
    if rule is not None:
        raise UnableToListUpstreamImageReferrers(at, rule.upstream.url)


def _upstream_url(on: Backends, at: RepositoryRef) -> str | None:
    with on.database.snapshot() as tx:
        rule = rule_for(tx, at)
    return None if rule is None else rule.upstream.url


def _unavailable(failure: Failure, url: str) -> Failure:
    return replace(failure, code="UpstreamUnavailable", reason=f"Requested image cannot be had from {url}: not reached")
