"""Say whose pulls are not recorded, so that scanners and replicators do not keep images in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.errors import ExclusionAlreadyExists, ExclusionNotFound, LimitExceeded

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.names import Registry
    from holdfast.registry.backends import Backends


def register(on: Backends, registry: Registry, principal_arn: str) -> datetime:
    """Record no pulls of a principal from now on; since when."""
    now, limit = on.clock(), on.limits.pull_exclusions
    with on.database.transaction() as tx:
        if store.pull_exclusions.is_known(tx, registry, principal_arn):
            raise ExclusionAlreadyExists(principal_arn)
        if store.pull_exclusions.add(tx, registry, principal_arn, now) > limit:
            raise LimitExceeded(f"The registry cannot have more than {limit} pull time update exclusions")
    return now


def deregister(on: Backends, registry: Registry, principal_arn: str) -> None:
    """Record the pulls of a principal again."""
    with on.database.transaction() as tx:
        if not store.pull_exclusions.remove(tx, registry, principal_arn, on.clock()):
            raise ExclusionNotFound(principal_arn)


def page(on: Backends, registry: Registry, after: str, limit: int) -> tuple[list[str], bool]:
    """Excluded principals by ARN, beginning after one, and whether there are more."""
    with on.database.snapshot() as tx:
        found = store.pull_exclusions.page(tx, registry, after, limit + 1)
    return found[:limit], len(found) > limit
