"""What a layer holds, and what the layers of an image hold together once each has covered those below.

    layer 0   evidence {path: packages} ─┐
    layer 1   whiteouts, opaque folders ─┼─► merge ─► Inventory: each package with its path and the layer it came in
    layer 2   files, evidence ───────────┘

The evidence of a package is the file that tells of it. An upper layer's evidence of the same path takes the place of
the lower one, so the whole database of dpkg, apk or rpm that a later layer carries is right by itself.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from holdfast.model.packages import OS_TYPES, OperatingSystem, Package
from holdfast.model.supplied_sboms import Mode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from holdfast.model.supplied_sboms import Supplied

UNPACKED_BYTES = 512 * 1024 * 1024  # of a record that was kept
OS_RELEASES = ("etc/os-release", "usr/lib/os-release")
_ENTRY = re.compile(rb"[^\0]+")
_FILE_LIST = re.compile(r"var/lib/dpkg/(?:info/([^/:]+)(?::[^/]+)?\.list|status\.d/([^/]+)\.md5sums)")
_MERGED = re.compile(r"^(?:usr/)?(bin|sbin|lib|lib32|lib64|libx32)/")
# Some maintain Debian's packages under addresses of their own, and nobody else's packages have their files there.
SHARED = "usr/lib/python3/dist-packages/"
FOLDER = -1  # instead of a size
LIMIT = "limit: "  # begins the reason why what is too large was not read


class Evidence(msgspec.Struct, frozen=True, array_like=True):
    """What one file tells: packages, files that they own, or which system this is."""

    packages: tuple[Package, ...] = ()
    owned: tuple[str, ...] = ()  # those paths that might be evidence of other packages
    os: OperatingSystem | None = None
    notes: tuple[str, ...] = ()  # what was left out; kept with the layer
    strangers: tuple[str, ...] = ()  # packages that are not the distribution's, in whose files others may be


class Files(msgspec.Struct, frozen=True, array_like=True):
    """Every path of a layer but whiteouts, in columns: a million of them are few objects."""

    paths: bytes = b""  # each ended by a zero byte
    sizes: bytes = b""  # 8 bytes each, signed and little-endian; FOLDER for folders
    hashes: bytes = b""  # 8 bytes each, of SHA-256; zeros for what is small or no file

    @property
    def count(self) -> int:
        """How many paths there are."""
        return len(self.sizes) // 8

    def __iter__(self) -> Iterator[tuple[bytes, int]]:
        """Each path, and its size in bytes or FOLDER."""
        for number, found in enumerate(_ENTRY.finditer(self.paths)):
            yield found[0], int.from_bytes(self.sizes[8 * number : 8 * number + 8], "little", signed=True)


class LayerRecord(msgspec.Struct, frozen=True):
    """What one layer holds; it depends on nothing but the layer's bytes."""

    diff_id: str
    size_bytes: int  # unpacked
    evidence: dict[str, Evidence] = {}
    whiteouts: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()  # folders that hide what lower layers have in them
    files: Files = Files()
    notes: tuple[str, ...] = ()  # what was not understood, and why


_DECODER = msgspec.msgpack.Decoder(LayerRecord)


class BadRecord(ValueError):
    """Bytes that are no record."""


def pack(record: LayerRecord) -> bytes:
    """A record as it is kept and handed on."""
    return zlib.compress(msgspec.msgpack.encode(record), 3)


def unpack(data: bytes) -> LayerRecord:
    """A record that was packed; `BadRecord` if it was not."""
    unpacker = zlib.decompressobj()
    try:
        document = unpacker.decompress(data, UNPACKED_BYTES)
        if not unpacker.eof:
            raise BadRecord("it is cut off or too large")
        record = _DECODER.decode(document)
    except (zlib.error, msgspec.DecodeError) as fault:
        raise BadRecord(str(fault)) from None
    if any("\0" in text for text in (*record.evidence, *record.notes)):
        raise BadRecord("it has a path that is none")
    return record


@dataclass(frozen=True, slots=True)
class Installed:
    """A package of an image: what tells of it, and the layer in which it came."""

    package: Package
    path: str
    layer: int

    @property
    def file_path(self) -> str:
        """Where it is: the evidence, and in an archive the path in it."""
        return f"{self.path}/{self.package.within}" if self.package.within else self.path


@dataclass(frozen=True, slots=True)
class Inventory:
    """What an image holds."""

    os: OperatingSystem | None
    packages: tuple[Installed, ...]
    notes: tuple[str, ...] = ()

    def sets(self) -> dict[int, tuple[Installed, ...]]:
        """The packages by the layer in which they came; images on the same base have the same ones."""
        found: dict[int, list[Installed]] = {}
        for installed in self.packages:
            found.setdefault(installed.layer, []).append(installed)
        return {layer: tuple(members) for layer, members in sorted(found.items())}

    def set_digest(self, members: Sequence[Installed]) -> str:
        """What tells a set from all others: its packages, where they are, and on which system."""
        content = (self.os, [(member.package, member.path) for member in members])
        return f"sha256:{hashlib.sha256(msgspec.msgpack.encode(content)).hexdigest()}"


