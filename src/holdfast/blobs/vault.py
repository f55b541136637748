"""A place of backups: generations, and the sealed objects that they share.

    TARGET/
    ├── holdfast-backup            says that this place is one, and of which format
    ├── objects/3f9c…              sealed objects as they lie in the registry, and packs of small ones
    └── generations/
        └── 20261128T032405Z-9f3c/ a generation; it is one as soon as it has a manifest, which is written last
            ├── manifest.json      what it holds, with the SHA-256 of the files beside it, sealed by the registry's keys
            ├── facts.gz           every fact, as `store.dump` writes it
            ├── objects.gz         key, SHA-256 and size in bytes of each object that it needs, in order
            ├── small.gz           key and pack of each small object that it needs, in order
            ├── secrets/           only if that was wanted: the key file, the root's credentials, certificates
            ├── begun              until it is finished: the generation on whose objects it counts
            └── journal/           until it is finished: what was copied for it

In a folder one at a time adds or prunes, by a lock that dies with its process. In an object store nobody can be held
off, and need not be: two backups write the same bytes under the same keys, and pruning spares what `begun`, a journal
or its youth says that somebody may count on.
"""

from __future__ import annotations

import heapq
import json
import logging
import re
import secrets
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from holdfast.blobs.copying import Ascending, LineWriter, SourceFault, hash_of, lines, pieces
from holdfast.blobs.interface import UNFINISHED, ObjectMissing
from holdfast.blobs.shelves import InUse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from holdfast.blobs.interface import BlobStore, Listed, ObjectWriter
    from holdfast.blobs.shelves import Shelf

log = logging.getLogger(__name__)

FORMAT = 2
MARK = "holdfast-backup"
ALL = "generations"
NAME = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)
PARTS = ("created", "schema", "facts", "objects", "small", "packs", "missing", "secrets", "seal")
NOTE_SECONDS = 5.0
# Where nobody can be held off, by the times that the store tells:
DEAD = timedelta(days=7)  # a backup that wrote nothing for as long; pruning removes what it left
OLD = timedelta(days=6)  # what one that died left is used for as long
YOUNG = timedelta(days=1)  # an object may be not noted for as long


class VaultFault(Exception):
    """A place that is none for backups, or holds others than were put there; the message says what is wrong."""


class Entry(NamedTuple):
    """An object of a backup, as it lies."""

    key: str
    sha256: str
    size_bytes: int

    @classmethod
    def read(cls, line: str) -> Entry:
        """One from its line."""
        key, sha256, size = line.split(" ")
        return cls(key, sha256, int(size))

    def __str__(self) -> str:
        return f"{self.key} {self.sha256} {self.size_bytes}"


@dataclass(frozen=True, slots=True)
class Generation:
    """One backup."""

    name: str
    manifest: dict[str, Any]

    @property
    def secrets(self) -> list[str]:
        """Names of the secret files in it."""
        return sorted(self.manifest["secrets"])

    @property
    def packs(self) -> list[Entry]:
        """The packs of small objects that it needs."""
        return [Entry(*one) for one in self.manifest["packs"]]

    @property
    def objects(self) -> tuple[int, int]:
        """How many objects it needs, packs among them, and of how many bytes."""
        told, packs = self.manifest["objects"], self.packs
        return told["count"] + len(packs), told["bytes"] + sum(pack.size_bytes for pack in packs)


class Noted(NamedTuple):
    """What backups that were not finished copied."""

    objects: dict[str, Entry]
    packs: list[tuple[Entry, str]]  # with the name of the file that has the keys


