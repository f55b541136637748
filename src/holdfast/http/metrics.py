"""Numbers for machines: `/metrics`, summed over the worker processes of a node."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from prometheus_client.metrics_core import Metric

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

        self._read_faults = Counter("holdfast_read_faults", "Reads of kept bytes that failed, tried again or not")
        self._replicated = Counter("holdfast_replication_sent_bytes", "Bytes of layers sent to registries elsewhere")
        requests = Counter("holdfast_requests", "Requests answered", ["method", "status"])
        kinds = [(method, status) for method in (*METHODS, "OTHER") for status in range(1, 6)]
        self._counters = {kind: requests.labels(kind[0], f"{kind[1]}xx") for kind in kinds}
        self._counts = dict.fromkeys(kinds, 0)
        self.connections = Gauge("holdfast_connections", "Open client connections", multiprocess_mode="livesum")

    def answered(self, method: str, status: int) -> None:
        """Count one answer."""
        self._counts[method if method in METHODS else "OTHER", status // 100] += 1

    def read_faults(self, count: int) -> None:
        """Count reads of kept bytes that failed."""
        self._read_faults.inc(count)

    def replicated(self, size_bytes: int) -> None:
        """Count bytes that were sent to registries elsewhere."""
        self._replicated.inc(size_bytes)

    def publish(self) -> None:
        """Hand the counts to the library; on the event loop, where they are counted."""
        for kind, count in self._counts.items():
            if count:
                self._counters[kind].inc(count)
                self._counts[kind] = 0

    def exposition(self, figures: Mapping[str, float]) -> tuple[str, bytes]:
        """Content type and text of all workers' numbers together, and of figures that are the same for all of them."""
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess

        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        registry.register(_Figures(figures))
        return CONTENT_TYPE_LATEST, generate_latest(registry)


FIGURES = {
    "damaged_blobs": "Blobs whose kept bytes are damaged, and which are not served",
    "damaged_manifests": "Manifests whose kept bytes are damaged, and which are not served",
    "event_targets": "Targets of events",
    "event_targets_failing": "Targets that did not take the last event that they were told",
    "event_delivery_lag_seconds": "Age of the oldest event that a target was not told yet",
    "event_deliveries": "Events that targets took",
    "event_delivery_failures": "Attempts to tell a target that failed",
    "event_dead_letters": "Events that a target did not get",
    "gc_candidates": "Layers that are due to be looked at, whether any image needs them",
    "gc_backlog_seconds": "How long the first of them has been due",
    "gc_quarantined": "Layers in quarantine",
    "gc_doomed_objects": "Objects whose bytes are still to be deleted",
    "gc_halted": "Whether garbage collection waits to be confirmed or repaired",
    "gc_last_expected_bytes": "Bytes that the last run was to free",
    "gc_last_freed_bytes": "Bytes that the last run freed",
    "gc_last_failures": "Objects that the last run could not delete",
    "replication_lag_seconds": "How long the first image that waits to be copied to another registry has waited",
    "replication_deletions_waiting": "Tags and images that wait to be deleted at another registry",
    "replication_waiting": "Images that wait to be copied to another registry",
    "replication_drifted": "Copies of repositories that had drifted, or could not be compared, when last looked at",
    "replication_failed": "Images whose copying to a destination failed",
    "scrub_oldest_seconds": "Time since that blob was verified which was not for longest",
}


class _Figures:
    """Hands figures to the library that nobody counts: they are read when they are asked for."""

    def __init__(self, figures: Mapping[str, float]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import GaugeMetricFamily

        for name, value in self._figures.items():
            yield GaugeMetricFamily(f"holdfast_{name}", FIGURES[name], value=value)


def forget_worker(pid: int) -> None:
    """Drop the gauges of a worker that ended."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
