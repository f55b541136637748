"""A blob store that fails, delays, tears what is written and forgets what was not made durable; at command."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.blobs import ObjectMissing, OutOfSpace
from holdfast.blobs.interface import UNFINISHED, Listed
from holdfast.simulation.history import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from holdfast.simulation.machine import Machine


@dataclass(slots=True)
class File:
    """An object, finished or not."""

    data: bytearray = field(default_factory=bytearray)
    is_finished: bool = False


class Disk:
    """Every object of the simulated machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.files: dict[str, File] = {}
        self.leaving: dict[str, File] = {}  # deleted, but a power cut may bring them back
        self._used: set[str] = set()

    def create(self, key: str) -> Writer:
        """Begin an object."""
        self.machine.point("create")
        if key in self._used:
            raise Violation(f"the key {key} is used for a second object")
        self.machine.may_break("create", self.machine.store_fault())
        self._used.add(key)
        file = self.files[key] = File()
        return Writer(self, key, file)

    def open(self, key: str) -> Reader:
        """Open an object."""
        self.machine.point("open")
        self.machine.may_break("open", self.machine.store_fault())
        file = self.files.get(key)
        if file is None or not file.is_finished:
            raise ObjectMissing(key)
        return Reader(self, file)

    def address(self, _key: str, _lifetime: timedelta) -> None:
        """Nobody else serves what is here."""

    def exists(self, key: str) -> bool:
        """Whether there is a finished object under a key."""
        self.machine.point("exists")
        return key in self.files and self.files[key].is_finished

    def listing(self) -> Iterator[Listed]:
        """Every key; nobody asks how old or how large its object is."""
        self.machine.point("listing")
        return (Listed(key, 0.0, UNFINISHED) for key in sorted(self.files))

    def delete(self, key: str) -> None:
        """Remove an object, finished or not."""
        self.machine.point("delete")
        self.machine.may_break("delete", self.machine.store_fault())
        file = self.files.pop(key, None)
        if file is not None:
            self.leaving[key] = file
        self.machine.point("deleted")
        self.machine.may_break("deleted", self.machine.store_fault())
        self.leaving.pop(key, None)

    def objects(self) -> dict[str, bool]:
        """Every key under which there are bytes, and whether they are a finished object."""
        return {key: file.is_finished for key, file in self.files.items()}

    def lose_power(self) -> None:
        """Keep what was made durable; of the rest, what chance leaves."""
        chance = self.machine.chance
        for key, file in [*self.leaving.items()]:
            if chance.random() < 0.5:
                self.files[key] = file
        self.leaving.clear()
        for key, file in [*self.files.items()]:
            if not file.is_finished and chance.random() < 0.5:
                del self.files[key]
            elif not file.is_finished:
                del file.data[chance.randint(0, len(file.data)) :]


class Writer:
    """An object being written."""

    def __init__(self, disk: Disk, key: str, file: File) -> None:
        self._disk = disk
        self._key = key
        self._file = file
        self._is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes; half of them, when the disk is full."""
        machine = self._disk.machine
        machine.point("write")
        self._file.data += memoryview(data)[: len(data) // 2]
        machine.may_break("write", OutOfSpace("simulated full disk"))
        self._file.data += memoryview(data)[len(data) // 2 :]

    def close(self) -> None:
        """Make the object durable and visible."""
        machine = self._disk.machine
        machine.point("close")
        machine.may_break("close", machine.store_fault())
        if self._disk.files.get(self._key) is not self._file:
            raise OSError("the object was deleted while it was written")
        self._file.is_finished = self._is_closed = True
        machine.point("closed")
        machine.may_break("closed", machine.store_fault())

    def discard(self) -> None:
        """Forget what was written, unless it was finished."""
        self._disk.machine.point("discard")
        if not self._is_closed and self._disk.files.get(self._key) is self._file:
            del self._disk.files[self._key]


class Reader:
    """An open object: its bytes stay readable when it is deleted meanwhile."""

    def __init__(self, disk: Disk, file: File) -> None:
        self._disk = disk
        self._data = memoryview(bytes(file.data))
        self.size_bytes = len(self._data)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer from an offset."""
        self._disk.machine.point("read")
        self._disk.machine.may_break("read", self._disk.machine.store_fault())
        piece = self._data[offset : offset + len(buffer)]
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        """Nothing is held."""
