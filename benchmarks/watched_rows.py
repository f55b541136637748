"""The rows of advisories: how long it takes until all images that are watched follow them, and what requests feel."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from filling import Age, Filling
from latency import wait
from lifecycle_rows import Probe, duration, latency
from scenes import Row, Scale, Scene
from servers import Server
from watched import BASE_CVES, CHANGED, OWN_CVES, Watched

CROWD = "bench/watched"
AGE = Age(timedelta(days=10), timedelta(0))  # within which images are watched


@dataclass(slots=True)
class Watch:
    """A repository of many images that are watched; each import changes something of all of them."""

    amount: int
    days: dict[str, int] = field(default_factory=dict)  # of each server

    def create(self, server: Server) -> None:
        server.create_repository(CROWD)
        _watched(server).add(Filling(server.database, CROWD, self.amount, AGE).add())

    def fill_up(self, server: Server) -> None:
        wait(_watched(server).is_told)
        os.sync()

    def counted(self, server: Server) -> Callable[[], bool]:
        """Import the advisories of the next day."""
        self.days[server.title] = self.days.get(server.title, 0) + 1
        _watched(server).load(self.days[server.title])
        return lambda: True

    def told(self, server: Server) -> Callable[[], bool]:
        """Import them, and let all that they change be counted and told."""
        self.counted(server)
        return _watched(server).is_told


def _watched(server: Server) -> Watched:
    return Watched(server.database.parent, server.program)


def watched(scale: Scale) -> Scene:
    """How long an import takes, until it counts and until it is told, and single requests without and beside it."""
    watch = Watch(scale.planned_images)
    probe = Probe(scale)

    def prepare(server: Server) -> None:
        probe.prepare(server)
        watch.create(server)

    done = f"import of {BASE_CVES + OWN_CVES:,} advisories, {CHANGED + 1} of them new, beside {watch.amount:,} watched"
    rows: list[Row] = [
        duration(watch, "advisories-told", f"{done}, until all is told", watch.told),
        duration(watch, "advisories-counted", f"{done}, until findings changed", watch.counted),
    ]
    for name, label, ask in probe.asks:
        rows += [
            latency(watch, f"watched-{name}-alone", f"{label}, beside {watch.amount:,} watched", probe.nothing, ask),
            latency(watch, f"watched-{name}-during", f"{label}, during {done}", watch.told, ask),
        ]
    return Scene(tuple(rows), prepare)
