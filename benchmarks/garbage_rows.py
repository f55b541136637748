"""The rows of garbage collection: how long it takes beside few and many blobs, and what requests feel meanwhile."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from lifecycle_rows import Probe, duration, latency
from litter import Litter
from scenes import Row, Scale, Scene
from servers import Server

from holdfast.store import SqliteDatabase

STREET = "bench/street"
GARBAGE = 10_000  # blobs for the quarantine, and as many out of it: as much as one run takes


@dataclass(frozen=True, slots=True)
class Street:
    """A registry of many blobs that images need, to which garbage is added before each measurement."""

    amount: int

    def create(self, server: Server) -> None:
        server.create_repository(STREET)
        with_database(server, lambda litter: litter.keep(self.amount))

    def fill_up(self, server: Server) -> None:
        with_database(server, lambda litter: litter.drop(GARBAGE))
        os.sync()

    def collect(self, server: Server) -> Callable[[], bool]:
        with_database(server, Litter.collect)
        return lambda: with_database(server, Litter.is_collected)


def with_database(server: Server, act: Callable[[Litter], object]) -> object:
    database = SqliteDatabase(server.database)
    try:
        return act(Litter(database, STREET))
    finally:
        database.close()


def garbage(scale: Scale, amount: int, *, is_felt: bool) -> Scene:
    """How long a run takes, and single requests without and beside it."""
    street = Street(amount)
    probe = Probe(scale)

    def prepare(server: Server) -> None:
        probe.prepare(server)
        street.create(server)

    collected = f"garbage collection of {2 * GARBAGE:,} layers beside {amount:,} blobs"
    rows: list[Row] = [duration(street, "gc-many" if is_felt else "gc-few", collected, street.collect)]
    for name, label, ask in probe.asks if is_felt else ():
        rows += [
            latency(street, f"gc-{name}-alone", f"{label}, beside {amount:,} blobs", probe.nothing, ask),
            latency(street, f"gc-{name}-during", f"{label}, during {collected}", street.collect, ask),
        ]
    return Scene(tuple(rows), prepare)
