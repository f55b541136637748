"""A whole running product, and clients that already are somebody."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import time
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import pytest
from botocore.client import ClientCreator

from holdfast import boot, settings
from tests import databases, programs
from tests.accounts import Account
from tests.callers import Aws, Http, Registry
from tests.clouds import Azurite
from tests.faults import Faults
from tests.seaweed import SeaweedFS

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

# What knows no database, or brings its own; it is run once.
WITHOUT_DATABASE = ("model", "blobs", "outbound", "inventory", "house_rules", "simulation", "chaos")


def pytest_addoption(parser):
    parser.addoption("--database", choices=("sqlite", "postgresql"), default="sqlite", help="what keeps the facts")


def pytest_configure(config):
    config.addinivalue_line("markers", "sqlite: about files of SQLite, or about what its files make easy to see")
    config.server = None
    if config.getoption("--database") == "postgresql" and not databases.on_postgresql():
        config.server = databases.serve()  # before the workers, which learn of it by their environment


def pytest_unconfigure(config):
    if config.server is not None:
        config.server.close()


def pytest_ignore_collect(collection_path, config):
    is_left_out = collection_path.parent.name == "tests" and collection_path.name in WITHOUT_DATABASE
    return True if is_left_out and config.getoption("--database") == "postgresql" else None


def pytest_collection_modifyitems(config, items):
    if config.getoption("--database") == "postgresql":
        items[:] = [item for item in items if item.get_closest_marker("sqlite") is None]


READY = re.compile(r"^Holdfast serves (?P<url>https?://\S+?),? ", re.MULTILINE)
START_SECONDS = 60


class Product:
    """A started `holdfast serve` with a data folder of its own."""

    def __init__(self, data: Path, *flags: str, **environment: str) -> None:
        self.data = data
        self.flags = flags
        self.environment = environment
        if "--database" not in flags:
            self.environment = databases.beside(data) | environment
        self.log = data.parent / f"{data.name}.log"
        self._clients = {}
        self.start()

    def start(self, listen: str = "127.0.0.1:0") -> None:
        """Serve, and wait until it says so."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "AWS_"))}
        arguments = ["serve", "--data", str(self.data), *self.flags]
        if "--listen" not in self.flags:
            arguments += ["--listen", listen]
        with self.log.open("ab") as log:
            start = log.tell()
            # A leader, so that a kill reaches every worker.
            self.process = programs.start(arguments, clean | self.environment, stdout=log, stderr=log, is_leader=True)
        self.url = self._wait_until_ready(start)
        self.address = self.url.partition("://")[2]

    def _wait_until_ready(self, start: int) -> str:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            text = self.log.read_bytes()[start:].decode(errors="replace")
            found = READY.search(text)
            if found:
                return found["url"].rstrip(",")
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"the server did not start:\n{self.log.read_text(errors='replace')}")

    def stop(self) -> int:
        """Ask it to come to rest; its exit status."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def kill(self) -> None:
        """End every process of it at once, as a power cut would."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def credentials(self) -> tuple[str, str]:
        """The root access key and its secret."""
        text = (self.data / "root.credentials").read_text()
        key_id = re.search(r"aws_access_key_id = (\S+)", text)
        secret = re.search(r"aws_secret_access_key = (\S+)", text)
        assert key_id
        assert secret
        return key_id[1], secret[1]

    @cached_property
    def backends(self):
        """What it works on, opened in this process; nobody waits for the disk here either."""
        on = boot.open_backends(settings.read({"data": str(self.data)}, self.environment))
        if not databases.on_postgresql():
            on = replace(on, database=databases.again(on.database))
        return on

    def cli(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run another command of the same program."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
        return programs.run([*arguments, "--data", str(self.data)], clean | self.environment | environment)

    def ecr(self, region: str = "us-east-1", **credentials: str):
        """A boto3 client of ECR; the root key's unless another is given."""
        return self.aws_client("ecr", region, **credentials)

    def aws_client(self, service: str, region: str = "us-east-1", **credentials: str):
        """A boto3 client of any service; the root key's unless another is given."""
        import boto3
        from botocore.config import Config

        key_id, secret = self.credentials() if not credentials else (credentials["key_id"], credentials["secret"])
        token = credentials.get("session_token")
        known = (self.url, service, region, key_id, secret, token)
        if known not in self._clients:
            self._clients[known] = boto3.client(
                service,
                endpoint_url=self.url,
                region_name=region,
                aws_access_key_id=key_id,
                aws_secret_access_key=secret,
                aws_session_token=token,
                config=Config(retries={"max_attempts": 1}),
            )
        return self._clients[known]

    def aws(self, region: str = "us-east-1") -> Aws:
        """ECR's API spoken raw, signed with the root key."""
        return Aws(self.address, *self.credentials(), region)

    def http(self, authorization: str | None = None) -> Http:
        """Raw HTTP; logged in as the root key's docker unless something else is given, "" for nobody."""
        if authorization is None:
            token = self.ecr().get_authorization_token()["authorizationData"][0]["authorizationToken"]
            authorization = f"Basic {token}"
        return Http(self.address, authorization)

    def registry(self, repository: str) -> Registry:
        """A repository made for this test, through the registry protocol."""
        self.ecr().create_repository(repositoryName=repository)
        return Registry(self.http(), repository)


@pytest.fixture(scope="session", autouse=True)
def loader():
    """Products are forked off a process that has loaded the program."""
    programs.use_loader()
    yield
    programs.end_loader()


@pytest.fixture(scope="session", autouse=True)
def client_classes():
    """The class of a client is made once a service: that is half of what a client takes, and tests make thousands."""
    make, made = ClientCreator._create_client_class, {}

    def once(creator, service_name, service_model):
        known = (service_name, service_model.api_version)
        if known not in made:
            made[known] = make(creator, service_name, service_model)
        return made[known]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClientCreator, "_create_client_class", once)
        yield


