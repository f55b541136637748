"""The audit log: every call, in CloudTrail's shape, in chains of sealed lines.

The way of a call from its answer to its file:

    door ─► Note ─► queue of the process ─► record ─► line of the process's chain ─► DATA/audit/
            microseconds                    once a second, and when the queue is half full
"""

from holdfast.registry.audit.checking import Checked, chains_elsewhere, verify
from holdfast.registry.audit.finding import Wanted, find
from holdfast.registry.audit.notes import Audit, close, record
from holdfast.registry.audit.service_events import EXPORTED, IMPORTED, carried, evaluated, previewed

__all__ = [
    "EXPORTED",
    "IMPORTED",
    "Audit",
    "Checked",
    "Wanted",
    "carried",
    "chains_elsewhere",
    "close",
    "evaluated",
    "find",
    "previewed",
    "record",
    "verify",
]
