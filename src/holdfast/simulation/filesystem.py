"""A file system in memory that keeps what POSIX promises and no more.

What a file has is durable after its fsync, and which names a folder has after the fsync of the folder. Of everything
else a power cut leaves what chance wills: names that were made may be gone, names that were removed may be back, and
of the bytes there may be a beginning.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.simulation.machine import Machine

SOME_BYTES = 30_000  # that one system call may take or give, at most


@dataclass(slots=True, eq=False)
class File:
    """The bytes of a file."""

    data: bytearray = field(default_factory=bytearray)
    durable_bytes: int = 0

    @property
    def st_size(self) -> int:
        """How many bytes it has, as `fstat` calls it."""
        return len(self.data)


@dataclass(slots=True, eq=False)
class Folder:
    """The names in a folder, now and after a power cut."""

    names: dict[str, File | Folder] = field(default_factory=dict)
    durable: dict[str, File | Folder] = field(default_factory=dict)


class Filesystem:
    """The system calls of a simulated machine, by the names that `os` has for them."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._root = Folder({"": Folder()})  # of the one name that "/" is split into
        self._open: dict[int, File | Folder] = {}
        self._next_fd = 3

    # ---- System calls

    def mkdir(self, path: str, _mode: int = 0o777) -> None:
        """Make a folder."""
        self._machine.point("mkdir")
        folder, name = self._find(path)
        if name in folder.names:
            raise FileExistsError(errno.EEXIST, "exists", path)
        folder.names[name] = Folder()

    def open(self, path: str, flags: int, _mode: int = 0o777) -> int:
        """Open a file or a folder."""
        self._machine.point("open")
        self._machine.may_break("open", OSError(errno.EIO, "simulated fault"))
        folder, name = self._find(path)
        if flags & os.O_CREAT:
            if name in folder.names:
                raise FileExistsError(errno.EEXIST, "exists", path)
            folder.names[name] = File()
        if name not in folder.names:
            raise FileNotFoundError(errno.ENOENT, "does not exist", path)
        self._next_fd += 1
        self._open[self._next_fd] = folder.names[name]
        return self._next_fd

    def write(self, fd: int, data: memoryview) -> int:
        """Append some bytes."""
        self._machine.point("write")
        self._machine.may_break("write", OSError(errno.ENOSPC, "simulated full disk"))
        taken = data[:SOME_BYTES]
        self._file(fd).data += taken
        return len(taken)

    def preadv(self, fd: int, buffers: Sequence[memoryview], offset: int) -> int:
        """Read some bytes."""
        self._machine.point("read")
        self._machine.may_break("read", OSError(errno.EIO, "simulated fault"))
        piece = self._file(fd).data[offset : offset + min(len(buffers[0]), SOME_BYTES)]
        buffers[0][: len(piece)] = piece
        return len(piece)

    def fstat(self, fd: int) -> File:
        """What is known of a file."""
        return self._file(fd)

    def fsync(self, fd: int) -> None:
        """Make a file's bytes durable, or a folder's names."""
        self._machine.point("fsync")
        self._machine.may_break("fsync", OSError(errno.EIO, "simulated fault"))
        opened = self._open[fd]
        if isinstance(opened, Folder):
            opened.durable = dict(opened.names)
        else:
            opened.durable_bytes = len(opened.data)
        self._machine.point("synced")

    def close(self, fd: int) -> None:
        """Let go of a file. Collectors of memory call it whenever they like, so nothing happens here."""
        self._open.pop(fd, None)

    def rename(self, old: str, new: str) -> None:
        """Give a file another name."""
        self._machine.point("rename")
        folder, name = self._find(old)
        if name not in folder.names:
            raise FileNotFoundError(errno.ENOENT, "does not exist", old)
        target, new_name = self._find(new)
        target.names[new_name] = folder.names.pop(name)

    def unlink(self, path: str) -> None:
        """Remove a name."""
        self._machine.point("unlink")
        self._machine.may_break("unlink", OSError(errno.EIO, "simulated fault"))
        folder, name = self._find(path)
        if folder.names.pop(name, None) is None:
            raise FileNotFoundError(errno.ENOENT, "does not exist", path)

    def _find(self, path: str) -> tuple[Folder, str]:
        folder = self._root
        *above, name = path.rstrip("/").split("/")
        for part in above:
            found = folder.names.get(part)
            if not isinstance(found, Folder):
                raise FileNotFoundError(errno.ENOENT, "does not exist", path)
            folder = found
        return folder, name

    def _file(self, fd: int) -> File:
        opened = self._open[fd]
        assert isinstance(opened, File)
        return opened

    # ---- What the simulation does and asks

    def lose_power(self) -> None:
        """Keep what is durable; of the rest, what chance leaves."""
        self._open.clear()
        self._root.durable = dict(self._root.names)
        self._lose(self._root)

    def _lose(self, folder: Folder) -> None:
        chance = self._machine.chance
        for name in sorted({*folder.names, *folder.durable}):
            kept = chance.choice([folder.names, folder.durable]).get(name)
            folder.names.pop(name, None)
            if kept is not None:
                folder.names[name] = kept
            if isinstance(kept, Folder):
                self._lose(kept)
            elif kept is not None:
                del kept.data[chance.randint(kept.durable_bytes, len(kept.data)) :]
        folder.durable = dict(folder.names)

    def objects(self) -> dict[str, bool]:
        """Every key under which there are bytes, and whether they are a finished object."""
        found: dict[str, bool] = {}
        for name, file in self._walk(self._root):
            key, _, rest = name.partition(".")
            found[key] = found.get(key, False) or (not rest and file.durable_bytes == len(file.data))
        return found

    def _walk(self, folder: Folder) -> Iterator[tuple[str, File]]:
        for name, held in folder.names.items():
            if isinstance(held, Folder):
                yield from self._walk(held)
            else:
                yield name, held
