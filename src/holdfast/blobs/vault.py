"""A folder of backups: generations, and the sealed objects that they share.

    TARGET/
    ├── holdfast-backup            says that this folder is one, and of which format
    ├── lock                       held by whoever adds or prunes
    ├── objects/3f/3f9c…           sealed objects, as they lie in the registry
    ├── objects.journal            what was copied for a generation that is not finished
    └── 20261128T032405Z/          a generation, there whole or not at all
        ├── manifest.json          what it holds, with the SHA-256 of the files beside it, sealed by the registry's keys
        ├── facts.gz               every fact, as `store.dump` writes it
        ├── objects.gz             key, SHA-256 and size in bytes of each object that it needs, in order
        └── secrets/               only if that was wanted: the key file, the root's credentials, certificates

A generation is made under the name `….partial` and renamed when all of it is on disk. An object is there once its name
is, and never changes.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import re
import shutil
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.blobs.files import FileStore
from holdfast.blobs.interface import ObjectMissing, StoreUnavailable
from holdfast.blobs.secret_files import write_secret_file
from holdfast.blobs.system import fsync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from holdfast.blobs.interface import ObjectReader, ObjectWriter

FORMAT = 1
MARK = "holdfast-backup"
JOURNAL = "objects.journal"
PARTIAL = ".partial"
NOTED = re.compile(r"[0-9a-z]+ [0-9a-f]{64} [0-9]+", re.ASCII)
PIECE_BYTES = 1024 * 1024


class VaultFault(Exception):
    """A folder that is no place for backups, or holds others than were put there; the message says what is wrong."""


class SourceFault(Exception):
    """What is to be copied cannot be read to its end now."""


class Entry(NamedTuple):
    """An object of a backup, as it lies."""

    key: str
    sha256: str
    size_bytes: int


def has_something(folder: Path) -> bool:
    """Whether a folder holds more than a new disk does."""
    return any(path.name != "lost+found" for path in folder.iterdir())


@dataclass(frozen=True, slots=True)
class Generation:
    """One backup."""

    name: str
    folder: Path
    manifest: dict[str, Any]

    @property
    def secrets(self) -> list[str]:
        """Names of the secret files in it."""
        return sorted(self.manifest["secrets"])


class Vault:
    """An opened folder of backups."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects = FileStore(folder / "objects")

    @classmethod
    def open(cls, folder: Path) -> Vault:
        """Open a folder that holds backups."""
        try:
            told = json.loads((folder / MARK).read_text())
        except FileNotFoundError:
            raise VaultFault(f"{folder} holds no backups of Holdfast") from None
        except (OSError, ValueError) as fault:
            raise VaultFault(f"{folder / MARK} cannot be read: {fault}") from None
        if not isinstance(told, dict) or told.get("format") != FORMAT:
            raise VaultFault(f"{folder} was written by another version of Holdfast: use that one")
        return cls(folder)

    @classmethod
    def create(cls, folder: Path) -> Vault:
        """Open a folder for backups; an empty one, or one that is missing, becomes one."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not (folder / MARK).exists():
                if has_something(folder):
                    raise VaultFault(f"{folder} is not empty and holds no backups: choose another folder")
                write_secret_file(folder / MARK, json.dumps({"format": FORMAT}) + "\n")
        except OSError as fault:
            raise VaultFault(f"{folder}: {fault.strerror}") from None
        return cls.open(folder)

    @contextmanager
    def alone(self, *, shared: bool = False) -> Iterator[None]:
        """Hold off whoever else would add or prune; the system lets go when this process dies."""
        try:
            fd = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            if not shared:
                raise
            yield  # nobody can write here
            return
        try:
            try:
                fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                raise VaultFault(f"{self.folder} is in use by another backup, prune or restore; try again") from None
            yield
        finally:
            os.close(fd)

    # ---- Generations

    def generations(self) -> list[Generation]:
        """Every finished backup, the oldest first."""
        names = sorted(path.parent.name for path in self.folder.glob("*/manifest.json"))
        return [self.generation(name) for name in names if not name.endswith(PARTIAL)]

    def newest(self) -> Generation | None:
        """The last finished backup, if there is one."""
        return next(reversed(self.generations()), None)

    def generation(self, name: str) -> Generation:
        """A backup by its name."""
        folder = self.folder / name
        if "/" in name or not (folder / "manifest.json").is_file():
            raise VaultFault(f"{self.folder} holds no backup {name}; `holdfast backup list` shows what there is")
        try:
            manifest = json.loads((folder / "manifest.json").read_text())
            assert {"created", "schema", "facts", "objects", "missing", "secrets", "seal"} <= manifest.keys()
        except (ValueError, AssertionError, AttributeError):
            raise VaultFault(f"{folder / 'manifest.json'} is not what was written") from None
        return Generation(name, folder, manifest)

    def begin(self, name: str) -> Path:
        """A folder for a new generation; those that were begun and not finished are removed."""
        self._remove_unfinished()
        while (self.folder / name).exists():
            name += "x"
        folder = self.folder / f"{name}{PARTIAL}"
        folder.mkdir(mode=0o700)
        return folder

    def _remove_unfinished(self) -> None:
        for left in self.folder.glob(f"*{PARTIAL}"):
            shutil.rmtree(left)

    def finish(self, folder: Path, manifest: Mapping[str, Any]) -> Generation:
        """Let a generation be there."""
        write_secret_file(folder / "manifest.json", json.dumps(manifest, indent=1) + "\n")
        final = folder.with_name(folder.name.removesuffix(PARTIAL))
        folder.rename(final)
        fsync_folder(self.folder)
        (self.folder / JOURNAL).unlink(missing_ok=True)
        return self.generation(final.name)

    def remove(self, generation: Generation) -> None:
        """Remove a generation, and leave its objects; from the renaming on it is not there."""
        generation.folder.rename(generation.folder.with_name(f"{generation.name}{PARTIAL}"))
        fsync_folder(self.folder)

    # ---- Objects

    def entries(self, generation: Generation) -> Iterator[Entry]:
        """The objects that a generation needs, in the order of their keys."""
        for line in lines(generation.folder / "objects.gz"):
            key, sha256, size = line.decode().split()
            yield Entry(key, sha256, int(size))

    def size(self, key: str) -> int | None:
        """The size in bytes of an object, if it is there."""
        try:
            reader = self.objects.open(key)
        except ObjectMissing:
            return None
        size_bytes = reader.size_bytes
        reader.close()
        return size_bytes

    def journal(self) -> dict[str, Entry]:
        """What was copied for a generation that was not finished."""
        try:
            text = (self.folder / JOURNAL).read_bytes()
        except FileNotFoundError:
            return {}
        whole = text[: text.rfind(b"\n") + 1].decode(errors="replace").splitlines()  # the last line may be cut off
        found = (line.split(" ") for line in whole if NOTED.fullmatch(line))
        return {key: Entry(key, sha256, int(size)) for key, sha256, size in found}

    @contextmanager
    def journalled(self) -> Iterator[Callable[[Entry], None]]:
        """Note what is copied, so that it need not be copied again if the generation is not finished."""
        with (self.folder / JOURNAL).open("ab") as file:

            def note(entry: Entry) -> None:
                file.write(f"{entry.key} {entry.sha256} {entry.size_bytes}\n".encode())
                file.flush()

            yield note

    def sweep(self) -> int:
        """Remove the objects that no generation needs, and what is left of generations; how many bytes that frees."""
        self._remove_unfinished()
        needed = _merged([self.entries(generation) for generation in self.generations()])
        wanted = next(needed, None)
        journal = self.journal()
        freed = 0
        root = self.folder / "objects"
        for folder in sorted(path for path in root.iterdir() if path.is_dir()):
            for path in sorted(folder.iterdir()):
                while wanted is not None and wanted < path.name:
                    wanted = next(needed, None)
                if path.name != wanted and path.name not in journal:
                    freed += path.stat().st_size
                    path.unlink()
        return freed


def _merged(streams: list[Iterator[Entry]]) -> Iterator[str]:
    import heapq

    last = None
    for entry in heapq.merge(*streams):
        if entry.key != last:
            yield entry.key
        last = entry.key


# ---- Bytes


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
    buffer = memoryview(bytearray(PIECE_BYTES))
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


def hash_of(source: ObjectReader, pace: Callable[[int], None]) -> str:
    """The SHA-256 of an object as it lies."""
    proof = hashlib.sha256()
    for piece in pieces(source):
        proof.update(piece)
        pace(len(piece))
    return proof.hexdigest()


class LineFile:
    """A compressed file of lines being written: durable, and its SHA-256 known, when it is closed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._raw = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w+b")
        self._file = gzip.GzipFile("", "wb", 1, self._raw, 0)

    def write(self, line: bytes) -> None:
        """Add a line, given without its end."""
        self._file.write(line + b"\n")

    def close(self) -> str:
        """Make it durable; its SHA-256."""
        self._file.close()
        self._raw.flush()
        os.fsync(self._raw.fileno())
        self._raw.close()
        fsync_folder(self._path.parent)
        return file_hash(self._path)


def lines(path: Path) -> Iterator[bytes]:
    """The lines of such a file, without their ends. Raises `VaultFault` if it is not one."""
    try:
        with gzip.open(path, "rb") as file:
            for line in file:
                yield line.rstrip(b"\n")
    except (OSError, EOFError, ValueError, zlib.error) as fault:
        raise VaultFault(f"{path} cannot be read: {fault}") from None


def file_hash(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