class Vault:
    """An opened place of backups."""

    def __init__(self, shelf: Shelf, clock: Callable[[], float] = time.time) -> None:
        self._shelf = shelf
        self._clock = clock
        self._is_alone = False

    def __str__(self) -> str:
        return str(self._shelf)

    @classmethod
    def open(cls, shelf: Shelf) -> Vault:
        """Open a place that holds backups. Raises `VaultFault` and what the place raises."""
        vault = cls(shelf)
        try:
            told = json.loads(vault.read(MARK))
        except ObjectMissing:
            raise VaultFault(f"{shelf} holds no backups of Holdfast") from None
        except ValueError as fault:
            raise VaultFault(f"{MARK} in {shelf} cannot be read: {fault}") from None
        if not isinstance(told, dict) or told.get("format") != FORMAT:
            raise VaultFault(f"{shelf} was written by another version of Holdfast: use that one")
        return vault

    @classmethod
    def create(cls, shelf: Shelf) -> Vault:
        """Open a place for backups; an empty one, or one that is missing, becomes one."""
        vault = cls(shelf)
        try:
            vault.read(MARK)
        except ObjectMissing:
            if not shelf.is_empty():
                raise VaultFault(f"{shelf} is not empty and holds no backups: choose another place") from None
            vault.write(MARK, json.dumps({"format": FORMAT}).encode() + b"\n")
        return cls.open(shelf)

    @contextmanager
    def alone(self, *, shared: bool = False) -> Iterator[None]:
        """Hold off whoever else would add or prune, where that can be."""
        try:
            with self._shelf.alone(shared=shared) as self._is_alone:
                yield
        except InUse as fault:
            raise VaultFault(str(fault)) from None

    # ---- Files

    def read(self, name: str) -> bytes:
        """A small file. Raises `ObjectMissing`."""
        reader = self._shelf.open(name)
        try:
            return b"".join(bytes(piece) for piece in pieces(reader))
        except SourceFault as fault:
            raise VaultFault(f"{name} in {self} cannot be read: {fault}") from None
        finally:
            reader.close()

    def write(self, name: str, data: bytes) -> None:
        """Let a small file be there."""
        writer = self._shelf.create(name)
        try:
            writer.write(data)
            writer.close()
        except BaseException:
            writer.discard()
            raise

    def delete(self, name: str) -> None:
        """Remove a file; an absent one is no fault."""
        self._shelf.delete(name)

    def line_writer(self, name: str) -> LineWriter:
        """Begin a file of lines."""
        return LineWriter(self._shelf.create(name))

    def lines(self, name: str) -> Iterator[str]:
        """The lines of a file that must be there."""
        try:
            yield from self._lines(name)
        except ObjectMissing:
            raise VaultFault(f"{name} in {self} is missing") from None

    def _lines(self, name: str) -> Iterator[str]:
        try:
            for line in lines(self._shelf.open(name)):
                yield line.decode()
        except (SourceFault, ValueError) as fault:
            raise VaultFault(f"{name} in {self} cannot be read: {fault}") from None

    def hash_of(self, name: str) -> str | None:
        """The SHA-256 of a file; None if it is missing or cannot be read."""
        try:
            reader = self._shelf.open(name)
        except ObjectMissing:
            return None
        try:
            return hash_of(reader)
        except SourceFault:
            return None
        finally:
            reader.close()

    def _has(self, name: str) -> bool:
        try:
            self._shelf.open(name).close()
        except ObjectMissing:
            return False
        return True

    # ---- Generations

    def generations(self) -> list[Generation]:
        """Every finished backup, the oldest first."""
        return [self.generation(name) for name, files in self._files().items() if "manifest.json" in files]

    def newest(self) -> Generation | None:
        """The last finished backup, if there is one."""
        names = [name for name, files in self._files().items() if "manifest.json" in files]
        return self.generation(names[-1]) if names else None

    def generation(self, name: str) -> Generation:
        """A backup by its name."""
        path = f"{ALL}/{name}/manifest.json"
        if not NAME.fullmatch(name) or not self._has(path):
            raise VaultFault(f"{self} holds no backup {name}; `holdfast backup list` shows what there is")
        try:
            manifest = json.loads(self.read(path))
        except ValueError:
            manifest = None
        if not isinstance(manifest, dict) or not manifest.keys() >= set(PARTS):
            raise VaultFault(f"The manifest of {name} in {self} is not what was written")
        return Generation(name, manifest)

    def secret(self, generation: Generation, name: str) -> bytes:
        """A secret file of a backup."""
        return self.read(f"{ALL}/{generation.name}/secrets/{name}")

    def entries(self, generation: Generation) -> Iterator[Entry]:
        """The objects that a generation needs, in the order of their keys; without the packs."""
        return (Entry.read(line) for line in self.lines(f"{ALL}/{generation.name}/objects.gz"))

    def small(self, generation: Generation) -> Iterator[tuple[str, str]]:
        """Key and pack of each small object that a generation needs, in the order of keys."""
        packs = generation.packs
        for line in self.lines(f"{ALL}/{generation.name}/small.gz"):
            key, _, number = line.partition(" ")
            yield key, packs[int(number)].key

    def _files(self) -> dict[str, dict[str, Listed]]:
        """The files of each generation, finished or not, by their names in it."""
        found: dict[str, dict[str, Listed]] = {}
        for one in self._shelf.names(ALL):
            _, _, rest = one.key.partition("/")
            name, _, file = rest.partition("/")
            if NAME.fullmatch(name):
                found.setdefault(name, {})[file] = one
        return dict(sorted(found.items()))

    # ---- Those that are not finished

    def begin(self) -> Draft:
        """Begin a generation."""
        name = f"{datetime.fromtimestamp(self._clock(), UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        while True:
            base = self._sound(self.newest())
            self.write(f"{ALL}/{name}/begun", f"{base.name if base else ''}\n".encode())
            # Whoever prunes removes a manifest first and looks who has begun then: one of both sees the other.
            if base is None or self._has(f"{ALL}/{base.name}/manifest.json"):
                return Draft(self, name, base)

    def _sound(self, generation: Generation | None) -> Generation | None:
        """A generation, if its lists are those that were written."""
        if generation is None:
            return None
        for name in ("objects", "small"):
            if self.hash_of(f"{ALL}/{generation.name}/{name}.gz") != generation.manifest[name]["sha256"]:
                log.warning("%s of the backup %s is not what was written: all is copied again", name, generation.name)
                return None
        return generation

    def noted(self, within: timedelta = OLD) -> Noted:
        """What backups that were not finished copied; of those that wrote something within a time."""
        found = Noted({}, [])
        for name, files in self._unfinished(self._files(), within).items():
            whole = (file for file, one in files.items() if one.size_bytes != UNFINISHED)
            for path in (f"{ALL}/{name}/{file}" for file in whole if file.startswith("journal/")):
                with suppress(ObjectMissing):  # it is finished meanwhile
                    if path.endswith(".gz"):
                        found.packs.append((Entry.read(next(self._lines(path))), path))
                    else:
                        entries = map(Entry.read, self.read(path).decode().splitlines())
                        found.objects.update((entry.key, entry) for entry in entries)
        return found

    def keys_in(self, path: str) -> Iterator[str]:
        """The keys of small objects that were noted with a pack, in order."""
        return islice(self.lines(path), 1, None)

    def _unfinished(
        self, files: Mapping[str, Mapping[str, Listed]], within: timedelta
    ) -> dict[str, Mapping[str, Listed]]:
        """Those that somebody may go on with: he wrote something within a time."""
        since = self._clock() - within.total_seconds()
        return {
            name: found
            for name, found in files.items()
            if "manifest.json" not in found and "begun" in found
            if max(one.changed_at for one in found.values()) >= since
        }  # fmt: skip

    def _bases(self) -> set[str]:
        """The generations on whose objects those that are not finished may count."""
        found = set()
        for name in self._unfinished(self._files(), DEAD):
            with suppress(ObjectMissing):  # it is finished meanwhile
                found.add(self.read(f"{ALL}/{name}/begun").decode().strip())
        return found

    def finished(self, name: str) -> Generation:
        """Forget what was noted while a generation was made."""
        for file in self._files().get(name, {}):
            if file == "begun" or file.startswith("journal/"):
                self.delete(f"{ALL}/{name}/{file}")
        return self.generation(name)

    # ---- Objects

    @cached_property
    def objects(self) -> BlobStore:
        """Where the objects lie."""
        return self._shelf.objects

    def is_right(self, entry: Entry, pace: Callable[[int], None] = lambda _count: None) -> bool:
        """Whether an object is there and is what was written, which is read for it."""
        try:
            reader = self.objects.open(entry.key)
        except ObjectMissing:
            return False
        try:
            return hash_of(reader, pace) == entry.sha256
        except SourceFault:
            return False
        finally:
            reader.close()

    def create_object(self, key: str) -> ObjectWriter:
        """Begin an object."""
        if self._is_alone:
            self.objects.delete(key)  # half of it, from a backup that was killed
        return self.objects.create(key)

    # ---- Let go

    def prune(self, keep: int) -> list[str]:
        """Remove all but the newest generations, and leave their objects; which."""
        gone: list[str] = []
        for old in self.generations()[:-keep]:
            path = f"{ALL}/{old.name}/manifest.json"
            data = self.read(path)
            self.delete(path)
            if old.name in self._bases():
                self.write(path, data)
            else:
                gone.append(old.name)
        return gone

    def sweep(self) -> int:
        """Remove the objects that nothing needs, and what is left of generations; how many bytes that frees."""
        files = self._files()
        alive = self._unfinished(files, DEAD)
        dead = {name for name, found in files.items() if name not in alive and "manifest.json" not in found}
        for name in dead:
            self.delete(f"{ALL}/{name}/begun")  # if it is alive after all, it cannot be finished from here on
        noted = self.noted(DEAD)
        finished = self.generations()  # last: who finishes meanwhile is among these or those
        for name in dead - {one.name for one in finished}:
            for file in files[name]:
                self.delete(f"{ALL}/{name}/{file}")
        spared = noted.objects.keys() | {pack.key for pack, _ in noted.packs}
        spared |= {pack.key for one in finished for pack in one.packs}
        needed = Ascending((entry.key, True) for entry in heapq.merge(*(self.entries(one) for one in finished)))
        before = self._clock() - (timedelta() if self._is_alone else YOUNG).total_seconds()
        freed = 0
        for one in self.objects.listing():
            if not needed.find(one.key) and one.key not in spared and one.changed_at <= before:
                self.objects.delete(one.key)
                freed += max(one.size_bytes, 0)
        return freed


