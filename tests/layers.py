"""Layers for tests: archives of what a test says, and small databases of packages in their true formats."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sqlite3
import struct
import tarfile
import zipfile
import zlib
from typing import Any

import zstandard

OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
FOLDER = object()  # instead of contents


class Link(str):
    """A symbolic link to somewhere, instead of contents."""

    __slots__ = ()


class HardLink(str):
    """A hard link to another path, instead of contents."""

    __slots__ = ()


def tar(files: dict[str, Any], **options: Any) -> bytes:
    """An archive: paths with bytes, text, FOLDER, Link or HardLink."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", **options) as archive:
        for path, contents in files.items():
            info = tarfile.TarInfo(path)
            data = b""
            if contents is FOLDER:
                info.type = tarfile.DIRTYPE
            elif isinstance(contents, HardLink):
                info.type, info.linkname = tarfile.LNKTYPE, str(contents)
            elif isinstance(contents, Link):
                info.type, info.linkname = tarfile.SYMTYPE, str(contents)
            else:
                data = contents.encode() if isinstance(contents, str) else contents
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return target.getvalue()


def packed(data: bytes, how: str = "gzip") -> bytes:
    """An archive as a layer is pushed."""
    if how == "zstd":
        return zstandard.ZstdCompressor().compress(data)
    return gzip.compress(data, 1, mtime=0) if how == "gzip" else data


def diff_id(data: bytes) -> str:
    """The digest of an archive."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


# ---- Databases of packages


def dpkg(
    *packages: tuple[str, ...],
    status: str = "install ok installed",
    maker: str = "Maintainer: Some Team <team@tracker.debian.org>",
) -> str:
    """A status file: name, version, and perhaps the source."""
    return "\n".join(
        f"Package: {name}\nStatus: {status}\nPriority: optional\n{maker}\n"
        f"Architecture: amd64\n{f'Source: {source[0]}{chr(10)}' if source else ''}Version: {version}\n"
        f"Description: something\n Version: of the text\n .\n more\n"
        for name, version, *source in packages
    )


def os_release(id_: str = "debian", version: str = "12", **more: str) -> str:
    """What tells the system."""
    return "".join(f'{key}="{value}"\n' for key, value in {"ID": id_, "VERSION_ID": version, **more}.items() if value)


def rpm_header(name: str, version: str, release: str, *, epoch: int | None = None, source: str = "",
               vendor: str = "", module: str = "", files: tuple[str, ...] = ()) -> bytes:  # fmt: skip
    """A package's header as rpm keeps it."""
    folders = sorted({f"{path.rpartition('/')[0]}/" for path in files})
    values: list[tuple[int, int, int, bytes]] = [
        (tag, 6, 1, value.encode() + b"\0")
        for tag, value in (
            (1000, name),
            (1001, version),
            (1002, release),
            (1011, vendor),
            (1022, "x86_64"),
            (1044, source),
            (5096, module),
        )
        if value
    ]
    if epoch is not None:
        values.append((1003, 4, 1, struct.pack(">i", epoch)))
    if files:
        of = [folders.index(f"{path.rpartition('/')[0]}/") for path in files]
        values.append((1116, 4, len(of), struct.pack(f">{len(of)}i", *of)))
        values.append((1117, 8, len(files), b"".join(path.rpartition("/")[2].encode() + b"\0" for path in files)))
        values.append((1118, 8, len(folders), b"".join(one.encode() + b"\0" for one in folders)))
    index, data = b"", b""
    for tag, kind, count, value in values:
        data += bytes(-len(data) % 4) if kind == 4 else b""
        index += struct.pack(">4L", tag, kind, len(data), count)
        data += value
    return struct.pack(">2L", len(values), len(data)) + index + data