def supplied(found: Inventory | None, told: Supplied, layers: int) -> Inventory:
    """An inventory with what a supplied document tells added to it, or in place of it.

    What the document tells came in no layer, which is written as the one after the last.
    """
    kept = found.packages if found is not None and told.mode is Mode.ADD else ()
    known = {(one.package.type, one.package.name, one.package.version) for one in kept}
    more = (one for one in told.packages if (one.type, one.name, one.version) not in known)
    os = (found.os if found else None) or told.os
    notes = found.notes if found else ()
    return Inventory(os, (*kept, *(Installed(package, told.origin, layers) for package in more)), notes)


class State(StrEnum):
    """How the taking of an inventory ended."""

    COMPLETE = "COMPLETE"
    UNSUPPORTED = "UNSUPPORTED"
    FAILED = "FAILED"
    TOO_LARGE = "TOO_LARGE"


@dataclass(frozen=True, slots=True)
class Taken:
    """How the taking of an inventory ended: with one, or with the reason why there is none."""

    state: State
    reason: str = ""
    inventory: Inventory | None = None
    records: tuple[LayerRecord, ...] = field(default=(), compare=False, repr=False)  # unless it was kept
    instructions: tuple[str, ...] = field(default=(), compare=False)  # that made the layers, as the configuration tells


def merge(layers: Sequence[LayerRecord]) -> Inventory:
    """What is visible when the layers lie on each other, the lowest first (image-spec, layer.md, "Whiteouts")."""
    visible: dict[str, tuple[Evidence, dict[Package, int]]] = {}
    notes: list[str] = []
    for number, record in enumerate(layers):
        below, hidden = visible, covered(visible.keys(), record)
        visible = {path: one for path, one in below.items() if path not in hidden}
        for path, evidence in record.evidence.items():
            before = below[path][1] if path in below else {}
            origins = {package: before.get(package, number) for package in evidence.packages}
            visible[path] = (evidence, origins)
        notes += record.notes
    owned = {merged(path) for path in _owned(visible)}
    packages = [
        Installed(package, path, layer)
        for path, (_, origins) in visible.items()
        for package, layer in origins.items()
        if package.type in OS_TYPES or merged(path) not in owned
    ]
    found = (visible[path][0].os for path in OS_RELEASES if path in visible)
    os = next((one for one in found if one is not None), None)
    packages.sort(key=lambda one: (one.layer, one.path, one.package.name, one.package.version, one.package.within))
    return Inventory(os, tuple(packages), tuple(notes))


def _owned(visible: Mapping[str, tuple[Evidence, object]]) -> Iterator[str]:
    """Files that are of the distribution's packages, which mends them.

    Lists of files of packages that dpkg does not know would hide what is there, and so would those of strangers.
    """
    known = {package.name for evidence, _ in visible.values() for package in evidence.packages if package.type == "deb"}
    strangers = {name for evidence, _ in visible.values() for name in evidence.strangers}
    for path, (evidence, _) in visible.items():
        found = _FILE_LIST.fullmatch(path)
        if found is None:
            yield from evidence.owned
        elif found[1] in known or f"var/lib/dpkg/status.d/{found[2]}" in visible:
            is_strange = (found[1] or found[2]) in strangers
            yield from (one for one in evidence.owned if not is_strange or one.startswith(SHARED))


def covered(paths: Collection[str], record: LayerRecord) -> set[str]:
    """Which paths of lower layers a layer hides: by something in their place, or by taking them or a folder away."""
    if not paths:
        return set()
    folders = _folders(paths)
    wanted = {one.encode() for one in (*paths, *folders)}
    entries = {path.decode(): size for path, size in record.files if path in wanted}
    whiteouts, opaque = set(record.whiteouts), set(record.opaque)
    gone = {"": "" in opaque}  # by folder; sorted, so that the one above is known
    for folder in sorted(folders):
        is_gone = folder in whiteouts or folder in opaque or entries.get(folder, FOLDER) != FOLDER
        gone[folder] = is_gone or gone[folder.rpartition("/")[0]]
    return {path for path in paths if path in entries or path in whiteouts or gone[path.rpartition("/")[0]]}


def _folders(paths: Iterable[str]) -> set[str]:
    """Every folder that some paths lie in."""
    found: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def merged(path: str) -> str:
    """A path where `/bin`, `/lib` and the like are one with those of `/usr`: package lists speak of either."""
    return _MERGED.sub(r"usr/\1/", path)
