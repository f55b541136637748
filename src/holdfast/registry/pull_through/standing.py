"""How the caches of a registry stand, for whoever looks after them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast import store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from holdfast.model.caching import CacheRule
    from holdfast.model.names import Registry
    from holdfast.registry.backends import Backends
    from holdfast.store.cached import Fetch


@dataclass(frozen=True, slots=True)
class Standing:
    """A rule, what is cached by it, and what its upstream last did wrong."""

    rule: CacheRule
    images: int
    size_bytes: int
    failure: str | None
    failed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Status:
    """Rules of a registry, what is being fetched, and which images are on their way or were given up."""

    rules: Sequence[Standing]
    has_more: bool
    fetches: Sequence[Fetch]
    imports: Sequence[dict[str, Any]]


def status(on: Backends, registry: Registry, after: str = "", limit: int = 1000) -> Status:
    """How the caches of a registry stand: up to so many rules by their prefixes, beginning after one."""
    with on.database.snapshot() as tx:
        faults = store.cache_rules.faults(tx, registry)
        rules = store.cache_rules.page(tx, registry, after, limit + 1)
        registry_id = store.accounts.find_registry(tx, registry)
        return Status(
            [
                Standing(
                    rule,
                    store.cached.count_of(tx, registry_id, rule.prefix),
                    store.cached.bytes_of(tx, registry_id, rule.prefix),
                    *(faults.get(rule.prefix) or (None, None)),
                )
                for rule in rules[:limit]
                if registry_id is not None
            ],
            len(rules) > limit,
            store.cached.fetches(tx, registry),
            store.cached.imports(tx, registry),
        )
