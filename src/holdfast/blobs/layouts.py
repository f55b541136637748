"""Files of an OCI image layout, in a folder or in volumes; what is written can be gone on with after a kill.

    folder    each file under its name, written aside and renamed
    volumes   bundle.tar.0001, bundle.tar.0002, …: pieces of one tar, which `cat` puts together; each renamed when whole

Which files there are, and how large each is, is known before the first byte. Nothing is ever unpacked to a path.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tarfile
from bisect import bisect_right
from contextlib import contextmanager
from itertools import accumulate, count
from typing import TYPE_CHECKING, Protocol

from holdfast.blobs.system import fsync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

VOLUME = "bundle.tar.{:04}"
BLOCK = 512
PIECE_BYTES = 1024 * 1024
MOST_FILES = 5_000_000
NAME_BYTES = 512
PLAIN, LONG_NAME, END = b"0", b"L", b"\0"
SIZE_FIELD, TYPE_FIELD, NAME_FIELD, SUM_FIELD = slice(124, 136), slice(156, 157), slice(0, 100), slice(148, 156)


class BadLayout(Exception):
    """Files that are not what they must be; the message says which and why."""


class LayoutReader(Protocol):
    """Where the files of a layout are read from, by several threads."""

    def size(self, name: str) -> int | None:
        """The size of a file in bytes; None if there is none."""

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of a file that is there."""


def read_small(layout: LayoutReader, name: str, limit: int) -> bytes:
    """A whole file of at most so many bytes. Raises `BadLayout`."""
    size = layout.size(name)
    if size is None:
        raise BadLayout(f"{layout} has no {name}")
    if size > limit:
        raise BadLayout(f"{name} in {layout} has more than {limit} bytes")
    return b"".join(layout.pieces(name))


def open_layout(path: Path, is_name: Callable[[str], bool]) -> LayoutReader:
    """A folder, volumes in a folder, the first volume, or one tar; only files of good names are looked at."""
    if path.is_dir() and not (path / VOLUME.format(1)).exists():
        return FolderReader(path)
    first = path / VOLUME.format(1) if path.is_dir() else path
    following = (first.with_name(VOLUME.format(number)) for number in count(2))
    volumes = [first]
    if first.name == VOLUME.format(1):
        for one in following:
            if not one.exists():
                break
            volumes.append(one)
    return VolumesReader(volumes, is_name)


# ---- Read


