"""Clients: raw HTTP, and the registry protocol on top of it."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests import builders


@dataclass
class Answer:
    """A response that was read whole."""

    status: int
    headers: dict[str, str]
    body: bytes
    all_headers: list[tuple[str, str]] = field(default_factory=list)

    def json(self):
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of the first OCI error."""
        return self.json()["errors"][0]["code"]

    @property
    def message(self) -> str:
        """The message of the first OCI error."""
        return self.json()["errors"][0]["message"]


class Http:
    """One connection to the server, opened again when the server closed it."""

    def __init__(self, address: str, authorization: str = "") -> None:
        self.address = address
        self.authorization = authorization
        self._connection = http.client.HTTPConnection(address, timeout=60)

    def __del__(self) -> None:
        self._connection.close()

    def __call__(self, method: str, path: str, body=None, **headers: str) -> Answer:
        """Ask, and read the whole answer. Header names have `_` for `-`; `authorization` replaces the login."""
        parts = urlsplit(path)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        names = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
        if self.authorization and "authorization" not in names:
            names["Authorization"] = self.authorization
        self._connection.request(method, path, body=body, headers=names, encode_chunked="transfer-encoding" in names)
        response = self._connection.getresponse()
        data = response.read()
        return Answer(
            response.status, {k.lower(): v for k, v in response.getheaders()}, data, list(response.getheaders())
        )


class Registry:
    """A repository, spoken to as docker does."""

    def __init__(self, http_: Http, repository: str) -> None:
        self.http = http_
        self.repository = repository
        self.base = f"/v2/{repository}"

    def __call__(self, method: str, path: str, body=None, **headers: str) -> Answer:
        """Ask below the repository."""
        return self.http(method, self.base + path, body, **headers)

    def push_blob(self, data: bytes) -> str:
        """Push a blob as docker does: begin, one PATCH, complete."""
        digest = builders.digest(data)
        begun = self("POST", "/blobs/uploads/")
        assert begun.status == 202, begun
        sent = self.http("PATCH", begun.headers["location"], data, content_type="application/octet-stream")
        assert sent.status == 202, sent
        location = sent.headers["location"]
        done = self.http("PUT", location + ("&" if "?" in location else "?") + f"digest={digest}", b"")
        assert done.status == 201, done
        return digest

    def push_manifest(self, manifest: builders.Document, reference: str | None = None) -> Answer:
        """Put a manifest under a tag, or its digest."""
        return self(
            "PUT", f"/manifests/{reference or manifest.digest}", manifest.body, content_type=manifest.media_type
        )

    def push_image(self, tag: str | None = None, *, seed: str = "", **members: object) -> builders.Document:
        """Push a small image with a layer of its own."""
        image = builders.an_image(self.push_blob, seed=seed or (tag or "untagged"), **members)
        answer = self.push_manifest(image, tag)
        assert answer.status == 201, answer
        return image
