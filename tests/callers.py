"""Clients: raw HTTP, and the registry protocol on top of it."""

from __future__ import annotations

import http.client
import json
import socket
from base64 import b64encode
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode, urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from holdfast import boot, settings
from holdfast.model import names
from holdfast.model.callers import Caller
from holdfast.registry.accounts import Tokens
from tests import builders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

TARGET = "AmazonEC2ContainerRegistry_V20150921"
DEFAULT = names.Registry("000000000000", "us-east-1")


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
        assert sent.status in {201, 202}, sent  # ECR says 201
        location = sent.headers["location"]
        done = self.http("PUT", location + ("&" if "?" in location else "?") + f"digest={digest}", b"")
        assert done.status == 201, done
        return digest

    def push_manifest(self, manifest: builders.Document, reference: str | None = None) -> Answer:
        """Put a manifest under a tag, or its digest."""
        return self(
            "PUT", f"/manifests/{reference or manifest.digest}", manifest.body, content_type=manifest.media_type
        )

    def begin_upload(self) -> str:
        """Open an upload; where its bytes go."""
        begun = self("POST", "/blobs/uploads/")
        assert begun.status == 202, begun
        return begun.headers["location"]

    def append(self, location: str, data, first: int | None = None, **headers: str | None) -> Answer:
        """Send the next bytes of an upload; with their range if the first one's position is given."""
        if first is not None:
            headers["content_range"] = f"{first}-{first + len(data) - 1}"
        return self.http("PATCH", location, data, content_type="application/octet-stream", **headers)

    def complete(self, location: str, digest: str, data=b"", **headers: str | None) -> Answer:
        """Close an upload, perhaps with its last bytes."""
        return self.http("PUT", f"{location}{'&' if '?' in location else '?'}digest={digest}", data, **headers)

    def push_whole(self, data: bytes, digest: str | None = None) -> Answer:
        """Push a blob with a single request."""
        return self("POST", f"/blobs/uploads/?digest={digest or builders.digest(data)}", data)

    def push_image(self, tag: str | None = None, *, seed: str = "", **members: object) -> builders.Document:
        """Push a small image with a layer of its own."""
        image = builders.an_image(self.push_blob, seed=seed or (tag or "untagged"), **members)
        answer = self.push_manifest(image, tag)
        assert answer.status == 201, answer
        return image


class Aws:
    """ECR's API spoken raw and signed by hand: for what boto3 would not send, or would read only in part."""

    def __init__(self, address: str, key_id: str, secret: str, region: str = "us-east-1") -> None:
        self.http = Http(address)
        self.credentials = Credentials(key_id, secret)
        self.region = region

    def __call__(self, operation: str, members: object = None, **headers: str) -> Answer:
        """Ask with JSON members, if any are given."""
        return self.send(self.signed(f"{TARGET}.{operation}", json.dumps(members or {}).encode(), **headers))

    def refusal(self, operation: str, members: object) -> tuple[str, str]:
        """Ask for what must be refused: the code and the message of the refusal."""
        answer = self(operation, members)
        assert answer.status == 400, answer
        return answer.json()["__type"], answer.json()["message"]

    def signed(
        self, target: str | None, body: bytes, *, service: str = "ecr", late: timedelta = timedelta(), **headers: str
    ) -> AWSRequest:
        """A request, signed as if the clock were late."""
        host = headers.pop("host", self.http.address)
        request = AWSRequest("POST", f"http://{host}/", data=body)
        request.headers["Content-Type"] = "application/x-amz-json-1.1"
        if target is not None:
            request.headers["X-Amz-Target"] = target
        for name, value in headers.items():
            request.headers[name.replace("_", "-")] = value
        with pytest.MonkeyPatch.context() as patch:
            moment = datetime.now(UTC).replace(tzinfo=None) - late
            patch.setattr("botocore.auth.get_current_datetime", lambda: moment)
            SigV4Auth(self.credentials, service, self.region).add_auth(request)
        return request

    def send(self, request: AWSRequest, **changed: str | None) -> Answer:
        """Send a signed request, with headers changed, or left out if None."""
        parts = urlsplit(request.url)
        headers = {"host": parts.netloc} | {name.lower(): value for name, value in request.headers.items()}
        headers |= {name.replace("_", "-"): value for name, value in changed.items()}
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return self.http("POST", path, request.data, **headers)


