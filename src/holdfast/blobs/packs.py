"""Many small objects as one: key and size in a line, then the bytes, again and again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from holdfast.blobs.copying import SourceFault, pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.blobs.interface import ObjectReader

PACK_BYTES = 16 * 1024 * 1024


class Pack:
    """A pack that fills."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.keys: list[str] = []
        self.data = bytearray()

    @property
    def is_full(self) -> bool:
        """Whether the next object belongs into the next pack."""
        return len(self.data) >= PACK_BYTES

    def add(self, key: str, data: bytes) -> None:
        """Add an object."""
        self.keys.append(key)
        self.data += f"{key} {len(data)}\n".encode()
        self.data += data


def unpacked(source: ObjectReader, sha256: str) -> Iterator[tuple[str, bytes]]:
    """Each object of a pack that has a SHA-256. Raises `SourceFault` before the first if it has another."""
    data = b"".join(bytes(piece) for piece in pieces(source))
    if hashlib.sha256(data).hexdigest() != sha256:
        raise SourceFault("its bytes were altered")
    position = 0
    while position < len(data):
        end = data.index(b"\n", position)
        key, _, size = data[position:end].decode().partition(" ")
        position = end + 1 + int(size)
        yield key, data[end + 1 : position]
