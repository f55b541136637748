"""A request, and the five things a door may answer it with.

A door is called when the head of a request has arrived, and says at once what it wants:

    Response           it needs no body; this is the answer
    ReadBody(…)        collect a small body, then ask again with all of it
    Receive(sink)      feed the body to a sink as it arrives; the sink answers at the end
    Follow(source)     the answer goes on for as long as the source has something to tell
    Later(…)           ask again in a thread that may wait for others, perhaps after a while

and a Response may carry a Stream, which is sent from where the bytes are kept. So nothing in the doors or below them
waits for a client, and a slow one holds no thread and no buffer.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Request:
    """The head of a request: names of headers are in lower case, their order and repetition as received."""

    __slots__ = ("_id", "headers", "is_secure", "method", "path", "peer", "query")

    def __init__(
        self, method: str, path: str, query: str, headers: list[tuple[str, str]], *, peer: str, is_secure: bool
    ) -> None:
        self.method = method
        self.path = path  # as on the wire, still percent-encoded
        self.query = query
        self.headers = headers
        self.peer = peer
        self.is_secure = is_secure
        self._id: str | None = None

    @property
    def id(self) -> str:
        """The id under which answers and logs speak of this request."""
        if self._id is None:
            self._id = str(uuid.uuid4())
        return self._id

    def header(self, name: str) -> str | None:
        """The first header of a lower-case name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    @property
    def content_length(self) -> int | None:
        """The announced length of the body; None if it is chunked or there is none."""
        text = self.header("content-length")
        return int(text) if text is not None else None

    @property
    def origin(self) -> str:
        """Scheme and host as the client sees them, such as `http://localhost:5000`."""
        return f"{'https' if self.is_secure else 'http'}://{self.header('host') or ''}"


class Body(Protocol):
    """Bytes that can be read from any position, by any thread."""

    def read(self, position: int) -> memoryview:
        """Some bytes from a position on; valid until the same thread reads again."""

    def close(self) -> None:
        """Release what is held."""


class Growing(Protocol):
    """Bytes that are still being written while they are read."""

    def has(self, position: int, wake: Callable[[], None]) -> bool:
        """Whether a read from a position would not wait; else `wake` is called once, by any thread, when it may not."""


@dataclass(slots=True)
class Stream:
    """A part of kept bytes, sent as the client takes them, and as they come if they are still growing."""

    body: Body
    start: int
    length: int
    growing: Growing | None = None


@dataclass(slots=True)
class Response:
    """A finished answer."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | Stream = b""


@dataclass(slots=True)
class ReadBody:
    """A wish for the whole body, if it has at most `limit` bytes; `too_long` answers when it has more."""

    limit: int
    then: Callable[[bytes], Response | Later]
    too_long: Callable[[], Response]


class Sink(Protocol):
    """Takes a body piece by piece. Called by one thread at a time; everything may block."""

    def write(self, pieces: list[bytes]) -> None:
        """Take more bytes."""

    def finish(self) -> Response | Later:
        """The body is complete."""

    def refuse(self, fault: Exception) -> Response:
        """The answer to a fault that `write` or `finish` raised."""

    def interrupted(self) -> None:
        """The client is gone before the body was complete."""


@dataclass(slots=True)
class Receive:
    """A wish for the body as it arrives."""

    sink: Sink


class Source(Protocol):
    """Has something to tell now and then. Called by one thread at a time, about once a second."""

    def more(self) -> bytes | None:
        """What there is to tell by now, perhaps nothing; None at the end. It takes no longer than a read."""


@dataclass(slots=True)
class Follow:
    """An answer without a known end: it begins with a head, and a source is asked for more."""

    response: Response
    source: Source


@dataclass(slots=True)
class Later:
    """A wish to be asked again after so many seconds, in a thread that may wait for others; it needs no body."""

    then: Callable[[], Response | Later]
    seconds: float = 0.0


Answer = Response | ReadBody | Receive | Later


class Application(Protocol):
    """Everything behind the server."""

    def is_hot(self, request: Request) -> bool:
        """Whether a request is answered in microseconds without blocking, so that a thread would cost more."""

    def at_once(self, request: Request) -> Answer | Follow | None:
        """Answer a hot request on the event loop, or `Later`; None if that would take a wait after all."""

    def __call__(self, request: Request) -> Answer | Follow:
        """Answer a request, or say what is needed to."""

    def failed(self, request: Request, fault: Exception) -> Response:
        """The answer to a fault that nobody expected."""
