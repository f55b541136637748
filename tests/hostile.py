"""A small registry on this machine that can be told to lie, break off, refuse, dawdle and send elsewhere."""

from __future__ import annotations

import json
import re
import threading
from base64 import b64encode
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

from tests import builders

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    Trick = Callable[[Any], bool | None]  # False leaves the answer to the registry


class Handler(BaseHTTPRequestHandler):
    """One connection; tricks are given it."""

    protocol_version = "HTTP/1.1"
    server: Server

    def handle_one_request(self) -> None:
        """Whatever the method is, the registry answers."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline:
            self.close_connection = True
        elif self.parse_request():
            self.server.registry.answer(self)
            self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def say(self, status: int, body: bytes = b"", **headers: str) -> bool:
        """Answer; `_` of a header's name is `-`."""
        self.send_response(status)
        named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        for name, value in ({"content-length": str(len(body))} | named).items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        return True

    def error(self, status: int, code: str, **headers: str) -> bool:
        """Answer as distribution-spec says."""
        return self.say(status, json.dumps({"errors": [{"code": code, "message": "so it says"}]}).encode(),
                        content_type="application/json", **headers)  # fmt: skip

    def cut(self, status: int, body: bytes, promised: int, **headers: str) -> bool:
        """Promise more than comes."""
        self.say(status, body, content_length=str(promised), **headers)
        self.wfile.flush()
        self.close_connection = True
        return True

    def body(self) -> bytes:
        """What was sent along."""
        return self.rfile.read(int(self.headers.get("content-length", 0)))


class Server(ThreadingHTTPServer):
    """Answers in threads that nobody waits for."""

    daemon_threads = True
    registry: Hostile

    def handle_error(self, *_: object) -> None:
        """A client that hung up is no news."""