class Draft:
    """A generation that is being made."""

    def __init__(self, vault: Vault, name: str, base: Generation | None) -> None:
        self._vault = vault
        self.base = base
        self._folder = f"{ALL}/{name}"
        self._name = name
        self._pending: list[Entry] = []
        self._chunks = self._noted = 0
        self._noted_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, fault: BaseException | None, _trace: object) -> None:
        """Note what is there even if this is not finished."""
        if fault is not None and self._pending:
            with suppress(Exception):  # what cannot be noted is copied again
                self._write_notes()

    def lines(self, name: str) -> LineWriter:
        """Begin a file of lines."""
        return self._vault.line_writer(f"{self._folder}/{name}")

    def write(self, name: str, data: bytes) -> None:
        """Add a small file."""
        self._vault.write(f"{self._folder}/{name}", data)

    def note(self, entry: Entry) -> None:
        """Note that an object is there, so that it need not be copied again if this is not finished; soon."""
        self._pending.append(entry)
        if len(self._pending) > self._noted or time.monotonic() - self._noted_at > NOTE_SECONDS:
            self._write_notes()

    def _write_notes(self) -> None:
        self._chunks += 1
        self.write(f"journal/{self._chunks:06}", "".join(f"{one}\n" for one in self._pending).encode())
        self._noted += len(self._pending)
        self._noted_at = time.monotonic()
        self._pending.clear()

    def note_pack(self, pack: Entry, keys: list[str]) -> None:
        """Note that a pack is there, and what is in it."""
        file = self.lines(f"journal/pack-{pack.key}.gz")
        for line in (str(pack), *keys):
            file.add(line.encode())
        file.close()

    def finish(self, manifest: Mapping[str, Any]) -> Generation:
        """Let the generation be there."""
        begun = f"{self._folder}/begun"
        self._require(begun)
        self.write("manifest.json", json.dumps(manifest, indent=1).encode() + b"\n")
        try:
            self._require(begun)  # whoever took this for dead did not see the manifest
        except VaultFault:
            self._vault.delete(f"{self._folder}/manifest.json")
            raise
        return self._vault.finished(self._name)

    def _require(self, begun: str) -> None:
        try:
            self._vault.read(begun)
        except ObjectMissing:
            raise VaultFault("This backup took so long that pruning took it for dead; begin it again") from None
