"""The process that reads one layer: bounds as its argument, the layer on standard input, its record on standard output.

It is started by `child.py`, has no secret and no database, and can reach nothing but its two pipes.
"""

from __future__ import annotations

import os
import sys

import msgspec

from holdfast.inventory.confinement import confine
from holdfast.inventory.layer import read_layer
from holdfast.inventory.limits import Limits, Malformed, OverLimit
from holdfast.inventory.replies import Reply
from holdfast.model import inventory
from holdfast.model.inventory import LIMIT


class _StandardInput:
    """Pieces as they come: a buffer would wait until one is full."""

    def read(self, size: int, /) -> bytes:
        return os.read(0, size)


def main() -> int:
    """Read one layer."""
    limits = msgspec.json.decode(sys.argv[1], type=Limits)
    confine(limits)
    try:
        record = read_layer(_StandardInput(), limits)
        reply = Reply(record=inventory.pack(record))
    except OverLimit as fault:
        reply = Reply(refusal=f"{LIMIT}{fault}")
    except Malformed as fault:
        reply = Reply(refusal=str(fault))
    except MemoryError:
        reply = Reply(refusal=f"{LIMIT}reading the layer takes more than {limits.memory_bytes} bytes of memory")
    sys.stdout.buffer.write(msgspec.msgpack.encode(reply))
    return 0


if __name__ == "__main__":
    sys.exit(main())
