"""Bodies that are waited for as a whole, and the memory for them, which is shared fairly.

Most are signed, and a signature is of the whole body: who sends one is not proven before all of it is here. So nobody
is refused for what others hold. When there is no room, the neighbourhood of addresses that holds the most gives way,
and of its bodies the one that came first: whoever holds on to memory loses it to whoever uses it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from holdfast.model.circumstances import neighbourhood
from holdfast.model.errors import ServerBusy

if TYPE_CHECKING:
    from holdfast.http.messages import Application, Later, ReadBody, Request, Response, Sink


def collect(wish: ReadBody, request: Request, application: Application, room: Room) -> Sink:
    """A sink that asks the application again when it has the whole body."""
    return _Collector(wish, request, application, room)


class Room:
    """Memory for bodies, of so many bytes."""

    def __init__(self, size_bytes: int) -> None:
        self._left = size_bytes
        self._held: dict[str, int] = {}  # by each neighbourhood, of bodies that still arrive
        self._arriving: dict[str, dict[_Collector, None]] = {}  # the bodies themselves, in the order in which they came
        self._lock = threading.Lock()

    def take(self, body: _Collector, amount: int) -> None:
        """Let a body grow; if there is no room for that, one of them is dropped, perhaps this one."""
        with self._lock:
            if body.is_dropped:
                return
            sender = body.sender
            self._arriving.setdefault(sender, {})[body] = None
            self._held[sender] = self._held.get(sender, 0) + amount
            self._left -= amount
            body.size += amount
            while self._left < 0:
                heaviest = max(self._held, key=self._held.__getitem__)
                dropped = next(iter(self._arriving[heaviest]))
                self._leave(dropped)
                self._left += dropped.size
                dropped.drop()

    def complete(self, body: _Collector) -> None:
        """A body is whole, and will not be dropped any more."""
        with self._lock:
            self._leave(body)

    def give(self, body: _Collector) -> None:
        """Take back what a body holds."""
        with self._lock:
            self._leave(body)
            self._left += body.size
            body.size = 0

    def _leave(self, body: _Collector) -> None:
        others = self._arriving.get(body.sender, {})
        if body not in others:
            return
        del others[body]
        self._held[body.sender] -= body.size
        if not others:
            del self._arriving[body.sender], self._held[body.sender]


class TooLong(Exception):
    """A body over the limit of the wish for it."""


class _Collector:
    """The sink of one body."""

    def __init__(self, wish: ReadBody, request: Request, application: Application, room: Room) -> None:
        self.sender = neighbourhood(request.peer)
        self.size = 0  # bytes; the room counts them
        self.is_dropped = False
        self._wish = wish
        self._room = room
        self._request = request
        self._application = application
        self._data = bytearray()

    def drop(self) -> None:
        """Lose what came; any thread may say so, and whoever writes finds out."""
        self.is_dropped = True
        self.size = 0
        self._data = bytearray()

    def write(self, pieces: list[bytes]) -> None:
        """Take more, up to the limit."""
        size = sum(map(len, pieces))
        if self.size + size > self._wish.limit:
            raise TooLong
        data = self._data
        self._room.take(self, size)
        self._refuse_if_dropped()
        for piece in pieces:
            data += piece

    def finish(self) -> Response | Later:
        """Ask again, with the whole body."""
        self._room.complete(self)
        self._refuse_if_dropped()
        try:
            return self._wish.then(bytes(self._data))
        finally:
            self._room.give(self)

    def _refuse_if_dropped(self) -> None:
        if self.is_dropped:
            raise ServerBusy

    def refuse(self, fault: Exception) -> Response:
        """Word a fault."""
        self._room.give(self)
        if isinstance(fault, TooLong):
            return self._wish.too_long()
        return self._application.failed(self._request, fault)

    def interrupted(self) -> None:
        """The client left; nothing was begun."""
        self._room.give(self)
