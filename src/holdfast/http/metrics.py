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
    """This worker's counters; every label has a bounded set of values."""

    def __init__(self) -> None:
        from prometheus_client import Counter, Gauge

        requests = Counter("holdfast_requests", "Requests answered", ["method", "status"])
        self._children = {
            (method, status): requests.labels(method, f"{status}xx")
            for method in (*METHODS, "OTHER")
            for status in range(1, 6)
        }
        self.connections = Gauge("holdfast_connections", "Open client connections", multiprocess_mode="livesum")

    def answered(self, method: str, status: int) -> None:
        """Count one answer."""
        self._children[method if method in METHODS else "OTHER", status // 100].inc()

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
