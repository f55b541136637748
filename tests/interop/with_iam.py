"""Amazon's own command line, for people and jobs that may do only what they need; skopeo pushes as them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.interop.layouts import MEBIBYTE
from tests.interop.places import expect, expect_same
from tests.interop.report import Checks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.places import Place

CHECKS = Checks()
ACCOUNT = "000000000000"
PUSH = [
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
]


def document(*statements: dict[str, Any]) -> str:
    """A policy of statements that allow."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]})


def push_to(repository: str) -> str:
    """A policy that lets its holder log in and push to one repository."""
    arn = f"arn:aws:ecr:*:{ACCOUNT}:repository/{repository}"
    return document({"Action": "ecr:GetAuthorizationToken", "Resource": "*"}, {"Action": PUSH, "Resource": arn})


def aws(at: Place, *arguments: str, profile: str | None = None) -> Any:
    """Run `aws` for any service, perhaps as somebody else; its answer."""
    credentials = ("--profile", profile) if profile else ()
    told = at.run("aws", "--endpoint-url", at.url, *credentials, *arguments)
    return json.loads(told) if told.startswith("{") else told


def become(at: Place, profile: str, key: dict[str, str]) -> None:
    """Let a profile of the command line have a key."""
    lines = [
        f"[{profile}]",
        f"aws_access_key_id = {key['AccessKeyId']}",
        f"aws_secret_access_key = {key['SecretAccessKey']}",
        *([f"aws_session_token = {key['SessionToken']}"] if "SessionToken" in key else []),
    ]
    path = at.product.data / "root.credentials"
    path.write_text(path.read_text() + "\n" + "\n".join(lines) + "\n")


def make_user(at: Place, name: str, policy: str, by: str | None = None) -> None:
    """Make a user with a policy, perhaps as somebody else, and a profile of its name with its key."""
    put = ("iam", "put-user-policy", "--user-name", name, "--policy-name", "own", "--policy-document", policy)
    aws(at, "iam", "create-user", "--user-name", name, profile=by)
    aws(at, *put, profile=by)
    become(at, name, aws(at, "iam", "create-access-key", "--user-name", name, profile=by)["AccessKey"])


def login_of(at: Place, profile: str) -> Path:
    """Log skopeo in as somebody; the file with the login."""
    file = at.folder / f"{profile}.json"
    password = aws(at, "ecr", "get-login-password", profile=profile)
    at.run("skopeo", "login", "--authfile", str(file), "--username", "AWS", "--password-stdin", at.host, stdin=password)
    return file


@CHECKS.add("aws iam makes a user that can push to one repository; skopeo does, and nowhere else", "aws", "skopeo")
def user(at: Place) -> None:
    for repository in ("iam/his", "iam/others"):
        at.create(repository)
    at.layout.image("iam", size=MEBIBYTE)
    make_user(at, "ci", push_to("iam/his"))

    identity = aws(at, "sts", "get-caller-identity", profile="ci")
    login = login_of(at, "ci")
    source = at.layout.name("iam")
    at.run("skopeo", "copy", "--authfile", str(login), source, f"docker://{at.image('iam/his', '1')}")

    expect_same(identity["Arn"], f"arn:aws:iam::{ACCOUNT}:user/ci")
    expect(at.pushed_digest("iam/his", "1"), "the image is there")
    at.refuses("403", "skopeo", "copy", "--authfile", str(login), source, f"docker://{at.image('iam/others', '1')}")
    at.refuses(
        "not authorized to perform: ecr:DescribeRepositories",
        *("aws", "--endpoint-url", at.url, "--profile", "ci", "ecr", "describe-repositories"),
    )


@CHECKS.add("aws sts assume-role as that user; skopeo pushes as the role until it is gone", "aws", "skopeo")
def role(at: Place) -> None:
    trust = document({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/ci"}, "Action": "sts:AssumeRole"})
    aws(at, "iam", "create-role", "--role-name", "deploy", "--assume-role-policy-document", trust)
    made = aws(at, "iam", "create-policy", "--policy-name", "deploy", "--policy-document", push_to("iam/others"))
    arn = made["Policy"]["Arn"]
    aws(at, "iam", "attach-role-policy", "--role-name", "deploy", "--policy-arn", arn)
    taken = aws(
        at, "sts", "assume-role", "--role-arn", f"arn:aws:iam::{ACCOUNT}:role/deploy", "--role-session-name", "job",
        profile="ci",
    )  # fmt: skip
    become(at, "job", taken["Credentials"])
    login = login_of(at, "job")
    push = ("skopeo", "copy", "--authfile", str(login), at.layout.name("iam"))

    at.run(*push, f"docker://{at.image('iam/others', '2')}")
    aws(at, "iam", "detach-role-policy", "--role-name", "deploy", "--policy-arn", arn)
    aws(at, "iam", "delete-role", "--role-name", "deploy")

    expect_same(taken["AssumedRoleUser"]["Arn"], f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/job")
    expect(at.pushed_digest("iam/others", "2"), "the image is there")
    at.refuses("authentication required", *push, f"docker://{at.image('iam/others', '3')}")


@CHECKS.add("aws iam attaches Amazon's pull-only policy; skopeo pulls and cannot push", "aws", "skopeo")
def pull_only(at: Place) -> None:
    aws(at, "iam", "create-user", "--user-name", "prod")
    policy = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly"
    aws(at, "iam", "attach-user-policy", "--user-name", "prod", "--policy-arn", policy)
    become(at, "prod", aws(at, "iam", "create-access-key", "--user-name", "prod")["AccessKey"])
    login = str(login_of(at, "prod"))

    at.run("skopeo", "copy", "--src-authfile", login, f"docker://{at.image('iam/his', '1')}", f"oci:{at.folder}/prod:1")

    push = ("skopeo", "copy", "--authfile", login, at.layout.name("iam"))
    at.refuses("not authorized to perform: ecr:PutImage", *push, f"docker://{at.image('iam/his', '2')}")
