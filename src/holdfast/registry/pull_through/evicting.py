"""Room in a cache: images that nobody pulled for longest go, where a rule has cached more bytes than it may.

They go as whatever is deleted goes: they can be brought back for a while, and their layers wait in quarantine. What
somebody pushed, what an index lists, and what is held by a lease stays.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.images import ImageId
from holdfast.model.names import RepositoryRef
from holdfast.registry import images

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job
    from holdfast.store import Transaction
    from holdfast.store.cache_rules import Budget

log = logging.getLogger(__name__)

ROUNDS = 1000  # of one run, for one rule
FORGOTTEN = timedelta(days=7)  # after which what is on its way and does not come is forgotten
AT_ONCE = 200


def evict(on: Backends, job: Job) -> None:
    """Bring every rule below its budget, and forget what did not come."""
    evict_all(on, job.step, job.rest)


def evict_all(
    on: Backends, step: Callable[[Transaction], None] = lambda _: None, rest: Callable[[], None] = lambda: None
) -> int:
    """The same, for whoever does not wait for it; how many images went."""
    with on.database.transaction(durable=False, within=()) as tx:
        step(tx)
        budgets = store.cache_rules.with_budgets(tx)
        store.cached.forget_imports(tx, on.clock() - FORGOTTEN, AT_ONCE)
        store.cached.forget_fetches(tx, on.clock() - timedelta(hours=1))
    return sum(_evict(on, budget, step, rest) for budget in budgets)


def _evict(on: Backends, budget: Budget, step: Callable[[Transaction], None], rest: Callable[[], None]) -> int:
    went = 0
    rule, most = budget.rule, budget.rule.options.budget_bytes
    assert most is not None
    kept_back: set[tuple[str, str]] = set()
    for _ in range(ROUNDS):
        with on.database.transaction(durable=False, within=()) as tx:
            step(tx)
            held = store.cached.bytes_of(tx, budget.registry_id, rule.prefix)
            found = store.cached.least_used(tx, budget.registry_id, rule.prefix, len(kept_back) + 1)
        left = [one for one in found if one not in kept_back]
        if held <= most or not left:
            break
        name, digest = left[0]
        _, failures = images.delete(on, RepositoryRef(rule.registry, name), [ImageId(digest)])
        if failures:
            kept_back.add(left[0])
            log.info("%s@%s is cached and stays: %s", name, digest, failures[0].reason)
        else:
            went += 1
            log.info("%s@%s goes: the rule %s has %d bytes, %d more than it may", name, digest, rule.prefix, held,
                     held - most)  # fmt: skip
        rest()
    return went
