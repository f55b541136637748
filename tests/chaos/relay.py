"""A TCP relay between clients and servers that can be cut or held: a balancer, and a network that fails."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PIECE_BYTES = 256 * 1024
CONNECT_SECONDS = 2.0


class Relay:
    """Listens on loopback and hands each connection to the next target that takes it."""

    def __init__(self, targets: Sequence[str]) -> None:
        self.targets = list(targets)
        self._turns = itertools.count()
        self._open: set[asyncio.Transport] = set()
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait()

    def cut(self) -> None:
        """Reset every connection; new ones are taken."""
        self._call(lambda: [transport.abort() for transport in self._open])

    def hold(self) -> None:
        """Let nothing pass any more, and leave connections open."""
        self._call(self._flowing.clear)

    def release(self) -> None:
        """Let everything pass again."""
        self._call(self._flowing.set)

    def close(self) -> None:
        """Take no more connections, and reset those that are open."""
        self._call(
            lambda: self._loop.set_exception_handler(lambda *_: None)
        )  # they end in the middle of whatever it is
        self.release()
        self.cut()
        self._call(lambda: [task.cancel() for task in asyncio.all_tasks(self._loop)])
        self._call(self._loop.stop)
        self._thread.join()

    def _call(self, do: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(do)

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(self._loop), return_exceptions=True))
        self._loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward = await self._connect()
        if onward is None:
            writer.transport.abort()
            return
        ends = {writer.transport, onward[1].transport}
        self._open |= ends
        try:
            await asyncio.gather(self._pump(reader, onward[1]), self._pump(onward[0], writer))
        finally:
            for transport in ends:
                transport.abort()
            self._open -= ends

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        first = next(self._turns)
        for number in range(len(self.targets)):
            host, _, port = self.targets[(first + number) % len(self.targets)].rpartition(":")
            with contextlib.suppress(OSError, TimeoutError):
                return await asyncio.wait_for(asyncio.open_connection(host, int(port)), CONNECT_SECONDS)
        return None

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(PIECE_BYTES):
                await self._flowing.wait()
                sink.write(data)
                await sink.drain()
            if sink.can_write_eof():
                sink.write_eof()
                return
        sink.transport.abort()
