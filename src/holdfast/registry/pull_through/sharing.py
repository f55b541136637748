"""Blobs that are being fetched, in parts: objects of their own, which processes of other machines read.

    a flight ─► its blob's own object, which nobody sees before it is proved
         └─► whoever wants it elsewhere marks the fetch ─► from then on its bytes are written once more, part by part

A part is durable before its row tells of it, and none has the last byte: that is in the blob, when it is proved.
Nothing holds a part. It goes when the fetch is over; if its process dies, by the sweep.
"""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.errors import Refusal
from holdfast.model.uploads import SMALL_BYTES
from holdfast.registry import objects
from holdfast.registry.objects import PartWriter

if TYPE_CHECKING:
    from holdfast.model.uploads import Part
    from holdfast.registry.backends import Backends
    from holdfast.registry.pull_through.flights import Flight, Reader

log = logging.getLogger(__name__)

FIRST_BYTES = 1024 * 1024  # soon there
PART_BYTES = 8 * 1024 * 1024
LIFETIME = timedelta(hours=2)  # of a part whose process died


def share(on: Backends, flight: Flight, reader: Reader) -> None:
    """Write what comes of a flight in parts, in a thread of its own, and let them go when it is over."""
    keys: list[str] = []
    position, amount = 0, FIRST_BYTES
    try:
        flight.opened.wait()
        while part := _next(on, flight, reader, position, amount):
            keys.append(part.object_key)
            with on.database.transaction(durable=False, within=()) as tx:
                store.cached.add_part(tx, flight.wanted.key, on.upstreams.owner, flight.size_bytes, part)
            position, amount = position + part.size_bytes, min(2 * amount, PART_BYTES)
        flight.ended.wait()
    except Refusal as refusal:
        log.info("%s is read no further elsewhere: %s", flight.wanted.digest, refusal.message)
    except Exception:
        log.exception("%s is read no further elsewhere", flight.wanted.digest)
    finally:
        reader.close()
        objects.drop(on, keys)


def _next(on: Backends, flight: Flight, reader: Reader, position: int, amount: int) -> Part | None:
    """The next part, when it has come; None if the rest is not worth it, or all is there."""
    amount = min(amount, flight.size_bytes - 1 - position)
    if amount <= SMALL_BYTES:
        return None
    writer = PartWriter(on, position, flight.wanted.key_scope, LIFETIME)
    try:
        while writer.size_bytes < amount and not flight.ended.is_set():
            more = threading.Event()
            if reader.has(position + writer.size_bytes, more.set):
                writer.write(bytes(reader.read(position + writer.size_bytes)[: amount - writer.size_bytes]))
            else:
                more.wait()
        if writer.size_bytes == amount:
            return writer.close()
    except BaseException:
        writer.discard()
        raise
    writer.discard()
    return None
