"""What `holdfast serve` prints on start, followed to the letter."""

from __future__ import annotations

import os
import re
import shlex
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.interop.places import expect
from tests.interop.report import Checks, Unable
from tests.interop.with_containerd import APP as IMPORTED
from tests.interop.with_containerd import ctr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.places import Place

CHECKS = Checks()


@CHECKS.add("printed: trust for podman", "skopeo", only="TLS")
def trust_podman(at: Place) -> None:
    at.refuses("certificate signed by unknown authority", "skopeo", "inspect", hello(at), home=at.stranger)

    with trust(at, "podman"):
        at.refuses("authentication required", "skopeo", "inspect", hello(at), home=at.stranger)


@CHECKS.add("printed: create a repository and log in", "aws", "podman", "skopeo")
def create_and_log_in(at: Place) -> None:
    at.layout.image("hello")

    with trust(at, "podman"):
        at.run("sh", "-euc", script(at).replace("docker login", "podman login"), home=at.stranger)

        at.run("skopeo", "copy", at.layout.name("hello"), hello(at), home=at.stranger)


@CHECKS.add("printed: trust for docker, with skopeo", "skopeo", only="TLS")
def trust_docker(at: Place) -> None:
    at.refuses("certificate signed by unknown authority", "skopeo", "inspect", hello(at), home=at.stranger)

    with trust(at, "docker"):
        at.run("skopeo", "inspect", hello(at), home=at.stranger)


@CHECKS.add("printed: docker login, then manifest inspect", "aws", "docker", "skopeo")
def docker_login(at: Place) -> None:
    login = "\n".join(line for line in script(at).splitlines() if "create-repository" not in line)
    insecure = [] if at.authority else ["--insecure"]

    with trust(at, "docker"):
        at.run("sh", "-euc", login, home=at.stranger)
        told = at.run("docker", "manifest", "inspect", *insecure, hello(at).removeprefix("docker://"), home=at.stranger)

    expect("layers" in told, told)


# Over TLS docker refuses to: to a registry on loopback its manifest command pushes by plain HTTP only.
@CHECKS.add("docker manifest create, push", "docker", "skopeo", only="HTTP")
def docker_manifest(at: Place) -> None:
    one = hello(at).removeprefix("docker://")
    many = one.removesuffix("1") + "many"

    at.run("docker", "manifest", "create", "--insecure", many, one, home=at.stranger)
    at.run("docker", "manifest", "push", "--insecure", many, home=at.stranger)

    expect("manifests" in at.run("skopeo", "inspect", "--raw", f"docker://{many}", home=at.stranger), "no index")


@CHECKS.add("printed: trust for containerd", "aws", "ctr", only="TLS")
def trust_containerd(at: Place) -> None:
    printed = re.search(r"^ +server = .*\n +\[host\..*\n +ca = .*\n", at.log(), re.MULTILINE)
    expect(printed, "no hosts.toml is printed")

    with trust(at, "containerd") as folder:
        (folder / "hosts.toml").write_text(printed[0])
        hosts = ("--hosts-dir", str(folder.parent), "--user", f"AWS:{at.password}")
        ctr(at, "images", "pull", *hosts, f"{at.product.address}/{IMPORTED}:1")


def script(at: Place) -> str:
    """The printed commands that make aws trust us, create a repository and log in."""
    trusting = re.findall(r"^  aws, boto3 +(export .*)", at.log(), re.MULTILINE)
    commands = re.findall(r"^  ((?:export|aws) .*)", at.log().partition("Log in and create")[2], re.MULTILINE)
    return "\n".join([*trusting, *commands])


def hello(at: Place) -> str:
    """An image of the printed repository, by the printed address."""
    return f"docker://{at.product.address}/hello:1"


@contextmanager
def trust(at: Place, client: str) -> Iterator[Path | None]:
    """Run the printed line that makes a client trust our CA, and undo it in the end; the folder that it made."""
    if at.authority is None:
        yield None
        return
    if os.geteuid():
        raise Unable("the printed line writes to /etc, for which root is needed")
    line = re.search(rf"^  {client} +(install -D \S+ [^\s,]+)", at.log(), re.MULTILINE)
    expect(line, f"no line for {client} is printed")
    command = shlex.split(line[1])
    folder = Path(command[-1]).parent
    made = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    at.run(*command)
    try:
        yield folder
    finally:
        for file in folder.iterdir():
            file.unlink()
        for parent in made:
            parent.rmdir()
