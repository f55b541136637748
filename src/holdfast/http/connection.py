"""One connection: requests in, answers out, in order.

    bytes ─► Parser ─► Exchange ─► application ─┬─ Response ──────────────────► head and body
                          │   (loop or thread)  ├─ ReadBody ─► whole body ─► Response, or Later
                          └── Feed ◄─ body      ├─ Receive ──► sink ───────► Response
                                                ├─ Later ────► asked again ► Response
                                                └─ Follow ───► source ─────► head, and more once a second

Requests that a client pipelines wait in a queue, and reading pauses until it is short again.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from typing import TYPE_CHECKING, cast

from holdfast.http import proxies, wire
from holdfast.http.collecting import collect
from holdfast.http.delivery import STALL_SECONDS, Delivery
from holdfast.http.exchange import Exchange
from holdfast.http.following import TOO_MANY, Following
from holdfast.http.messages import Follow, Later, ReadBody, Request, Response, Stream
from holdfast.http.parsing import HEAD_BYTES, TOO_LARGE, BadBytes, Parser
from holdfast.http.transfer import Feed

if TYPE_CHECKING:
    from holdfast.http.messages import Answer
    from holdfast.http.parsing import Head
    from holdfast.http.server import Server

log = logging.getLogger(__name__)

CONNECTIONS = 10_000  # of one worker; more are cut
HEAD_SECONDS = 20.0  # for a request's head, once begun
IDLE_SECONDS = 75.0  # between requests
LINGER_SECONDS = 10.0  # for a client that still sends what was refused
LINGER_BYTES = 64 * 1024 * 1024
COLLECT_SECONDS = 300.0  # for a body that is waited for as a whole
PIPELINED = 64


class Connection(asyncio.BufferedProtocol):
    """The server's side of one client connection; every method runs on the event loop unless it says otherwise."""

    def __init__(self, server: Server, *, is_secure: bool) -> None:
        self._server = server
        self._loop = server.loop
        self._is_secure = is_secure
        self._parser = Parser(self)
        self._waiting: deque[Exchange] = deque()
        self._arriving: Exchange | None = None  # its body is still on the way
        self._current: Exchange | None = None  # it is being answered
        self._delivery: Delivery | Following | None = None
        self._lingering = 0
        self._is_closing = False
        self._is_deaf = False  # what the client sends makes no sense any more
        self._last_word = b""
        self._collect_until = math.inf
        self._is_full = False  # the transport holds more than the client took
        self._deadline = self._loop.time() + HEAD_SECONDS

    # ---- the transport speaks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client is there."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(256 * 1024)
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else "local"
        self._is_proxy = proxies.is_trusted(self._peer, self._server.trusted_proxies)
        self._server.connections.add(self)
        if len(self._server.connections) > CONNECTIONS:
            self._transport.abort()

    def connection_lost(self, _exc: Exception | None) -> None:
        """The client is gone, or we hung up."""
        self._server.connections.discard(self)
        self._is_closing = True
        if self._arriving is not None and self._arriving.feed is not None:
            self._arriving.feed.break_off()
        self._waiting.clear()
        if self._delivery is not None:
            self._delivery.cut()

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where the next bytes go: one buffer for all connections, since what is in it is taken at once."""
        return self._server.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes from the client."""
        if self._lingering:
            self._lingering += nbytes
            if self._lingering > LINGER_BYTES:
                self._transport.abort()
                return
        if self._is_deaf:
            return
        try:
            self._parser.feed(self._server.buffer[:nbytes])
        except BadBytes as fault:
            self._refuse_bytes(fault.status, fault.text)
        self._parser.pass_on()
        if self._parser.unfinished_bytes > HEAD_BYTES:
            self._refuse_bytes(431, TOO_LARGE)
        self._advance()

    def eof_received(self) -> bool:
        """The client sends no more; whether it may still read what it asked for."""
        if isinstance(self._delivery, Following):
            return False  # who follows and says no more is gone, and another may have his place
        if self._is_secure or self._arriving is not None or self._current is None:
            return False
        (self._waiting[-1] if self._waiting else self._current).keep_alive = False
        return True

    def pause_writing(self) -> None:
        """The client reads slower than we write."""
        self._is_full = True

    def resume_writing(self) -> None:
        """The client caught up."""
        self._is_full = False
        if self._delivery is not None:
            self._delivery.go_on()
        elif self._current is None and not self._is_closing:
            self._go_on()

    # ---- the parser speaks

    def on_begin(self) -> None:
        """A request begins."""
        if self._current is None:
            self._deadline = self._loop.time() + HEAD_SECONDS

    def on_head(self, head: Head) -> None:
        """The head is here: the request may begin while its body travels."""
        if self._lingering or self._is_deaf:
            return
        peer, is_secure = self._peer, self._is_secure
        if self._is_proxy:
            peer, is_secure = proxies.client(peer, head.headers, self._server.trusted_proxies, is_secure=is_secure)
        request = Request(head.method, head.path, head.query, head.headers, peer=peer, is_secure=is_secure)
        feed = Feed(self._server, self._resume) if head.has_body else None
        self._arriving = exchange = Exchange(request, feed, keep_alive=head.keep_alive)
        if head.has_body:
            self._waiting.append(exchange)

    def on_body(self, pieces: list[bytes]) -> None:
        """Pieces of the body."""
        if self._lingering:
            return
        exchange = self._arriving
        if exchange is not None and exchange.feed is not None and exchange.feed.put(pieces):
            self._transport.pause_reading()
            self._deadline = math.inf  # now the client waits for us
        else:
            self._deadline = self._loop.time() + STALL_SECONDS

    def on_end(self) -> None:
        """The body is complete."""
        if self._lingering:
            self._is_closing = True
            self._transport.close()
        exchange, self._arriving = self._arriving, None
        if exchange is None:
            return
        if exchange.feed is not None:
            exchange.feed.end()
        if exchange is self._current:
            self._deadline = math.inf
        elif exchange.feed is None:
            self._waiting.append(exchange)  # one without a body waits until it is whole
            if len(self._waiting) > PIPELINED:
                self._refuse_bytes(429, "Too many requests are sent without waiting for answers.")

    # ---- a request's life

    def _advance(self) -> None:
        """Begin what waits, unless something is being answered."""
        while self._waiting and self._current is None and not (self._is_closing or self._is_full):
            exchange = self._current = self._waiting.popleft()
            self._deadline = self._loop.time() + STALL_SECONDS if self._arriving is exchange else math.inf
            if self._server.application.is_hot(exchange.request):
                self._answer_now(exchange)
            else:
                self._server.submit(self._ask, exchange)

    def _answer_now(self, exchange: Exchange) -> None:
        application = self._server.application
        try:
            answer = application.at_once(exchange.request)
        except Exception as fault:  # noqa: BLE001 - the application words it
            answer = application.failed(exchange.request, fault)
        if answer is None:
            self._server.submit(self._ask, exchange)
            return
        if isinstance(answer, Later):
            self._server.later(answer.seconds, self._ask_later, exchange, answer)
            return
        assert isinstance(answer, Response), "hot requests need no body"
        self._answer_or_cut(exchange, answer)

    def _ask(self, exchange: Exchange) -> None:
        """Ask the application; in a thread. Whatever goes wrong, the client does not wait for ever."""
        try:
            self._ask_application(exchange)
        except Exception:
            log.exception("request %s failed and cannot be answered; the connection is cut", exchange.request.id)
            self._server.soon(self._transport.abort)

    def _ask_application(self, exchange: Exchange) -> None:
        application = self._server.application
        try:
            answer: Answer | Follow = application(exchange.request)
        except Exception as fault:  # noqa: BLE001 - the application words it
            answer = application.failed(exchange.request, fault)
        if isinstance(answer, Response | Later):
            self._answer_soon(exchange, answer)
            return
        if isinstance(answer, Follow):
            self._server.soon(self._follow, exchange, answer)
            return
        feed = exchange.feed
        if feed is None:
            feed = Feed(self._server, self._resume)
            feed.end()
        if exchange.expects_continue and not feed.is_complete:
            self._server.soon(self._say_continue)
        if isinstance(answer, ReadBody):
            self._collect_until = self._loop.time() + COLLECT_SECONDS
            sink = collect(answer, exchange.request, application, self._server.collected)
        else:
            sink = answer.sink
        feed.pour_into(sink, lambda response: self._answer_soon(exchange, response))

    def _ask_later(self, exchange: Exchange, wish: Later) -> None:
        """Ask again, in a thread that may wait; nobody does for a client that is gone."""
        if self._is_closing:
            return
        try:
            answer = wish.then()
        except Exception as fault:  # noqa: BLE001 - the application words it
            answer = self._server.application.failed(exchange.request, fault)
        self._answer_soon(exchange, answer)

    def _say_continue(self) -> None:
        if not self._is_closing:
            self._transport.write(wire.CONTINUE)

    def _answer_soon(self, exchange: Exchange, response: Response | Later | None) -> None:
        """Hand an answer to the event loop, or ask again later; in a thread."""
        if isinstance(response, Later):
            self._server.later(response.seconds, self._ask_later, exchange, response)
        elif response is not None:
            self._server.soon(self._answer_or_cut, exchange, response)

    def _answer_or_cut(self, exchange: Exchange, response: Response) -> None:
        try:
            self._answer(exchange, response)
        except Exception:
            log.exception("request %s failed and cannot be answered; the connection is cut", exchange.request.id)
            self._transport.abort()

    def _answer(self, exchange: Exchange, response: Response) -> None:
        body = response.body
        self._server.count(exchange.request, response)
        if self._is_closing:
            if isinstance(body, Stream):
                body.body.close()
            return
        if self._arriving is exchange:  # answered before its body was here: what still comes is discarded
            exchange.keep_alive = False
            if exchange.feed is not None:
                exchange.feed.close()
        exchange.keep_alive = exchange.keep_alive and not self._server.is_draining
        length: int | None = body.length if isinstance(body, Stream) else len(body)
        if response.status in {204, 304} or (exchange.head_only and not body):
            length = None  # a HEAD says the length itself
        head = wire.head(response.status, response.headers, length=length, close=not exchange.keep_alive)
        if isinstance(body, Stream) and body.length and not exchange.head_only:
            self._deliver(exchange, head, body)
            return
        if isinstance(body, Stream):
            body.body.close()
        self._transport.write(head + body if isinstance(body, bytes) and not exchange.head_only else head)
        self._finish(exchange)

    def _deliver(self, exchange: Exchange, head: bytes, stream: Stream) -> None:
        self._transport.pause_reading()
        self._delivery = Delivery(self._server, self._transport, stream, exchange.request)
        if self._is_secure:
            self._server.spawn(self._delivery.through_tls(head, lambda: self._finish(exchange), lambda: self._is_full))
        else:
            self._delivery.begin(head, lambda: self._finish(exchange))

    def _follow(self, exchange: Exchange, answer: Follow) -> None:
        """Begin an answer that has no end of its own."""
        if self._is_closing:
            return
        if self._server.is_draining or self._server.followers.is_full or exchange.head_only:
            self._answer_or_cut(exchange, answer.response if exchange.head_only else TOO_MANY)
            return
        self._server.count(exchange.request, answer.response)
        exchange.keep_alive = False
        if self._arriving is exchange and exchange.feed is not None:
            exchange.feed.close()
        self._transport.write(wire.head(answer.response.status, answer.response.headers, length=None, close=True))
        self._delivery = Following(
            self._server, self._transport, answer.source, exchange.request,
            done=lambda: self._finish(exchange), is_full=lambda: self._is_full,
        )  # fmt: skip

    def _finish(self, exchange: Exchange) -> None:
        self._current = self._delivery = None
        self._collect_until = math.inf
        if self._is_closing:
            return
        if not exchange.keep_alive:
            self._hang_up(linger=self._arriving is exchange)
            return
        if self._is_deaf and not self._waiting:
            self._end_with(self._last_word)
            return
        self._deadline = self._loop.time() + (HEAD_SECONDS if self._parser.unfinished_bytes else IDLE_SECONDS)
        if self._is_full:
            self._deadline = self._loop.time() + STALL_SECONDS  # for the client to take what it asked for
            self._transport.pause_reading()
        else:
            self._go_on()

    def _go_on(self) -> None:
        """To what waits, and once that is little, to what the client sends."""
        if self._waiting:
            self._loop.call_soon(self._advance)
        self._transport.resume_reading()

    # ---- the end

    def check_deadline(self, now: float) -> None:
        """Cut a connection that does not move."""
        deadline = self._deadline if self._delivery is None else self._delivery.deadline
        if now > min(deadline, self._collect_until if self._arriving is not None else math.inf):
            self._transport.abort()

    def drain(self) -> None:
        """Hang up if idle; else after the answers under way."""
        if self._lingering:
            self._transport.abort()
        elif isinstance(self._delivery, Following):
            self._delivery.end()
        elif self._current is None and self._arriving is None and not self._waiting:
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
        """Answer what is not a request, and hang up; after the answers to the requests before it."""
        if self._is_closing or self._is_deaf:
            return
        self._is_deaf = True
        whole = [exchange for exchange in (self._current, *self._waiting) if exchange not in {None, self._arriving}]
        if whole:
            last = whole[-1]
            assert last is not None
            while self._waiting and self._waiting[-1] is not last:
                self._waiting.pop()
            self._last_word = wire.plain(status, text)
            self._transport.pause_reading()
            return
        if self._lingering:
            self._hang_up(linger=False)
        else:
            self._end_with(wire.plain(status, text))

    def _end_with(self, last_word: bytes) -> None:
        """Say a last word and hang up: what the client still sends is read, for TCP resets what is closed unread.

        A reset would take with it every answer that the client has not read yet.
        """
        self._is_closing = True
        self._transport.write(last_word)
        if not self._is_secure:  # which has no way to end one direction
            self._transport.write_eof()
        self._hang_up(linger=not self._is_secure)

    def _resume(self) -> None:
        """Read on: what was read has been taken."""
        if not self._is_closing:
            self._transport.resume_reading()
            if self._arriving is not None:
                self._deadline = self._loop.time() + STALL_SECONDS
