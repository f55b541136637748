"""Objects copied as they lie, and compressed lines as objects."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Any, Generic, TypeVar, cast

from holdfast.blobs.interface import ObjectMissing, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from holdfast.blobs.interface import ObjectReader, ObjectWriter

PIECE_BYTES = 1024 * 1024

T = TypeVar("T")
R = TypeVar("R")


class SourceFault(Exception):
    """What is to be copied cannot be read to its end now."""


def copy(source: ObjectReader, target: ObjectWriter, pace: Callable[[int], None]) -> str:
    """Copy an object as it lies; its SHA-256. The target is closed, unless the copy fails: then nothing is left.

    Raises `SourceFault`, and what the target raises.
    """
    proof = hashlib.sha256()
    try:
        for piece in pieces(source):
            proof.update(piece)
            target.write(piece)
            pace(len(piece))
        target.close()
    except BaseException:
        target.discard()
        raise
    return proof.hexdigest()


def pieces(source: ObjectReader) -> Iterator[memoryview]:
    """The bytes of an object, each piece valid until the next one. Raises `SourceFault`."""
    buffer = memoryview(bytearray(min(PIECE_BYTES, source.size_bytes)))
    position = 0
    while position < source.size_bytes:
        try:
            count = source.read_into(position, buffer[: source.size_bytes - position])
        except (OSError, ObjectMissing, StoreUnavailable) as fault:
            raise SourceFault(str(fault)) from fault
        if count == 0:
            raise SourceFault(f"it ends after {position} of {source.size_bytes} bytes")
        yield buffer[:count]
        position += count


def hash_of(source: ObjectReader, pace: Callable[[int], None] = lambda _count: None) -> str:
    """The SHA-256 of an object as it lies. Raises `SourceFault`."""
    proof = hashlib.sha256()
    for piece in pieces(source):
        proof.update(piece)
        pace(len(piece))
    return proof.hexdigest()


# ---- Lines


class LineWriter:
    """Compressed lines on their way to an object; its SHA-256 is known when it is closed."""

    def __init__(self, target: ObjectWriter) -> None:
        self._target = target
        self._proof = hashlib.sha256()
        self._held = bytearray()
        self._file = gzip.GzipFile("", "wb", 1, cast("IO[bytes]", self), 0)
        self.count = 0

    def add(self, line: bytes) -> None:
        """Add a line, given without its end."""
        self._file.write(line + b"\n")
        self.count += 1

    def close(self) -> str:
        """Make it durable; its SHA-256."""
        self._file.close()
        self._send()
        self._target.close()
        return self._proof.hexdigest()

    def discard(self) -> None:
        """Forget it."""
        self._target.discard()

    def write(self, data: bytes) -> int:
        """What the compressor calls."""
        self._held += data
        if len(self._held) >= PIECE_BYTES:
            self._send()
        return len(data)

    def flush(self) -> None:
        """What the compressor calls."""

    def _send(self) -> None:
        data = bytes(self._held)
        self._proof.update(data)
        self._target.write(data)
        self._held.clear()


def lines(source: ObjectReader) -> Iterator[bytes]:
    """The lines of such an object, without their ends; closes it. Raises `SourceFault`."""
    try:
        with gzip.open(io.BufferedReader(_Raw(source), PIECE_BYTES)) as file:
            for line in file:
                yield line.rstrip(b"\n")
    except (OSError, EOFError, ValueError, zlib.error) as fault:
        raise SourceFault(str(fault)) from None
    finally:
        source.close()


class _Raw(io.RawIOBase):
    """An object as the library's compressed files want it."""

    def __init__(self, source: ObjectReader) -> None:
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._source.size_bytes - self._position)
        try:
            count = self._source.read_into(self._position, memoryview(buffer)[:wanted]) if wanted else 0
        except (ObjectMissing, StoreUnavailable) as fault:
            raise OSError(str(fault)) from fault
        self._position += count
        return count


# ---- Many


class Ascending(Generic[T]):
    """Looks keys up, in ascending order, in what comes in that order: of more than fits into memory."""

    def __init__(self, items: Iterable[tuple[str, T]]) -> None:
        self._items = iter(items)
        self._next = next(self._items, None)

    def find(self, key: str) -> T | None:
        """What stands under a key, or under a later one than was asked for before."""
        while self._next is not None and self._next[0] < key:
            self._next = next(self._items, None)
        return self._next[1] if self._next is not None and self._next[0] == key else None


def in_order(do: Callable[[T], R], items: Iterable[T], at_once: int) -> Iterator[R]:
    """Do several at once, and give what comes of them in the order of the items."""
    with ThreadPoolExecutor(at_once, "copying") as threads:
        try:
            waiting: deque[Future[R]] = deque()
            for item in items:
                waiting.append(threads.submit(do, item))
                if len(waiting) > 2 * at_once:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            threads.shutdown(cancel_futures=True)
