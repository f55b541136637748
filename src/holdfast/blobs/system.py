"""The system calls that a folder of objects is made of, under the names of `os`; a simulation brings its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# ruff: noqa: D102 - they are described in the manual of the system


class Status(Protocol):
    """What the system says of an open file, as far as it is asked here."""

    @property
    def st_size(self) -> int: ...


class System(Protocol):
    """A file system."""

    def mkdir(self, path: str, mode: int, /) -> None: ...
    def open(self, path: str, flags: int, mode: int = ..., /) -> int: ...
    def write(self, fd: int, data: memoryview, /) -> int: ...
    def preadv(self, fd: int, buffers: Sequence[memoryview], offset: int, /) -> int: ...
    def fstat(self, fd: int, /) -> Status: ...
    def fsync(self, fd: int, /) -> None: ...
    def close(self, fd: int, /) -> None: ...
    def rename(self, old: str, new: str, /) -> None: ...
    def unlink(self, path: str, /) -> None: ...


def fsync_folder(folder: str | Path, system: System = os) -> None:
    """Return when the names in a folder are on disk."""
    fd = system.open(os.fspath(folder), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        system.fsync(fd)
    finally:
        system.close(fd)
