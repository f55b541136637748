"""skopeo and podman as somebody of another account, who is let in by a repository policy, or is not."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING

from tests.interop.layouts import MEBIBYTE
from tests.interop.places import expect, expect_same
from tests.interop.report import Checks, Failed
from tests.interop.with_iam import ACCOUNT, PUSH, aws, become, document, make_user
from tests.interop.with_podman import load

if TYPE_CHECKING:
    from tests.interop.places import Place

CHECKS = Checks()
OTHER = "444455556666"
SHARED, HIDDEN, MISSING = "accounts/shared", "accounts/hidden", "accounts/missing"
PULL = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
REASON = "because no resource-based policy allows the ecr:{} action"


def login(at: Place) -> tuple[str, str]:
    """Bob's login at the registry of the first account, as a flag of skopeo and podman."""
    file = at.folder / "bob-of-another-account.json"
    token = aws(at, "ecr", "get-authorization-token", "--registry-ids", ACCOUNT, profile="bob")
    password = base64.b64decode(token["authorizationData"][0]["authorizationToken"]).decode().partition(":")[2]
    flag = ("--authfile", str(file))
    at.run("skopeo", "login", *flag, "--username", "AWS", "--password-stdin", at.host, stdin=password)
    return flag


def told(at: Place, *command: str) -> str:
    """What a client that must be refused says of it, without what differs from one try to the next."""
    try:
        at.run(*command)
    except Failed as fault:
        refusal = re.search(r"User: arn:aws:\S+ is not authorized [^\"\n]*", str(fault))
        expect(refusal, f"the refusal is not told:\n{fault}")
        return refusal[0] if refusal else ""
    raise Failed(f"{command} was not refused")


def share(at: Place, *actions: str) -> None:
    """Let the other account do this to the shared repository."""
    text = document({"Principal": {"AWS": OTHER}, "Action": list(actions)})
    at.aws("set-repository-policy", "--repository-name", SHARED, "--policy-text", text)


@CHECKS.add("skopeo of another account is refused, and learns nothing of what is there", "aws", "skopeo")
def outside(at: Place) -> None:
    made = [at.product.cli("account", *arguments) for arguments in (("create", OTHER), ("create-key", OTHER))]
    expect_same([one.returncode for one in made], [0, 0])
    id_, secret = re.findall(r"= (\S+)", made[1].stdout)
    become(at, "other", {"AccessKeyId": id_, "SecretAccessKey": secret})
    rights = document({"Action": "ecr:*", "Resource": "*"})
    make_user(at, "bob", rights, by="other")
    for repository in (SHARED, HIDDEN):
        at.create(repository)
    at.aws("tag-resource", "--resource-arn", f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{HIDDEN}",
           "--tags", "Key=team,Value=blue")  # fmt: skip
    deny = json.dumps({"Version": "2012-10-17",
                       "Statement": {"Effect": "Deny", "Principal": {"AWS": OTHER}, "Action": "ecr:*"}})  # fmt: skip
    at.aws("set-repository-policy", "--repository-name", HIDDEN, "--policy-text", deny)
    at.layout.image("ours", size=MEBIBYTE)
    at.layout.image("theirs", size=MEBIBYTE)
    at.run("skopeo", "copy", "--dest-creds", f"AWS:{at.password}", at.layout.name("ours"),
           f"docker://{at.image(SHARED, 'ours')}")  # fmt: skip
    bob = login(at)

    for repository in (SHARED, HIDDEN, MISSING):
        arn = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{repository}"
        words = f"User: arn:aws:iam::{OTHER}:user/bob is not authorized to perform: {{}} on resource: {arn} {{}}"
        pull = told(at, "skopeo", "inspect", *bob, f"docker://{at.image(repository, 'ours')}")
        expect_same(pull, words.format("ecr:BatchGetImage", REASON.format("BatchGetImage")))
        at.refuses("403", "skopeo", "copy", *bob, at.layout.name("theirs"), f"docker://{at.image(repository, 'b')}")


@CHECKS.add("skopeo of another account pushes and pulls by a repository policy, until it is gone", "aws", "skopeo")
def inside(at: Place) -> None:
    bob = login(at)
    image = f"docker://{at.image(SHARED, 'skopeo')}"

    share(at, *PULL)
    at.run("skopeo", "copy", *bob, f"docker://{at.image(SHARED, 'ours')}", f"oci:{at.folder}/bobs:1")
    at.refuses(REASON.format("InitiateLayerUpload"), "skopeo", "copy", *bob, at.layout.name("theirs"), image)
    share(at, *PUSH, *PULL)
    at.run("skopeo", "copy", *bob, at.layout.name("theirs"), image)
    pushed = at.pushed_digest(SHARED, "skopeo")
    expect_same(at.run("skopeo", "inspect", *bob, "--format", "{{.Digest}}", image), pushed)
    at.aws("delete-repository-policy", "--repository-name", SHARED)

    at.refuses(REASON.format("BatchGetImage"), "skopeo", "inspect", *bob, image)


@CHECKS.add("podman of another account pushes and pulls by a repository policy, until it is gone", "aws", "podman")
def with_podman(at: Place) -> None:
    bob = login(at)
    local = load(at, "theirs")
    image = at.image(SHARED, "podman")

    at.refuses("403", "podman", "push", *bob, local, image)  # it asks for a layer that skopeo sent
    share(at, *PUSH, *PULL)
    at.run("podman", "push", *bob, local, image)
    at.run("podman", "rmi", "--all", "--force")
    at.run("podman", "pull", *bob, image)
    digest = at.run("podman", "image", "inspect", "--format", "{{.Digest}}", image)
    expect_same(digest, at.pushed_digest(SHARED, "podman"))
    at.aws("delete-repository-policy", "--repository-name", SHARED)
    at.run("podman", "rmi", "--all", "--force")

    at.refuses(REASON.format("BatchGetImage"), "podman", "pull", *bob, image)