def _opened(path: Path) -> int:
    """A file that can be read from, and nothing that one would have to wait for."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise BadLayout(f"{path} is no file")
    return fd


class FolderReader:
    """A layout in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __str__(self) -> str:
        return str(self._folder)

    def size(self, name: str) -> int | None:
        """The size of a file; None if there is none, or something that is no file."""
        try:
            found = os.lstat(self._folder / name)
        except OSError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of a file."""
        with os.fdopen(
            os.open(self._folder / name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC), "rb"
        ) as file:
            while piece := file.read(PIECE_BYTES):
                yield piece


class VolumesReader:
    """A layout in pieces of one tar, whose heads are read once."""

    def __init__(self, volumes: Sequence[Path], is_name: Callable[[str], bool]) -> None:
        self._volumes = list(volumes)
        self._files: list[int] = []
        try:
            for one in volumes:
                self._files.append(_opened(one))
            self._ends = list(accumulate(os.fstat(file).st_size for file in self._files))
            self._places = self._read_heads(is_name)
        except BaseException:
            self.close()
            raise

    def __str__(self) -> str:
        return str(self._volumes[0])

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Read no more."""
        while self._files:
            os.close(self._files.pop())

    def size(self, name: str) -> int | None:
        """The size of a file."""
        place = self._places.get(name)
        return place[1] if place else None

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of a file."""
        at, size = self._places[name]
        end = at + size
        while at < end:
            piece = self._read(at, min(PIECE_BYTES, end - at))
            at += len(piece)
            yield piece

    def _read(self, at: int, most: int) -> bytes:
        number = bisect_right(self._ends, at)
        if number == len(self._files):
            missing = self._volumes[0].with_name(VOLUME.format(len(self._volumes) + 1))
            raise BadLayout(f"{self._volumes[-1]} ends in the middle: {missing.name} is missing, or it was cut off")
        start = self._ends[number - 1] if number else 0
        piece = os.pread(self._files[number], most, at - start)
        if not piece:
            raise BadLayout(f"{self._volumes[number]} was cut off while it was read")
        return piece

    def _exactly(self, at: int, size: int) -> bytes:
        found = b""
        while len(found) < size:
            found += self._read(at + len(found), size - len(found))
        return found

    def _read_heads(self, is_name: Callable[[str], bool]) -> dict[str, tuple[int, int]]:
        places: dict[str, tuple[int, int]] = {}
        at, long_name = 0, ""
        while True:
            head = self._exactly(at, BLOCK)
            if head == END * BLOCK:
                return places
            size, kind = _size_in(head), head[TYPE_FIELD]
            at += BLOCK
            if kind == LONG_NAME and size <= NAME_BYTES:
                long_name = _text(self._exactly(at, size))
            elif kind == PLAIN:
                name = long_name or _text(head[NAME_FIELD])
                if not is_name(name) or name in places:
                    raise BadLayout(f"{self} has a file that no bundle has: {name[:200]!r}")
                if len(places) == MOST_FILES:
                    raise BadLayout(f"{self} has more than {MOST_FILES} files")
                places[name], long_name = (at, size), ""
            else:
                raise BadLayout(f"{self} has something that is no file")
            at += _padded(size)


def _size_in(head: bytes) -> int:
    field = head[SIZE_FIELD]
    if sum(head) - sum(head[SUM_FIELD]) + 8 * ord(" ") != _octal(head[SUM_FIELD]):
        raise BadLayout("a head in the tar is damaged")
    return int.from_bytes(field[4:], "big") if field[0] == 0x80 else _octal(field)  # GNU's form of large numbers


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0") or b"0"
    if digits.strip(b"01234567"):  # not even a sign: what is smaller than nothing would have the reader go in circles
        raise BadLayout("a head in the tar is damaged")
    return int(digits, 8)


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("ascii", "replace")


# ---- Write


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep others from writing into a folder at the same time, where its file system can. Raises `BadLayout`."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadLayout(f"{folder} is being written by another process: wait until it is done") from None
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(fd)


class FolderWriter:
    """Writes a layout into a folder; files that are there are whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, files: Sequence[tuple[str, int]], read: Callable[[str, int], Iterator[bytes]]) -> Iterator[int]:
        """Write what is not there yet; how many bytes are done after each step."""
        for name, size in files:
            path = self._folder / name
            if not path.exists() or path.stat().st_size != size:
                path.parent.mkdir(parents=True, exist_ok=True)
                partial = path.with_name(f"{path.name}.partial")
                with partial.open("wb") as file:
                    for piece in read(name, 0):
                        file.write(piece)
                        yield len(piece)
                    file.flush()
                    os.fsync(file.fileno())
                if partial.stat().st_size != size:
                    raise BadLayout(f"{name} has not the size that was announced")
                partial.rename(path)
            else:
                yield size
        for folder in {(self._folder / name).parent for name, _ in files}:
            fsync_folder(folder)  # a disk is pulled out when this says that all is done


class VolumesWriter:
    """Writes a layout as pieces of one tar, each of the same size but for the last; those that are there are whole."""

    def __init__(self, folder: Path, volume_bytes: int, changed_at: int) -> None:
        self._folder = folder
        self._volume_bytes = volume_bytes
        self._changed_at = changed_at

    def write(self, files: Sequence[tuple[str, int]], read: Callable[[str, int], Iterator[bytes]]) -> Iterator[int]:
        """Write what is not there yet; how many bytes are done after each step."""
        spans: list[tuple[str, bytes, int]] = []
        for name, size in files:
            spans += [("", self._head(name, size), 0), (name, b"", size), ("", bytes(_padded(size) - size), 0)]
        spans.append(("", bytes(2 * BLOCK), 0))
        ends = list(accumulate(size if name else len(data) for name, data, size in spans))
        number = 1
        while (self._folder / VOLUME.format(number)).exists():
            number += 1
        at = (number - 1) * self._volume_bytes
        yield min(at, ends[-1])
        while at < ends[-1]:
            end = min(at + self._volume_bytes, ends[-1])
            path = self._folder / VOLUME.format(number)
            partial = path.with_name(f"{path.name}.partial")
            with partial.open("wb") as file:
                for piece in _between(spans, ends, at, end, read):
                    file.write(piece)
                    yield len(piece)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(path)
            fsync_folder(self._folder)
            number, at = number + 1, end

    def _head(self, name: str, size: int) -> bytes:
        head = tarfile.TarInfo(name)
        head.size, head.mtime = size, self._changed_at
        return head.tobuf(tarfile.GNU_FORMAT)


def _between(
    spans: Sequence[tuple[str, bytes, int]],
    ends: Sequence[int],
    start: int,
    end: int,
    read: Callable[[str, int], Iterator[bytes]],
) -> Iterator[bytes]:
    """The bytes of the tar between two places."""
    number = bisect_right(ends, start)
    while start < end:
        name, data, _ = spans[number]
        began = ends[number - 1] if number else 0
        most = min(end, ends[number]) - start
        pieces = read(name, start - began) if name else iter([data[start - began :]])
        for piece in pieces:
            taken = piece[:most]
            yield taken
            start, most = start + len(taken), most - len(taken)
            if not most:
                break
        if most:
            raise BadLayout(f"{name} has fewer bytes than were announced")
        number += 1


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
