"""Numbers for machines: `/metrics`, summed over the worker processes of a node."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

METHODS = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE")


def prepare(folder: Path) -> None:
    """Empty the folder in which workers share their numbers; before the first worker starts."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)  # read when the library is imported


class Metrics:
    """This worker's counters; every label has a bounded set of values.

    Requests are counted in plain numbers and handed to the library once a second: it takes 5 µs for each.
    """

    def __init__(self) -> None:
        from prometheus_client import Counter, Gauge

        requests = Counter("holdfast_requests", "Requests answered", ["method", "status"])
        kinds = [(method, status) for method in (*METHODS, "OTHER") for status in range(1, 6)]
        self._counters = {kind: requests.labels(kind[0], f"{kind[1]}xx") for kind in kinds}
        self._counts = dict.fromkeys(kinds, 0)
        self.connections = Gauge("holdfast_connections", "Open client connections", multiprocess_mode="livesum")

    def answered(self, method: str, status: int) -> None:
        """Count one answer."""
        self._counts[method if method in METHODS else "OTHER", status // 100] += 1

    def publish(self) -> None:
        """Hand the counts to the library; on the event loop, where they are counted."""
        for kind, count in self._counts.items():
            if count:
                self._counters[kind].inc(count)
                self._counts[kind] = 0

    def exposition(self) -> tuple[str, bytes]:
        """Content type and text of all workers' numbers together."""
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess

        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return CONTENT_TYPE_LATEST, generate_latest(registry)


def forget_worker(pid: int) -> None:
    """Drop the gauges of a worker that ended."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
