"""Red Hat's and SUSE's packages: the headers in a database of rpm, whatever keeps it (rpm.org, "Package header")."""

from __future__ import annotations

import struct

from holdfast.inventory.cataloguers import makers, rpm_databases
from holdfast.inventory.limits import Malformed
from holdfast.model.inventory import Evidence
from holdfast.model.packages import Package, stream

NAME, VERSION, RELEASE, EPOCH, VENDOR, ARCH, SOURCE = 1000, 1001, 1002, 1003, 1011, 1022, 1044
FOLDER_OF, BASENAMES, FOLDERS, MODULE = 1116, 1117, 1118, 5096
INT32, STRING, STRINGS, TRANSLATED = 4, 6, 8, 9
_WANTED = {NAME, VERSION, RELEASE, EPOCH, VENDOR, ARCH, SOURCE, FOLDER_OF, BASENAMES, FOLDERS, MODULE}
_ENTRY = struct.Struct(">4L")


def sqlite(data: bytes) -> Evidence:
    """Of rpm 4.16 and later."""
    return _packages(rpm_databases.sqlite(data))


def ndb(data: bytes) -> Evidence:
    """Of SUSE."""
    return _packages(rpm_databases.ndb(data))


def berkeley(data: bytes) -> Evidence:
    """Of rpm before 4.16."""
    return _packages(rpm_databases.berkeley(data))


def _packages(headers: list[bytes]) -> Evidence:
    packages, owned = [], list[str]()
    for header in headers:
        try:
            tags = _tags(header)
            folders, of = tags.get(FOLDERS, ()), tags.get(FOLDER_OF, ())
            names = tags.get(BASENAMES, ())
            if makers.is_rpms(_first(tags, VENDOR), _first(tags, RELEASE)):
                owned += [f"{folders[int(number)]}{name}".strip("/") for number, name in zip(of, names, strict=True)]
        except (struct.error, IndexError, ValueError, OverflowError) as fault:
            raise Malformed(f"a header of a package cannot be read: {fault}") from None
        name, version, release = (_first(tags, tag) for tag in (NAME, VERSION, RELEASE))
        if not name or not version:
            raise Malformed("a header names no package, or no version of it")
        if name == "gpg-pubkey":  # a key, kept as if it were a package
            continue
        epoch = _first(tags, EPOCH)
        full = f"{f'{epoch}:' if epoch not in {'', '0'} else ''}{version}{f'-{release}' if release else ''}"
        # openssl-1.1.1k-9.el8.src.rpm
        source = _first(tags, SOURCE).rsplit("-", 2)[0]
        module = stream(_first(tags, MODULE))
        source = source if source != name else ""
        packages.append(Package("rpm", name, full, _first(tags, ARCH), source, module=module))
    return Evidence(tuple(dict.fromkeys(packages)), tuple(owned))


def _first(tags: dict[int, tuple[str | int, ...]], tag: int) -> str:
    values = tags.get(tag, ())
    return str(values[0]) if values else ""


def _tags(header: bytes) -> dict[int, tuple[str | int, ...]]:
    count, size = struct.unpack_from(">2L", header)
    start = 8 + _ENTRY.size * count
    data = header[start : start + size]
    if len(data) < size:
        raise ValueError("it is cut off")
    found: dict[int, tuple[str | int, ...]] = {}
    for tag, kind, offset, many in _ENTRY.iter_unpack(header[8:start]):
        if tag not in _WANTED:
            continue
        if kind == INT32:
            found[tag] = struct.unpack_from(f">{many}i", data, offset)
        elif kind in {STRING, STRINGS, TRANSLATED}:
            texts = data[offset:].split(b"\0", many if kind != STRING else 1)[: many if kind != STRING else 1]
            found[tag] = tuple(text.decode(errors="backslashreplace") for text in texts)
    return found
