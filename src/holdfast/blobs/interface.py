"""What a place for bytes must do: write once under a key, read anywhere, delete.

An object is immutable from the moment its writer is closed. A key is used for one object ever; whoever writes makes a
fresh one. A store is never asked what it holds: the database knows.
"""

from __future__ import annotations

from typing import Protocol


class ObjectMissing(Exception):
    """There is no object under the key."""


class ObjectDamaged(Exception):
    """The bytes under the key are not those that were written."""


class OutOfSpace(Exception):
    """The store has no room for more bytes."""


class ObjectWriter(Protocol):
    """An object being written; nobody sees it before `close` returns."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes. Raises `OutOfSpace`."""

    def close(self) -> None:
        """Make the object durable and visible. Raises `OutOfSpace`."""

    def discard(self) -> None:
        """Forget what was written; harmless after `close`."""


class ObjectReader(Protocol):
    """An open object."""

    @property
    def size_bytes(self) -> int:
        """How many bytes the object has."""

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer from an offset; fewer bytes than asked only at the end."""

    def close(self) -> None:
        """Release the handle."""


class BlobStore(Protocol):
    """A place for bytes."""

    def create(self, key: str) -> ObjectWriter:
        """Begin an object under a key that was never used."""

    def open(self, key: str) -> ObjectReader:
        """Open an object. Raises `ObjectMissing`."""

    def delete(self, key: str) -> None:
        """Remove an object; an absent one is no fault."""
