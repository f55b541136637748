"""How much of a layer is read, and what is raised where it is too much or makes no sense."""

from __future__ import annotations

import msgspec

KIB, MIB, GIB = 1024, 1024**2, 1024**3


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one layer, so that no image can cost more than these."""

    layer_bytes: int = 20 * GIB  # unpacked
    ratio: int = 200  # of unpacked to packed bytes …
    ratio_from_bytes: int = 256 * MIB  # … from so many unpacked bytes on
    entries: int = 2_000_000
    marks: int = 200_000  # whiteouts and opaque folders
    path_bytes: int = 4096
    header_bytes: int = MIB  # of one extended header or long name
    global_headers: int = 1000
    manifest_bytes: int = 64 * MIB  # of a file that tells of packages
    database_bytes: int = 256 * MIB  # of a database of rpm
    program_bytes: int = 256 * MIB
    archive_depth: int = 3  # of archives in archives
    archive_entries: int = 200_000
    archive_bytes: int = 512 * MIB  # unpacked, of one outer archive
    archive_seconds: float = 30.0
    packages: int = 100_000
    window_bytes: int = 128 * MIB  # of zstd
    wall_seconds: int = 15 * 60
    cpu_seconds: int = 10 * 60
    memory_bytes: int = 2 * GIB
    result_bytes: int = 64 * MIB


class OverLimit(Exception):
    """A bound was reached: there is no half a list, so the layer is refused."""


class Malformed(Exception):
    """Bytes that are not what they should be; the message says in what way."""
