"""Reads what strangers wrote, and no more of it than a feed can have."""

from __future__ import annotations

import gzip
import json
import re
import tarfile
import zipfile
import zlib
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

from holdfast.model.advisories import BadFeed
from holdfast.model.ecosystems import clipped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from holdfast.model.advisories import Problems

DOCUMENT_BYTES = 512 * 1024**2  # one that is a whole feed
RECORD_BYTES = 16 * 1024**2  # one of many in an archive
RECORDS = 2_000_000
ARCHIVE_BYTES = 16 * 1024**3  # of records, uncompressed
CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._+-]{0,99}", re.ASCII)
_GZIP = b"\x1f\x8b"
FAULTS = (ValueError, TypeError, KeyError, RecursionError, UnicodeError, zlib.error, EOFError)


def document(file: IO[bytes]) -> bytes:
    """All of a file, which may be compressed by gzip."""
    begin = file.read(2)
    file.seek(0)
    try:
        content = (gzip.GzipFile(fileobj=file) if begin == _GZIP else file).read(DOCUMENT_BYTES + 1)
    except (OSError, zlib.error, EOFError) as fault:
        raise BadFeed(f"it cannot be decompressed: {fault}") from None
    if len(content) > DOCUMENT_BYTES:
        raise BadFeed(f"it has more than {DOCUMENT_BYTES} bytes")
    return content


def lines(file: IO[bytes], line_bytes: int) -> Iterator[bytes]:
    """The lines of a file, which may be compressed by gzip."""
    begin = file.read(2)
    file.seek(0)
    opened: IO[bytes] = gzip.GzipFile(fileobj=file) if begin == _GZIP else file  # type: ignore[assignment]
    try:
        for _ in range(RECORDS):
            line = opened.readline(line_bytes + 1)
            if not line:
                return
            if len(line) > line_bytes:
                raise BadFeed(f"it has a line of more than {line_bytes} bytes")
            yield line
    except (OSError, zlib.error, EOFError) as fault:
        raise BadFeed(f"it cannot be decompressed: {fault}") from None
    raise BadFeed(f"it has more than {RECORDS} lines")


def records(file: IO[bytes], problems: Problems) -> Iterator[tuple[str, bytes]]:
    """The names and contents of the JSON files in a zip or tar; nothing is ever written to a path."""
    begin = file.read(4)
    file.seek(0)
    try:
        yield from _bounded(_of_zip(file, problems) if begin == b"PK\x03\x04" else _of_tar(file, problems))
    except (zipfile.BadZipFile, tarfile.TarError, OSError, zlib.error, EOFError, NotImplementedError) as fault:
        raise BadFeed(f"it is no archive that can be read: {fault}") from None


def _bounded(found: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    total = 0
    for count, (name, content) in enumerate(found):
        total += len(content)
        if count >= RECORDS or total > ARCHIVE_BYTES:
            raise BadFeed(f"it has more than {RECORDS} records or {ARCHIVE_BYTES} bytes")
        yield name, content


def _of_zip(file: IO[bytes], problems: Problems) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if not member.filename.endswith(".json"):
                continue
            # The size that is written down may be a lie: what is read is what counts.
            with archive.open(member) as opened:
                content = opened.read(RECORD_BYTES + 1)
            if len(content) > RECORD_BYTES:
                problems.add(member.filename, f"it has more than {RECORD_BYTES} bytes")
                continue
            yield member.filename, content


def _of_tar(file: IO[bytes], problems: Problems) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=file, mode="r|*") as archive:
        for member in archive:
            if not member.isreg() or not member.name.endswith(".json"):
                continue
            if member.size > RECORD_BYTES:
                problems.add(member.name, f"it has more than {RECORD_BYTES} bytes")
                continue
            opened = archive.extractfile(member)
            assert opened is not None
            yield member.name, opened.read()


def ident(text: object) -> str:
    """The name of an advisory or of a vulnerability; ValueError if it is none."""
    if not isinstance(text, str) or not _NAME.fullmatch(text):
        raise ValueError(f"{json.dumps(text)[:100]} is no name of an advisory")
    return text


def idents(texts: Iterable[str], limit: int) -> tuple[str, ...]:
    """Those of some texts that are such names, each once, in their order."""
    return tuple(dict.fromkeys(one for one in texts if _NAME.fullmatch(one)))[:limit]


def line_of_text(text: str, characters: int) -> str:
    """A text for people, of which nothing can move a terminal's cursor, no longer than so many characters."""
    kept = text[: characters + 1]
    if not kept.replace("\n", "").isprintable():
        kept = "".join(one if one.isprintable() or one == "\n" else " " for one in kept)
    return clipped(kept if len(kept) <= characters else kept[: characters - 1] + "\N{HORIZONTAL ELLIPSIS}", characters)


def url(text: object) -> str:
    """A web address, or nothing."""
    is_one = isinstance(text, str) and re.fullmatch(r"https?://[!-~]{1,1000}", text, re.ASCII)
    return str(text) if is_one else ""


def instant(text: object) -> datetime | None:
    """The instant that a text says in RFC 3339 or as a date; None if it says none, or one that is none."""
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
    return found.astimezone(UTC) if 1970 <= found.year < 9000 else None
