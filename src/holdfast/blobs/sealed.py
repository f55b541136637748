"""How an object is sealed, segment by segment.

It is a header and a stream in Tink's AES256-GCM-HKDF-1MB format (Tink wire format, "Streaming AEAD"):

    ┌──────┬─────────┬──────────┬────────────┬─────┬──────┬──────────────┬─────────┬─────────┬─────
    │ HFB1 │ length  │ wrapped  │ commitment │ 40  │ salt │ nonce prefix │ segment │ segment │ …
    │  4 B │   2 B   │ data key │    32 B    │ 1 B │ 32 B │     7 B      │    0    │    1    │
    └──────┴─────────┴──────────┴────────────┴─────┴──────┴──────────────┴─────────┴─────────┴─────

Each object has its own random data key, wrapped by a key ring. A segment is 1 MiB of ciphertext (the first is shorter
by the stream's header), sealed under HKDF-SHA256(data key, salt, info=key of the object); its nonce counts it and marks
the last one, so segments can be neither moved nor cut off. AES-GCM does not commit to its key; the commitment does.

The wrapped data key in the header is that of the day on which the object was written. Whoever has a newer one, wrapped
under a newer key of the ring, opens the object with it, and the object itself never changes.
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

from holdfast.blobs.data_keys import context
from holdfast.blobs.interface import ObjectDamaged
from holdfast.blobs.keys import KEY_BYTES, WRAPPED_BYTES, WrongKey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.blobs.interface import ObjectReader, ObjectWriter
    from holdfast.blobs.keys import KeyRing

MAGIC = b"HFB1"
COMMITMENT_BYTES = 32
WRAPPED_AT = 6  # after the magic and a length
SALT_BYTES = 32
PREFIX_BYTES = 7
STREAM_HEADER_BYTES = 1 + SALT_BYTES + PREFIX_BYTES
TAG_BYTES = 16
SMALL_PIECE_BYTES = 4096
SEGMENT_BYTES = 1024 * 1024
PLAIN_BYTES = SEGMENT_BYTES - TAG_BYTES
FIRST_PLAIN_BYTES = PLAIN_BYTES - STREAM_HEADER_BYTES
HEADER_BYTES = WRAPPED_AT + WRAPPED_BYTES + COMMITMENT_BYTES + STREAM_HEADER_BYTES


class SealedWriter:
    """Seals a stream of plaintext, segment by segment."""

    def __init__(
        self,
        target: ObjectWriter,
        key: str,
        data_key: bytes,
        wrapped: bytes,
        watch: Callable[[memoryview], object] | None,
        layer: int = 0,
    ) -> None:
        self._target = target
        self._watch = watch
        self._layer = layer
        salt, self._prefix = os.urandom(SALT_BYTES), os.urandom(PREFIX_BYTES)
        self._cipher = AESGCM(_derive(data_key, salt, key))
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

    @property
    def pending(self) -> Sequence[bytearray | memoryview]:
        """Plaintext that `watch` was not shown yet."""
        return self._pending

    def close(self) -> None:
        """Seal the last segment and make the object durable."""
        self._seal(last=True)
        self._target.close()

    def discard(self) -> None:
        """Forget what was written."""
        self._pending.clear()
        self._target.discard()

    def _seal(self, *, last: bool) -> None:
        buffers = _scratch(self._layer)
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

    def __init__(
        self,
        source: ObjectReader,
        key: str,
        size_bytes: int,
        ring: KeyRing,
        wrapped: bytes | None = None,
        layer: int = 0,
    ) -> None:
        self._source = source
        self._key = key
        self._layer = layer
        self.size_bytes = size_bytes
        try:
            self._open_header(key, ring, wrapped)
        except (WrongKey, ValueError, struct.error, IndexError) as fault:
            source.close()
            raise ObjectDamaged(key) from fault
        self._last_segment = last_segment(size_bytes)
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
        buffers = _scratch(self._layer)
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

    def _open_header(self, key: str, ring: KeyRing, wrapped: bytes | None) -> None:
        head = head_of(self._source)
        carried = wrapped_in(head)
        commitment = WRAPPED_AT + len(carried)
        stream = commitment + COMMITMENT_BYTES
        self._body = stream + STREAM_HEADER_BYTES
        data_key = ring.unwrap(carried if wrapped is None else wrapped, context(key))
        if not bytes_eq(_commitment(data_key), bytes(head[commitment:stream])):
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


def _scratch(layer: int) -> _Scratch:
    """The buffers of this thread; a layer reads and writes while the one above it holds its own."""
    name = "outer" if layer else "scratch"
    scratch: _Scratch | None = getattr(_local, name, None)
    if scratch is None:
        scratch = _Scratch()
        setattr(_local, name, scratch)
    return scratch


def head_of(source: ObjectReader) -> bytearray:
    """The first bytes of an object, which hold its header."""
    head = bytearray(512)
    return head[: source.read_into(0, memoryview(head))]


def wrapped_in(head: bytearray) -> bytes:
    """The wrapped data key of a header."""
    if head[:4] != MAGIC or len(head) < WRAPPED_AT:
        raise ValueError("not a sealed object")
    (length,) = struct.unpack_from(">H", head, 4)
    return bytes(head[WRAPPED_AT : WRAPPED_AT + length])


def last_segment(size_bytes: int) -> int:
    """The segment in which so much plaintext ends."""
    return _segment_of(max(size_bytes - 1, 0))[0]


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
