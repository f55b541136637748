"""A scanner on this machine: an adapter of Harbor's API that answers as a test tells it."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

REPORT_TYPE = "application/vnd.security.vulnerability.report; version=1.1"
METADATA = {
    "scanner": {"name": "Probe", "vendor": "Tests", "version": "1.2"},
    "capabilities": [
        {
            "consumes_mime_types": [
                "application/vnd.oci.image.manifest.v1+json",
                "application/vnd.docker.distribution.manifest.v2+json",
            ],
            "produces_mime_types": [REPORT_TYPE],
        }
    ],
    "properties": {"harbor.scanner-adapter/vulnerability-database-updated-at": "2026-11-27T06:10:00.123456789Z"},
}


class Adapter:
    """It runs until its block ends."""

    def __init__(self) -> None:
        self.metadata = (200, {}, METADATA)
        self.when_asked = lambda _request: None
        self.accepts = (202, {}, {"id": "scan-1"})
        self.reports = []  # answers in turn; the last one again and again
        self.asked = []
        self.requests = []
        self.tokens = set()
        self.may_answer = threading.Event()
        self.may_answer.set()
        adapter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                adapter.asked.append(self.path)
                adapter.tokens.add(self.headers["Authorization"])
                if self.path == "/api/v1/metadata":
                    self.answer(*adapter.metadata)
                elif len(adapter.reports) > 1:
                    self.answer(*adapter.reports.pop(0))
                else:
                    self.answer(*adapter.reports[0])

            def do_POST(self):
                adapter.asked.append(self.path)
                adapter.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                adapter.when_asked(adapter.requests[-1])
                self.answer(*adapter.accepts)

            def answer(self, status, headers, body):
                adapter.may_answer.wait()
                with suppress(OSError):  # whoever asked may be gone
                    self.send_response(status)
                    for name, value in {"Content-Type": REPORT_TYPE, **headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    for piece in body if isinstance(body, list) else [body]:
                        self.wfile.write(piece if isinstance(piece, bytes) else json.dumps(piece).encode())

            def log_message(self, *_arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()

    def finds(self, *items, digest=""):
        """Let it report some vulnerabilities."""
        self.reports = [(200, {}, {"artifact": {"digest": digest}, "severity": "High", "vulnerabilities": list(items)})]


def item(name, package, version, severity, **members):
    """A vulnerability as a report tells it."""
    return {"id": name, "package": package, "version": version, "severity": severity, **members}
