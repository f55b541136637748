"""What a place for bytes must do: write once under a key, read anywhere, delete.

An object is immutable from the moment its writer is closed. A key is used for one object ever; whoever writes makes a
fresh one. A store is never asked what it holds: the database knows. Only who compares
the two, on command, lists it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta


KEY = re.compile(r"[0-9a-f]{32}", re.ASCII)


def is_key(name: str) -> bool:
    """Whether something in a store may be ours: whoever else uses a bucket is left alone."""
    return KEY.fullmatch(name) is not None


UNFINISHED = -1  # the size of an object that is still being written, or whose writer died


class Listed(NamedTuple):
    """What a store tells of an object without opening it."""

    key: str
    changed_at: float  # in seconds since 1970
    size_bytes: int


class ObjectMissing(Exception):
    """There is no object under the key."""


class ObjectDamaged(Exception):
    """The bytes under the key are not those that were written."""


class OutOfSpace(Exception):
    """The store has no room for more bytes."""


class StoreUnavailable(Exception):
    """The store does not answer, or not with what was asked; it may be asked again."""


class ObjectWriter(Protocol):
    """An object being written; nobody sees it before `close` returns."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes. Raises `OutOfSpace` and `StoreUnavailable`; then the object can only be discarded."""

    def close(self) -> None:
        """Make the object durable and visible. Raises `OutOfSpace` and `StoreUnavailable`."""

    def discard(self) -> None:
        """Forget what was written; harmless after `close`."""


class ObjectReader(Protocol):
    """An open object."""

    @property
    def size_bytes(self) -> int:
        """How many bytes the object has."""

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer from an offset; fewer bytes than asked only at the end. Raises `StoreUnavailable`."""

    def close(self) -> None:
        """Release the handle."""


class BlobStore(Protocol):
    """A place for bytes."""

    def create(self, key: str) -> ObjectWriter:
        """Begin an object under a key that was never used. Raises `OutOfSpace` and `StoreUnavailable`."""

    def open(self, key: str) -> ObjectReader:
        """Open an object. Raises `ObjectMissing` and `StoreUnavailable`."""

    def address(self, key: str, lifetime: timedelta) -> str | None:
        """A URL by which anybody may read the object for a while; None if the store has none."""

    def delete(self, key: str) -> None:
        """Remove an object, finished or not; an absent one is no fault. Raises `StoreUnavailable`."""

    def exists(self, key: str) -> bool:
        """Whether there is an object under a key. Raises `StoreUnavailable`."""

    def listing(self) -> Iterator[Listed]:
        """Every object, in the order of keys; for whoever compares, on command only. Raises `StoreUnavailable`."""
