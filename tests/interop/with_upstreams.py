"""Debian's docker-registry as an upstream: what is pulled through a rule by skopeo, podman and containerd."""

from __future__ import annotations

import base64
import json
import subprocess
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from tests.conftest import Product
from tests.interop.layouts import MEBIBYTE
from tests.interop.places import expect, expect_same
from tests.interop.report import Checks, Failed
from tests.interop.with_containerd import folder_of, forget
from tests.ports import free_ports

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.places import Place

CHECKS = Checks()
START_SECONDS = 20
SECONDS = 60
UPSTREAM = """\
version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {folder}/data}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}"}}
"""
HOSTS = """\
server = "http://{upstream}"
[host."{url}"]
capabilities = ["pull", "resolve"]
"""


class Upstream:
    """Debian's registry on loopback, and a Holdfast that caches it."""

    def __init__(self, at: Place) -> None:
        self._at = at
        self._folder = at.folder / "upstream"
        (self._folder / "data").mkdir(parents=True)
        [port] = free_ports(1)
        self.host = f"127.0.0.1:{port}"
        (self._folder / "config.yml").write_text(UPSTREAM.format(folder=self._folder, port=port))
        self.start()
        self.cache = Product(at.folder / "cache", "--upstream-allow", "127.0.0.0/8")
        self.cache.ecr().create_pull_through_cache_rule(ecrRepositoryPrefix="deb", upstreamRegistryUrl=self.host)
        done = self.cache.cli("cache", "set", "deb", "--plain-http", "on", "--tag-seconds", "1")
        expect_same((done.returncode, done.stderr), (0, ""))
        told = self.cache.ecr().validate_pull_through_cache_rule(ecrRepositoryPrefix="deb")
        expect(told["isValid"], f"the rule is not valid: {told.get('failure')}")
        token = self.cache.ecr().get_authorization_token()["authorizationData"][0]["authorizationToken"]
        self.login = base64.b64decode(token).decode()

    def start(self) -> None:
        """Serve the upstream."""
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self._at.found["docker-registry"], "serve", str(self._folder / "config.yml")], stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                urllib.request.urlopen(f"http://{self.host}/v2/").close()
            except urllib.error.URLError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise Failed((self._folder / "log").read_text()) from None
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stop the upstream; what is cached stays."""
        self.process.terminate()
        self.process.wait(START_SECONDS)

    def push(self, tag: str, name: str) -> None:
        """Push an image of the layout to the upstream."""
        self._at.run("skopeo", "copy", "--all", "--dest-tls-verify=false", self._at.layout.name(tag),
                     f"docker://{self.host}/{name}")  # fmt: skip

    def pull(self, reference: str, to: str) -> str:
        """Pull through the rule; the digest of what came."""
        back = self._at.folder / to
        self._at.run("skopeo", "copy", "--all", "--src-tls-verify=false", "--src-creds", self.login,
                     f"docker://{self.cache.address}/deb/{reference}", f"oci:{back}:1")  # fmt: skip
        [found] = json.loads((back / "index.json").read_text())["manifests"]
        digest: str = found["digest"]
        return digest


_started: dict[Path, Upstream] = {}


def upstream(at: Place) -> Upstream:
    """The upstream of a place, which the first check starts."""
    if at.folder not in _started:
        found = _started[at.folder] = Upstream(at)
        at.stack.callback(found.cache.stop)
        at.stack.callback(found.stop)
    return _started[at.folder]


@CHECKS.add("skopeo pulls an image and an index through a rule", "docker-registry", "skopeo", only="HTTP")
def skopeo(at: Place) -> None:
    there = upstream(at)
    image, index = at.layout.image("cached", size=20 * MEBIBYTE), at.layout.index("cached-many", "amd64", "arm64")
    there.push("cached", "team/app:1")
    there.push("cached-many", "team/app:many")

    expect_same(there.pull("team/app:1", "through-1"), image)
    expect_same(there.pull("team/app:many", "through-many"), index)
    expect_same(there.pull(f"team/app@{image}", "through-digest"), image)


@CHECKS.add("containerd mirrors an upstream by ?ns=", "docker-registry", "ctr", only="HTTP")
def containerd(at: Place) -> None:
    """Before the upstream is ever down: containerd goes past a mirror that lets its upstream rest."""
    there = upstream(at)
    made = at.layout.image("cached-ctr", size=4 * MEBIBYTE)
    there.push("cached-ctr", "team/ctr:1")
    folder = folder_of(at) / "mirrors" / there.host
    folder.mkdir(parents=True)
    (folder / "hosts.toml").write_text(HOSTS.format(upstream=there.host, url=there.cache.url))
    forget(at)
    name = f"{there.host}/team/ctr:1"

    at.run("ctr", "--address", str(folder_of(at) / "socket"), "images", "pull", "--hosts-dir",
           str(folder.parent), "--user", there.login, name)  # fmt: skip

    wait_for_cached(there, "deb/team/ctr")
    expect_same([one["imageDigest"] for one in images_of(there, "deb/team/ctr")], [made])


@CHECKS.add(
    "podman pulls through a rule, and again while the upstream is down", "docker-registry", "podman", only="HTTP"
)
def podman(at: Place) -> None:
    there = upstream(at)
    at.layout.image("cached-podman", size=4 * MEBIBYTE)
    there.push("cached-podman", "team/podman:1")
    name = f"{there.cache.address}/deb/team/podman:1"
    login = ("--tls-verify=false", "--creds", there.login)

    at.run("podman", "pull", *login, name)
    wait_for_cached(there, "deb/team/podman")
    at.run("podman", "rmi", "--force", name)
    there.stop()
    try:
        at.run("podman", "pull", *login, name)
    finally:
        there.start()


@CHECKS.add("skopeo pushes what an upstream has, has not, and cannot say", "docker-registry", "skopeo", only="HTTP")
def skopeo_pushes(at: Place) -> None:
    there = upstream(at)
    image = at.layout.image("pushed", size=4 * MEBIBYTE)
    there.push("pushed", "team/pushes:theirs")

    def push(tag: str) -> None:
        there.cache.ecr().create_repository(repositoryName=f"deb/team/{tag}")
        at.run("skopeo", "copy", "--dest-tls-verify=false", "--dest-creds", there.login, at.layout.name("pushed"),
               f"docker://{there.cache.address}/deb/team/{tag}:ours")  # fmt: skip
        expect_same([one["imageDigest"] for one in images_of(there, f"deb/team/{tag}")], [image])

    push("pushes")
    push("nowhere")
    there.stop()
    try:
        push("down")
    finally:
        there.start()


def wait_for_cached(there: Upstream, repository: str) -> None:
    """Wait until an image is kept under its tag, and not only on its way."""
    deadline = time.monotonic() + SECONDS
    while not any(one.get("imageTags") for one in images_of(there, repository)):
        if time.monotonic() > deadline:
            raise Failed(f"not within {SECONDS} seconds: an image of {repository} is kept")
        time.sleep(0.1)


def images_of(there: Upstream, repository: str) -> list[dict[str, object]]:
    """What the cache has of a repository; nothing before it is made."""
    try:
        found: list[dict[str, object]] = there.cache.ecr().describe_images(repositoryName=repository)["imageDetails"]
    except there.cache.ecr().exceptions.RepositoryNotFoundException:
        return []
    return found
