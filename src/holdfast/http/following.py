"""Answers that go on: whoever follows something holds a connection and no thread.

once a second ─► one thread asks each source for more ─► the event loop writes it, to whom has taken what was before
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from holdfast.http.delivery import STALL_SECONDS
from holdfast.http.messages import Response

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from holdfast.http.messages import Request, Source
    from holdfast.http.server import Server

log = logging.getLogger(__name__)

FOLLOWERS = 200  # of one worker
TOO_MANY = Response(
    503,
    [("Content-Type", "text/plain; charset=utf-8"), ("Retry-After", "10")],
    b"As many as may follow events here do so. Try again later\n",
)


class Followers:
    """Everybody who follows something in one process."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._following: set[Following] = set()
        self._is_asking = False

    @property
    def is_full(self) -> bool:
        """Whether nobody else may follow."""
        return len(self._following) >= FOLLOWERS

    def add(self, following: Following) -> None:
        """Let somebody be told."""
        self._following.add(following)

    def discard(self, following: Following) -> None:
        """Let somebody be told nothing any more."""
        self._following.discard(following)

    def tick(self) -> None:
        """Ask for more; on the event loop."""
        ready = [one for one in self._following if one.is_ready]
        if ready and not self._is_asking:
            self._is_asking = True
            self._server.submit(self._ask, ready)

    def _ask(self, ready: Sequence[Following]) -> None:
        """Ask every source, in a thread."""
        try:
            for one in ready:
                one.ask()
        finally:
            self._server.soon(self._asked)

    def _asked(self) -> None:
        self._is_asking = False


class Following:
    """One answer that goes on; every method runs on the event loop unless it says otherwise."""

    def __init__(
        self,
        server: Server,
        transport: asyncio.Transport,
        source: Source,
        request: Request,
        *,
        done: Callable[[], None],
        is_full: Callable[[], bool],
    ) -> None:
        self._server = server
        self._transport = transport
        self._source = source
        self._request = request
        self._done = done
        self._is_full = is_full
        self.deadline = math.inf
        server.followers.add(self)

    @property
    def is_ready(self) -> bool:
        """Whether the client took what it was told before."""
        return not self._is_full()

    def ask(self) -> None:
        """Ask for more, in a thread."""
        try:
            more = self._source.more()
        except Exception:
            log.exception("request %s: what is followed broke off", self._request.id)
            more = None
        if more != b"":
            self._server.soon(self._tell, more)

    def _tell(self, more: bytes | None) -> None:
        if self._transport.is_closing():
            return
        if more is None:
            self.end()
            return
        self._transport.write(more)
        if self._is_full():
            self.deadline = self._server.loop.time() + STALL_SECONDS

    def end(self) -> None:
        """Tell no more, and hang up."""
        self._server.followers.discard(self)
        self._done()

    def cut(self) -> None:
        """The connection is over."""
        self._server.followers.discard(self)

    def go_on(self) -> None:
        """The client takes more."""
        self.deadline = math.inf
