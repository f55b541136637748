"""End all that waits for one destination of replication, without removing its rule.

What is cancelled counts as an image that was pushed before its rule: a backfill copies it, and comparisons leave it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.work import (
    PushDeletion,
    PushImage,
    ReplicateDeletion,
    ReplicateImage,
    ReplicateSettings,
    SpreadSettings,
)
from holdfast.registry import backfills

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.names import Registry
    from holdfast.model.repositories import Repository
    from holdfast.model.work import Work
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

AT_ONCE = 1000  # images or items of work in one transaction
MOST_SECONDS = 10.0  # of one call


def cancel(on: Backends, source: Registry, destination: Registry) -> tuple[int, bool]:
    """Cancel what waits to be copied, removed or set there; how many images, and whether there is more.

    What comes meanwhile is left alone. Copies that are under way stop at their next step.
    """
    until, began = on.clock(), on.monotonic()
    backfills.stop_all(on, source, destination)
    spread = SpreadSettings(source.account_id, source.region, destination.account_id, destination.region)
    with on.database.transaction() as tx:
        store.work.drop(tx, spread.kind, [spread.key])
    kinds: tuple[type[Work], ...] = (ReplicateDeletion, PushDeletion, ReplicateSettings)
    for kind in kinds:
        _drop(on, source, destination, kind, until)
    count = 0
    while on.monotonic() < began + MOST_SECONDS:
        with on.database.transaction() as tx:
            found = store.replications.waiting(tx, source, destination, until, AT_ONCE)
            store.replications.cancel(tx, found, destination, on.clock())
            for copying in (ReplicateImage, PushImage):
                wanted = [copying(image_id, destination.region, destination.account_id).key for image_id in found]
                store.work.drop(tx, copying.__name__, wanted)
        count += len(found)
        if len(found) < AT_ONCE:
            return count, False
    return count, True


def deletions(tx: Transaction, repository: Repository, destination: Registry, hurried_at: datetime | None) -> int:
    """How many deletions in a repository wait to be made at a destination; they are made at once if that is wanted."""
    there = f"{destination.region}/{destination.account_id}"
    begin = f"{repository.id}/"
    patterns = {ReplicateDeletion.__name__: f"{begin}{there}/%", PushDeletion.__name__: f"{begin}%/{there}"}
    for kind, pattern in patterns.items():
        if hurried_at is not None:
            store.work.hurry_about(tx, kind, begin, pattern, hurried_at)
    return sum(store.work.count_about(tx, kind, begin, pattern) for kind, pattern in patterns.items())


def _drop(on: Backends, source: Registry, destination: Registry, kind: type[Work], until: datetime) -> None:
    """Forget work of a kind that is about a repository and a destination."""
    after, is_more = 0, True
    while is_more:
        with on.database.transaction() as tx:
            found = store.work.of_kind(tx, kind.__name__, until, after, AT_ONCE)
            meant = [one for one in found if one.payload["region"] == destination.region]
            meant = [one for one in meant if one.payload["account_id"] == destination.account_id]
            homes = {one.payload["repository_id"] for one in meant}
            ours = {id_ for id_ in homes if (at := store.repositories.find_by_id(tx, id_)) and at.registry == source}
            store.work.drop(tx, kind.__name__, [one.key for one in meant if one.payload["repository_id"] in ours])
        is_more = len(found) == AT_ONCE
        after = found[-1].id if found else after
