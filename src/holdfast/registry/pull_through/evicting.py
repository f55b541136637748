"""Room in a cache: images that nobody pulled for longest go, where a rule has cached more bytes than it may.

    the upstream still has it ──► gone; its layers rest for an hour ──► their bytes are deleted
         └ it has not, or refuses ──► deleted as by anybody: it can be brought back for a while
         └ it cannot be asked ──► stays until it can; nothing comes from there meanwhile

What somebody pushed or signed, what an index lists, and what is held by a lease stays.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.errors import ImageInUse, Refusal, RepositoryNotFound
from holdfast.model.names import RepositoryRef
from holdfast.outbound.distribution import NotThere, Refused, RemoteFault
from holdfast.registry import departures, garbage, purging

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.model.caching import CacheRule
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job
    from holdfast.store import Transaction
    from holdfast.store.cache_rules import Budget

log = logging.getLogger(__name__)

ROUNDS = 100  # of one run, for one rule
AT_A_TIME = 20  # images of one round, after which is counted what there is
FORGOTTEN = timedelta(days=7)  # after which what is on its way and does not come is forgotten
AT_ONCE = 200
GRACE = timedelta(hours=1)  # for a push that was told of a layer, and names it in its manifest


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
    garbage.release_evicted(on, on.clock() - GRACE, step)
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
            found = store.cached.least_used(tx, budget.registry_id, rule.prefix, len(kept_back) + AT_A_TIME)
        left = [one for one in found if one[:2] not in kept_back]
        if held <= most or not left:
            break
        for name, digest, size_bytes in left:  # what goes frees as much as that at most, so none goes too many
            if held <= most:
                break
            try:
                is_there = _is_there(on, rule, name, digest)
            except (RemoteFault, Refusal) as fault:
                log.info("what the rule %s cached stays until its upstream can be asked: %s", rule.prefix, fault)
                return went
            if not _let_go(on, RepositoryRef(rule.registry, name), digest, for_good=is_there):
                kept_back.add((name, digest))
                continue
            went += 1
            log.info("%s@%s goes%s: the rule %s has %d bytes, %d more than it may", name, digest,
                     "" if is_there else ", and can be restored, for its upstream does not have it any more",
                     rule.prefix, held, held - most)  # fmt: skip
            held -= size_bytes
            rest()
    return went


def _is_there(on: Backends, rule: CacheRule, name: str, digest: str) -> bool:
    """Whether the upstream would give an image again. Raises what asking does."""
    theirs = rule.upstream_name(name)
    try:
        on.upstreams.ask(on, rule, theirs, digest, lambda puller: puller.stat_manifest(theirs, digest))
    except (NotThere, Refused):
        return False
    return True


def _let_go(on: Backends, at: RepositoryRef, digest: str, *, for_good: bool) -> bool:
    """Delete an image, so that nobody can bring it back if the upstream can; False if it stays."""
    try:
        with on.database.transaction() as tx:
            repository = store.repositories.get(tx, at)
            image = store.images.find(tx, repository, digest=digest)
            if image is None or not store.cached.may_go(tx, image.id):
                return False
            [image] = store.tags.of_images(tx, [image])
            departures.remove(on, tx, repository, image)
            if for_good:
                purging.erase_evicted(on, tx, repository, image.id)
    except (ImageInUse, RepositoryNotFound) as refusal:
        log.info("%s@%s is cached and stays: %s", at.name, digest, refusal.message)
        return False
    return True
