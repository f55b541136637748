"""containerd, as Kubernetes uses it: hosts.toml, mirrors, a private CA."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

from tests.interop import clients
from tests.interop.layouts import MEBIBYTE
from tests.interop.places import expect_same
from tests.interop.report import Checks, Failed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.places import Place

CHECKS = Checks()
APP = "containerd/app"
AMAZON = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
START_SECONDS = 20

DAEMON = """\
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = "{folder}/socket"
"""

HOSTS = """\
server = "https://{name}"
[host."{url}"]
capabilities = ["pull", "resolve", "push"]
"""


@CHECKS.add("containerd starts", "containerd", "ctr")
def start(at: Place) -> None:
    folder = folder_of(at)
    folder.mkdir()
    (folder / "config.toml").write_text(DAEMON.format(folder=folder))
    daemon = subprocess.Popen(
        [at.found["containerd"], "--config", str(folder / "config.toml")],
        stdout=(folder / "log").open("wb"),
        stderr=subprocess.STDOUT,
        env={"PATH": clients.PATH},
    )
    at.stack.callback(daemon.wait, START_SECONDS)
    at.stack.callback(daemon.terminate)
    for name in (at.host, AMAZON):
        write_hosts(at, folder / "certs.d" / name, name)
    deadline = time.monotonic() + START_SECONDS
    while not (folder / "socket").exists():
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise Failed((folder / "log").read_text())
        time.sleep(0.05)
    ctr(at, "version")


@CHECKS.add("ctr images import, push", "aws", "ctr")
def push(at: Place) -> None:
    at.create(APP)
    made = at.layout.image("ctr", size=4 * MEBIBYTE)
    load(at, "ctr", at.image(APP, "1"))

    images(at, "push", at.image(APP, "1"))

    expect_same(at.pushed_digest(APP, "1"), made)


@CHECKS.add("ctr images push of an index", "aws", "ctr")
def push_index(at: Place) -> None:
    made = at.layout.index("ctr-many", "amd64", "arm64")
    load(at, "ctr-many", at.image(APP, "many"))

    images(at, "push", at.image(APP, "many"))

    expect_same(at.pushed_digest(APP, "many"), made)


@CHECKS.add("ctr images pull", "aws", "ctr")
def pull(at: Place) -> None:
    forget(at)

    for tag in ("1", "many"):
        images(at, "pull", at.image(APP, tag))
        expect_same(digest_of(at, at.image(APP, tag)), at.pushed_digest(APP, tag))


@CHECKS.add("ctr images pull by Amazon's name, through a mirror", "aws", "ctr")
def pull_through_mirror(at: Place) -> None:
    forget(at)
    name = f"{AMAZON}/{APP}:many"

    images(at, "pull", name, "--all-platforms")

    expect_same(digest_of(at, name), at.pushed_digest(APP, "many"))


@CHECKS.add("ctr images push by Amazon's name, through a mirror", "aws", "ctr")
def push_through_mirror(at: Place) -> None:
    name = f"{AMAZON}/{APP}:mirrored"
    made = at.layout.image("ctr-mirrored")
    load(at, "ctr-mirrored", name)

    images(at, "push", name)

    expect_same(at.pushed_digest(APP, "mirrored"), made)


@CHECKS.add("ctr images pull with a wrong password", "ctr")
def wrong_password(at: Place) -> None:
    hosts = ("--hosts-dir", str(folder_of(at) / "certs.d"), "--user", "AWS:wrong")
    command = ("ctr", "--address", str(folder_of(at) / "socket"), "images", "pull", *hosts, at.image(APP, "1"))

    at.refuses("401 Unauthorized", *command)


def folder_of(at: Place) -> Path:
    return at.folder / "containerd"


def write_hosts(at: Place, folder: Path, name: str) -> None:
    """Send a registry's name to our address, and trust its CA, as hosts.toml has it."""
    folder.mkdir(parents=True)
    text = HOSTS.format(name=name, url=at.url)
    (folder / "hosts.toml").write_text(text + (f'ca = "{at.authority}"\n' if at.authority else ""))


def ctr(at: Place, *arguments: str) -> str:
    return at.run("ctr", "--address", str(folder_of(at) / "socket"), *arguments)


def images(at: Place, verb: str, name: str, *flags: str) -> None:
    hosts = str(folder_of(at) / "certs.d")
    ctr(at, "images", verb, "--hosts-dir", hosts, "--user", f"AWS:{at.password}", *flags, name)


def load(at: Place, tag: str, name: str) -> None:
    """Give containerd an image of the layout, under a full name."""
    archive = at.folder / f"{tag}.tar"
    at.layout.archive(tag, archive, name)
    ctr(at, "images", "import", "--all-platforms", "--no-unpack", str(archive))


def forget(at: Place) -> None:
    """Remove every image and its content, so that a pull has something to do."""
    names = ctr(at, "images", "list", "--quiet").split()
    ctr(at, "images", "remove", "--sync", *names)


def digest_of(at: Place, name: str) -> str:
    rows = ctr(at, "images", "list", f"name=={name}").splitlines()
    return rows[1].split()[2]
