"""A measurement: a figure in a unit, what it cost the server, and how quiet the machine was."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import clients
from clients import Load
from content import MEBIBYTE
from processes import memory, metering
from servers import Server

SLOW_CLIENTS, SLOW_PACE, SLOW_SECONDS = 64, 64 * 1024, 10.0


@dataclass(frozen=True, slots=True)
class Unit:
    """What a figure counts, and what its cost counts."""

    name: str
    factor: float
    cost: str
    cost_factor: float


REQUESTS = Unit("requests/s", 1, "µs/request", 1e6)
PAIRS = Unit("pairs/s", 1, "µs/pair", 1e6)
BYTES = Unit("MB/s", 1e-6, "s/GB", 1e9)
MEMORY = Unit("MiB", 1 / MEBIBYTE, "MiB in all", 1 / MEBIBYTE)
SECONDS = Unit("s", 1, "CPU s", 1)
LATENCY = Unit("ms, p99", 1e3, "ms, median", 1e3)


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement: the figure, its cost, and the share of the machine that strangers used meanwhile."""

    value: float
    cost: float
    others: float = 0.0


def paced(server: Server, unit: Unit, work: Callable[[], Load]) -> Sample:
    """Do some work and express it in a unit."""
    with metering(server.pid) as meter:
        done = work()
    rate, cost = done.amount / done.seconds, meter.cpu / done.amount
    return Sample(rate * unit.factor, cost * unit.cost_factor, meter.others)


def timed(server: Server, work: Callable[[], None]) -> Sample:
    """Do some work and tell how long it takes."""
    with metering(server.pid) as meter:
        begin = time.perf_counter()
        work()
        seconds = time.perf_counter() - begin
    return Sample(seconds * SECONDS.factor, meter.cpu * SECONDS.cost_factor, meter.others)


def felt(server: Server, ask: Callable[[], list[float]]) -> Sample:
    """Have single requests made and tell how long they take."""
    with metering(server.pid) as meter:
        seconds = ask()
    slowest = statistics.quantiles(seconds, n=100)[98]
    return Sample(slowest * LATENCY.factor, statistics.median(seconds) * LATENCY.cost_factor, meter.others)


def occupied(server: Server) -> Sample:
    sizes = memory(server.pid)
    return Sample(sizes[0] * MEMORY.factor, sum(sizes) * MEMORY.cost_factor)


def peak(server: Server, path: str) -> Sample:
    """The most that a server occupies while slow clients hang on it."""
    seen: list[Sample] = []
    clients.read_slowly(server.door, path, SLOW_CLIENTS, SLOW_PACE, SLOW_SECONDS, lambda: seen.append(occupied(server)))
    return Sample(max(sample.value for sample in seen), max(sample.cost for sample in seen))


def shown(figure: float) -> str:
    """A figure as people read it."""
    return f"{figure:.2f}" if figure < 10 else f"{figure:,.0f}"
