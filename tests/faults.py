"""A proxy on loopback that a store's answers come through, and that spoils some of them."""

from __future__ import annotations

import http.client
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

REFUSALS = {"refused": 500, "busy": 503, "forbidden": 403, "unknown": 404}
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}


class Faults:
    """Forwards requests to a store; `spoil(method, path)` names what shall go wrong with one, or nothing.

    refused       an answer 500, and the store never hears of it
    busy          likewise 503, in the words of S3
    forbidden     likewise 403
    unknown       likewise 404
    lost          the store does it, and the connection ends without an answer
    cut           the answer ends in the middle of its body
    short         the answer is half as long, and says so
    wrong         one bit of the body is another
    stalled       half of the body comes, and then nothing
    """

    def __init__(self, port: int) -> None:
        self.spoil: Callable[[str, str], str | None] = lambda _method, _path: None
        self.seen: list[tuple[str, str]] = []
        self.released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"faults": self, "port": port}))
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def always(self, fault: str, method: str, times: int = 10**9, having: str = "") -> None:
        """Spoil so many requests of a method whose path has a text in it."""
        left = [times]

        def spoil(asked: str, path: str) -> str | None:
            if asked != method or having not in path or left[0] == 0:
                return None
            left[0] -= 1
            return fault

        self.spoil = spoil

    def heal(self) -> None:
        """Spoil nothing more."""
        self.spoil = lambda _method, _path: None

    def stop(self) -> None:
        """End it."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Whoever asks may be killed."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faults: Faults
    port: int

    def log_message(self, *_: object) -> None:
        pass

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.faults.seen.append((self.command, self.path))
        fault = self.faults.spoil(self.command, self.path)
        if fault in REFUSALS:
            code = b"SlowDown" if fault == "busy" else b"Spoiled"
            self.answer(REFUSALS[fault], [], b"<Error><Code>" + code + b"</Code></Error>")
            return
        status, headers, data = self.ask(body)
        half = len(data) // 2
        if fault == "lost":
            self.close_connection = True
        elif fault == "stalled" and not data:
            self.faults.released.wait(60)
            self.close_connection = True
        elif fault in {"cut", "stalled"}:
            self.answer(status, headers, data, sent=half)
            if fault == "stalled":
                self.faults.released.wait(60)
            self.close_connection = True
        elif fault == "short":
            self.answer(status, headers, data[:half])
        elif fault == "wrong":
            self.answer(status, headers, data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :])
        else:
            self.answer(status, headers, data)

    def ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """The store's own answer."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as store:
            store.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                store.putheader(name, value)
            store.endheaders(body)
            answer = store.getresponse()
            data = answer.read()
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP]
        if self.command == "HEAD":
            headers.append(("Content-Length", answer.headers.get("content-length", "0")))
        return answer.status, headers, data

    def answer(self, status: int, headers: list[tuple[str, str]], data: bytes, sent: int | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[:sent])
            self.wfile.flush()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward  # noqa: N815 - the library's names
