"""What refers to a cached image, as its upstream says; and what the ECR API says of it."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.errors import Refusal, UnableToListUpstreamImageReferrers
from holdfast.model.work import FetchReferrers
from holdfast.outbound.distribution import RemoteFault
from holdfast.registry import caching

if TYPE_CHECKING:
    from holdfast.model.names import RepositoryRef
    from holdfast.outbound.distribution import Referrer
    from holdfast.registry.backends import Backends

log = logging.getLogger(__name__)


def referrers(on: Backends, at: RepositoryRef, digest: str) -> list[Referrer]:
    """What an upstream has that refers to an image and is not here; nothing if it was asked lately, or does not say.

    A list that is short for a while does no harm: what is missing comes with the next one.
    """
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        rule = caching.rule_for(tx, at)
        image = store.images.find(tx, repository, digest=digest)
        asked_at = None if image is None else store.cached.referrers_at(tx, image.id)
        if rule is None or (image is not None and asked_at is None):
            return []  # nothing of an upstream's
    if asked_at is not None and asked_at + timedelta(seconds=rule.options.referrer_seconds) > on.clock():
        return []
    name = rule.upstream_name(at.name)
    try:
        found = on.upstreams.ask(on, rule, name, f"referrers of {digest}", lambda one: one.referrers(name, digest))
    except (RemoteFault, Refusal) as fault:
        log.warning("what refers to %s@%s is told as far as it is here: %s", at.name, digest, fault)
        return []
    with on.database.transaction(durable=False) as tx:
        repository = store.repositories.get(tx, at)
        if found and image is not None:
            store.work.add(tx, FetchReferrers(repository.id, digest), on.clock())
        here = store.cached.held(tx, repository, [one.digest for one in found])
    return [one for one in found if one.digest not in here]


def require_subject(on: Backends, at: RepositoryRef, digest: str) -> None:
    """Refuse to say that nothing refers to an image that only an upstream may have."""
    with on.database.snapshot() as tx:
        if store.images.find(tx, store.repositories.get(tx, at), digest=digest) is not None:
            return
        rule = caching.rule_for(tx, at)
    if rule is not None:
        raise UnableToListUpstreamImageReferrers(at, rule.upstream.url)
