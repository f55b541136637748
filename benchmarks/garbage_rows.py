"""The rows of garbage collection: how long it takes beside few and many blobs, and what requests feel meanwhile."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import deeds
from content import MANIFEST_TYPE, fresh_blob, fresh_config, manifest
from latency import PACE
from lifecycle_rows import GET, duration, latency
from litter import Litter
from scenes import SMALL, Row, Scale, Scene
from servers import REPOSITORY, Server
from wire import Connection

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
    config, layer = fresh_config(), fresh_blob(SMALL)

    def prepare(server: Server) -> None:
        server.put_blob(REPOSITORY, config)
        server.put_blob(REPOSITORY, layer)
        server.put_manifest(REPOSITORY, "latest", manifest(config, layer, "bench"))
        street.create(server)

    def nothing(_server: Server) -> Callable[[], bool]:
        end = time.perf_counter() + scale.seconds
        return lambda: time.perf_counter() > end

    def get(connection: Connection) -> None:
        connection.request("GET", GET, Accept=MANIFEST_TYPE).expect(200)

    def put(connection: Connection) -> None:
        tag = str(time.time_ns())
        deeds.put_manifest(connection, REPOSITORY, tag, manifest(config, layer, tag))

    collected = f"garbage collection of {2 * GARBAGE:,} layers beside {amount:,} blobs"
    rows: list[Row] = [duration(street, "gc-many" if is_felt else "gc-few", collected, street.collect)]
    for name, ask in (("get", get), ("put", put)) if is_felt else ():
        label = f"manifest {name.upper()}, every {PACE * 1e3:.0f} ms"
        rows += [
            latency(street, f"gc-{name}-alone", f"{label}, beside {amount:,} blobs", nothing, ask),
            latency(street, f"gc-{name}-during", f"{label}, during {collected}", street.collect, ask),
        ]
    return Scene(tuple(rows), prepare)
