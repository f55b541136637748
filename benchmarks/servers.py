"""The programs under test: how each is configured, started, filled and stopped."""

import functools
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from cloud import Cloud
from content import MANIFEST_TYPE, Blob
from wire import Connection, Door, UnexpectedAnswerError

REPOSITORY = "bench/repo"
START_LIMIT = 60.0
STOP_LIMIT = 35.0

NGINX = """\
{user}
daemon off;
worker_processes auto;
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    open_file_cache max=1000;
    default_type {manifest_type};
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {directory}/root;
    }}
}}
"""

# Its best case: no authentication, no access log, an in-memory descriptor cache, no debug listener.
DISTRIBUTION = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: "{directory}/store"}}
  cache: {{blobdescriptor: inmemory}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}"}}
"""


class Server:
    """A registry in a process of its own; the kinds below say what differs."""

    ready_path = "/v2/"

    def __init__(self, program: str, title: str, directory: Path) -> None:
        self.program = program
        self.title = title
        self.directory = directory
        self.port = _free_port()
        self.authorization: str | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def door(self) -> Door:
        return Door(self.port, self.authorization)

    def start(self) -> None:
        """Start on an empty folder and return once requests are answered and the repository is there."""
        self.directory.mkdir(parents=True)
        with (self.directory / "output.log").open("wb") as output:
            self._process = subprocess.Popen(
                self.command(),
                env=_environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_until_ready()
        self.create_repository(REPOSITORY)

    def stop(self) -> None:
        """End the process, gently first, and forget its folder."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, 9)
                self._process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def cloud(self) -> Cloud:
        """The server's AWS API, of those that have one."""
        raise UnexpectedAnswerError(f"{self.title} has no AWS API")

    @property
    def database(self) -> Path:
        """The server's database, of the one whose tables we know."""
        raise UnexpectedAnswerError(f"{self.title} has no database that can be filled from outside")

    def command(self) -> list[str]:
        raise NotImplementedError

    def create_repository(self, name: str) -> None:
        """Make room for a repository, where that is not done by pushing."""

    def put_blob(self, repository: str, blob: Blob) -> None:
        connection = Connection(self.door)
        upload = connection.request("POST", f"/v2/{repository}/blobs/uploads/").expect(202)
        path, length = closing(upload.location, blob), str(blob.size)
        connection.stream("PUT", path, blob.pieces(), Content_Length=length).expect(201)
        connection.close()

    def put_manifest(self, repository: str, reference: str, body: bytes) -> None:
        connection = Connection(self.door)
        path = f"/v2/{repository}/manifests/{reference}"
        connection.request("PUT", path, body, Content_Type=MANIFEST_TYPE).expect(201)
        connection.close()

    def _wait_until_ready(self) -> None:
        limit = time.monotonic() + START_LIMIT
        while time.monotonic() < limit and self._process.poll() is None:
            try:
                connection = Connection(Door(self.port))
                if connection.request("GET", self.ready_path).status == 200:
                    return
            except (OSError, UnexpectedAnswerError):
                pass
            time.sleep(0.1)
        said = (self.directory / "output.log").read_text(encoding="utf-8", errors="replace")[-2000:]
        raise RuntimeError(f"{self.title} did not start: {said.strip() or 'it said nothing'}")


class Nginx(Server):
    """Plain files by sendfile under the paths that a registry has: the limit, not a rival."""

    ready_path = "/ready"

    def command(self) -> list[str]:
        root = self.directory / "root"
        root.mkdir()
        (root / "ready").touch()
        user = "user root;" if os.geteuid() == 0 else ""
        text = NGINX.format(user=user, directory=self.directory, port=self.port, manifest_type=MANIFEST_TYPE)
        configuration = self.directory / "nginx.conf"
        configuration.write_text(text, encoding="utf-8")
        # The folder stands in for the prefix and the log that Debian compiled in.
        return [self.program, "-p", f"{self.directory}", "-c", f"{configuration}", "-e", f"{self.directory}/error.log"]

    def put_blob(self, repository: str, blob: Blob) -> None:
        self._write(f"v2/{repository}/blobs/{blob.digest}", blob.pieces())

    def put_manifest(self, repository: str, reference: str, body: bytes) -> None:
        self._write(f"v2/{repository}/manifests/{reference}", [body])

    def _write(self, path: str, pieces: Iterable[bytes]) -> None:
        target = self.directory / "root" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            file.writelines(pieces)


class Distribution(Server):
    """The CNCF's registry, which most others are built on or measured by."""

    def command(self) -> list[str]:
        configuration = self.directory / "config.yml"
        configuration.write_text(DISTRIBUTION.format(directory=self.directory, port=self.port), encoding="utf-8")
        return [self.program, "serve", str(configuration)]


class Holdfast(Server):
    """Ours as it comes: authentication, metadata, encryption and fsync are on."""

    ready_path = "/readyz"

    def command(self) -> list[str]:
        return [self.program, "serve", "--data", str(self._data), "--listen", f"127.0.0.1:{self.port}"]

    def create_repository(self, name: str) -> None:
        self.cloud.create_repository(name)
        self.authorization = self.authorization or self.cloud.registry_authorization()

    @functools.cached_property
    def cloud(self) -> Cloud:
        return Cloud.of_root(self.port, self._data / "root.credentials")

    @property
    def database(self) -> Path:
        return self._data / "holdfast.db"

    @property
    def _data(self) -> Path:
        return self.directory / "data"


class Moto(Server):
    """The usual stand-in for ECR in tests; it has the JSON API only."""

    ready_path = "/moto-api/data.json"

    def command(self) -> list[str]:
        return [self.program, "-H", "127.0.0.1", "-p", str(self.port)]

    def create_repository(self, name: str) -> None:
        self.cloud.create_repository(name)

    def put_blob(self, repository: str, blob: Blob) -> None:
        """Moto keeps no layers and asks for none."""

    def put_manifest(self, repository: str, reference: str, body: bytes) -> None:
        self.cloud.put_image(repository, reference, body)

    @functools.cached_property
    def cloud(self) -> Cloud:
        return Cloud.of_anyone(self.port)


def closing(location: str, blob: Blob) -> str:
    """Give the address that ends an upload."""
    return f"{location}{'&' if '?' in location else '?'}digest={blob.digest}"


def _environment() -> dict[str, str]:
    """Our own environment without what would configure a server behind our back."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "REGISTRY_"))}
    return kept | {"OTEL_TRACES_EXPORTER": "none"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
