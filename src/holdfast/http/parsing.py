"""What a client sends, as heads of requests and pieces of their bodies."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import httptools

HEAD_BYTES = 64 * 1024
TOO_LARGE = "The request's line and headers are too large."
MANY_PIECES = 64


class Head(NamedTuple):
    """The head of a request."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]  # names in lower case
    keep_alive: bool
    has_body: bool


class Listener(Protocol):
    """Whoever is told of requests, in the order in which they come."""

    def on_begin(self) -> None:
        """A request begins."""

    def on_head(self, head: Head) -> None:
        """Its head is there."""

    def on_body(self, pieces: list[bytes]) -> None:
        """Pieces of its body are there."""

    def on_end(self) -> None:
        """All of it is there."""


class BadBytes(Exception):
    """Bytes that are no request; with the status and the text of the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Parser:
    """httptools, and the rules that it leaves to a server."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._parser = httptools.HttpRequestParser(self)
        self.unfinished_bytes = 0  # heads, chunk sizes and trailers; what brings a body or ends a head begins anew
        self._head_size = 0  # of the head that is being parsed
        self._is_in_head = True
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._pieces: list[bytes] = []
        self._refusal: BadBytes | None = None

    def feed(self, data: memoryview) -> None:
        """Take bytes. Raises `BadBytes`, after which the parser is of no use."""
        self.unfinished_bytes += len(data)
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                # The offer of another protocol may be ignored (RFC 9110, section 7.8); the parser has to start anew.
                self._parser = httptools.HttpRequestParser(self)
                data = data[upgrade.args[0] :]
                if data:
                    continue
            except (httptools.HttpParserError, ValueError):
                raise self._refusal or BadBytes(400, "The bytes received are not an HTTP/1.1 request.") from None
            return

    def pass_on(self) -> None:
        """Hand over the pieces of the body that came together: clients send chunks of 32 KiB and less."""
        if not self._pieces:
            return
        self.unfinished_bytes = 0
        pieces, self._pieces = self._pieces, []
        if len(pieces) > MANY_PIECES:
            pieces = [b"".join(pieces)]  # tiny chunks, each of which would cost more than it holds
        self._listener.on_body(pieces)

    # ---- httptools speaks

    def on_message_begin(self) -> None:
        """A request begins."""
        self._headers = []
        self._target = b""
        self._head_size = 0
        self._is_in_head = True
        self._listener.on_begin()

    def on_url(self, url: bytes) -> None:
        """The request's target, perhaps in pieces."""
        self._target += url
        self._head_size += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; trailers come here too and are of no interest."""
        if self._is_in_head:
            self._head_size += len(name) + len(value) + 4
            self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """The head is here."""
        self.unfinished_bytes = 0
        self._is_in_head = False
        if self._head_size > HEAD_BYTES:
            raise self._refused(431, TOO_LARGE)
        version = self._parser.get_http_version()
        path, _, query = self._target.decode("latin-1").partition("?")
        if not path.startswith("/"):
            path = (httptools.parse_url(self._target).path or b"/").decode("latin-1")
        names = [name for name, _ in self._headers]
        hosts = names.count("host")
        if hosts > 1 or (hosts == 0 and version != "1.0"):
            raise ValueError("exactly one Host header is required")  # RFC 9112, section 3.2
        if "transfer-encoding" in names and not self._is_chunked():
            raise self._refused(501, "The only transfer coding that this server knows is chunked.")
        head = Head(
            self._parser.get_method().decode("latin-1"),
            path,
            query,
            self._headers,
            keep_alive=self._parser.should_keep_alive() and version == "1.1",
            has_body="content-length" in names or "transfer-encoding" in names,
        )
        self._listener.on_head(head)

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        """The body is complete."""
        self.pass_on()
        self._listener.on_end()

    def _is_chunked(self) -> bool:
        return [value.strip().lower() for name, value in self._headers if name == "transfer-encoding"] == ["chunked"]

    def _refused(self, status: int, text: str) -> BadBytes:
        """What is raised through httptools, which words it anew."""
        self._refusal = BadBytes(status, text)
        return self._refusal
