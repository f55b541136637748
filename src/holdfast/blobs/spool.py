"""Bytes of a blob that is still being fetched, for those who read it meanwhile.

They stay in memory while there is room for that, which all spools of a process share; the rest is in a file that has no
name, sealed under a key that is nowhere but here, block by block. Nothing is left of it when the process dies.
"""

from __future__ import annotations

import os
import tempfile
import threading
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from pathlib import Path

ROOM_BYTES = 64 * 1024 * 1024
BLOCK_BYTES = 256 * 1024
TAG_BYTES = 16


class Room:
    """Memory that spools share."""

    def __init__(self, size_bytes: int = ROOM_BYTES) -> None:
        self._left = size_bytes
        self._lock = threading.Lock()

    def take(self, amount: int) -> bool:
        """Whether there was room."""
        with self._lock:
            has_room = amount <= self._left
            if has_room:
                self._left -= amount
            return has_room

    def give(self, amount: int) -> None:
        """Take it back."""
        with self._lock:
            self._left += amount


class Spool:
    """Appended to by one thread, read by many; it lasts as long as somebody holds it."""

    def __init__(self, folder: Path | None, room: Room) -> None:
        self._folder = folder
        self._room = room
        self._cipher = AESGCM(AESGCM.generate_key(256))
        self._file: int | None = None
        self._lock = threading.Lock()
        self._last = bytearray()
        self._kept: dict[int, bytes] = {}  # blocks that are in memory; the others are in the file
        self._blocks = 0
        self._holders = 1

    @property
    def has_file(self) -> bool:
        """Whether some of it is not in memory."""
        return self._file is not None

    def append(self, data: bytes) -> None:
        """Take more bytes. Raises OSError."""
        view = memoryview(data)
        while view:
            room = BLOCK_BYTES - len(self._last)
            with self._lock:
                self._last += view[:room]
            view = view[room:]
            if len(self._last) == BLOCK_BYTES:
                self._put_away()

    def read(self, position: int) -> bytes | memoryview:
        """Bytes from a position on that was reached, to the end of its block."""
        block, start = divmod(position, BLOCK_BYTES)
        with self._lock:
            if block >= self._blocks:
                return bytes(self._last[start:])
            kept = self._kept.get(block)
        if kept is not None:
            return memoryview(kept)[start:]
        assert self._file is not None
        sealed = os.pread(self._file, BLOCK_BYTES + TAG_BYTES, block * (BLOCK_BYTES + TAG_BYTES))
        return self._cipher.decrypt(_nonce(block), sealed, None)[start:]

    def hold(self) -> None:
        """One more holds it."""
        with self._lock:
            self._holders += 1

    def let_go(self) -> None:
        """One less does; the last one closes it."""
        with self._lock:
            self._holders -= 1
            if self._holders:
                return
            file, self._file = self._file, None
            held, self._kept = len(self._kept) * BLOCK_BYTES, {}
        self._room.give(held)
        if file is not None:
            os.close(file)

    def _put_away(self) -> None:
        """Begin another block; the one that is full stays in memory, or goes to the file."""
        kept = bytes(self._last) if self._room.take(BLOCK_BYTES) else None
        if kept is None:
            self._write()
        with self._lock:
            if kept is not None:
                self._kept[self._blocks] = kept
            self._blocks += 1
            self._last = bytearray()

    def _write(self) -> None:
        if self._file is None:
            if self._folder is not None:
                self._folder.mkdir(mode=0o700, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder) as file:
                self._file = os.dup(file.fileno())
        sealed = self._cipher.encrypt(_nonce(self._blocks), bytes(self._last), None)
        os.pwrite(self._file, sealed, self._blocks * (BLOCK_BYTES + TAG_BYTES))


def _nonce(block: int) -> bytes:
    return block.to_bytes(12, "big")
