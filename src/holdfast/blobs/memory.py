"""Objects in memory: small ones, which are kept elsewhere than in a blob store."""

from __future__ import annotations


class MemoryWriter:
    """Collects what is written."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes."""
        self._data += data

    def close(self) -> None:
        """Nothing more is to come."""

    def discard(self) -> None:
        """Forget what was written."""
        self._data.clear()

    def value(self) -> bytes:
        """All that was written."""
        return bytes(self._data)


class MemoryReader:
    """Reads bytes at hand."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self.size_bytes = len(data)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer from an offset."""
        piece = self._data[offset : offset + len(buffer)]
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        """Nothing is held."""
