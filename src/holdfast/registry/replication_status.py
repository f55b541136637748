"""How the copying to other registries stands: what waits, for how long, what failed, and what drifted."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import replicated_settings, replication
from holdfast.model.replication import SETTING
from holdfast.model.work import PushImage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from holdfast.model.names import Registry
    from holdfast.model.replicated_settings import Setting
    from holdfast.registry.backends import Backends
    from holdfast.store.replications import Tally


@dataclass(frozen=True, slots=True)
class Destination:
    """How the copying of a registry's images to one destination stands."""

    registry: Registry
    waiting: int
    failed: int
    completed: int
    cancelled: int  # that were to be copied, until somebody cancelled that
    lag_seconds: float  # for which the first of those that wait has waited
    settings: tuple[Setting, ...]  # of repositories, that go there too
    failures: dict[str, int]  # by code, how many failed with it
    trouble: str | None  # why something that waits was not done yet
    again_at: datetime | None  # and when that is tried again


def destinations(on: Backends, source: Registry) -> list[Destination]:
    """Every destination of a registry's rules, and others to which something was to be copied."""
    with on.database.snapshot() as tx:
        rules = replication.read(store.registry_settings.find(tx, source, SETTING))
        settings = replicated_settings.read(store.registry_settings.find(tx, source, replicated_settings.SETTING))
        tallies = store.replications.tallies(tx, source)
        others = sorted({one.destination for one in tallies}, key=lambda one: (one.region, one.account_id))
        every = list(dict.fromkeys([*rules.destinations, *others]))
        troubles = {one: store.work.trouble(tx, PushImage.__name__, f"{one.region}/{one.account_id}") for one in every}
    return [_destination(on, one, tallies, settings.get(one, ()), troubles[one]) for one in every]


def _destination(
    on: Backends,
    registry: Registry,
    tallies: Sequence[Tally],
    settings: tuple[Setting, ...],
    trouble: tuple[str, datetime] | None,
) -> Destination:
    found: dict[str, int] = defaultdict(int)
    for one in (mine := [one for one in tallies if one.destination == registry]):
        found[one.status] += one.images
    return Destination(
        registry,
        waiting=found["IN_PROGRESS"],
        failed=found["FAILED"],
        completed=found["COMPLETE"],
        cancelled=found["CANCELLED"],
        lag_seconds=_age(on, min((one.since for one in mine if one.status == "IN_PROGRESS"), default=None)),
        settings=settings,
        failures={one.failure_code or "": one.images for one in mine if one.status == "FAILED"},
        trouble=trouble[0] if trouble else None,
        again_at=trouble[1] if trouble else None,
    )


def figures(on: Backends) -> dict[str, float]:
    """What machines watch, of all registries, beside what waits."""
    with on.database.snapshot() as tx:
        return {
            "replication_failed": store.replications.count_failed(tx),
            "replication_drifted": store.replication_checks.count_drifted(tx),
        }


def _age(on: Backends, since: datetime | None) -> float:
    return 0.0 if since is None else max((on.clock() - since).total_seconds(), 0.0)
