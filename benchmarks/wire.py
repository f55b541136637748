"""HTTP/1.1 over a plain socket, as little of it as a client that must not be the bottleneck needs."""

import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

PATIENCE = 120.0
BUFFER = 1 << 16


class UnexpectedAnswerError(Exception):
    """A server answered otherwise than the benchmark relies on; its figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where a server listens on the loopback address and what opens it."""

    port: int
    authorization: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def headers(self) -> dict[str, str]:
        return {"Authorization": self.authorization} if self.authorization else {}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def expect(self, status: int) -> "Answer":
        if self.status != status:
            raise UnexpectedAnswerError(
                f"expected {status}, got {self.status}: {self.body[:300].decode(errors='replace')}"
            )
        return self

    @property
    def location(self) -> str:
        """The path and query of the Location header, which may be a whole URL."""
        parts = urlsplit(self.headers["location"])
        return f"{parts.path}?{parts.query}" if parts.query else parts.path


class Connection:
    """One kept-alive connection."""

    def __init__(self, door: Door, *, receive_buffer: int | None = None) -> None:
        self._fixed = "".join(f"{name}: {value}\r\n" for name, value in door.headers().items())
        self._fixed += f"Host: 127.0.0.1:{door.port}\r\n"
        self._unread = b""
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", door.port))

    def close(self) -> None:
        self.socket.close()

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """Send a request whose body is at hand and read its answer; header names take `_` for `-`."""
        if body or method in {"POST", "PUT", "PATCH"}:
            headers["Content_Length"] = str(len(body))
        self.socket.sendall(self._head(method, path, headers) + body)
        return self.answer()

    def stream(self, method: str, path: str, pieces: Iterable[bytes], **headers: str) -> Answer:
        """Send a request whose body comes in pieces, framed by the caller as the headers say."""
        self.socket.sendall(self._head(method, path, headers))
        try:
            for piece in pieces:
                self.socket.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            # A server that refuses early closes its end; what it said is the better story.
            return self.answer()
        return self.answer()

    def ask(self, path: str, **headers: str) -> None:
        """Send a GET and leave its answer unread."""
        self.socket.sendall(self._head("GET", path, headers))

    def pull(self, path: str, buffer: memoryview, see: Callable[[bytes | memoryview], None] | None = None) -> int:
        """GET a body through one buffer, keeping none of it but showing it to who wants to see; returns its length."""
        self.ask(path)
        status, headers = self._read_head()
        if status != 200 or "content-length" not in headers:
            Answer(status, headers, self._read_body(headers)).expect(200)
            raise UnexpectedAnswerError(f"{path} came without a Content-Length")
        length = int(headers["content-length"])
        if see:
            see(self._unread)
        left, self._unread = length - len(self._unread), b""
        while left:
            received = self.socket.recv_into(buffer, min(left, len(buffer)))
            if not received:
                raise UnexpectedAnswerError(f"the connection ended {left} bytes early")
            if see:
                see(buffer[:received])
            left -= received
        return length

    def answer(self) -> Answer:
        status, headers = self._read_head()
        return Answer(status, headers, self._read_body(headers))

    def _head(self, method: str, path: str, headers: dict[str, str]) -> bytes:
        own = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        return f"{method} {path} HTTP/1.1\r\n{self._fixed}{own}\r\n".encode("ascii")

    def _read_head(self) -> tuple[int, dict[str, str]]:
        while (end := self._unread.find(b"\r\n\r\n")) < 0:
            self._receive()
        first, *lines = self._unread[:end].decode("latin-1").split("\r\n")
        self._unread = self._unread[end + 4 :]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return int(first.split(" ", 2)[1]), headers

    def _read_body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            return b"".join(iter(self._read_chunk, b""))
        return self._take(int(headers.get("content-length", "0")))

    def _read_chunk(self) -> bytes:
        while (end := self._unread.find(b"\r\n")) < 0:
            self._receive()
        size = int(self._unread[:end], 16)
        self._unread = self._unread[end + 2 :]
        return self._take(size + 2)[:-2]

    def _take(self, size: int) -> bytes:
        while len(self._unread) < size:
            self._receive()
        taken, self._unread = self._unread[:size], self._unread[size:]
        return taken

    def _receive(self) -> None:
        received = self.socket.recv(BUFFER)
        if not received:
            raise UnexpectedAnswerError("the connection ended before the answer did")
        self._unread += received
