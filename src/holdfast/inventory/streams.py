"""The bytes of a layer unpacked as they come: gzip, zstd or neither, told by how they begin, as containerd tells it."""

from __future__ import annotations

import hashlib
from typing import IO, TYPE_CHECKING, Protocol, cast

import zstandard
from isal import igzip_lib

from holdfast.inventory.limits import Limits, Malformed, OverLimit

if TYPE_CHECKING:
    from collections.abc import Iterator

BadGzip = cast("type[Exception]", igzip_lib.error)  # whose annotation says that it is one exception

CHUNK_BYTES = 256 * 1024
GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
SKIPPABLE = b"\x2a\x4d\x18"  # of a frame of zstd that holds no data, after its first byte


class Source(Protocol):
    """Where packed bytes come from; nothing more comes after an empty answer."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes."""


class Unpacked:
    """A layer's bytes as a tar archive, counted and hashed."""

    def __init__(self, source: Source, limits: Limits) -> None:
        self._source = _Counted(source)
        self._limits = limits
        self._sha256 = hashlib.sha256()
        self.size_bytes = 0

    @property
    def diff_id(self) -> str:
        """The digest of all that was unpacked so far."""
        return f"sha256:{self._sha256.hexdigest()}"

    def __iter__(self) -> Iterator[bytes]:
        """Its pieces. Raises `OverLimit` and `Malformed`."""
        limits = self._limits
        for piece in self._pieces():
            self.size_bytes += len(piece)
            if self.size_bytes > limits.layer_bytes:
                raise OverLimit(f"the layer unpacks to more than {limits.layer_bytes} bytes")
            if self.size_bytes > limits.ratio_from_bytes and self.size_bytes > limits.ratio * self._source.count:
                raise OverLimit(f"the layer unpacks to more than {limits.ratio} times its size")
            self._sha256.update(piece)
            yield piece

    def _pieces(self) -> Iterator[bytes]:
        head = self._source.read(CHUNK_BYTES)
        while 0 < len(head) < 4 and (more := self._source.read(CHUNK_BYTES)):
            head += more
        if head.startswith(GZIP):
            return self._gzip(head)
        if head.startswith(ZSTD) or (head[1:4] == SKIPPABLE and head[0] >> 4 == 5):
            return self._zstd(head)
        return self._plain(head)

    def _plain(self, piece: bytes) -> Iterator[bytes]:
        while piece:
            yield piece
            piece = self._source.read(CHUNK_BYTES)

    def _gzip(self, data: bytes) -> Iterator[bytes]:
        while data:
            if not data.startswith(GZIP[:1]):
                raise Malformed("the layer has bytes after its last member of gzip")
            member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
            while not member.eof:
                try:
                    piece = member.decompress(data, CHUNK_BYTES)
                except (BadGzip, EOFError) as fault:
                    raise Malformed(f"the layer is not the gzip that it begins as: {fault}") from None
                data = b""
                if piece:
                    yield piece
                elif not member.eof and not (data := self._source.read(CHUNK_BYTES)):
                    raise Malformed("the layer ends inside of its gzip")
            data = member.unused_data
            while not (data := data.lstrip(b"\0")) and (more := self._source.read(CHUNK_BYTES)):
                data = more

    def _zstd(self, head: bytes) -> Iterator[bytes]:
        unpacker = zstandard.ZstdDecompressor(max_window_size=self._limits.window_bytes)
        reader = unpacker.stream_reader(
            cast("IO[bytes]", _Again(head, self._source)), CHUNK_BYTES, read_across_frames=True
        )
        while True:
            try:
                piece = reader.read(CHUNK_BYTES)
            except zstandard.ZstdError as fault:
                raise Malformed(f"the layer is not the zstd that it begins as: {fault}") from None
            if not piece:
                return
            yield piece


class _Counted:
    """A source that knows how much was taken from it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.count = 0

    def read(self, size: int, /) -> bytes:
        piece = self._source.read(size)
        self.count += len(piece)
        return piece


class _Again:
    """A source whose first bytes were read already."""

    def __init__(self, head: bytes, source: Source) -> None:
        self._head = head
        self._source = source

    def read(self, size: int, /) -> bytes:
        if self._head:
            piece, self._head = self._head[:size], self._head[size:]
            return piece
        return self._source.read(size)
