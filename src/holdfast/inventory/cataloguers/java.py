"""Java's packages: the pom.properties that Maven leaves in archives, else their manifests and names.

A fat jar holds its libraries as jars, and a web application has them in WEB-INF/lib. All of one outer archive is read
within one budget of bytes, entries and seconds.
"""

from __future__ import annotations

import io
import re
import struct
import time
import zipfile
import zlib

from holdfast.inventory.limits import Limits, Malformed, OverLimit
from holdfast.model.inventory import Evidence
from holdfast.model.packages import Package

ARCHIVES = (".jar", ".war", ".ear")
POM = re.compile(r"META-INF/maven/[^/]+/[^/]+/pom\.properties")
MANIFEST = "META-INF/MANIFEST.MF"
SMALL_BYTES = 1024 * 1024
NOTES = 10  # of one outer archive
_PROPERTY = re.compile(r"^(groupId|artifactId|version)[ \t]*[=:][ \t]*(.*?)[ \t]*$", re.MULTILINE)
_ATTRIBUTE = re.compile(r"^([\w-]+): (.*)$", re.MULTILINE)
_NAME = re.compile(r"(.+?)-(\d[^/]*)")
_END = struct.Struct("<4s4H2LH")
_CENTRAL_BYTES = 46  # of an entry of the directory, at the least


def java(data: bytes, path: str, limits: Limits) -> Evidence:
    """Every package of an archive and of those in it."""
    reading = _Reading(limits)
    reading.read(data, path, "", 1)
    return Evidence(tuple(reading.found), notes=tuple(reading.notes[:NOTES]))


class _Reading:
    """One outer archive being read, and what is left of its budget."""

    def __init__(self, limits: Limits) -> None:
        self.found: dict[Package, None] = {}
        self.notes: list[str] = []
        self._limits = limits
        self._bytes = limits.archive_bytes
        self._entries = limits.archive_entries
        self._until = time.monotonic() + limits.archive_seconds

    def read(self, data: bytes, path: str, within: str, depth: int) -> None:
        """Find the packages of one archive. Raises `Malformed` and `OverLimit`."""
        self._count_entries(data)
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                self._entries -= len(archive.infolist())
                self._read(archive, path, within, depth)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError,
                struct.error, LookupError) as fault:  # fmt: skip
            raise Malformed(f"it is not the archive that it should be: {fault}") from None

    def _count_entries(self, data: bytes) -> None:
        """Refuse a directory that has too many entries, before any of them is made an object."""
        at = data.rfind(b"PK\5\6")
        if at < 0 or len(data) - at < _END.size:
            raise Malformed("it is not an archive")
        size = min(_END.unpack_from(data, at)[5], len(data))  # all ones in large archives, whose size is elsewhere
        if size != 0xFFFFFFFF and size // _CENTRAL_BYTES > self._entries and size <= at:
            raise OverLimit(f"an archive has more than {self._limits.archive_entries} entries")

    def _read(self, archive: zipfile.ZipFile, path: str, within: str, depth: int) -> None:
        if self._entries < 0:
            raise OverLimit(f"an archive has more than {self._limits.archive_entries} entries")
        has_pom, manifest = False, b""
        for info in archive.infolist():
            name = info.filename
            if POM.fullmatch(name):
                has_pom = self._add_pom(self._small(archive, info), within) or has_pom
            elif name == MANIFEST:
                manifest = self._small(archive, info)
            elif name.lower().endswith(ARCHIVES):
                if depth >= self._limits.archive_depth:
                    raise OverLimit(f"an archive has archives in it deeper than {self._limits.archive_depth}")
                inner = f"{within}/{name}" if within else name
                try:
                    self.read(self._contents(archive, info, self._bytes), name, inner, depth + 1)
                except Malformed as fault:
                    self.notes.append(f"{inner}: {fault}")
        if not has_pom:
            self._add_named(manifest, path, within)

    def _small(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
        """The contents of a file that tells of a package; nothing, if it is too large for one."""
        try:
            return self._contents(archive, info, SMALL_BYTES)
        except Malformed as fault:
            self.notes.append(str(fault))
            return b""

    def _contents(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
        if time.monotonic() > self._until:
            raise OverLimit(f"an archive takes more than {self._limits.archive_seconds:.0f} seconds to read")
        with archive.open(info) as member:
            data = member.read(min(limit, self._bytes) + 1)
        self._bytes -= len(data)
        if self._bytes < 0:
            raise OverLimit(f"an archive unpacks to more than {self._limits.archive_bytes} bytes")
        if len(data) > limit:
            raise Malformed(f"{info.filename} has more than {limit} bytes")
        return data

    def _add_pom(self, data: bytes, within: str) -> bool:
        found = dict(_PROPERTY.findall(data.decode(errors="backslashreplace").replace("\r\n", "\n")))
        if len(found) < 3 or not all(found.values()):
            return False
        self._add(Package("maven", f"{found['groupId']}:{found['artifactId']}", found["version"], within=within))
        return True

    def _add_named(self, manifest: bytes, path: str, within: str) -> None:
        """A package from its manifest and its file's name, if they tell a version."""
        told = dict(
            _ATTRIBUTE.findall(re.sub(r"\r?\n ", "", manifest.decode(errors="backslashreplace")).replace("\r", ""))
        )
        stem = path.rpartition("/")[2].rpartition(".")[0]
        named = _NAME.fullmatch(stem)
        version = told.get("Implementation-Version") or told.get("Bundle-Version") or (named[2] if named else "")
        if named:
            version = named[2]
        if not version.strip():
            return
        symbolic = told.get("Bundle-SymbolicName", "").partition(";")[0].strip()
        artifact = named[1] if named else told.get("Implementation-Title", "").strip() or stem
        group = told.get("Implementation-Vendor-Id", "").strip() or symbolic.removesuffix(f".{artifact}")
        self._add(Package("maven", f"{group or artifact}:{artifact}", version.strip(), within=within))

    def _add(self, package: Package) -> None:
        self.found[package] = None
        if len(self.found) > self._limits.packages:
            raise OverLimit(f"an archive has more than {self._limits.packages} packages")
