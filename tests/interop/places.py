"""A started Holdfast, and a newcomer's desk in front of it."""

from __future__ import annotations

import json
import shlex
import subprocess
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from tests.conftest import Product
from tests.interop import clients
from tests.interop.layouts import Layout
from tests.interop.report import Failed, Unable, shown

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

TIMEOUT_SECONDS = 180

STORAGE = """\
[storage]
driver = "vfs"  # works everywhere, even inside another container
graphroot = "{folder}/graph"
runroot = "{folder}/run"
"""

# A container that asks for no more than any sandbox grants: no systemd, no higher limits than now.
CONTAINERS = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
netns = "none"
[network]
network_config_dir = "{folder}/networks"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
tmp_dir = "{folder}/tmp"
"""

INSECURE = """\
[[registry]]
location = "{host}"
insecure = true
"""


class Place:
    """One server on loopback with clients that share nothing with the rest of the machine."""

    def __init__(self, name: str, folder: Path, flags: tuple[str, ...], found: dict[str, str]) -> None:
        self.name = name
        self.folder = folder
        self.found = found
        folder.mkdir()
        self.product = Product(folder / "data", *flags)
        scheme, _, address = self.product.url.partition("://")
        self.host = address.replace("127.0.0.1", "localhost") if scheme == "https" else address
        self.url = f"{scheme}://{self.host}"
        self.authority = folder / "data" / "tls" / "ca.crt" if scheme == "https" else None
        self.stack = ExitStack()  # what checks start, and this place ends
        self.home = self._make_home("home")
        self.layout = Layout(folder / "layout", found.get("busybox"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, _: TracebackType | None) -> None:
        self.stack.close()
        if self.product.process.poll() is None:
            self.product.kill()

    def log(self) -> str:
        """What the server wrote so far."""
        return self.product.log.read_text(errors="replace")

    def image(self, repository: str, tag: str) -> str:
        """A full image name."""
        return f"{self.host}/{repository}:{tag}"

    def run(self, *command: str, stdin: str = "", home: Path | None = None) -> str:
        """Run a client, which must succeed; what it wrote to standard output."""
        done = self._start(command, stdin, home)
        if done.returncode:
            raise Failed(_story(done))
        return done.stdout.strip()

    def refuses(self, expected: str, *command: str, stdin: str = "", home: Path | None = None) -> None:
        """Run a client, which must fail and say why."""
        _expect_refusal(self._start(command, stdin, home), expected)

    def aws(self, *arguments: str) -> Any:
        """Run `aws ecr`; its answer. `Unable` if this version does not know the operation."""
        done = self._ecr(arguments)
        if done.returncode:
            raise Failed(_story(done))
        text = done.stdout.strip()
        return json.loads(text) if text.startswith(("{", "[", '"')) else text

    def aws_refuses(self, expected: str, *arguments: str) -> None:
        """Run `aws ecr`, which must fail and say why."""
        _expect_refusal(self._ecr(arguments), expected)

    def _ecr(self, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        # AWS_ENDPOINT_URL is younger than Debian's command line.
        done = self._start(("aws", "--endpoint-url", self.url, "ecr", *arguments), "", None)
        if done.returncode and "Invalid choice" in done.stderr:
            raise Unable(f"this aws is too old for `aws ecr {arguments[0]}`")
        return done

    def create(self, repository: str) -> None:
        """Make a repository as a newcomer does."""
        self.aws("create-repository", "--repository-name", repository)

    def logs_in(self, client: str) -> None:
        """Pass a fresh password to a client's login."""
        password = self.aws("get-login-password")
        told = self.run(client, "login", "--username", "AWS", "--password-stdin", self.host, stdin=password)
        expect("Login Succeeded" in told, f"login said {told!r}")

    @cached_property
    def password(self) -> str:
        """A password for clients that take it with every command."""
        return self.aws("get-login-password")

    def pushed_digest(self, repository: str, tag: str) -> str:
        """The digest that the registry keeps under a tag."""
        answer = self.aws("describe-images", "--repository-name", repository, "--image-ids", f"imageTag={tag}")
        return answer["imageDetails"][0]["imageDigest"]

    @cached_property
    def stranger(self) -> Path:
        """A home that trusts no private CA."""
        return self._make_home("stranger", trusts=False)

    def _make_home(self, name: str, *, trusts: bool = True) -> Path:
        home = self.folder / name
        settings = home / ".config" / "containers"
        settings.mkdir(parents=True)
        (settings / "storage.conf").write_text(STORAGE.format(folder=home))
        (settings / "containers.conf").write_text(CONTAINERS.format(folder=home))
        (settings / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}\n')
        if self.authority is None:
            (settings / "registries.conf").write_text(INSECURE.format(host=self.host))
        elif trusts:
            trusted = settings / "certs.d" / self.host / "ca.crt"
            trusted.parent.mkdir(parents=True)
            trusted.write_bytes(self.authority.read_bytes())
        return home

    def _start(self, command: tuple[str, ...], stdin: str, home: Path | None) -> subprocess.CompletedProcess[str]:
        home = home or self.home
        settings = home / ".config" / "containers"
        environment = {
            "PATH": clients.PATH,
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": str(home),
            "CONTAINERS_CONF": str(settings / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(settings / "storage.conf"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.product.data / "root.credentials"),
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",  # nothing here may ask the network for credentials
            "AWS_PAGER": "",
            **({"AWS_CA_BUNDLE": str(self.authority)} if self.authority else {}),
        }
        return subprocess.run(
            [self.found.get(command[0], command[0]), *command[1:]],
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
            cwd=home,
            env=environment,
        )


def expect(truth: object, otherwise: str) -> None:
    """Fail the check unless something is true."""
    if not truth:
        raise Failed(otherwise)


def expect_same(one: object, other: object) -> None:
    """Fail the check unless two things are equal."""
    expect(one == other, f"{one!r}\nis not\n{other!r}")


def _expect_refusal(done: subprocess.CompletedProcess[str], expected: str) -> None:
    if not done.returncode or expected not in done.stdout + done.stderr:
        raise Failed(f"should have failed with {expected!r}\n{_story(done)}")


def _story(done: subprocess.CompletedProcess[str]) -> str:
    # Passwords are hundreds of letters that nobody can read anyway.
    command = shlex.join(part if len(part) < 150 or " " in part else f"{part[:12]}…" for part in done.args)
    return f"$ {command}\n{shown(done.stdout + done.stderr)}\nexit status {done.returncode}"
