"""skopeo: copying between everything that holds images."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.builders import DOCKER_MANIFEST, OCI_MANIFEST
from tests.interop.layouts import MEBIBYTE
from tests.interop.places import expect, expect_same
from tests.interop.report import Checks

if TYPE_CHECKING:
    from tests.interop.places import Place

CHECKS = Checks()
APP = "skopeo/app"


@CHECKS.add("skopeo login", "aws", "skopeo")
def login(at: Place) -> None:
    at.logs_in("skopeo")
    at.create(APP)


@CHECKS.add("skopeo login with a wrong password", "skopeo")
def wrong_password(at: Place) -> None:
    command = ("skopeo", "login", "--authfile", str(at.folder / "none.json"), "--username", "AWS", "--password-stdin")

    at.refuses("invalid username/password", *command, at.host, stdin="wrong")


@CHECKS.add("skopeo copy oci → registry", "skopeo")
def push(at: Place) -> None:
    made = at.layout.image("1", size=20 * MEBIBYTE)

    at.run("skopeo", "copy", at.layout.name("1"), remote(at, "1"))

    expect_same(digest_of(at, "1"), made)


@CHECKS.add("skopeo copy registry → oci", "skopeo")
def pull(at: Place) -> None:
    at.run("skopeo", "copy", remote(at, "1"), f"oci:{at.folder}/back:1")

    [back] = json.loads((at.folder / "back" / "index.json").read_text())["manifests"]
    expect_same(back["digest"], digest_of(at, "1"))


@CHECKS.add("skopeo copy repository → repository mounts, not uploads", "aws", "skopeo")
def mount(at: Place) -> None:
    at.create("skopeo/other")

    # skopeo tells of mounting only to those who debug; it does so on standard error.
    told = at.run("sh", "-c", f"skopeo --debug copy {remote(at, '1')} docker://{at.image('skopeo/other', '1')} 2>&1")

    expect(told.count("mount OK") == 3, f"mounted {told.count('mount OK')} of 3 layers")
    expect_same(at.pushed_digest("skopeo/other", "1"), digest_of(at, "1"))


@CHECKS.add("skopeo copy --format v2s2, then --format oci", "skopeo")
def formats(at: Place) -> None:
    at.run("skopeo", "copy", "--format", "v2s2", remote(at, "1"), remote(at, "docker"))
    at.run("skopeo", "copy", "--format", "oci", remote(at, "docker"), remote(at, "oci"))

    expect_same(raw(at, "docker")["mediaType"], DOCKER_MANIFEST)
    expect_same(raw(at, "oci")["mediaType"], OCI_MANIFEST)


@CHECKS.add("skopeo copy with zstd, and back", "skopeo")
def zstd(at: Place) -> None:
    at.layout.image("plain", compressed=False)
    compress = ("--dest-compress", "--dest-compress-format", "zstd")

    at.run("skopeo", "copy", *compress, at.layout.name("plain"), remote(at, "zstd"))
    at.run("skopeo", "copy", remote(at, "zstd"), f"oci:{at.folder}/back:zstd")

    kinds = {layer["mediaType"].rpartition("+")[2] for layer in raw(at, "zstd")["layers"]}
    expect("zstd" in kinds, f"layers are {kinds}")


@CHECKS.add("skopeo copy --all of an index", "skopeo")
def index(at: Place) -> None:
    made = at.layout.index("many", "amd64", "arm64", "s390x")

    at.run("skopeo", "copy", "--all", at.layout.name("many"), remote(at, "many"))

    expect_same(digest_of(at, "many"), made)
    described = json.loads(at.run("skopeo", "--override-arch", "s390x", "inspect", remote(at, "many")))
    expect_same(described["Architecture"], "s390x")


@CHECKS.add("skopeo sync repository → folder", "skopeo")
def sync(at: Place) -> None:
    folder = at.folder / "synced"
    folder.mkdir()

    at.run("skopeo", "sync", "--all", "--src", "docker", "--dest", "dir", f"{at.host}/{APP}", str(folder))

    expect_same(len(list(folder.iterdir())), len(tags_of(at)))


@CHECKS.add("skopeo inspect, list-tags", "skopeo")
def inspect(at: Place) -> None:
    described = json.loads(at.run("skopeo", "inspect", remote(at, "1")))

    expect_same(described["Name"], f"{at.host}/{APP}")
    expect_same(tags_of(at), ["1", "docker", "many", "oci", "zstd"])
    expect_same(described["RepoTags"], tags_of(at))


@CHECKS.add("skopeo delete", "skopeo")
def delete(at: Place) -> None:
    at.run("skopeo", "delete", remote(at, "zstd"))

    expect_same(tags_of(at), ["1", "docker", "many", "oci"])
    at.refuses("manifest unknown", "skopeo", "inspect", remote(at, "zstd"))


@CHECKS.add("skopeo copy to a repository that is not there", "skopeo")
def missing(at: Place) -> None:
    wish = ("skopeo", "copy", at.layout.name("1"), f"docker://{at.image('skopeo/none', '1')}")

    at.refuses("The repository with name 'skopeo/none' does not exist in the registry with id '000000000000'", *wish)


@CHECKS.add("skopeo does not trust an unknown CA", "skopeo", only="TLS")
def distrust(at: Place) -> None:
    at.refuses("certificate signed by unknown authority", "skopeo", "inspect", remote(at, "1"), home=at.stranger)


def remote(at: Place, tag: str) -> str:
    return f"docker://{at.image(APP, tag)}"


def digest_of(at: Place, tag: str) -> str:
    return at.run("skopeo", "inspect", "--no-tags", "--format", "{{.Digest}}", remote(at, tag))


def raw(at: Place, tag: str):
    return json.loads(at.run("skopeo", "inspect", "--raw", remote(at, tag)))


def tags_of(at: Place) -> list[str]:
    return json.loads(at.run("skopeo", "list-tags", f"docker://{at.host}/{APP}"))["Tags"]
