"""Any BlobStore, encrypted on the way in.

An object is a header and a stream in Tink's AES256-GCM-HKDF-1MB format (Tink wire format, "Streaming AEAD"):

    ┌──────┬─────────┬──────────┬────────────┬─────┬──────┬──────────────┬─────────┬─────────┬─────
    │ HFB1 │ length  │ wrapped  │ commitment │ 40  │ salt │ nonce prefix │ segment │ segment │ …
    │  4 B │   2 B   │ data key │    32 B    │ 1 B │ 32 B │     7 B      │    0    │    1    │
    └──────┴─────────┴──────────┴────────────┴─────┴──────┴──────────────┴─────────┴─────────┴─────

Each object has its own random data key, wrapped by the key ring. A segment is 1 MiB of ciphertext (the first is shorter
by the stream's header), sealed under HKDF-SHA256(data key, salt, info=key of the object); its nonce counts it and marks
the last one, so segments can be neither moved nor cut off. AES-GCM does not commit to its key; the commitment does.
"""

from __future__ import annotations

import os
import struct
import threading
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from holdfast.blobs.interface import ObjectDamaged
from holdfast.blobs.keys import WrongKey
from holdfast.blobs.memory import MemoryReader, MemoryWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.blobs.interface import BlobStore, ObjectReader, ObjectWriter
    from holdfast.blobs.keys import KeyRing

MAGIC = b"HFB1"
KEY_BYTES = 32
SALT_BYTES = 32
PREFIX_BYTES = 7
STREAM_HEADER_BYTES = 1 + SALT_BYTES + PREFIX_BYTES
TAG_BYTES = 16
SMALL_PIECE_BYTES = 4096
SEGMENT_BYTES = 1024 * 1024
PLAIN_BYTES = SEGMENT_BYTES - TAG_BYTES
FIRST_PLAIN_BYTES = PLAIN_BYTES - STREAM_HEADER_BYTES


class SealedStore:
    """Encrypts what is written and decrypts what is read."""

    def __init__(self, store: BlobStore, keys: KeyRing) -> None:
        self._store = store
        self._keys = keys

    def create(self, key: str, watch: Callable[[memoryview], object] | None = None) -> SealedWriter:
        """Begin an object; `watch` is shown its plaintext, segment by segment."""
        return SealedWriter(self._store.create(key), key, self._keys, watch)

    def seal(self, key: str, data: bytes, watch: Callable[[memoryview], object]) -> bytes:
        """A whole object that is kept elsewhere."""
        target = MemoryWriter()
        writer = SealedWriter(target, key, self._keys, watch)
        writer.write(data)
        writer.close()
        return target.value()

    def open_sealed(self, key: str, size_bytes: int, sealed: bytes) -> SealedReader:
        """Open what `seal` made. Raises `ObjectDamaged`."""
        return SealedReader(MemoryReader(sealed), key, size_bytes, self._keys)

    def open(self, key: str, size_bytes: int) -> SealedReader:
        """Open an object of a known plaintext size. Raises `ObjectMissing` and `ObjectDamaged`."""
        return SealedReader(self._store.open(key), key, size_bytes, self._keys)

    def delete(self, key: str) -> None:
        """Remove an object; an absent one is no fault."""
        self._store.delete(key)


class SealedWriter:
    """Seals a stream of plaintext, segment by segment."""

    def __init__(
        self, target: ObjectWriter, key: str, keys: KeyRing, watch: Callable[[memoryview], object] | None
    ) -> None:
        self._target = target
        self._watch = watch
        data_key, salt, self._prefix = os.urandom(KEY_BYTES), os.urandom(SALT_BYTES), os.urandom(PREFIX_BYTES)
        self._cipher = AESGCM(_derive(data_key, salt, key))
        wrapped = keys.wrap(data_key, _context(key))
        header = MAGIC + struct.pack(">H", len(wrapped)) + wrapped + _commitment(data_key)
        self._start = header + bytes([STREAM_HEADER_BYTES]) + salt + self._prefix
        self._pending: list[bytearray | memoryview] = []
        self._pending_bytes = 0
        self._room = FIRST_PLAIN_BYTES
        self._segment = 0
        self.size_bytes = 0

    def write(self, data: bytes) -> None:
        """Take plaintext; full segments are sealed and written at once."""
        self.size_bytes += len(data)
        # The last segment is marked as such, so a full one waits until more bytes prove that it is not the last.
        view = memoryview(data)
        while self._pending_bytes + len(view) > self._room:
            taken = self._room - self._pending_bytes
            self._pending.append(view[:taken])
            self._seal(last=False)
            view = view[taken:]
        if view:
            last = self._pending[-1] if self._pending else None
            if len(view) >= SMALL_PIECE_BYTES:
                self._pending.append(view)
            elif isinstance(last, bytearray):
                last += view  # a client that sends single bytes must not cost a hundred for each
            else:
                self._pending.append(bytearray(view))
            self._pending_bytes += len(view)

    def close(self) -> None:
        """Seal the last segment and make the object durable."""
        self._seal(last=True)
        self._target.close()

    def discard(self) -> None:
        """Forget what was written."""
        self._pending.clear()
        self._target.discard()

    def _seal(self, *, last: bool) -> None:
        buffers = _scratch()
        size = 0
        for piece in self._pending:
            buffers.plain[size : size + len(piece)] = piece
            size += len(piece)
        if self._watch is not None:
            self._watch(buffers.plain[:size])
        nonce = _nonce(self._prefix, self._segment, last=last)
        start = self._start if self._segment == 0 else b""
        sealed = buffers.sealed[: size + TAG_BYTES]
        self._cipher.encrypt_into(nonce, buffers.plain[:size], None, sealed)
        if start:
            self._target.write(start)
        self._target.write(sealed)
        self._pending.clear()
        self._pending_bytes = 0
        self._room = PLAIN_BYTES
        self._segment += 1


