"""Bodies that are not held in memory: sending a stream, and feeding a sink.

A stream is sent by a thread straight from the decrypted segment to the socket. When the client does not take more, the
thread forgets the segment, leaves, and the event loop calls again once the socket is writable: sixty-four clients that
read slowly cost sixty-four positions, not sixty-four buffers. Decrypting a segment twice costs 0.1 ms.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import threading
from enum import Enum
from typing import TYPE_CHECKING

from holdfast.http.messages import Later, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.http.messages import Sink, Stream
    from holdfast.http.server import Server

PATIENCE_MS = 5  # a client on a fast network takes more within this; for a slower one the thread has other work
TURN_BYTES = 16 * 1024 * 1024  # then another stream has its turn
HIGH_WATER_BYTES = 3 * 1024 * 1024  # of a body that arrives faster than it is kept


log = logging.getLogger(__name__)


class Gone(Exception):
    """The client hung up."""


class Turn(Enum):
    """How a turn of a sender ended."""

    DONE = "done"
    FULL = "full"  # the client takes no more for now, or others shall have a turn
    DRY = "dry"  # there is no more to send for now; whoever has more wakes it


class Sender:
    """Sends a head and a stream over a connected socket that is not in blocking mode."""

    def __init__(self, fileno: int, head: bytes, stream: Stream) -> None:
        self._socket = socket.socket(fileno=os.dup(fileno))
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLOUT)
        self._head = memoryview(head)
        self._stream = stream
        self._position = stream.start
        self._end = stream.start + stream.length

    @property
    def fileno(self) -> int:
        """The descriptor to watch; not the transport's own, which the event loop keeps to itself."""
        return self._socket.fileno()

    def turn(self, wake: Callable[[], None]) -> Turn:
        """Send until done, or until somebody else has to do something first."""
        budget = TURN_BYTES
        while self._head:
            sent = self._send(self._head)
            if sent == 0:
                return Turn.FULL
            self._head = self._head[sent:]
        growing = self._stream.growing
        while self._position < self._end:
            if growing is not None and not growing.has(self._position, wake):
                return Turn.DRY
            view = self._stream.body.read(self._position)[: self._end - self._position]
            while view:
                sent = self._send(view)
                if sent == 0:
                    return Turn.FULL
                self._position += sent
                budget -= sent
                view = view[sent:]
            if budget <= 0 and self._position < self._end:
                return Turn.FULL
        return Turn.DONE

    def close(self) -> None:
        """Release the socket's copy and the bytes."""
        self._socket.close()
        self._stream.body.close()

    def _send(self, view: memoryview) -> int:
        """How many bytes went; 0 if none could within the patience."""
        for attempt in (1, 2):
            try:
                return self._socket.send(view)
            except BlockingIOError:
                if attempt == 2 or not self._poll.poll(PATIENCE_MS):
                    return 0
            except OSError as fault:
                raise Gone from fault
        return 0


class Feed:
    """A body on its way from the event loop to a sink, which runs in a thread whenever there is something to do."""

    def __init__(self, server: Server, resume: Callable[[], None]) -> None:
        self._server = server
        self._resume = resume
        self._lock = threading.Lock()
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._complete = self._broken = False
        self._sink: Sink | None = None
        self._answer: Callable[[Response | Later | None], None] | None = None
        self._running = self._closed = False

    @property
    def is_complete(self) -> bool:
        """Whether the whole body has arrived."""
        return self._complete

    def put(self, pieces: list[bytes]) -> bool:
        """More of the body; whether the client should pause."""
        with self._lock:
            if self._closed:
                return False  # answered before its end; the rest is of no interest
            self._pieces += pieces
            self._buffered += sum(map(len, pieces))
            self._wake()
            return self._buffered > HIGH_WATER_BYTES

    def end(self) -> None:
        """The body is complete."""
        with self._lock:
            self._complete = True
            self._wake()

    def break_off(self) -> None:
        """The client is gone."""
        with self._lock:
            self._broken = True
            self._wake()

    def close(self) -> None:
        """Nobody wants the rest."""
        with self._lock:
            self._closed = True
            self._pieces = []
            self._buffered = 0

    def pour_into(self, sink: Sink, answer: Callable[[Response | Later | None], None]) -> None:
        """Let a sink have the body; called in a thread, which begins at once. `answer` gets None if the client left."""
        with self._lock:
            self._sink, self._answer, self._running = sink, answer, True
        self._run()

    def _wake(self) -> None:
        if self._sink is not None and not self._running:
            self._running = True
            self._server.submit(self._run)

    def _run(self) -> None:
        assert self._sink is not None
        assert self._answer is not None
        sink, answer = self._sink, self._answer
        try:
            self._feed(sink, answer)
        except Exception:
            log.exception("a request failed, and so did the answer to its failure")
            self.close()
            answer(Response(500, [("Content-Type", "text/plain")], b"The server failed to answer\n"))

    def _feed(self, sink: Sink, answer: Callable[[Response | Later | None], None]) -> None:
        while True:
            with self._lock:
                broken, complete = self._broken, self._complete
                pieces, self._pieces = self._pieces, []
                was_high, self._buffered = self._buffered > HIGH_WATER_BYTES, 0
                if not (pieces or broken or complete):
                    self._running = False
                    return
            if was_high:
                self._server.soon(self._resume)
            if broken or not pieces:
                self._end_sink(sink, answer, broken=broken)
                return
            try:
                sink.write(pieces)
            except Exception as fault:  # noqa: BLE001 - the sink words every fault
                self._sink = None
                self.close()
                answer(sink.refuse(fault))
                return

    def _end_sink(self, sink: Sink, answer: Callable[[Response | Later | None], None], *, broken: bool) -> None:
        self._sink = None
        if broken:
            sink.interrupted()
            answer(None)
            return
        try:
            response = sink.finish()
        except Exception as fault:  # noqa: BLE001 - likewise
            response = sink.refuse(fault)
        answer(response)
