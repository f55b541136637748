"""buildah: images built step by step, and layers cached in a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.interop.places import expect, expect_same
from tests.interop.report import Checks

if TYPE_CHECKING:
    from tests.interop.places import Place

CHECKS = Checks()
APP = "buildah/app"


@CHECKS.add("buildah login", "aws", "buildah")
def login(at: Place) -> None:
    at.logs_in("buildah")
    at.create(APP)


@CHECKS.add("buildah from scratch, push", "aws", "buildah", "busybox")
def push(at: Place) -> None:
    container = at.run("buildah", "from", "scratch")
    at.run("buildah", "copy", container, at.found["busybox"], "/bin/")
    at.run("buildah", "config", "--cmd", '["/bin/busybox", "true"]', container)
    at.run("buildah", "commit", container, "built")
    digest = at.folder / "digest"

    at.run("buildah", "push", "--digestfile", str(digest), "built", at.image(APP, "1"))

    expect_same(at.pushed_digest(APP, "1"), digest.read_text())


@CHECKS.add("buildah from the registry", "aws", "buildah", "busybox")
def pull(at: Place) -> None:
    at.run("buildah", "rmi", "--all", "--force")
    container = at.run("buildah", "from", at.image(APP, "1"))

    digest = at.run("buildah", "inspect", "--format", "{{.FromImageDigest}}", container)
    expect_same(digest, at.pushed_digest(APP, "1"))


@CHECKS.add("buildah manifest push --all", "aws", "buildah")
def index(at: Place) -> None:
    at.run("buildah", "manifest", "create", "several")
    for architecture in ("amd64", "arm64"):
        at.layout.image(f"buildah-{architecture}", architecture=architecture)
        at.run("buildah", "manifest", "add", "several", at.layout.name(f"buildah-{architecture}"))

    at.run("buildah", "manifest", "push", "--all", "several", f"docker://{at.image(APP, 'several')}")

    answer = at.aws("describe-images", "--repository-name", APP, "--image-ids", "imageTag=several")
    expect("index" in answer["imageDetails"][0]["imageManifestMediaType"], f"{answer}")


@CHECKS.add("buildah build --cache-to and --cache-from the registry", "aws", "buildah")
def cache(at: Place) -> None:
    at.create("buildah/cache")
    folder = at.folder / "cached"
    folder.mkdir()
    (folder / "Containerfile").write_text("FROM scratch\nCOPY Containerfile /one\nCOPY Containerfile /two\n")
    cached = f"{at.host}/buildah/cache"
    build = ("buildah", "build", "--layers", "--cache-to", cached, "--cache-from", cached, str(folder))

    at.run(*build)
    at.run("buildah", "rmi", "--all", "--force")
    told = at.run(*build)

    expect(told.count("Cache pulled from remote") == 2, told)
