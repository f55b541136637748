"""Whether a history of reads and writes of one tag could have happened one after the other.

Every write has a value of its own, so the history can be judged by zones (Gibbons and Korach, "Testing Shared
Memories", 1997). A value's operations are its write and the reads that saw it. Its zone reaches from where the first of
them ended to where the last of them began. If the first ended before the last began, the value must have stood all that
time (a forward zone); else it may have stood for a moment only (a backward zone). The history is linearizable if no
read ended before its write began, no two forward zones overlap, and no backward zone lies within a forward one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise, product


@dataclass(frozen=True)
class Operation:
    """A read or a write of a value, between two instants; one that nobody answered ends never."""

    is_write: bool
    value: str
    began: float
    ended: float = math.inf


def contradiction(history: list[Operation]) -> str | None:
    """What no order of the operations can explain, or None."""
    clusters = defaultdict(list)
    for operation in history:
        clusters[operation.value].append(operation)
    forward, backward = [], []
    for value, operations in clusters.items():
        fault = _fault_of(operations)
        if fault:
            return f"{value} {fault}"
        first_end = min(operation.ended for operation in operations)
        last_begin = max(operation.began for operation in operations)
        zones = forward if first_end < last_begin else backward
        zones.append((min(first_end, last_begin), max(first_end, last_begin), value))
    forward.sort()
    for one, other in pairwise(forward):
        if other[0] < one[1]:
            return f"{one[2]} and {other[2]} were both seen while the other stood"
    for inner, outer in product(backward, forward):
        if outer[0] < inner[0] and inner[1] < outer[1]:
            return f"{inner[2]} stood, and nobody saw it, while {outer[2]} was seen before and after"
    return None


def _fault_of(operations: list[Operation]) -> str | None:
    """What is wrong with the operations of one value."""
    writes = [operation for operation in operations if operation.is_write]
    if len(writes) != 1:
        return "was read and never written" if not writes else "was written twice"
    if any(operation.ended < writes[0].began for operation in operations):
        return "was read before it was written"
    return None