def rpm_sqlite(*headers: bytes, wal: bool = False) -> bytes:
    """rpmdb.sqlite."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
    database.executemany("INSERT INTO Packages (blob) VALUES (?)", [(header,) for header in headers])
    database.commit()
    data = database.serialize()
    database.close()
    return data[:18] + b"\2\2" + data[20:] if wal else data


def rpm_ndb(*headers: bytes) -> bytes:
    """Packages.db."""
    slots, blobs, block = [struct.pack("<4s7L", b"RpmP", 0, 1, 1, 0, 0, 0, 0)], b"", 4096 // 16
    for number, header in enumerate(headers, 1):
        blob = struct.pack("<4s3L", b"BlbS", number, 1, len(header)) + header
        blob += bytes(-len(blob) % 16)
        slots.append(struct.pack("<4s3L", b"Slot", number, block, len(blob) // 16))
        blobs += blob
        block += len(blob) // 16
    slots += [struct.pack("<4s3L", b"Slot", 0, 0, 0)] * (4096 // 16 - 1 - len(slots))
    return b"".join(slots) + blobs


def rpm_berkeley(*headers: bytes, order: str = "<") -> bytes:
    """Packages, as a hash of Berkeley DB with pages of 4096 bytes, each header on pages of its own."""
    size, head, pages, pairs = 4096, 26, [], []
    for number, header in enumerate(headers, 1):
        first = 2 + len(pages)
        parts = [header[start : start + size - head] for start in range(0, len(header), size - head)]
        for at, part in enumerate(parts):
            following = first + at + 1 if at + 1 < len(parts) else 0
            page = struct.pack(f"{order}8x3L2H2B", first + at, 0, following, 0, len(part), 0, 7) + part
            pages.append(page.ljust(size, b"\0"))
        key = b"\1" + struct.pack(f"{order}L", number)
        pairs += [key, struct.pack(f"{order}B3x2L", 3, first, len(header))]
    offsets, end, items = [], size, b""
    for item in pairs:
        end -= len(item)
        offsets.append(end)
        items = item + items
    table = struct.pack(f"{order}8x3L2H2B", 1, 0, 0, len(offsets), end, 0, 13)
    table += struct.pack(f"{order}{len(offsets)}H", *offsets)
    meta = struct.pack(f"{order}8xL3L2x2B4xL", 0, 0x061561, 9, size, 8, 0, 1 + len(pages))
    return meta.ljust(size, b"\0") + table.ljust(end, b"\0") + items + b"".join(pages)


# ---- Archives and programs


def jar(files: dict[str, bytes | str]) -> bytes:
    """A jar."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, contents in files.items():
            archive.writestr(path, contents)
    return target.getvalue()


def pom(group: str, artifact: str, version: str) -> dict[str, bytes | str]:
    """What Maven leaves in a jar."""
    text = f"#Generated by Maven\n#Tue\nversion={version}\ngroupId={group}\nartifactId={artifact}\n"
    return {f"META-INF/maven/{group}/{artifact}/pom.properties": text}


def elf(sections: dict[str, bytes], *, bits: int = 64, order: str = "<") -> bytes:
    """A program of these sections and little else."""
    is_64 = bits == 64
    head_size, entry_size = (64, 64) if is_64 else (52, 40)
    data, heads = b"", [bytes(entry_size)]
    entry = struct.Struct(order + ("LLQQQQLLQQ" if is_64 else "10L"))
    every = {**sections, ".shstrtab": b""}
    texts = b"\0" + b"".join(name.encode() + b"\0" for name in every)
    every[".shstrtab"] = texts
    for name, contents in every.items():
        heads.append(entry.pack(texts.index(name.encode()), 1, 0, 0, head_size + len(data), len(contents), 0, 0, 1, 0))
        data += contents
    ident = b"\x7fELF" + bytes([2 if is_64 else 1, 1 if order == "<" else 2, 1]).ljust(12, b"\0")
    word = "Q" if is_64 else "L"
    rest = struct.pack(f"{order}2HL3{word}L6H", 2, 62, 1, 0, 0, head_size + len(data), 0, head_size, 0, 0, entry_size,
                       len(heads), len(heads) - 1)  # fmt: skip
    return (ident + rest + data + b"".join(heads)).ljust(2048, b"\0")


def go_program(*lines: str, version: str = "go1.19.4", **shape: Any) -> bytes:
    """A program of Go 1.18 or later."""
    text = b"0" * 16 + "".join(f"{line}\n" for line in lines).encode() + b"1" * 16
    strings = b"".join(_varint(len(one)) + one for one in (version.encode(), text))
    return elf({".go.buildinfo": (b"\xff Go buildinf:\x08\x02").ljust(32, b"\0") + strings}, **shape)


def rust_program(*crates: dict[str, Any], **shape: Any) -> bytes:
    """A program of cargo-auditable."""
    return elf({".dep-v0": zlib.compress(json.dumps({"packages": crates}).encode())}, **shape)


def _varint(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])
