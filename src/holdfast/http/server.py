"""One worker process: its event loop, its threads, its listeners, and how it comes to rest."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import uvloop

from holdfast.http.collecting import Room
from holdfast.http.connection import Connection
from holdfast.http.following import Followers

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Coroutine, Sequence

    from holdfast.http.bell import Bell
    from holdfast.http.messages import Application, Request, Response
    from holdfast.http.metrics import Metrics
    from holdfast.http.proxies import Network

log = logging.getLogger(__name__)
T = TypeVar("T")

THREADS = 8  # for requests: more of them only wait for each other
BYTE_THREADS = 8  # for streams: each has two megabytes of buffers
WAITING_THREADS = 32  # for requests that wait for others; they cost next to nothing, and are made when they are needed
COLLECTED_BYTES = 256 * 1024 * 1024  # of small bodies that are waited for, of all connections
READ_BYTES = 512 * 1024  # at most, from one connection at a time
TLS_GOODBYE_SECONDS = 1.0  # for an idle client to agree that the connection ends
DRAIN_SECONDS = 25.0  # the contract gives 30 for all
BACKLOG = 1024
HEAR_SECONDS = 0.1  # between two looks whether the bell was rung
CHANGING = frozenset({"POST", "PUT", "DELETE"})


class Server:
    """What the connections of one process share."""

    def __init__(
        self,
        application: Application,
        metrics: Metrics,
        *,
        bell: Bell,
        trusted_proxies: Sequence[Network] = (),
        notes: Callable[[], Any],
        news: Callable[[], Any],
        background: Sequence[Callable[[], Any]] = (),
    ) -> None:
        self._bell = bell
        self.trusted_proxies = trusted_proxies
        self.application = application
        self.metrics = metrics
        self.connections: set[Connection] = set()
        self.is_draining = False
        self.collected = Room(COLLECTED_BYTES)
        self.followers = Followers(self)
        self.buffer = memoryview(bytearray(READ_BYTES))
        self._notes = notes  # what requests left to be written down; it takes milliseconds
        self._news = news  # what happened and somebody waits for; likewise
        self._background = background  # each takes what time it needs, in a thread of its own
        self._threads = ThreadPoolExecutor(THREADS, "request")
        self._byte_threads = ThreadPoolExecutor(BYTE_THREADS, "bytes")
        self._waiting_threads = ThreadPoolExecutor(WAITING_THREADS, "waiting")
        self._background_threads = ThreadPoolExecutor(max(len(background), 1), "background")
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, listeners: Sequence[tuple[socket.socket, ssl.SSLContext | None]], ready: Callable[[], None]) -> None:
        """Serve until SIGTERM or SIGINT, then finish what was accepted."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(listeners, ready))

    async def _serve(
        self, listeners: Sequence[tuple[socket.socket, ssl.SSLContext | None]], ready: Callable[[], None]
    ) -> None:
        self.loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, stop.set)
        servers = [
            await self.loop.create_server(
                lambda tls=tls: Connection(self, is_secure=tls is not None),
                sock=listener,
                ssl=tls,
                backlog=BACKLOG,
                ssl_shutdown_timeout=TLS_GOODBYE_SECONDS if tls is not None else None,
            )
            for listener, tls in listeners
        ]
        gc.freeze()  # what is here now stays: the collector need not look at it again
        gc.set_threshold(20_000, 20, 20)
        watches = [asyncio.create_task(watch) for watch in (self._keep_time(), self._listen())]
        ready()
        await stop.wait()
        self.is_draining = True
        for watch in watches:
            watch.cancel()
        for server in servers:
            server.close()
        await self._drain()

    async def _drain(self) -> None:
        deadline = self.loop.time() + DRAIN_SECONDS
        for connection in tuple(self.connections):
            connection.drain()
        while self.connections and self.loop.time() < deadline:  # noqa: ASYNC110 - it happens once
            await asyncio.sleep(0.05)
        if self.connections:
            log.warning("%d connections did not finish in %d s and are cut", len(self.connections), DRAIN_SECONDS)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._byte_threads.shutdown(wait=False, cancel_futures=True)
        self._waiting_threads.shutdown(wait=False, cancel_futures=True)
        self._background_threads.shutdown(wait=False, cancel_futures=True)

    async def _keep_time(self) -> None:
        """Each second: cut what does not move, write down what was noted, let background work have its turn."""
        notes = self.loop.create_future()
        notes.set_result(None)
        background = dict.fromkeys(self._background, notes)
        while True:
            await asyncio.sleep(1)
            now = self.loop.time()
            for connection in tuple(self.connections):
                connection.check_deadline(now)
            self.followers.tick()
            self.metrics.connections.set(len(self.connections))
            self.metrics.publish()
            if notes.done():
                notes = self.loop.run_in_executor(self._threads, self._notes)
            for work, running in background.items():
                if running.done():
                    background[work] = self.loop.run_in_executor(self._background_threads, work)

    async def _listen(self) -> None:
        """Tell what happened at once where little happens, and else about once a second: each time costs something."""
        heard, pause = self._bell.rung, HEAR_SECONDS
        while True:
            await asyncio.sleep(pause)
            before, heard = heard, self._bell.rung
            if heard == before:
                pause = HEAR_SECONDS
                continue
            pause = min(pause * 2, 1.0)
            await self.loop.run_in_executor(self._threads, self._news)
            self.followers.tick()

    def soon(self, call: Callable[..., object], *arguments: object) -> None:
        """Run something on the event loop, from any thread; after the loop's end there is nothing left to do it for."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(call, *arguments)

    def submit(self, call: Callable[..., object], *arguments: object) -> None:
        """Run something in a thread for requests."""
        self._threads.submit(call, *arguments)

    def later(self, seconds: float, call: Callable[..., object], *arguments: object) -> None:
        """Run something in a thread that may wait for others, after a while; from any thread."""
        if seconds:
            self.soon(lambda: self.loop.call_later(seconds, self._submit_waiting, call, *arguments))
        else:
            self._submit_waiting(call, *arguments)

    def _submit_waiting(self, call: Callable[..., object], *arguments: object) -> None:
        with suppress(RuntimeError):  # the server has ended, and cut whoever waited
            self._waiting_threads.submit(call, *arguments)

    def submit_bytes(self, call: Callable[[], object]) -> None:
        """Run something in a thread for streams; whoever has more for one may outlive the server."""
        with suppress(RuntimeError):
            self._byte_threads.submit(call)

    async def in_byte_thread(self, call: Callable[..., T], *arguments: object) -> T:
        """Await what a thread for streams returns."""
        return await self.loop.run_in_executor(self._byte_threads, call, *arguments)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine beside the others."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def count(self, request: Request, response: Response) -> None:
        """Note an answer in the metrics, and that it may have changed something."""
        if request.method in CHANGING and response.status < 300:
            self._bell.ring()
        self.metrics.answered(request.method, response.status)
