"""How the copying to other registries stands: what waits, for how long, what failed, and what drifted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import replicated_settings, replication
from holdfast.model.replication import SETTING

if TYPE_CHECKING:
    from collections.abc import Mapping
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


def destinations(on: Backends, source: Registry) -> list[Destination]:
    """Every destination of a registry's rules, and others to which something was to be copied."""
    with on.database.snapshot() as tx:
        rules = replication.read(store.registry_settings.find(tx, source, SETTING))
        settings = replicated_settings.read(store.registry_settings.find(tx, source, replicated_settings.SETTING))
        found = {(one.destination, one.status): one for one in store.replications.tallies(tx, source)}
    others = sorted({one for one, _ in found}, key=lambda one: (one.region, one.account_id))
    return [
        _destination(on, one, found, settings.get(one, ())) for one in dict.fromkeys([*rules.destinations, *others])
    ]


def _destination(
    on: Backends, registry: Registry, found: Mapping[tuple[Registry, str], Tally], settings: tuple[Setting, ...]
) -> Destination:
    def count(status: str) -> int:
        return found[registry, status].images if (registry, status) in found else 0

    waiting = found.get((registry, "IN_PROGRESS"))
    return Destination(
        registry,
        waiting=count("IN_PROGRESS"),
        failed=count("FAILED"),
        completed=count("COMPLETE"),
        cancelled=count("CANCELLED"),
        lag_seconds=_age(on, waiting.since if waiting else None),
        settings=settings,
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
