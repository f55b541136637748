"""The record of a layer: what its archive tells of packages, what it takes away, and every path with its size."""

from __future__ import annotations

import hashlib
from array import array
from typing import TYPE_CHECKING

import msgspec

from holdfast.inventory import cataloguers
from holdfast.inventory.cataloguers import PROGRAM, programs
from holdfast.inventory.limits import Limits, Malformed, OverLimit
from holdfast.inventory.streams import Unpacked
from holdfast.inventory.tarstream import FOLDER, HARD_LINK, TarStream
from holdfast.model import inventory
from holdfast.model.inventory import Evidence, Files, LayerRecord, merged

if TYPE_CHECKING:
    from holdfast.inventory.cataloguers import Cataloguer
    from holdfast.inventory.streams import Source
    from holdfast.inventory.tarstream import Entry

WHITEOUT, OPAQUE, AUFS = ".wh.", ".wh..wh..opq", ".wh..wh."  # image-spec, layer.md, "Whiteouts"
HASHED_BYTES = 4096  # from which on two files of the same contents are worth a word
NO_HASH = bytes(8)
NOTES = 100
PROGRAM_BYTES = 1024  # less is no program


def read_layer(source: Source, limits: Limits) -> LayerRecord:
    """Read a layer to its end. Raises `OverLimit` and `Malformed`."""
    unpacked = Unpacked(source, limits)
    reading = _Reading(TarStream(unpacked, limits), limits)
    reading.run()
    return LayerRecord(
        diff_id=unpacked.diff_id,
        size_bytes=unpacked.size_bytes,
        evidence=reading.found(),
        whiteouts=tuple(reading.whiteouts),
        opaque=tuple(reading.opaque),
        files=Files(bytes(reading.paths), reading.sizes.tobytes(), bytes(reading.hashes)),
        notes=tuple(reading.notes),
    )


class _Reading:
    """A layer being read."""

    def __init__(self, archive: TarStream, limits: Limits) -> None:
        self._archive = archive
        self._limits = limits
        self._evidence: dict[str, Evidence] = {}
        self._count = 0
        self.whiteouts: dict[str, None] = {}
        self.opaque: dict[str, None] = {}
        self.notes: list[str] = []
        self.paths = bytearray()
        self.sizes = array("q")
        self.hashes = bytearray()

    def run(self) -> None:
        """Read every entry."""
        for entry in self._archive:
            base = entry.name.rpartition("/")[2]
            if base.startswith(WHITEOUT):
                self._mark(entry.name, base)
                continue
            if not entry.name:
                continue
            self._evidence.pop(entry.name, None)  # the last entry of a name is the one that is there
            if entry.type == HARD_LINK:
                self._link(entry)
            self.paths += entry.name.encode() + b"\0"
            self.sizes.append(inventory.FOLDER if entry.type == FOLDER else entry.size_bytes)
            self.hashes += self._read(entry) if entry.is_file else NO_HASH

    def _mark(self, name: str, base: str) -> None:
        folder = name[: -len(base)]
        if base == OPAQUE:
            self.opaque[folder.rstrip("/")] = None
        elif not base.startswith(AUFS):
            self.whiteouts[f"{folder}{base.removeprefix(WHITEOUT)}"] = None
        if len(self.whiteouts) + len(self.opaque) > self._limits.marks:
            raise OverLimit(f"the layer takes away more than {self._limits.marks} paths")

    def _read(self, entry: Entry) -> bytes:
        """Look into a file; the beginning of its hash."""
        cataloguer = cataloguers.of_path(entry.name)
        if cataloguer is not None and entry.is_sparse:
            if cataloguer.is_database:
                raise Malformed(f"{entry.name} is a sparse file, which is not read")
            self._note(f"{entry.name} is a sparse file, which is not read")
            cataloguer = None
        if cataloguer is None and entry.size_bytes >= PROGRAM_BYTES and self._archive.peek(4) == programs.MAGIC:
            if entry.size_bytes <= self._limits.program_bytes and not entry.is_sparse:
                cataloguer = PROGRAM
            else:
                self._note(f"{entry.name} is too large a program to be read")
        if cataloguer is not None:
            data = self._archive.read(getattr(self._limits, cataloguer.limit), entry.name)
            self._catalogue(entry.name, data, cataloguer)
            return hashlib.sha256(data).digest()[:8] if len(data) >= HASHED_BYTES else NO_HASH
        if entry.size_bytes < HASHED_BYTES:
            return NO_HASH
        sha256 = hashlib.sha256()
        for piece in self._archive.pieces():
            sha256.update(piece)
        return sha256.digest()[:8]

    def _catalogue(self, path: str, data: bytes, cataloguer: Cataloguer) -> None:
        try:
            found = cataloguer.read(data, path, self._limits)
        except Malformed as fault:
            if cataloguer.is_database:
                raise Malformed(f"{path}: {fault}") from None
            self._note(f"{path}: {fault}")
            return
        except OverLimit as fault:
            raise OverLimit(f"{path}: {fault}") from None
        self._keep(path, found)

    def _link(self, entry: Entry) -> None:
        """A hard link tells what its target does, if its name is one of the same kind."""
        found = self._evidence.get(entry.link)
        if found is not None and cataloguers.of_path(entry.name) is cataloguers.of_path(entry.link):
            self._keep(entry.name, found)

    def _keep(self, path: str, found: Evidence) -> None:
        for note in found.notes:
            self._note(f"{path}: {note}")
        found = msgspec.structs.replace(found, notes=())
        sane = tuple(package for package in found.packages if package.is_sane)
        if len(sane) < len(found.packages):
            self._note(f"{path}: names or versions that are too long to be ones")
            found = msgspec.structs.replace(found, packages=sane)
        if found == Evidence():
            return
        self._count += len(found.packages)
        if self._count > self._limits.packages:
            raise OverLimit(f"the layer has more than {self._limits.packages} packages")
        self._evidence[path] = found

    def _note(self, text: str) -> None:
        if len(self.notes) < NOTES:
            self.notes.append(text[:500])

    def found(self) -> dict[str, Evidence]:
        """The evidence; of what a package owns only what might be evidence of others, since all of it is too much."""
        here = {merged(path) for path in self._evidence}
        return {
            path: msgspec.structs.replace(
                one,
                owned=tuple(
                    owned for owned in one.owned if merged(owned) in here or cataloguers.of_path(owned) is not None
                ),
            )
            for path, one in self._evidence.items()
        }
