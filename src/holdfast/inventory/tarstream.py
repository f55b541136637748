"""A tar archive read front to back, header by header (POSIX pax and ustar, GNU, old Unix), with bounds built in.

Names are keys and lead nowhere: `..` stops at the root, links are not followed, and nothing is ever written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from holdfast.inventory.limits import Limits, Malformed, OverLimit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BLOCK = 512
ZEROS = bytes(BLOCK)
FILES = frozenset({b"0", b"\0", b"7"})
HARD_LINK, SYMBOLIC_LINK, FOLDER, SPARSE = b"1", b"2", b"5", b"S"
WITHOUT_BODY = frozenset({HARD_LINK, SYMBOLIC_LINK, b"3", b"4", FOLDER, b"6"})


class Entry(NamedTuple):
    """One thing in the archive."""

    name: str  # relative to the root, without `.` and `..`; empty for the root itself
    type: bytes
    size_bytes: int  # of its contents when unpacked
    link: str  # what a hard link names
    is_sparse: bool

    @property
    def is_file(self) -> bool:
        """Whether it has contents of its own."""
        return self.type in FILES or self.type == SPARSE


class TarStream:
    """Gives entries one after the other; the contents of each can be read until the next one is asked for."""

    def __init__(self, pieces: Iterable[bytes], limits: Limits) -> None:
        self._pieces = iter(pieces)
        self._limits = limits
        self._buffer = b""
        self._at = 0
        self._body = 0  # bytes of the present entry's contents that were not read yet
        self._padding = 0

    def __iter__(self) -> Iterator[Entry]:
        """Each entry. Raises `OverLimit` and `Malformed`; the end of the archive is read to the end of the stream."""
        told: dict[str, str] = {}
        count = headers = 0
        while True:
            self._skip(self._body + self._padding)
            self._body = self._padding = 0
            if (head := self._head()) is None:
                break
            count += 1
            if count > self._limits.entries:
                raise OverLimit(f"the layer has more than {self._limits.entries} entries")
            kind, size = head[156:157], _number(head[124:136])
            if kind in b"xgLKX":
                body = self._header_body(size)
                if kind == b"g":  # Go's reader, and so containerd, lets it stand for nothing but itself
                    headers += 1
                    if headers > self._limits.global_headers:
                        raise OverLimit(f"the layer has more than {self._limits.global_headers} global headers")
                elif kind in b"LK":
                    told["path" if kind == b"L" else "linkpath"] = _text(body.partition(b"\0")[0])
                else:
                    told.update(_pax(body))
                continue
            yield self._entry(head, kind, size, told)
            told = {}
        for _ in self._pieces:  # so that its digest is that of the whole
            pass

    def _entry(self, head: bytes, kind: bytes, size: int, told: dict[str, str]) -> Entry:
        if "size" in told:
            if not told["size"].isdecimal() or len(told["size"]) > 18:
                raise Malformed("an extended header tells an impossible size")
            size = int(told["size"])
        is_ustar = head[257:263] == b"ustar\0"
        name, prefix = head[:100].partition(b"\0")[0], head[345:500].partition(b"\0")[0] if is_ustar else b""
        text = told.get("GNU.sparse.name") or told.get("path") or _text(prefix + b"/" + name if prefix else name)
        link = told.get("linkpath") or _text(head[157:257].partition(b"\0")[0])
        if len(text) > self._limits.path_bytes or len(link) > self._limits.path_bytes:
            raise OverLimit(f"the layer has a path of more than {self._limits.path_bytes} bytes")
        if kind == b"\0" and text.endswith("/"):  # of archives before POSIX
            kind = FOLDER
        shown = size
        if kind == SPARSE:
            shown = _number(head[483:495])
            more = head[482]
            while more:
                more = self._exact(BLOCK)[504]
        is_sparse = kind == SPARSE or any(key.startswith("GNU.sparse.") for key in told)
        real = told.get("GNU.sparse.realsize") or told.get("GNU.sparse.size")
        if real and real.isdecimal():
            shown = int(real[:18])
        self._body = 0 if kind in WITHOUT_BODY else size
        self._padding = -self._body % BLOCK
        link = _path(link) if kind == HARD_LINK else ""
        return Entry(_path(text), kind, shown if self._body else 0, link, is_sparse)

    def read(self, limit: int, what: str) -> bytes:
        """All that is left of the present entry's contents. Raises `OverLimit`."""
        if self._body > limit:
            raise OverLimit(f"{what} has more than {limit} bytes")
        size, self._body = self._body, 0
        return self._exact(size)

    def peek(self, size: int) -> bytes:
        """The first bytes of the present entry's contents, as many as there are; they will be read again."""
        size = min(size, self._body)
        if len(self._buffer) - self._at < size:
            self._fill(size)
        return self._buffer[self._at : self._at + size]

    def pieces(self) -> Iterator[memoryview]:
        """What is left of the present entry's contents, bit by bit."""
        while self._body:
            if self._at == len(self._buffer):
                self._fill(1)
            piece = memoryview(self._buffer)[self._at : self._at + self._body]
            self._at += len(piece)
            self._body -= len(piece)
            yield piece

    def _head(self) -> bytes | None:
        """The next header; None at the end of the archive."""
        if self._at == len(self._buffer):
            self._buffer, self._at = next(self._pieces, b""), 0
            if not self._buffer:  # without the blocks of zeros that should end it; its digest tells whether it is whole
                return None
        head = self._exact(BLOCK)
        if head == ZEROS:
            return None
        told = head[148:156].strip(b" \0").lstrip(b"0")
        if told != b"%o" % (sum(head[:148]) + sum(head[156:]) + 8 * 32):
            raise Malformed("the layer is not a tar archive, or is damaged: a header does not add up")
        return head

    def _header_body(self, size: int) -> bytes:
        if size > self._limits.header_bytes:
            raise OverLimit(f"the layer has an extended header of more than {self._limits.header_bytes} bytes")
        body = self._exact(size)
        self._skip(-size % BLOCK)
        return body

    def _exact(self, size: int) -> bytes:
        if len(self._buffer) - self._at < size:
            self._fill(size)
        start = self._at
        self._at += size
        return self._buffer[start : self._at]

    def _fill(self, size: int) -> None:
        """Have so many bytes in the buffer."""
        kept = [self._buffer[self._at :]]
        count = len(kept[0])
        while count < size:
            piece = next(self._pieces, b"")
            if not piece:
                raise Malformed("the layer ends inside of an entry of its archive")
            kept.append(piece)
            count += len(piece)
        self._buffer, self._at = b"".join(kept), 0

    def _skip(self, size: int) -> None:
        while (there := len(self._buffer) - self._at) < size:
            size -= there
            self._buffer, self._at = next(self._pieces, b""), 0
            if not self._buffer:
                raise Malformed("the layer ends inside of an entry of its archive")
        self._at += size


