"""Where backups lie: objects, and beside them files with names, in a folder or in an object store.

A file is there whole or not at all, and durable when whoever writes it is told so.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from holdfast.blobs.files import FileReader, FileStore, FileWriter
from holdfast.blobs.interface import UNFINISHED, Listed, ObjectMissing
from holdfast.model import object_stores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.blobs.interface import BlobStore, ObjectReader, ObjectWriter
    from holdfast.model.object_stores import Place

LOCK = "lock"


class InUse(Exception):
    """Somebody else adds or removes."""


class Shelf(Protocol):
    """A place for objects and files."""

    @property
    def objects(self) -> BlobStore:
        """Where objects lie, by their keys."""

    def create(self, name: str) -> ObjectWriter:
        """Begin a file, in the place of one of that name."""

    def open(self, name: str) -> ObjectReader:
        """Open a file. Raises `ObjectMissing`."""

    def delete(self, name: str) -> None:
        """Remove a file; an absent one is no fault."""

    def names(self, folder: str) -> Iterator[Listed]:
        """Every file in a folder and those below it."""

    def is_empty(self) -> bool:
        """Whether nothing at all lies here, of ours or of others."""

    @contextmanager
    def alone(self, *, shared: bool = False) -> Iterator[bool]:
        """Hold off whoever else would add or remove, if that can be; whether it can. Raises `InUse`."""


def open_shelf(target: str, layer_bytes: int = 0) -> Shelf:
    """A folder, or what a URL names; for objects of layers of at most so many bytes. Raises `ValueError`."""
    if "://" not in target or target.startswith("file://"):
        return FolderShelf(Path(target.removeprefix("file://")))
    return BucketShelf(object_stores.parse(target), layer_bytes)


def is_bare(folder: Path) -> bool:
    """Whether a folder holds no more than a new disk does, or is missing."""
    return not folder.exists() or all(path.name == "lost+found" for path in folder.iterdir())


class FolderShelf:
    """A folder of a local disk; made with the first file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __str__(self) -> str:
        return str(self._folder)

    @property
    def objects(self) -> FileStore:
        """Where objects lie."""
        return FileStore(self._folder / "objects")

    def create(self, name: str) -> FileWriter:
        """Begin a file, in the place of one of that name."""
        path = self._folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.with_name(f"{path.name}.partial").unlink(missing_ok=True)
        return FileWriter(str(path), os)

    def open(self, name: str) -> FileReader:
        """Open a file. Raises `ObjectMissing`."""
        try:
            return FileReader(os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC), os)
        except FileNotFoundError:
            raise ObjectMissing(name) from None

    def delete(self, name: str) -> None:
        """Remove a file; an absent one is no fault."""
        path = self._folder / name
        path.unlink(missing_ok=True)
        with suppress(OSError):  # the last one takes its folder along, and that the one above it
            while path.parent != self._folder:
                path = path.parent
                path.rmdir()

    def names(self, folder: str) -> Iterator[Listed]:
        """Every file in a folder and those below it."""
        for path in sorted((self._folder / folder).rglob("*")):
            with suppress(FileNotFoundError):
                told = path.stat()
                if path.is_file():
                    size = UNFINISHED if path.suffix == ".partial" else told.st_size
                    yield Listed(str(path.relative_to(self._folder)), told.st_mtime, size)

    def is_empty(self) -> bool:
        """Whether nothing at all lies here."""
        return is_bare(self._folder)

    @contextmanager
    def alone(self, *, shared: bool = False) -> Iterator[bool]:
        """Hold off whoever else would add or remove, if that can be; whether it can."""
        try:
            fd = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            if not shared:
                raise
            yield True  # nobody can write here
            return
        try:
            try:
                fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InUse(f"{self} is in use by another backup, prune or restore; try again") from None
            yield True
        finally:
            os.close(fd)


class BucketShelf:
    """A part of a bucket. Nobody can be held off there: a lock would outlive who holds it."""

    def __init__(self, place: Place, layer_bytes: int = 0) -> None:
        from holdfast.blobs.remote import RemoteStore, part_bytes

        self._place = place
        self._files = RemoteStore(place)
        within = f"{place.prefix}/objects".removeprefix("/")
        self.objects = RemoteStore(replace(place, prefix=within), part_bytes=part_bytes(layer_bytes))

    def __str__(self) -> str:
        return str(self._place)

    def create(self, name: str) -> ObjectWriter:
        """Begin a file, in the place of one of that name."""
        return self._files.create(name)

    def open(self, name: str) -> ObjectReader:
        """Open a file. Raises `ObjectMissing`."""
        return self._files.open(name)

    def delete(self, name: str) -> None:
        """Remove a file; an absent one is no fault."""
        self._files.delete(name)

    def names(self, folder: str) -> Iterator[Listed]:
        """Every file in a folder and those below it."""
        return self._files.names(folder)

    def is_empty(self) -> bool:
        """Whether nothing at all lies here."""
        return next(self._files.names(), None) is None

    @contextmanager
    def alone(self, *, shared: bool = False) -> Iterator[bool]:
        """Hold off whoever else would add or remove, if that can be; whether it can."""
        del shared
        yield False
