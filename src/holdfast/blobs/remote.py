"""Objects in an object store: S3, Google Cloud Storage or Azure, through obstore.

An object is written in parts as it comes and becomes visible when the store completes it, which is also when it is
durable there; nothing is renamed, copied or listed. A writer holds at most a few parts in memory. Parts have one size,
which a layer's limit decides: some stores refuse parts of different sizes, and none takes more than 10,000.

Each process opens the store for itself when it first needs it: the library's threads do not survive a fork.
"""

from __future__ import annotations

import logging
import re
import threading
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import BaseError

from holdfast.blobs import clouds
from holdfast.blobs.ahead import ReadAhead, Window
from holdfast.blobs.interface import Listed, ObjectMissing, OutOfSpace, StoreUnavailable, is_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import timedelta

    from holdfast.model.object_stores import Place

log = logging.getLogger(__name__)

MIB = 1024 * 1024
PART_BYTES = 8 * MIB
PARTS = 10_000  # S3 and GCS; Azure takes 50,000
PARTS_AT_ONCE = 3  # of one writer; with the one that fills, 32 MiB
FIRST_BYTES = MIB + 64 * 1024  # of a read: the header and the first segment in one request
WRITERS = 128  # of one process: more clients than that find the store busy


def part_bytes(layer_bytes: int) -> int:
    """The size of parts by which a layer, and the thousandth that sealing adds at most, is no more than a store takes.

    >>> part_bytes(52_000 * MIB) // MIB, part_bytes(2**40) // MIB
    (8, 105)
    """
    return max(PART_BYTES, -(-layer_bytes * 1001 // (1000 * PARTS)) + 1)


class RemoteStore:
    """A bucket, or a part of one."""

    def __init__(self, place: Place, *, part_bytes: int = PART_BYTES, writers: int = WRITERS) -> None:
        self.place = place
        self._part_bytes = part_bytes
        self._free = threading.BoundedSemaphore(writers)
        self._ahead = ReadAhead(self._fetch)

    @cached_property
    def _reading(self) -> Any:
        return clouds.open_store(self.place)

    @cached_property
    def _writing(self) -> Any:
        return clouds.open_store(self.place, self._part_bytes)

    def create(self, key: str) -> RemoteWriter:
        """Begin an object. Raises `StoreUnavailable`."""
        if not self._free.acquire(blocking=False):
            raise StoreUnavailable("too many objects are being written at once")
        try:
            with _faults(key):
                file = obstore.open_writer(
                    self._writing, key, buffer_size=self._part_bytes, max_concurrency=PARTS_AT_ONCE
                )
        except BaseException:
            self._free.release()
            raise
        return RemoteWriter(file, key, self._free, self._size, self._part_bytes * PARTS)

    def open(self, key: str) -> RemoteReader:
        """Open an object; its beginning is read along. Raises `ObjectMissing` and `StoreUnavailable`."""
        with _faults(key):
            answer = obstore.get(self._reading, key, options={"range": (0, FIRST_BYTES)})
            size, head = answer.meta["size"], memoryview(answer.bytes())
        if len(head) != min(size, FIRST_BYTES):
            raise StoreUnavailable(f"of the object {key} came {len(head)} bytes, which are too few")
        return RemoteReader(Window(self._ahead, key, size, head), size)

    def address(self, key: str, lifetime: timedelta) -> str | None:
        """A URL by which anybody may read the object for a while. Raises `StoreUnavailable`."""
        with _faults(key):
            return obstore.sign(self._reading, "GET", key, lifetime)

    def delete(self, key: str) -> None:
        """Remove an object; an absent one is no fault. Raises `StoreUnavailable`."""
        with suppress(ObjectMissing), _faults(key):
            obstore.delete(self._writing, key)

    def exists(self, key: str) -> bool:
        """Whether there is an object under a key. Raises `StoreUnavailable`."""
        try:
            with _faults(key):
                obstore.head(self._reading, key)
        except ObjectMissing:
            return False
        return True

    def listing(self) -> Iterator[Listed]:
        """Every object. Raises `StoreUnavailable`."""
        return (one for one in self.names() if is_key(one.key))

    def names(self, folder: str | None = None) -> Iterator[Listed]:
        """Everything, or everything in a folder, by its whole name. Raises `StoreUnavailable`."""
        with _faults("*"):
            for found in obstore.list(self._reading, prefix=folder):
                for one in found:
                    yield Listed(one["path"], one["last_modified"].timestamp(), one["size"])

    def probe(self, key: str) -> None:
        """Write an object, read it and delete it. Raises `StoreUnavailable`, `OutOfSpace` and `ObjectMissing`."""
        with suppress(ObjectMissing):  # a store that says anything else could not tell a lost layer from a bad day
            self.open(key).close()
        data, found = b"holdfast was here", bytearray(17)
        writer = self.create(key)
        try:
            writer.write(data)
            writer.close()
            reader = self.open(key)
            reader.read_into(0, memoryview(found))
            reader.close()
        finally:
            writer.discard()
            self.delete(key)
        if found != data:
            raise StoreUnavailable("an object was read that is not what was written")

    def _size(self, key: str) -> int:
        """How many bytes an object has; -1 if there is none."""
        with suppress(ObjectMissing), _faults(key):
            return obstore.head(self._reading, key)["size"]
        return -1

    def _fetch(self, key: str, start: int, end: int) -> memoryview:
        with _faults(key):
            data = memoryview(obstore.get_range(self._reading, key, start=start, end=end))
        if len(data) != end - start:
            raise StoreUnavailable(f"of the object {key} came {len(data)} bytes instead of {end - start}")
        return data


class RemoteWriter:
    """An object on its way to the store."""

    def __init__(
        self, file: Any, key: str, free: threading.BoundedSemaphore, size_of: Callable[[str], int], limit: int
    ) -> None:
        self._file: Any | None = file
        self._key = key
        self._free = free
        self._size_of = size_of
        self._limit = limit
        self._written = 0
        self._is_broken = False  # after a fault the library's writer would go on, without what it could not write

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes; waits for the store when too much is under way. Raises `OutOfSpace`, `StoreUnavailable`."""
        with self._whole() as file:
            if self._written + len(data) > self._limit:
                raise OutOfSpace(f"the object {self._key} would have more than {PARTS:,} parts, which no store takes")
            self._written += file.write(bytes(data))  # a copy, kept until its part is sent: buffers are used again

    def close(self) -> None:
        """Complete the object: from now on it is there, and durable. Raises `OutOfSpace` and `StoreUnavailable`."""
        try:
            with self._whole() as file:
                file.close()
        except ObjectMissing:
            # A completion whose answer was lost is asked for again, and then no such upload is found.
            if self._size_of(self._key) != self._written:
                raise StoreUnavailable(f"the store lost parts of the object {self._key}") from None
        self._release()

    def discard(self) -> None:
        """Have the store forget the parts."""
        if self._file is not None:
            try:
                with _faults(self._key):
                    self._file.__exit__(StoreUnavailable, None, None)  # the library's word for abort
            except (StoreUnavailable, ObjectMissing, OutOfSpace) as fault:
                if self._written >= self._limit // PARTS:  # what is smaller has no parts
                    log.info("parts of the object %s stay until the store's rule removes them: %s", self._key, fault)
            self._release()

    @contextmanager
    def _whole(self) -> Iterator[Any]:
        assert self._file is not None, "a closed object is immutable"
        if self._is_broken:
            raise StoreUnavailable(f"the object {self._key} lacks what could not be written")
        self._is_broken = True
        with _faults(self._key):
            yield self._file
        self._is_broken = False

    def _release(self) -> None:
        self._file = None
        self._free.release()


class RemoteReader:
    """An open object; what is read in order is read ahead."""

    def __init__(self, window: Window, size_bytes: int) -> None:
        self._window = window
        self.size_bytes = size_bytes

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer from an offset. Raises `StoreUnavailable` and `ObjectMissing`."""
        return self._window.read_into(offset, buffer)

    def close(self) -> None:
        """Let go of what was read ahead."""
        self._window.close()


FULL = ("QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "InsufficientCapacity")
NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "specified bucket does not exist")
REQUEST = re.compile(r"Error performing (\w+) ([^\s?]+)")
ANSWER = re.compile(r"<Code>([^<]{1,100})</Code>(?:\s*<Message>([^<]{1,300}))?")
CAUSES = (re.compile(r'message: "([^"]{1,200})"'), re.compile(r"(?: - )([^-\n]{1,300})$", re.MULTILINE))


@contextmanager
def _faults(key: str) -> Iterator[None]:
    """Turn the library's words into ours: missing, full, or not to be had now."""
    try:
        yield
    except (BaseError, OSError) as fault:
        text = str(fault)
        if any(word in text for word in FULL):
            raise OutOfSpace(_line(text)) from None
        if isinstance(fault, FileNotFoundError) and not any(word in text for word in NO_BUCKET):
            raise ObjectMissing(key) from None
        raise StoreUnavailable(_line(text)) from None


def _line(text: str) -> str:
    """A fault in one line; the library tells the whole conversation."""
    head = text.partition("\n\nDebug source")[0]
    answer = ANSWER.search(head)
    if answer is not None:
        cause = ": ".join(filter(None, answer.groups()))
    else:
        found = next((match for pattern in CAUSES if (match := pattern.search(text))), None)
        cause = found[1] if found else head[-300:]
    request = REQUEST.search(head)
    return " ".join((f"{request[1]} {request[2]}: {cause}" if request else cause).split())