class Query:
    """IAM's or STS's API spoken raw and signed by hand, or not signed without a key."""

    def __init__(self, address: str, key_id: str = "", secret: str = "", service: str = "iam") -> None:
        self.http = Http(address)
        self.credentials = Credentials(key_id, secret) if key_id else None
        self.service = service
        self.version = {"iam": "2010-05-08", "sts": "2011-06-15"}.get(service, "")

    def __call__(self, action: str, **parameters: str) -> Answer:
        """Ask for an action of the service's version."""
        return self.send(self.signed(Action=action, Version=self.version, **parameters))

    def signed(self, *, in_query: bool = False, presigned: bool = False, **parameters: str) -> AWSRequest:
        """A request with its parameters in a form, or in the query of a GET, and its signature in a header or there."""
        text = urlencode(parameters, quote_via=quote)
        request = AWSRequest("GET" if in_query else "POST", f"http://{self.http.address}/")
        if in_query:
            request.url += f"?{text}"
        else:
            request.headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
            request.data = text.encode()
        if self.credentials is not None:
            signer = SigV4QueryAuth if presigned else SigV4Auth
            signer(self.credentials, self.service, "eu-central-1").add_auth(request)
        return request

    def send(self, request: AWSRequest, **changed: str | None) -> Answer:
        """Send a request, with headers changed, or left out if None."""
        parts = urlsplit(request.url)
        headers = {name.lower(): value for name, value in request.headers.items()}
        headers |= {name.replace("_", "-"): value for name, value in changed.items()}
        return self.http(request.method, f"/?{parts.query}" if parts.query else "/", request.data or None, **headers)


def refusal(call: Callable[..., Mapping[str, Any]], **members: object) -> tuple[str, str]:
    """The code and the message with which a boto3 call is refused."""
    with pytest.raises(ClientError) as caught:
        call(**members)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


class Wire:
    """A bare connection: sends bytes as they are given, and reads answers one by one."""

    def __init__(self, address: str, *, receive_bytes: int = 0) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.settimeout(60)
        if receive_bytes:  # a client that reads late: what it did not read yet waits at the server
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self._socket.connect((host, int(port)))
        self._buffer = b""
        self.raw = b""  # everything that was received

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, *data: bytes) -> None:
        """Send bytes; a server that hung up meanwhile does not matter, what it said does."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(b"".join(data))

    def finish(self) -> None:
        """Send no more, but read on."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def answer(self, *, has_body: bool = True) -> Answer | None:
        """The next answer, or None if the server hung up instead."""
        head = self._until(self._take_head)
        if head is None:
            return None
        status_line, *lines = head.decode("latin-1").split("\r\n")
        assert status_line.startswith("HTTP/1.1 "), status_line
        headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        lower = {name.lower(): value for name, value in headers}
        status = int(status_line.split(" ")[1])
        length = int(lower.get("content-length", "0")) if has_body and status not in {204, 304} else 0
        body = self._until(lambda: self._take(length))
        assert body is not None, "the answer broke off"
        return Answer(status, lower, body, headers)

    def answers(self) -> list[Answer]:
        """Every answer until the server hangs up."""
        found = []
        while (answer := self.answer()) is not None:
            found.append(answer)
        return found

    def is_closed(self) -> bool:
        """Wait for the server to hang up; False if it says something instead."""
        return not self._buffer and not self._receive()

    def _take_head(self) -> bytes | None:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        self._buffer = rest
        return head

    def _take(self, length: int) -> bytes | None:
        if len(self._buffer) < length:
            return None
        data, self._buffer = self._buffer[:length], self._buffer[length:]
        return data

    def _until(self, take: Callable[[], bytes | None]) -> bytes | None:
        while (found := take()) is None:
            if not self._receive():
                return None
        return found

    def _receive(self) -> bool:
        try:
            data = self._socket.recv(65536)
        except ConnectionResetError:
            return False
        self._buffer += data
        self.raw += data
        return bool(data)


@contextmanager
def secrets_of(product: Any, **limits: timedelta) -> Iterator[Tokens]:
    """Make tokens as a started product would, but with other lifetimes: some are over when they are made."""
    on = boot.open_backends(settings.read({"data": str(product.data)}, product.environment))
    try:
        yield Tokens(replace(on, limits=replace(on.limits, **limits)))
    finally:
        on.database.close()


def layer_url(product: Any, repository: str, digest: str, lifetime: timedelta) -> str:
    """The path of a signed address of a layer of the default registry."""
    at = names.RepositoryRef(DEFAULT, repository)
    with secrets_of(product, layer_url_lifetime=lifetime) as tokens:
        caller = Caller(DEFAULT.account_id, product.credentials()[0])
        return f"/layers/{tokens.sign_layer(caller, at.arn, digest)}"


def login_token(product: Any, lifetime: timedelta) -> str:
    """An Authorization header of the root key for the default registry."""
    caller = Caller(DEFAULT.account_id, product.credentials()[0])
    with secrets_of(product, token_lifetime=lifetime) as tokens:
        password, _ = tokens.issue(caller, DEFAULT)
    return "Basic " + b64encode(f"AWS:{password}".encode()).decode()
