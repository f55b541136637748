"""podman: build, push, pull, run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.interop import with_iam
from tests.interop.layouts import MEBIBYTE, MOTTO
from tests.interop.places import expect, expect_same
from tests.interop.report import Checks, Failed, Unable

if TYPE_CHECKING:
    from tests.interop.places import Place

CHECKS = Checks()
APP = "podman/app"


@CHECKS.add("podman login", "aws", "podman")
def login(at: Place) -> None:
    at.logs_in("podman")
    at.create(APP)


@CHECKS.add("podman push", "aws", "podman")
def push(at: Place) -> None:
    at.layout.image("podman", size=4 * MEBIBYTE)
    local = load(at, "podman")
    at.run("podman", "tag", local, at.image(APP, "1"))
    digest = at.folder / "digest"

    at.run("podman", "push", "--digestfile", str(digest), at.image(APP, "1"))

    expect_same(at.pushed_digest(APP, "1"), digest.read_text())


@CHECKS.add("podman push again sends nothing", "podman")
def push_again(at: Place) -> None:
    told = at.run("sh", "-c", f"podman --log-level debug push {at.image(APP, '1')} 2>&1")

    expect("Uploading" not in told, "a layer was sent that the registry had")


@CHECKS.add("podman pull by tag, by digest", "aws", "podman")
def pull(at: Place) -> None:
    digest = at.pushed_digest(APP, "1")
    at.run("podman", "rmi", "--all", "--force")

    at.run("podman", "pull", at.image(APP, "1"))
    at.run("podman", "pull", f"{at.host}/{APP}@{digest}")

    expect_same(at.run("podman", "image", "inspect", "--format", "{{.Digest}}", at.image(APP, "1")), digest)


@CHECKS.add("podman run of what was pulled", "busybox", "podman", "runc")
def run(at: Place) -> None:
    local = load(at, "podman")
    try:
        at.run("podman", "run", "--rm", local)
    except Failed as fault:  # the image never left this machine: the machine is to blame
        raise Unable(f"no container runs here: {str(fault).splitlines()[-2]}") from None
    at.run("podman", "rmi", "--all", "--force")

    told = at.run("podman", "run", "--rm", at.image(APP, "1"))

    expect_same(told, MOTTO)


@CHECKS.add("podman build FROM the registry, push", "aws", "podman")
def build(at: Place) -> None:
    folder = at.folder / "context"
    folder.mkdir()
    (folder / "more").write_text("more")
    (folder / "Containerfile").write_text(f"FROM {at.image(APP, '1')}\nCOPY more /more\nLABEL stage=test\n")

    at.run("podman", "build", "--tag", at.image(APP, "built"), str(folder))
    at.run("podman", "push", at.image(APP, "built"))

    at.pushed_digest(APP, "built")


@CHECKS.add("podman push --format v2s2", "aws", "podman")
def docker_format(at: Place) -> None:
    at.run("podman", "push", "--format", "v2s2", at.image(APP, "built"), at.image(APP, "docker"))

    answer = at.aws("describe-images", "--repository-name", APP, "--image-ids", "imageTag=docker")
    expect("docker" in answer["imageDetails"][0]["imageManifestMediaType"], f"{answer}")


@CHECKS.add("podman manifest push --all", "podman")
def index(at: Place) -> None:
    at.run("podman", "manifest", "create", "many")
    for architecture in ("amd64", "arm64"):
        at.layout.image(f"podman-{architecture}", architecture=architecture)
        at.run("podman", "manifest", "add", "many", at.layout.name(f"podman-{architecture}"))

    at.run("podman", "manifest", "push", "--all", "many", f"docker://{at.image(APP, 'many')}")

    told = at.run("podman", "manifest", "inspect", at.image(APP, "many"))
    expect("arm64" in told, told)


@CHECKS.add("podman pull --arch of an index", "podman")
def pull_architecture(at: Place) -> None:
    at.run("podman", "pull", "--arch", "arm64", at.image(APP, "many"))

    architecture = at.run("podman", "image", "inspect", "--format", "{{.Architecture}}", at.image(APP, "many"))
    expect_same(architecture, "arm64")


@CHECKS.add("podman search", "podman")
def search(at: Place) -> None:
    expect(f"{at.host}/{APP}" in at.run("podman", "search", f"{at.host}/podman"), "the repository is not found")

    _, *rows = at.run("podman", "search", "--list-tags", f"{at.host}/{APP}").splitlines()
    expect_same([row.split()[1] for row in rows], ["1", "built", "docker", "many"])


@CHECKS.add("podman pull of what is not there", "podman")
def missing(at: Place) -> None:
    at.refuses("manifest unknown: Requested image not found", "podman", "pull", at.image(APP, "none"))


@CHECKS.add("podman is let in by a repository policy, from its address only", "aws", "podman")
def policy(at: Place) -> None:
    with_iam.make_user(at, "guest", with_iam.document({"Action": "ecr:GetAuthorizationToken", "Resource": "*"}))
    login = ("--authfile", str(at.folder / "guest.json"))
    password = with_iam.aws(at, "ecr", "get-login-password", profile="guest")
    at.run("podman", "login", *login, "--username", "AWS", "--password-stdin", at.host, stdin=password)
    at.run("podman", "rmi", "--all", "--force")
    pull = ("podman", "pull", *login, at.image(APP, "1"))
    denied = "not authorized to perform: ecr:BatchGetImage"

    at.refuses(denied, *pull)
    _let_in(at, "guest", "192.0.2.0/24", "2001:db8::/32")
    at.refuses(denied, *pull)
    _let_in(at, "guest", "127.0.0.0/8", "::1/128")
    at.run(*pull)

    push = ("podman", "push", *login, at.image(APP, "1"))
    at.refuses("not authorized to perform: ecr:", *push)
    at.aws("delete-repository-policy", "--repository-name", APP)


def _let_in(at: Place, user: str, *addresses: str) -> None:
    """Let a user pull from some addresses, and from no others."""
    statement = {
        "Principal": {"AWS": f"arn:aws:iam::{with_iam.ACCOUNT}:user/{user}"},
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        "Condition": {"IpAddress": {"aws:SourceIp": addresses}},
    }
    text = with_iam.document(statement)
    at.aws("set-repository-policy", "--repository-name", APP, "--policy-text", text)


@CHECKS.add("podman logout, then pull", "podman")
def logout(at: Place) -> None:
    at.run("podman", "logout", at.host)

    at.refuses("authentication required", "podman", "pull", at.image(APP, "1"))


def load(at: Place, tag: str) -> str:
    """Give podman an image of the layout; its ID."""
    # From an archive, because podman makes a name of a folder's path, which not every path allows.
    archive = at.folder / f"{tag}.tar"
    at.layout.archive(tag, archive, at.image(APP, tag))
    return at.run("podman", "pull", "--quiet", f"oci-archive:{archive}")