class SealedReader:
    """Random access to the plaintext of an object."""

    def __init__(self, source: ObjectReader, key: str, size_bytes: int, keys: KeyRing) -> None:
        self._source = source
        self._key = key
        self.size_bytes = size_bytes
        try:
            self._open_header(key, keys)
        except (WrongKey, ValueError, struct.error, IndexError) as fault:
            source.close()
            raise ObjectDamaged(key) from fault
        self._last_segment = _segment_of(max(size_bytes - 1, 0))[0]
        overhead = self._body + TAG_BYTES * (self._last_segment + 1)
        if source.size_bytes != size_bytes + overhead:
            source.close()
            raise ObjectDamaged(key)

    def read(self, position: int) -> memoryview:
        """Plaintext from a position to the end of its segment.

        The view lies in a buffer of the calling thread and is valid until that thread reads again. Raises
        `ObjectDamaged` if the segment is not what was written.
        """
        segment, start, size = self._bounds(position)
        buffers = _scratch()
        sealed = buffers.sealed[: size + TAG_BYTES]
        nonce = _nonce(self._prefix, segment, last=segment == self._last_segment)
        offset = self._body + start + TAG_BYTES * segment
        try:
            if self._source.read_into(offset, sealed) != len(sealed):
                raise ObjectDamaged(self._key)
            self._cipher.decrypt_into(nonce, sealed, None, buffers.plain[:size])
        except InvalidTag:
            raise ObjectDamaged(self._key) from None
        return buffers.plain[position - start : size]

    def close(self) -> None:
        """Release the object."""
        self._source.close()

    def _open_header(self, key: str, keys: KeyRing) -> None:
        head = bytearray(512)
        head = head[: self._source.read_into(0, memoryview(head))]
        if head[:4] != MAGIC:
            raise ValueError("not a sealed object")
        (length,) = struct.unpack_from(">H", head, 4)
        stream = 6 + length + 32
        self._body = stream + STREAM_HEADER_BYTES
        data_key = keys.unwrap(bytes(head[6 : 6 + length]), _context(key))
        if not bytes_eq(_commitment(data_key), bytes(head[6 + length : stream])):
            raise WrongKey("The object was sealed under another key")
        if len(head) < self._body or head[stream] != STREAM_HEADER_BYTES:
            raise ValueError("the header is cut off")
        salt = bytes(head[stream + 1 : stream + 1 + SALT_BYTES])
        self._prefix = bytes(head[stream + 1 + SALT_BYTES : self._body])
        self._cipher = AESGCM(_derive(data_key, salt, key))

    def _bounds(self, position: int) -> tuple[int, int, int]:
        segment, start = _segment_of(position)
        size = FIRST_PLAIN_BYTES if segment == 0 else PLAIN_BYTES
        return segment, start, min(size, self.size_bytes - start)


class _Scratch:
    """Two segment buffers of one thread: reused, since fresh megabytes cost more than the cipher."""

    def __init__(self) -> None:
        self.plain = memoryview(bytearray(PLAIN_BYTES))
        self.sealed = memoryview(bytearray(SEGMENT_BYTES))


_local = threading.local()


def _scratch() -> _Scratch:
    scratch: _Scratch | None = getattr(_local, "scratch", None)
    if scratch is None:
        scratch = _local.scratch = _Scratch()
    return scratch


def _segment_of(position: int) -> tuple[int, int]:
    """The segment that holds a position of the plaintext, and where it starts."""
    if position < FIRST_PLAIN_BYTES:
        return 0, 0
    later = (position - FIRST_PLAIN_BYTES) // PLAIN_BYTES
    return later + 1, FIRST_PLAIN_BYTES + later * PLAIN_BYTES


def _nonce(prefix: bytes, segment: int, *, last: bool) -> bytes:
    return prefix + struct.pack(">IB", segment, last)


def _derive(data_key: bytes, salt: bytes, key: str) -> bytes:
    return HKDF(hashes.SHA256(), KEY_BYTES, salt, key.encode()).derive(data_key)


def _commitment(data_key: bytes) -> bytes:
    proof = hmac.HMAC(data_key, hashes.SHA256())
    proof.update(b"holdfast key commitment")
    return proof.finalize()


def _context(key: str) -> str:
    return f"holdfast object {key}"
