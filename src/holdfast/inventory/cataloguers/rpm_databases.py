"""The three kinds of file in which rpm keeps its headers: SQLite, SUSE's ndb, and a hash of Berkeley DB."""

from __future__ import annotations

import contextlib
import struct
from sqlite3 import DatabaseError, connect

from holdfast.inventory.limits import Malformed

SQLITE_STEPS = 100_000_000  # of its machine, and then it is stopped
ROWS = 1_000_000

NDB_MAGIC, NDB_SLOT, NDB_BLOB = b"RpmP", b"Slot", b"BlbS"
NDB_BLOCK, NDB_PAGE = 16, 4096

BERKELEY_MAGIC = 0x061561
BERKELEY_HEAD = 26  # bytes of each page
HASH_PAGES = {2, 13}
IN_PAGE, ELSEWHERE, OVERFLOW = 1, 3, 7


def sqlite(data: bytes) -> list[bytes]:
    """The headers of rpmdb.sqlite, opened in memory and trusted in nothing."""
    if not data.startswith(b"SQLite format 3\0") or len(data) < 512:
        raise Malformed("it is not a database of SQLite")
    # One in WAL mode is not opened from memory; what its log holds is not in the layer's file anyway.
    data = data[:18] + b"\1\1" + data[20:]
    database = connect(":memory:")
    try:
        database.deserialize(data)
        steps = iter(range(SQLITE_STEPS // 100_000))
        database.set_progress_handler(lambda: next(steps, None) is None, 100_000)
        database.execute("PRAGMA trusted_schema = off")
        database.execute("PRAGMA query_only = on")
        kind = database.execute("SELECT type FROM sqlite_master WHERE name = 'Packages'").fetchone()
        if kind != ("table",):
            raise Malformed("it has no table of packages")
        found = [row[0] for row in database.execute("SELECT blob FROM Packages LIMIT ?", (ROWS,))]
    except (DatabaseError, MemoryError, OverflowError) as fault:
        raise Malformed(f"its database cannot be read: {fault}") from None
    finally:
        with contextlib.suppress(DatabaseError):
            database.close()
    if not all(isinstance(one, bytes) for one in found):
        raise Malformed("its table of packages holds something else")
    return found


def ndb(data: bytes) -> list[bytes]:
    """The headers of Packages.db (rpm, lib/backend/ndb)."""
    if not data.startswith(NDB_MAGIC):
        raise Malformed("it is not a database of rpm's ndb")
    found = []
    try:
        pages = struct.unpack_from("<L", data, 12)[0]
        for at in range(2 * NDB_BLOCK, min(pages * NDB_PAGE, len(data)), NDB_BLOCK):
            magic, number, block, _ = struct.unpack_from("<4s3L", data, at)
            if magic != NDB_SLOT:
                raise Malformed("a slot is none")
            if number == 0:
                continue
            start = block * NDB_BLOCK
            magic, owner, _, size = struct.unpack_from("<4s3L", data, start)
            blob = data[start + 16 : start + 16 + size]
            if magic != NDB_BLOB or owner != number or len(blob) < size:
                raise Malformed("a slot leads to no package")
            found.append(blob)
    except struct.error as fault:
        raise Malformed(f"it is cut off: {fault}") from None
    return found


def berkeley(data: bytes) -> list[bytes]:
    """The headers of Packages, a hash of Berkeley DB (db_page.h, hash.h)."""
    try:
        order = next((one for one in "<>" if struct.unpack_from(f"{one}L", data, 12)[0] == BERKELEY_MAGIC), None)
        if order is None:
            raise Malformed("it is not a hash of Berkeley DB")
        page_size, last = struct.unpack_from(f"{order}L", data, 20)[0], struct.unpack_from(f"{order}L", data, 32)[0]
        if page_size not in {512 << shift for shift in range(8)}:
            raise Malformed("its pages have an impossible size")
        found = []
        for page in range(1, min(last + 1, len(data) // page_size)):
            start = page * page_size
            count, kind = struct.unpack_from(f"{order}H", data, start + 20)[0], data[start + 25]
            if kind not in HASH_PAGES:
                continue
            offsets = struct.unpack_from(f"{order}{count}H", data, start + BERKELEY_HEAD)
            for key, value in zip(offsets[::2], offsets[1::2], strict=False):
                if data[start + value] == ELSEWHERE:
                    number, size = struct.unpack_from(f"{order}2L", data, start + value + 4)
                    found.append(_overflow(data, order, page_size, number, size))
                elif data[start + value] == IN_PAGE and key - value > 16:
                    found.append(data[start + value + 1 : start + key])
    except (struct.error, IndexError) as fault:
        raise Malformed(f"it is cut off: {fault}") from None
    return found


def _overflow(data: bytes, order: str, page_size: int, number: int, size: int) -> bytes:
    """What does not fit into one page: pages that lead to one another."""
    found, left = [], size
    while left > 0:
        start = number * page_size
        following, used, kind = *struct.unpack_from(f"{order}L2xH", data, start + 16), data[start + 25]
        if kind != OVERFLOW or not 0 < used <= page_size - BERKELEY_HEAD:
            raise Malformed("a package leads to a page that is not its own")
        found.append(data[start + BERKELEY_HEAD : start + BERKELEY_HEAD + used])
        number, left = following, left - used
    return b"".join(found)[:size]
