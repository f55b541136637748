"""Any BlobStore, encrypted on the way in.

Two layers are an object in an object: the whole of the inner one, with its header, is the plaintext of the outer one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.blobs.data_keys import split
from holdfast.blobs.interface import ObjectDamaged
from holdfast.blobs.memory import MemoryReader, MemoryWriter
from holdfast.blobs.plain import PlainReader, PlainWriter
from holdfast.blobs.sealed import HEADER_BYTES, TAG_BYTES, SealedReader, SealedWriter, head_of, last_segment, wrapped_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import timedelta

    from holdfast.blobs.data_keys import DataKeys
    from holdfast.blobs.interface import BlobStore, Listed, ObjectReader, ObjectWriter
    from holdfast.blobs.keys import KeyRing


class SealedStore:
    """Encrypts what is written and decrypts what is read."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store

    def create(
        self, key: str, data_keys: DataKeys, watch: Callable[[memoryview], object] | None = None
    ) -> SealedWriter | PlainWriter:
        """Begin an object; `watch` is shown its plaintext as it is written. Without data keys it lies as it came."""
        if not data_keys.keys:
            return PlainWriter(self._store.create(key), watch)
        return _layered(self._store.create(key), key, data_keys, watch)

    def seal(self, key: str, data_keys: DataKeys, data: bytes, watch: Callable[[memoryview], object]) -> bytes:
        """A whole object that is kept elsewhere."""
        target = MemoryWriter()
        writer = _layered(target, key, data_keys, watch)
        writer.write(data)
        writer.close()
        return target.value()

    def open_sealed(
        self, key: str, size_bytes: int, rings: Sequence[KeyRing], sealed: bytes, wrapped: bytes | None = None
    ) -> SealedReader:
        """Open what `seal` made. Raises `ObjectDamaged`."""
        return _opened(MemoryReader(sealed), key, size_bytes, rings, wrapped)

    def open(
        self,
        key: str,
        size_bytes: int,
        rings: Sequence[KeyRing],
        wrapped: bytes | None = None,
        digest: str | None = None,
    ) -> SealedReader | PlainReader:
        """Open an object of a known plaintext size, by its wrapped data keys if they are known.

        One that lies as it came, under no keys, is held against its digest. Raises `ObjectMissing`, `ObjectDamaged`
        and `StoreUnavailable`.
        """
        if not rings:
            return PlainReader(self._store.open(key), key, size_bytes, digest)
        return _opened(self._store.open(key), key, size_bytes, rings, wrapped)

    def open_as_it_lies(self, key: str) -> ObjectReader:
        """An object as it is kept, sealed. Raises `ObjectMissing`."""
        return self._store.open(key)

    def create_as_it_lies(self, key: str) -> ObjectWriter:
        """Begin an object from bytes that are sealed already."""
        return self._store.create(key)

    def wrapped_in_header(self, key: str, sealed: bytes | None = None) -> bytes:
        """The wrapped data key that an object of one layer carries. Raises `ObjectMissing` and `ObjectDamaged`."""
        source = self._store.open(key) if sealed is None else MemoryReader(sealed)
        try:
            return wrapped_in(head_of(source))
        except ValueError:
            raise ObjectDamaged(key) from None
        finally:
            source.close()

    def address(self, key: str, lifetime: timedelta) -> str | None:
        """A URL by which anybody may read what lies under a key, sealed or not, for a while."""
        return self._store.address(key, lifetime)

    def delete(self, key: str) -> None:
        """Remove an object; an absent one is no fault."""
        self._store.delete(key)

    def exists(self, key: str) -> bool:
        """Whether there is an object under a key."""
        return self._store.exists(key)

    def listing(self) -> Iterator[Listed]:
        """Every object, in the order of keys."""
        return self._store.listing()


def _layered(
    target: ObjectWriter, key: str, data_keys: DataKeys, watch: Callable[[memoryview], object] | None
) -> SealedWriter:
    layers = list(zip(data_keys.keys, split(data_keys.wrapped), strict=True))
    for layer in range(len(layers) - 1, 0, -1):
        target = _Copying(SealedWriter(target, key, *layers[layer], None, layer))
    return SealedWriter(target, key, *layers[0], watch)


def _opened(
    source: ObjectReader, key: str, size_bytes: int, rings: Sequence[KeyRing], wrapped: bytes | None
) -> SealedReader:
    known: Sequence[bytes | None] = [None] * len(rings) if wrapped is None else split(wrapped)
    if len(known) != len(rings):
        source.close()
        raise ObjectDamaged(key)
    for layer in range(len(rings) - 1, 0, -1):
        size = size_bytes
        for _ in range(layer):
            size += HEADER_BYTES + TAG_BYTES * (last_segment(size) + 1)
        source = _Unsealing(SealedReader(source, key, size, rings[layer], known[layer], layer))
    return SealedReader(source, key, size_bytes, rings[0], known[0])


class _Copying:
    """An outer layer as the target of an inner one, whose buffer is used again at once."""

    def __init__(self, outer: SealedWriter) -> None:
        self._outer = outer
        self.close, self.discard = outer.close, outer.discard

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._outer.write(bytes(data))


class _Unsealing:
    """An outer layer as the source of an inner one."""

    def __init__(self, outer: SealedReader) -> None:
        self._outer = outer
        self.size_bytes = outer.size_bytes
        self.close = outer.close

    def read_into(self, offset: int, buffer: memoryview) -> int:
        wanted = min(len(buffer), self.size_bytes - offset)
        filled = 0
        while filled < wanted:
            piece = self._outer.read(offset + filled)[: wanted - filled]
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
        return max(filled, 0)
