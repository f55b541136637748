"""Bytes of a blob that is still being fetched, for those who read it meanwhile: in a file that has no name.

Nothing is left of it when the process dies. It is sealed under a key that is nowhere but here, block by block, as all
that this registry writes to a disk is; the last block stays in memory until it is full.
"""

from __future__ import annotations

import os
import tempfile
import threading
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from pathlib import Path

BLOCK_BYTES = 256 * 1024
TAG_BYTES = 16


class Spool:
    """Appended to by one thread, read by many; it lasts as long as somebody holds it."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._cipher = AESGCM(AESGCM.generate_key(256))
        self._file: int | None = None
        self._lock = threading.Lock()
        self._last = bytearray()
        self._blocks = 0
        self._holders = 1

    def append(self, data: bytes) -> None:
        """Take more bytes. Raises OSError."""
        view = memoryview(data)
        while view:
            room = BLOCK_BYTES - len(self._last)
            with self._lock:
                self._last += view[:room]
            view = view[room:]
            if len(self._last) == BLOCK_BYTES:
                self._write()

    def read(self, position: int) -> bytes:
        """Bytes from a position on that was reached, to the end of its block."""
        block, start = divmod(position, BLOCK_BYTES)
        with self._lock:
            if block >= self._blocks:
                return bytes(self._last[start:])
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
            file, is_over = self._file, self._holders == 0
            if is_over:
                self._file = None
        if is_over and file is not None:
            os.close(file)

    def _write(self) -> None:
        if self._file is None:
            if self._folder is not None:
                self._folder.mkdir(mode=0o700, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder) as file:
                self._file = os.dup(file.fileno())
        sealed = self._cipher.encrypt(_nonce(self._blocks), bytes(self._last), None)
        os.pwrite(self._file, sealed, self._blocks * (BLOCK_BYTES + TAG_BYTES))
        with self._lock:
            self._blocks += 1
            self._last.clear()


def _nonce(block: int) -> bytes:
    return block.to_bytes(12, "big")
