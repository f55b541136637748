"""What compilers leave in programs: Go's build information, and the list of crates of cargo-auditable.

ELF of 32 and 64 bits, of either byte order (System V ABI, "Object files"). A program without such a section, or one
that makes no sense, tells nothing and is no fault: most files of the kind are libraries of C.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING

import msgspec

from holdfast.model.inventory import Evidence
from holdfast.model.packages import Package

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"\x7fELF"
GO_SECTION, RUST_SECTION = b".go.buildinfo", b".dep-v0"
GO_MAGIC = b"\xff Go buildinf:"
SENTINEL_BYTES = 16  # around the module information
LISTED_BYTES = 8 * 1024 * 1024  # of the list of crates, unpacked
NOBITS = 8
UNVERSIONED = "(devel)"  # of a main module that was not built as a version of it
FLAGS_CHARACTERS = 20_000
_VARIABLE = re.compile(
    r"-X[ =]\\?[\"']?([\w./~-]+)\.((?:app|App|build|Build|git|Git|release|Release)?[vV]ersion|VERSION)="
    r"(v?[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}(?:[-+][0-9A-Za-z.+-]{1,100})?)(?=[\s\"'\\]|$)",
    re.ASCII,
)


class _Crate(msgspec.Struct):
    name: str
    version: str
    kind: str = "runtime"


class _Crates(msgspec.Struct):
    packages: list[_Crate]


def program(data: bytes) -> Evidence:
    """The modules and crates that a program was made of."""
    packages: list[Package] = []
    notes: list[str] = []
    reading = b""
    try:
        for name, section in _sections(data):
            reading = name if name in {GO_SECTION, RUST_SECTION} else b""
            if name == GO_SECTION:
                packages += _go(data, section)
            elif name == RUST_SECTION:
                packages += _rust(section)
    except (struct.error, IndexError, ValueError, OverflowError, zlib.error, RecursionError):
        if reading:
            notes.append("what its compiler left in it is not understood")
    return Evidence(tuple(dict.fromkeys(packages)), notes=tuple(notes))


def _sections(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    order, is_64 = ("<" if data[5] == 1 else ">"), data[4] == 2
    table = struct.unpack_from(order + ("Q" if is_64 else "L"), data, 40 if is_64 else 32)[0]
    size, count, names = struct.unpack_from(order + "3H", data, 58 if is_64 else 46)
    # Of each its name, type, offset and size.
    head = struct.Struct(order + ("LL8x8xQQ" if is_64 else "LL4x4xLL"))
    heads = [head.unpack_from(data, table + size * number) for number in range(count)] if table else []
    if names >= len(heads):
        return
    start, length = heads[names][2:4]
    texts = data[start : start + length]
    for name, kind, offset, length in heads:
        text = texts[name : name + 32].partition(b"\0")[0]
        if kind != NOBITS and text in {GO_SECTION, RUST_SECTION}:
            yield text, data[offset : offset + length]


# ---- Go, as its package debug/buildinfo has it


def _go(data: bytes, section: bytes) -> Iterator[Package]:
    if not section.startswith(GO_MAGIC) or len(section) < 32:
        return
    size, flags = section[14], section[15]
    if flags & 2:  # since Go 1.18 the strings are here themselves
        version, at = _varstring(section, 32)
        modules, _ = _varstring(section, at)
    else:
        order = ">" if flags & 1 else "<"
        word = struct.Struct(order + ("Q" if size == 8 else "L"))
        version, modules = (_pointed(data, word, word.unpack_from(section, at)[0]) for at in (16, 16 + size))
    release = version.decode(errors="backslashreplace").removeprefix("go").partition(" ")[0]
    if release[:1].isdigit():
        yield Package("golang", "stdlib", release)
    lines = modules[SENTINEL_BYTES:-SENTINEL_BYTES].decode(errors="backslashreplace").splitlines()
    previous: Package | None = None
    linking = next((line for line in lines if line.startswith("build\t-ldflags=")), "")
    for line in lines:
        kind, *fields = line.split("\t")
        if kind not in {"mod", "dep", "=>"} or len(fields) < 2 or not fields[0]:
            continue
        linked = _linked(linking, fields[0]) if kind == "mod" and fields[1] == UNVERSIONED else None
        found = Package("golang", fields[0], linked or fields[1])
        if kind == "=>":  # instead of the one before
            previous = None if fields[0].startswith((".", "/")) and not fields[1] else found
            continue
        if previous is not None:
            yield previous
        previous = found
    if previous is not None:
        yield previous


def _linked(flags: str, module: str) -> str | None:
    """The version that the linker was told to write into a variable of the main module (cmd/link, -X)."""
    for package, _, told in _VARIABLE.findall(flags[:FLAGS_CHARACTERS]):
        if package in {"main", module} or package.startswith(f"{module}/"):
            return told if told.startswith("v") else f"v{told}"
    return None


def _varstring(data: bytes, at: int) -> tuple[bytes, int]:
    size = shift = 0
    while True:
        byte = data[at]
        at += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
        if shift > 63:
            raise ValueError(size)
    return data[at : at + size], at + size


def _pointed(data: bytes, word: struct.Struct, address: int) -> bytes:
    """The string whose header, a pointer and a length, is at an address of the running program."""
    head = _offset(data, address)
    text, size = word.unpack_from(data, head)[0], word.unpack_from(data, head + word.size)[0]
    start = _offset(data, text) if size else 0
    return data[start : start + min(size, LISTED_BYTES)]


def _offset(data: bytes, address: int) -> int:
    order, is_64 = ("<" if data[5] == 1 else ">"), data[4] == 2
    table = struct.unpack_from(order + ("Q" if is_64 else "L"), data, 32 if is_64 else 28)[0]
    size, count = struct.unpack_from(order + "2H", data, 54 if is_64 else 42)
    # Of each its offset, address and size in the file.
    head = struct.Struct(order + ("8xQQ8xQ" if is_64 else "4xLL4xL"))
    for number in range(count):
        offset, start, length = head.unpack_from(data, table + size * number)
        if start <= address < start + length:
            return int(offset + address - start)
    raise ValueError(address)


# ---- Rust, as github.com/rust-secure-code/cargo-auditable has it


def _rust(section: bytes) -> Iterator[Package]:
    listed = zlib.decompressobj().decompress(section, LISTED_BYTES)
    for crate in msgspec.json.decode(listed, type=_Crates).packages:
        if crate.kind != "build":
            yield Package("cargo", crate.name, crate.version)
