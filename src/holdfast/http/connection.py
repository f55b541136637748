"""One connection: requests in, answers out, in order.

    bytes ─► httptools ─► Exchange ─► application ─┬─ Response ──────────────────► head and body
                             │   (loop or thread)  ├─ ReadBody ─► whole body ─► Response
                             └── Feed ◄─ body      └─ Receive ──► sink ───────► Response

Requests that a client pipelines wait in a queue, and reading pauses until it is short again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import httptools

from holdfast.http import wire
from holdfast.http.messages import ReadBody, Receive, Request, Response, Stream
from holdfast.http.transfer import Feed, Gone, Sender

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.http.messages import Answer, Body
    from holdfast.http.server import Server

log = logging.getLogger(__name__)

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 20.0  # for a request's head, once begun
IDLE_SECONDS = 75.0  # between requests
STALL_SECONDS = 60.0  # without a byte of a body, either way
LINGER_SECONDS = 10.0  # for a client that still sends what was refused
LINGER_BYTES = 64 * 1024 * 1024
PIPELINED = 16


class Exchange:
    """A request and what has become of it."""

    __slots__ = ("expects_continue", "feed", "head_only", "keep_alive", "request")

    def __init__(self, request: Request, feed: Feed, *, keep_alive: bool) -> None:
        self.request = request
        self.feed = feed
        self.keep_alive = keep_alive
        self.head_only = request.method == "HEAD"
        self.expects_continue = (request.header("expect") or "").lower() == "100-continue"


class Connection(asyncio.BufferedProtocol):
    """The server's side of one client connection; every method runs on the event loop unless it says otherwise."""

    def __init__(self, server: Server, *, is_secure: bool) -> None:
        self._server = server
        self._loop = server.loop
        self._is_secure = is_secure
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Exchange] = deque()
        self._arriving: Exchange | None = None
        self._current: Exchange | None = None
        self._sender: Sender | None = None
        self._drained: asyncio.Event | None = None
        self._head_bytes = 0
        self._lingering = 0
        self._is_closing = False
        self._target = b""
        self._pieces: list[bytes] = []
        self._headers: list[tuple[str, str]] = []
        self._deadline = self._loop.time() + HEAD_SECONDS

    # ---- the transport speaks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client is there."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(256 * 1024)
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else "local"
        self._server.connections.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        """The client is gone, or we hung up."""
        self._server.connections.discard(self)
        self._is_closing = True
        arriving = self._arriving
        if arriving is not None and not arriving.feed.is_complete:
            arriving.feed.break_off()
        self._waiting.clear()
        if self._drained is not None:
            self._drained.set()

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where the next bytes go: one buffer for all connections, since what is in it is taken at once."""
        return self._server.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes from the client."""
        data = self._server.buffer[:nbytes]
        if self._lingering:
            self._lingering += len(data)
            if self._lingering > LINGER_BYTES:
                self._transport.abort()
                return
        if self._arriving is None:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse_bytes(400, "This server does not switch protocols.")
        except (httptools.HttpParserError, ValueError):
            self._refuse_bytes(400, "The bytes received are not an HTTP/1.1 request.")
        self._pass_on()
        if self._arriving is None and self._head_bytes > HEAD_BYTES:
            self._refuse_bytes(431, "The request's line and headers are too large.")

    def eof_received(self) -> bool:
        """The client sends no more; whether it may still read what it asked for."""
        return not self._is_secure and self._arriving is None and self._current is not None

    def pause_writing(self) -> None:
        """The client reads slower than we write."""
        self._drained = asyncio.Event()

    def resume_writing(self) -> None:
        """The client caught up."""
        if self._drained is not None:
            self._drained.set()
            self._drained = None

    # ---- the parser speaks

    def on_message_begin(self) -> None:
        """A request begins."""
        self._headers = []
        self._target = b""
        self._deadline = self._loop.time() + HEAD_SECONDS

    def on_url(self, url: bytes) -> None:
        """The request's target, perhaps in pieces."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """The head is here: the request may begin while its body travels."""
        self._head_bytes = 0
        if self._lingering or self._is_closing:
            return
        method = self._parser.get_method().decode("latin-1")
        keep_alive = self._parser.should_keep_alive() and self._parser.get_http_version() == "1.1"
        path, _, query = self._target.decode("latin-1").partition("?")
        if not path.startswith("/"):
            path = (httptools.parse_url(self._target).path or b"/").decode("latin-1")
        request = Request(method, path, query, self._headers, peer=self._peer, is_secure=self._is_secure)
        exchange = Exchange(request, Feed(self._server.submit, self._resume_soon), keep_alive=keep_alive)
        if sum(name == "host" for name, _ in self._headers) != 1:
            raise ValueError("exactly one Host header is required")  # RFC 9112, section 3.2
        self._arriving = exchange
        has_body = any(name in {"content-length", "transfer-encoding"} for name, _ in self._headers)
        if has_body:
            self._enter(exchange)

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._pieces.append(data)

    def _pass_on(self) -> None:
        """Hand over the pieces of the body that came together: clients send chunks of 32 KiB and less."""
        if not self._pieces:
            return
        pieces, self._pieces = self._pieces, []
        exchange = self._arriving
        if exchange is not None and exchange.feed.put(pieces):
            self._transport.pause_reading()
            self._deadline = float("inf")  # now the client waits for us
        else:
            self._deadline = self._loop.time() + STALL_SECONDS

    def on_message_complete(self) -> None:
        """The body is complete."""
        self._pass_on()
        self._deadline = float("inf")
        if self._arriving is not None:
            exchange, self._arriving = self._arriving, None
            exchange.feed.end()
            if exchange is not self._current and exchange not in self._waiting:
                self._enter(exchange)  # one without a body begins when it is whole
        if self._lingering:
            self._is_closing = True
            self._transport.close()
        if len(self._waiting) > PIPELINED:
            self._transport.pause_reading()

    # ---- a request's life

    def _enter(self, exchange: Exchange) -> None:
        if self._current is None:
            self._begin(exchange)
        else:
            self._waiting.append(exchange)

    def _begin(self, exchange: Exchange) -> None:
        self._current = exchange
        self._deadline = self._loop.time() + STALL_SECONDS if self._arriving is exchange else float("inf")
        server = self._server
        if not server.application.is_hot(exchange.request):
            server.submit(lambda: self._ask(exchange))
            return
        try:
            answer = server.application(exchange.request)
        except Exception as fault:  # noqa: BLE001 - the application words it
            answer = server.application.failed(exchange.request, fault)
        assert isinstance(answer, Response), "hot requests need no body"
        self._answer(exchange, answer)

    def _ask(self, exchange: Exchange) -> None:
        """Ask the application; in a thread."""
        application = self._server.application
        try:
            answer: Answer = application(exchange.request)
        except Exception as fault:  # noqa: BLE001 - the application words it
            answer = application.failed(exchange.request, fault)
        if isinstance(answer, Receive):
            if exchange.expects_continue and not exchange.feed.is_complete:
                self._soon(self._say_continue)
            exchange.feed.pour_into(answer.sink, lambda response: self._answer_soon(exchange, response))
        elif isinstance(answer, ReadBody):
            sink = _Collector(answer, application, exchange.request, self._server)
            if exchange.expects_continue and not exchange.feed.is_complete:
                self._soon(self._say_continue)
            exchange.feed.pour_into(sink, lambda response: self._answer_soon(exchange, response))
        else:
            self._answer_soon(exchange, answer)

    def _say_continue(self) -> None:
        if not self._is_closing:
            self._transport.write(wire.CONTINUE)
            self._deadline = self._loop.time() + STALL_SECONDS

    def _answer_soon(self, exchange: Exchange, response: Response | None) -> None:
        """Hand an answer to the event loop; in a thread."""
        if response is not None:
            self._soon(lambda: self._answer(exchange, response))

    def _answer(self, exchange: Exchange, response: Response) -> None:
        body = response.body
        self._server.count(exchange.request, response)
        if self._is_closing:
            if isinstance(body, Stream):
                body.body.close()
            return
        close = not exchange.keep_alive or self._server.is_draining
        if self._arriving is exchange:  # answered before its body was here: what still comes is discarded
            close = True
            exchange.feed.close()
        exchange.keep_alive = not close
        length: int | None = body.length if isinstance(body, Stream) else len(body)
        if response.status in {204, 304} or (exchange.head_only and not body):
            length = None  # a HEAD says the length itself
        head = wire.head(response.status, response.headers, length=length, close=close)
        if not isinstance(body, Stream):
            self._transport.write(head if exchange.head_only else head + body)
            self._finish(exchange)
        elif exchange.head_only or not body.length:
            body.body.close()
            self._transport.write(head)
            self._finish(exchange)
        elif self._is_secure:
            self._server.spawn(self._send_through_tls(exchange, head, body))
        else:
            self._send(exchange, head, body)

    def _finish(self, exchange: Exchange) -> None:
        self._current = None
        if self._is_closing:
            return
        if not exchange.keep_alive:
            self._hang_up(linger=self._arriving is exchange)
            return
        if self._waiting:
            following = self._waiting.popleft()
            self._begin(following)
        else:
            self._deadline = self._loop.time() + IDLE_SECONDS
        self._transport.resume_reading()

    # ---- streams

    def _send(self, exchange: Exchange, head: bytes, stream: Stream) -> None:
        """Send from a thread, past the transport: its buffer must be empty, and stay so."""
        self._transport.pause_reading()
        if self._transport.get_write_buffer_size():
            self._loop.call_later(0.002, self._send, exchange, head, stream)
            return
        sender = Sender(self._transport.get_extra_info("socket").fileno(), head, stream)
        self._server.submit_bytes(lambda: self._turn(exchange, sender))

    def _turn(self, exchange: Exchange, sender: Sender) -> None:
        """Let a sender have a turn; in a thread."""
        try:
            done = sender.turn()
        except Gone:
            self._soon(lambda: self._end_sending(exchange, sender, failed=True))
        except Exception:
            log.exception("request %s: the stream broke off; the connection is cut", exchange.request.id)
            self._soon(lambda: self._end_sending(exchange, sender, failed=True))
        else:
            if done:
                self._soon(lambda: self._end_sending(exchange, sender))
            else:
                self._soon(lambda: self._await_writable(exchange, sender))

    def _await_writable(self, exchange: Exchange, sender: Sender) -> None:
        if self._is_closing:
            sender.close()
            return
        self._sender = sender
        self._deadline = self._loop.time() + STALL_SECONDS
        self._loop.add_writer(sender.fileno, self._writable, exchange, sender)

    def _writable(self, exchange: Exchange, sender: Sender) -> None:
        self._loop.remove_writer(sender.fileno)
        self._sender = None
        self._deadline = float("inf")
        self._server.submit_bytes(lambda: self._turn(exchange, sender))

    def _end_sending(self, exchange: Exchange, sender: Sender, *, failed: bool = False) -> None:
        sender.close()
        if failed:
            self._transport.abort()
        else:
            self._finish(exchange)

    async def _send_through_tls(self, exchange: Exchange, head: bytes, stream: Stream) -> None:
        """Send through the transport, which encrypts: decrypted in a thread, one segment at a time."""
        position, end = stream.start, stream.start + stream.length
        self._transport.write(head)
        try:
            while position < end and not self._is_closing:
                segment = await self._server.in_thread(partial(_copy, stream.body, position, end))
                position += len(segment)
                self._deadline = self._loop.time() + STALL_SECONDS
                for start in range(0, len(segment), 256 * 1024):
                    self._transport.write(segment[start : start + 256 * 1024])
                    if self._drained is not None:
                        await self._drained.wait()
                        self._deadline = self._loop.time() + STALL_SECONDS
        except Exception:
            log.exception("request %s: the stream broke off; the connection is cut", exchange.request.id)
            self._transport.abort()
            return
        finally:
            stream.body.close()
        self._finish(exchange)

    # ---- the end

    def check_deadline(self, now: float) -> None:
        """Cut a connection that does not move."""
        if now > self._deadline:
            self._cut_sender()
            self._transport.abort()

    def drain(self) -> None:
        """Hang up if idle; else after the answers under way."""
        if self._current is None and self._arriving is None and not self._waiting:
            self._hang_up(linger=False)

    def _hang_up(self, *, linger: bool) -> None:
        """Close; but a client that is still sending must first be able to read the answer."""
        if not linger:
            self._is_closing = True
            self._transport.close()
            return
        self._lingering = 1
        self._deadline = self._loop.time() + LINGER_SECONDS
        self._transport.resume_reading()

    def _refuse_bytes(self, status: int, text: str) -> None:
        """Answer what is not a request, and hang up."""
        if self._is_closing:
            return
        self._is_closing = True
        if self._current is None:
            self._transport.write(wire.plain(status, text))
        self._transport.close()

    def _cut_sender(self) -> None:
        if self._sender is not None:
            self._loop.remove_writer(self._sender.fileno)
            self._sender.close()
            self._sender = None

    def _resume_soon(self) -> None:
        """Read on; in a thread."""
        self._soon(self._resume)

    def _resume(self) -> None:
        if not self._is_closing:
            self._transport.resume_reading()
            if self._arriving is not None:
                self._deadline = self._loop.time() + STALL_SECONDS

    def _soon(self, call: Callable[[], Any]) -> None:
        """Run something on the event loop; in a thread."""
        self._server.soon(call)


def _copy(body: Body, position: int, end: int) -> bytes:
    return bytes(body.read(position)[: end - position])


class _Collector:
    """The sink of a small body: gathers it, then asks the application again."""

    def __init__(self, wish: ReadBody, application: Any, request: Request, server: Server) -> None:
        self._wish = wish
        self._application = application
        self._request = request
        self._server = server
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, pieces: list[bytes]) -> None:
        """Take more, up to the limit."""
        self._size += sum(map(len, pieces))
        if self._size > self._wish.limit:
            raise _TooLongError
        self._pieces += pieces

    def finish(self) -> Response:
        """Ask again, with the whole body."""
        return self._wish.then(b"".join(self._pieces))

    def refuse(self, fault: Exception) -> Response:
        """Word a fault."""
        if isinstance(fault, _TooLongError):
            return self._wish.too_long()
        failed: Response = self._application.failed(self._request, fault)
        return failed

    def interrupted(self) -> None:
        """The client left; nothing was begun."""


class _TooLongError(Exception):
    pass
