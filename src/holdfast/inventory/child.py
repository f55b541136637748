"""Read a layer in a process of its own, that may be killed at any moment.

    this process ── bytes of the layer ──► child ── its record, of bounded size ──► this process

The child has an empty environment and no descriptor but its pipes, so neither a secret nor the database is within its
reach. What it answers is not believed either: it is read within a bound, and must be a record.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import signal
import subprocess
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from holdfast.inventory.limits import Limits
from holdfast.inventory.replies import Reply
from holdfast.model import inventory
from holdfast.model.inventory import LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.model.inventory import LayerRecord

LOOK_SECONDS = 0.5  # between two looks whether the child is still wanted
READ_BYTES = 1024 * 1024
PIPE_BYTES = 1024 * 1024


class LayerRefused(Exception):
    """A layer that cannot be read, now or ever; the message says why."""


class ChildDied(Exception):
    """The reading ended without an answer; the message says how. Another try may end otherwise."""


class LayerReader:
    """Reads layers, each in a child."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()

    @property
    def longest(self) -> timedelta:
        """How long the reading of a layer takes at most."""
        return timedelta(seconds=self._limits.wall_seconds)

    def read(self, pieces: Iterator[bytes | memoryview], watch: Callable[[], None] = lambda: None) -> LayerRecord:
        """The record of a layer whose bytes, as they are kept, come in pieces.

        `watch` is called twice a second and may raise. Raises `LayerRefused` and `ChildDied`.
        """
        child = subprocess.Popen(  # noqa: S603 - our own program
            [
                sys.executable,
                "-I",
                "-X",
                "utf8",
                "-m",
                "holdfast.inventory",
                msgspec.json.encode(self._limits).decode(),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
        )
        try:
            return _record(self._talk(child, pieces, watch), child)
        finally:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()

    def _talk(
        self, child: subprocess.Popen[bytes], pieces: Iterator[bytes | memoryview], watch: Callable[[], None]
    ) -> bytes:
        """Give the child what it reads, and take what it answers."""
        assert child.stdin is not None
        assert child.stdout is not None
        until = time.monotonic() + self._limits.wall_seconds
        target, source = child.stdin.fileno(), child.stdout.fileno()
        os.set_blocking(target, False)
        with contextlib.suppress(OSError):  # a process may have only so much of it
            fcntl.fcntl(target, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        answer, piece = bytearray(), memoryview(b"")
        with selectors.DefaultSelector() as ready:
            ready.register(target, selectors.EVENT_WRITE)
            ready.register(source, selectors.EVENT_READ)
            while True:
                watch()
                if time.monotonic() > until:
                    raise ChildDied(f"{LIMIT}reading the layer takes more than {self._limits.wall_seconds} seconds")
                for key, _ in ready.select(LOOK_SECONDS):
                    if key.fd == target:
                        left = _written(target, piece or memoryview(next(pieces, b"")))
                        if left is None:
                            ready.unregister(target)
                            child.stdin.close()
                        else:
                            piece = left
                        continue
                    more = os.read(source, READ_BYTES)
                    answer += more
                    if len(answer) > self._limits.result_bytes:
                        raise LayerRefused(
                            f"{LIMIT}the record of the layer has more than {self._limits.result_bytes} bytes"
                        )
                    if not more:
                        return bytes(answer)


def _written(target: int, piece: memoryview) -> memoryview | None:
    """What is left of a piece after some of it was written; None if it was the end, or the child reads no more."""
    if not piece:
        return None
    try:
        return piece[os.write(target, piece) :]
    except BlockingIOError:
        return piece
    except BrokenPipeError:
        return None


def _record(answer: bytes, child: subprocess.Popen[bytes]) -> LayerRecord:
    status = child.wait(timeout=60)
    if status:
        raise ChildDied(_how(status))
    try:
        reply = msgspec.msgpack.decode(answer, type=Reply)
        if reply.refusal:
            raise LayerRefused(reply.refusal[:1000])
        return inventory.unpack(reply.record)
    except (msgspec.DecodeError, inventory.BadRecord) as fault:
        raise ChildDied(f"its answer makes no sense: {fault}") from None


def _how(status: int) -> str:
    if -status in {signal.SIGXCPU, signal.SIGKILL}:
        return f"its process was ended by {signal.Signals(-status).name}: it took too much time or memory"
    return f"its process was ended by signal {-status}" if status < 0 else f"its process ended with status {status}"
