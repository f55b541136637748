"""Whom events are told, on this machine: a receiver of webhooks, and moto's EventBridge, SNS and SQS."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network

import boto3

from holdfast.outbound import AwsEvents, Poster

LOOPBACK = (ip_network("127.0.0.0/8"),)
KEYS = {"aws_access_key_id": "AKIAEXAMPLEEXAMPLE22", "aws_secret_access_key": "secret"}


@dataclass
class Post:
    """What was posted."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self):
        return json.loads(self.body)

    def is_signed_with(self, secret: str) -> bool:
        """Whether Standard Webhooks' signature is right."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        wanted = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
        return wanted in self.headers["webhook-signature"].split(" ")


class Receiver:
    """Takes posts, and answers what the test says."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.answers: list[tuple[int, dict[str, str]]] = []  # to the next posts; then 204
        self.status = 204
        self.status_for = lambda _post: self.status
        self.body = b""
        self.together: threading.Barrier | None = None  # where posts wait until there are enough of them
        self._came = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                post = Post(self.path, headers, body)
                with receiver._came:
                    receiver.posts.append(post)
                    receiver._came.notify_all()
                if receiver.together is not None:
                    receiver.together.wait(60)
                status, more = receiver.answers.pop(0) if receiver.answers else (receiver.status_for(post), {})
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(receiver.body)))
                self.end_headers()
                self.wfile.write(receiver.body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def wait_for(self, count: int) -> list[Post]:
        """What was posted, as soon as there is so much of it."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.posts) >= count, timeout=60), self.posts
        return self.posts

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def calling_out(**more):
    """What backends call out with in tests: to this machine only."""
    poster = Poster(LOOPBACK, allowing="--event-allow", **more)
    return {"poster": poster, "aws_events": AwsEvents()}


@contextmanager
def moto():
    """moto's server; its URL, and what makes clients of it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url, clients = f"http://{host}:{port}", []

    def client(service):
        clients.append(boto3.client(service, region_name="us-east-1", endpoint_url=url, **KEYS))
        return clients[-1]

    try:
        yield url, client
    finally:
        for one in clients:
            one.close()
        server.stop()