def _number(field: bytes) -> int:
    """A number in octal digits, or after a set bit in base 256 (GNU)."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") & ~(0x80 << (8 * (len(field) - 1)))
        if field[0] & 0x40 or value > 2**60:
            raise Malformed("a header tells a number out of range")
        return value
    digits = field.strip(b" \0")
    try:
        return int(digits, 8) if digits else 0
    except ValueError:
        raise Malformed("a header tells something that is not a number") from None


def _pax(body: bytes) -> dict[str, str]:
    """The records of an extended header: `length key=value` and a line's end, the length counting all of it."""
    found, at = {}, 0
    while at < len(body):
        digits, space, _ = body[at : at + 20].partition(b" ")
        end = at + int(digits) if space and digits.isdigit() else 0
        key, is_, value = body[at + len(digits) + 1 : end - 1].partition(b"=")
        if not at < end <= len(body) or body[end - 1 : end] != b"\n" or not is_ or b"\0" in value:
            raise Malformed("an extended header is not made of records")
        found[_text(key)] = _text(value)
        at = end
    return found


def _text(data: bytes) -> str:
    return data.decode(errors="backslashreplace")


def _path(name: str) -> str:
    """A name as a key: relative to the root, and not above it."""
    if not name.startswith(("/", "./")) and not name.endswith("/") and "//" not in name and "/." not in name:
        return name if name not in {".", ".."} and not name.startswith("../") else _path(f"/{name}")
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)
