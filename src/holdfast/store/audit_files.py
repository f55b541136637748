"""Files of the audit log: lines that are only ever added, and whole files that go when they are old.

A file is called by its chain, which is when a process began, its node and its id, and by its number in it:
`20261124T192042.123456Z-node-1234.000001.jsonl`.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from holdfast.model import audit_chain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from holdfast.model.audit_chain import Ending, FileName

USUAL_BYTES = 16 * 1024
TAIL_BYTES = 1024 * 1024  # more than the longest line
READ_BYTES = 1024 * 1024
ID_FILE = "folder.id"  # tells this folder from those of other nodes that share the database


class Writer:
    """The one writer of one new file; whoever looks can tell that it is being written."""

    def __init__(self, folder: Path, name: FileName) -> None:
        self._fd = os.open(folder / str(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.name = name
        self.size_bytes = 0
        with suppress(OSError):  # somebody looks this very moment; the lock is for his successors
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _sync_folder(folder)

    def append(self, lines: bytes) -> None:
        """Add whole lines; if they cannot be, nothing of them is there."""
        rest = memoryview(lines)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            os.ftruncate(self._fd, self.size_bytes)
            raise
        self.size_bytes += len(lines)

    def sync(self) -> None:
        """Return when what was added survives a power cut."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Write no more."""
        os.close(self._fd)


def ensure_id(folder: Path, fresh: str) -> str:
    """The id of a folder, which is a fresh one unless it has one."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = find_id(folder)
    if found is None:
        half = folder / f"{fresh}.new"
        half.touch(mode=0o600)
        half.write_text(fresh)
        with suppress(FileExistsError):  # another process was faster
            os.link(half, folder / ID_FILE)
        half.unlink()
        found = find_id(folder)
    assert found is not None
    return found


def find_id(folder: Path) -> str | None:
    """The id of a folder; None if it has none."""
    with suppress(FileNotFoundError):
        return (folder / ID_FILE).read_text()
    return None


def names(folder: Path) -> list[FileName]:
    """Every file of the log, chain by chain from its beginning."""
    try:
        found = [audit_chain.file_name(entry.name) for entry in os.scandir(folder)]
    except FileNotFoundError:
        return []
    return sorted((name for name in found if name is not None), key=lambda name: (name.chain, name.number))


def is_being_written(folder: Path, name: FileName) -> bool:
    """Whether the process that writes a file lives, as far as this machine can tell."""
    with (folder / str(name)).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def lines(folder: Path, name: FileName) -> Iterator[bytes]:
    """The lines of a file, each with its end; the last may lack it."""
    with (folder / str(name)).open("rb", buffering=READ_BYTES) as file:
        while line := file.readline(TAIL_BYTES):
            yield line


def first_line(folder: Path, name: FileName) -> bytes:
    """The first line of a file, without its end."""
    with (folder / str(name)).open("rb") as file:
        return file.readline(TAIL_BYTES).removesuffix(b"\n")


def ending(folder: Path, name: FileName) -> Ending | None:
    """The last whole line of a file; None if it has none that says where it stands."""
    with (folder / str(name)).open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        for length in (USUAL_BYTES, TAIL_BYTES):
            file.seek(max(size - length, 0))
            before, found, line = file.read().rpartition(b"\n")[0].rpartition(b"\n")
            if found or not before:
                break
    return audit_chain.ending_of(name, line)


def was_written_since(folder: Path, name: FileName, since: datetime | None) -> bool:
    """Whether a file may have lines that are not older than an instant."""
    if since is None:
        return True
    last = ending(folder, name)
    return last is None or last.at >= audit_chain.time_told(since)


def remove(folder: Path, name: FileName) -> None:
    """Take a whole file away."""
    (folder / str(name)).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
