"""A stream's way out: past the transport from a thread, or through it where it encrypts."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING

from holdfast.http.transfer import Gone, Sender, Turn
from holdfast.model.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.http.messages import Body, Request, Stream
    from holdfast.http.server import Server

log = logging.getLogger(__name__)

STALL_SECONDS = 60.0  # without a byte of a body, either way
TLS_PIECE_BYTES = 256 * 1024


class Delivery:
    """One stream on its way to one client; every method runs on the event loop unless it says otherwise."""

    def __init__(self, server: Server, transport: asyncio.Transport, stream: Stream, request: Request) -> None:
        self._server = server
        self._transport = transport
        self._stream = stream
        self._request = request
        self._sender: Sender | None = None
        self._may_go_on = asyncio.Event()
        self._is_waiting = False
        self._is_cut = False
        self.deadline = server.loop.time() + STALL_SECONDS

    def begin(self, head: bytes, done: Callable[[], None]) -> None:
        """Send a head and the stream past the transport: its buffer must be empty, and stay so."""
        if self._is_cut:
            self._stream.body.close()
        elif self._transport.get_write_buffer_size():
            self._server.loop.call_later(0.002, self.begin, head, done)
        else:
            self._done = done
            self._sender = Sender(self._transport.get_extra_info("socket").fileno(), head, self._stream)
            self._submit()

    def _submit(self) -> None:
        self.deadline = math.inf
        self._server.submit_bytes(self._turn)

    def _turn(self) -> None:
        """Let the sender have a turn; in a thread."""
        assert self._sender is not None
        try:
            ended = self._sender.turn(lambda: self._server.submit_bytes(self._turn))
        except Gone:
            self._server.soon(self._give_up)
        except Exception as fault:  # noqa: BLE001 - it is worded for the log
            self._tell(fault)
            self._server.soon(self._give_up)
        else:
            if ended is not Turn.DRY:
                self._server.soon(self._finish if ended is Turn.DONE else self._wait)

    def _tell(self, fault: Exception) -> None:
        """Say in the log why a stream breaks off; what may be expected needs no traceback."""
        if isinstance(fault, Refusal):
            log.warning("request %s: the stream broke off and the connection is cut: %s", self._request.id, fault)
        else:
            log.error("request %s: the stream broke off; the connection is cut", self._request.id, exc_info=fault)

    def _wait(self) -> None:
        """Until the client takes more."""
        assert self._sender is not None
        if self._is_cut:
            self._sender.close()
            return
        self.deadline = self._server.loop.time() + STALL_SECONDS
        self._is_waiting = True
        self._server.loop.add_writer(self._sender.fileno, self._writable)

    def _writable(self) -> None:
        assert self._sender is not None
        self._is_waiting = False
        self._server.loop.remove_writer(self._sender.fileno)
        self._submit()

    def _finish(self) -> None:
        assert self._sender is not None
        self._sender.close()
        self._done()

    def _give_up(self) -> None:
        assert self._sender is not None
        self._sender.close()
        self._transport.abort()

    def cut(self) -> None:
        """The connection is over; a turn under way ends by itself."""
        self._is_cut = True
        if self._is_waiting:
            assert self._sender is not None
            self._is_waiting = False
            self._server.loop.remove_writer(self._sender.fileno)
            self._sender.close()
        self._may_go_on.set()

    async def through_tls(self, head: bytes, done: Callable[[], None], is_full: Callable[[], bool]) -> None:
        """Send through the transport, which encrypts: decrypted in a thread, one segment at a time."""
        position, end = self._stream.start, self._stream.start + self._stream.length
        self._transport.write(head)
        try:
            while position < end and not self._is_cut:
                self.deadline = math.inf
                await self._more(position)
                segment = await self._server.in_byte_thread(_copy, self._stream.body, position, end)
                position += len(segment)
                for start in range(0, len(segment), TLS_PIECE_BYTES):
                    self._transport.write(segment[start : start + TLS_PIECE_BYTES])
                    self.deadline = self._server.loop.time() + STALL_SECONDS
                    while is_full() and not self._is_cut:
                        self._may_go_on.clear()
                        await self._may_go_on.wait()
        except Exception as fault:  # noqa: BLE001 - it is worded for the log
            self._tell(fault)
            self._transport.abort()
        else:
            done()
        finally:
            self._stream.body.close()

    async def _more(self, position: int) -> None:
        """Until there is something to send from a position on."""
        growing = self._stream.growing
        while growing is not None and not self._is_cut:
            is_there = asyncio.Event()
            if growing.has(position, lambda event=is_there: self._server.soon(event.set)):  # type: ignore[misc]
                return
            await is_there.wait()

    def go_on(self) -> None:
        """The transport takes more."""
        self._may_go_on.set()


def _copy(body: Body, position: int, end: int) -> bytes:
    return bytes(body.read(position)[: end - position])