@pytest.fixture(scope="session")
def product(tmp_path_factory):
    """One product for all tests that leave it as it was but for what they name themselves."""
    running = Product(tmp_path_factory.mktemp("product") / "data")
    yield running
    assert running.stop() == 0
    text = running.log.read_text()
    assert "Traceback" not in text, text


@pytest.fixture(scope="session")
def strict_product(tmp_path_factory):
    """One product that behaves like Amazon ECR, to the quirks."""
    running = Product(tmp_path_factory.mktemp("strict") / "data", "--profile", "ecr-strict")
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory):
    """A real S3 server; whoever uses it is of the xdist group "object stores", so that one is started."""
    server = SeaweedFS(tmp_path_factory.mktemp("seaweed") / "data")
    yield server
    server.stop()


@pytest.fixture
def faults(seaweed):
    """What stands before that server, and may let it have a bad day."""
    proxy = Faults(seaweed.port)
    yield proxy
    proxy.stop()


@pytest.fixture(scope="session")
def azurite(tmp_path_factory):
    """An emulator of Azure, where it is installed."""
    server = Azurite(tmp_path_factory.mktemp("azurite"))
    yield server
    server.stop()


@pytest.fixture
def start(tmp_path):
    """Start products that end with the test."""
    started: list[Product] = []

    def begin(*flags: str, data: Path | None = None, **environment: str) -> Product:
        product = Product(data or tmp_path / f"data{len(started)}", *flags, **environment)
        started.append(product)
        return product

    yield begin
    for product in started:
        if product.process.poll() is None:
            product.kill()
    for url in {product.environment.get("HOLDFAST_DATABASE") for product in started} - {None}:
        if databases.on_postgresql():
            databases.drop(url)


@pytest.fixture(autouse=True)
def no_connection_is_left():
    """What a test opened in this process and did not close is closed."""
    yield
    databases.rest()


@pytest.fixture
def name(request):
    """A repository name that is this test's own."""
    test = f"{request.module.__name__} {request.node.name}".lower()
    return "t/" + re.sub(r"[^a-z0-9]+", "-", test).strip("-")[-200:].strip("-")


@pytest.fixture
def region(request):
    """A region that is this test's own: for what is set on a whole registry."""
    return "t-" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]


@pytest.fixture
def account(product, request):
    """An account that is this test's own, with a root key."""
    number = int(hashlib.sha256(request.node.nodeid.encode()).hexdigest(), 16)
    return Account(product, f"{number % 10**12:012}")


@pytest.fixture
def strangers(product, request):
    """Another account that is this test's own."""
    number = int(hashlib.sha256(f"{request.node.nodeid} strangers".encode()).hexdigest(), 16)
    return Account(product, f"{number % 10**12:012}")
