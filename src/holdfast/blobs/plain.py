"""Objects that the store seals itself: their bytes are the layer's, so that a client can be sent to the store for them.

They carry no proof of their own. What is read from the first byte to the last is held against the digest instead, and
the last bytes are kept back if it differs.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from holdfast.blobs.interface import ObjectDamaged
from holdfast.model import digests

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.blobs.interface import ObjectReader, ObjectWriter

PIECE_BYTES = 1024 * 1024


class PlainWriter:
    """Writes a layer as it comes."""

    def __init__(self, target: ObjectWriter, watch: Callable[[memoryview], object] | None) -> None:
        self._target = target
        self._watch = watch
        self.size_bytes = 0
        self.pending = ()  # which `watch` was not shown yet
        self.close, self.discard = target.close, target.discard

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self.size_bytes += len(data)
        if self._watch is not None:
            self._watch(memoryview(data))
        self._target.write(data)


class PlainReader:
    """Random access to a layer."""

    def __init__(self, source: ObjectReader, key: str, size_bytes: int, digest: str | None) -> None:
        self._source = source
        self._key = key
        self._digest = digest
        self._proof = digests.hasher(digests.algorithm(digest)) if digest else None
        self._proved = 0
        self.size_bytes = size_bytes
        if source.size_bytes != size_bytes:
            source.close()
            raise ObjectDamaged(key)

    def read(self, position: int) -> memoryview:
        """Bytes from a position on, valid until the calling thread reads again. Raises `ObjectDamaged`."""
        buffer = _scratch()[: min(PIECE_BYTES, self.size_bytes - position)]
        if self._source.read_into(position, buffer) != len(buffer):
            raise ObjectDamaged(self._key)
        end = position + len(buffer)
        if self._proof is not None and position <= self._proved < end:  # a slow client is read the same bytes again
            self._proof.update(buffer[self._proved - position :])
            self._proved = end
        if end == self._proved == self.size_bytes and not self._is_right():  # each time: it may be tried again
            raise ObjectDamaged(self._key)
        return buffer

    def close(self) -> None:
        """Release the object."""
        self._source.close()

    def _is_right(self) -> bool:
        if self._proof is None or self._digest is None:
            return True
        return digests.same(self._digest, f"{digests.algorithm(self._digest)}:{self._proof.hexdigest()}")


_local = threading.local()


def _scratch() -> memoryview:
    scratch: memoryview | None = getattr(_local, "scratch", None)
    if scratch is None:
        scratch = _local.scratch = memoryview(bytearray(PIECE_BYTES))
    return scratch