class Hostile:
    """An OCI registry in memory; `trick` makes it misbehave."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}  # by repository and tag or digest
        self.uploads: dict[str, bytearray] = {}
        self.asked: list[tuple[str, str]] = []  # methods and paths, with queries
        self.authorizations: list[str] = []  # what came with them
        self.basic: str = ""  # "name:password" that it wants to see
        self.token: str = ""  # a token that it wants to see, which its own realm gives for `basic`
        self.has_referrers = False
        self.lock = threading.Lock()
        self._begun = 0
        self._tricks: list[list[Any]] = []
        self.server = Server((host, 0), Handler)
        self.server.registry = self
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.address = f"{host}:{self.port}"
        self.url = f"{'http' if tls is None else 'https'}://{self.address}"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    # ---- What it has

    def add_blob(self, data: bytes) -> str:
        """Have a blob."""
        digest = builders.digest(data)
        self.blobs[digest] = data
        return digest

    def add(self, name: str, document: builders.Document, *tags: str) -> builders.Document:
        """Have a manifest, under its digest and some tags."""
        for reference in (document.digest, *tags):
            self.manifests[name, reference] = document.media_type, document.body
        return document

    def add_image(self, name: str, *tags: str, seed: str = "", **members: Any) -> builders.Document:
        """Have an image of two small blobs."""
        return self.add(name, builders.an_image(self.add_blob, seed=seed, **members), *tags)

    def count(self, method: str, path: str) -> int:
        """How often it was asked."""
        return sum(1 for asked in self.asked if asked[0] == method and re.search(path, asked[1]))

    def trick(self, method: str, path: str, does: Trick, times: int = -1) -> None:
        """Do something else than answer rightly, so many times; the newest trick goes first."""
        self._tricks.insert(0, [method, re.compile(path), does, times])

    def behave(self) -> None:
        """Forget all tricks."""
        self._tricks.clear()

    # ---- What it says

    def answer(self, handler: Any) -> None:
        """Answer one request."""
        with self.lock:
            self.asked.append((handler.command, handler.path))
            self.authorizations.append(handler.headers.get("authorization", ""))
            tricks = list(self._tricks)
        with suppress(ConnectionError):
            for trick in tricks:
                method, path, does, times = trick
                if method == handler.command and path.search(handler.path) and times != 0:
                    trick[3] -= 1
                    if does(handler) is not False:
                        return
            self._answer(handler)

    def _answer(self, handler: Any) -> bool:
        parts = urlsplit(handler.path)
        if parts.path == "/token":
            return self._give_token(handler)
        if not self._may(handler):
            challenge = f'Bearer realm="{self.url}/token",service="hostile"' if self.token else 'Basic realm="hostile"'
            handler.body()
            return handler.error(401, "UNAUTHORIZED", www_authenticate=challenge)
        if parts.path == "/v2/":
            return handler.say(200, b"{}")
        for pattern, does in (
            (r"/v2/(.+)/manifests/([^/]+)", self._manifest),
            (r"/v2/(.+)/blobs/uploads/([^/]*)", self._upload),
            (r"/v2/(.+)/blobs/([^/]+)", self._blob),
            (r"/v2/(.+)/tags/(list)", self._tags),
            (r"/v2/(.+)/referrers/([^/]+)", self._referrers),
        ):
            found = re.fullmatch(pattern, parts.path)
            if found:
                return does(handler, found[1], found[2], parse_qs(parts.query))
        return handler.error(404, "UNSUPPORTED")

    def _may(self, handler: Any) -> bool:
        given = handler.headers.get("authorization", "")
        if self.token:
            return given == f"Bearer {self.token}"
        return not self.basic or given == "Basic " + b64encode(self.basic.encode()).decode()

    def _give_token(self, handler: Any) -> bool:
        given = handler.headers.get("authorization", "")
        if self.basic and given != "Basic " + b64encode(self.basic.encode()).decode():
            return handler.error(401, "UNAUTHORIZED")
        return handler.say(200, json.dumps({"token": self.token, "expires_in": 300}).encode())

    def _manifest(self, handler: Any, name: str, reference: str, _: Any) -> bool:
        if handler.command == "PUT":
            document = builders.Document(handler.body(), handler.headers["content-type"])
            self.add(name, document, reference)
            subject = (document.json().get("subject") or {}).get("digest", "") if self.has_referrers else ""
            return handler.say(201, docker_content_digest=document.digest, oci_subject=subject)
        found = self.manifests.get((name, reference))
        if handler.command == "DELETE":
            for other in [other for other in self.manifests if other[0] == name] if ":" in reference else []:
                if self.manifests[other] == found:  # its tags go with it
                    del self.manifests[other]
            self.manifests.pop((name, reference), None)
            return handler.say(202) if found else handler.error(404, "MANIFEST_UNKNOWN")
        if found is None:
            return handler.error(404, "MANIFEST_UNKNOWN")
        media_type, body = found
        return handler.say(200, body, content_type=media_type, docker_content_digest=builders.digest(body))

    def _blob(self, handler: Any, _: str, digest: str, __: Any) -> bool:
        data = self.blobs.get(digest)
        if data is None:
            return handler.error(404, "BLOB_UNKNOWN")
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", handler.headers.get("range", ""))
        if wanted is None:
            return handler.say(200, data, docker_content_digest=digest)
        start, end = int(wanted[1]), int(wanted[2]) + 1 if wanted[2] else len(data)
        return handler.say(206, data[start:end], content_range=f"bytes {start}-{end - 1}/{len(data)}")

    def _tags(self, handler: Any, name: str, _: str, query: Any) -> bool:
        tags = sorted(
            reference for repository, reference in self.manifests if repository == name and ":" not in reference
        )
        after, limit = (query.get("last") or [""])[0], int((query.get("n") or ["1000"])[0])
        page = [tag for tag in tags if tag > after][:limit]
        more = f'</v2/{name}/tags/list?n={limit}&last={page[-1]}>; rel="next"' if page and page[-1] != tags[-1] else ""
        return handler.say(200, json.dumps({"name": name, "tags": page}).encode(), link=more)

    def _referrers(self, handler: Any, name: str, digest: str, _: Any) -> bool:
        if not self.has_referrers:
            return handler.error(404, "NOT_FOUND")
        found = {}
        for (repository, reference), (media_type, body) in self.manifests.items():
            told = json.loads(body)
            if repository == name and ":" in reference and (told.get("subject") or {}).get("digest") == digest:
                kind = told.get("artifactType") or told.get("config", {}).get("mediaType")
                found[reference] = {
                    "mediaType": media_type,
                    "digest": reference,
                    "size": len(body),
                    "artifactType": kind,
                }
        index = {"schemaVersion": 2, "mediaType": builders.OCI_INDEX, "manifests": list(found.values())}
        return handler.say(200, json.dumps(index).encode(), content_type=builders.OCI_INDEX)

    def _upload(self, handler: Any, name: str, upload: str, query: Any) -> bool:
        data = handler.body()
        if handler.command == "POST":
            if (query.get("mount") or [""])[0] in self.blobs:
                return handler.say(201)
            with self.lock:
                self._begun += 1
                upload = str(self._begun)
                self.uploads[upload] = bytearray()
            return handler.say(202, location=f"/v2/{name}/blobs/uploads/{upload}?state=1")
        if upload not in self.uploads:
            return handler.error(404, "BLOB_UPLOAD_UNKNOWN")
        kept = self.uploads[upload]
        if handler.command == "DELETE":
            del self.uploads[upload]
            return handler.say(204)
        first = handler.headers.get("content-range", "").partition("-")[0]
        if first and int(first) != len(kept):
            return handler.error(416, "BLOB_UPLOAD_INVALID")
        kept += data
        where = {
            "location": f"/v2/{name}/blobs/uploads/{upload}?state={len(kept)}",
            "range": f"0-{max(len(kept) - 1, 0)}",
        }
        if handler.command != "PUT":
            return handler.say(202 if handler.command == "PATCH" else 204, **where)
        digest = query["digest"][0]
        del self.uploads[upload]
        if builders.digest(bytes(kept)) != digest:
            return handler.error(400, "DIGEST_INVALID")
        self.blobs[digest] = bytes(kept)
        return handler.say(201, docker_content_digest=digest)
