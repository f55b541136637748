"""Who may call what: every operation, asked for by everybody who differs in rights."""

from __future__ import annotations

from contextlib import closing

import pytest

from holdfast.aws.service_models import load
from holdfast.http import ReadBody, Request
from tests import databases
from tests.aws.furnished import nobody_waits_for_the_disk
from tests.callers import refusal
from tests.everybody import (
    ALSO,
    DENIED,
    EVERY,
    HIDDEN,
    IDENTITY,
    ITSELF,
    NO_LEAVE,
    OTHER,
    OWNER,
    PROTECTED,
    ROLE_ARN,
    SERVICES,
    SPOKEN_IN_JSON,
    TRUSTED,
    Ground,
    another,
    request_for,
    spelled,
)
from tests.grants import allow, deny
from tests.registry.ground import AT, HOME


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    with nobody_waits_for_the_disk():
        made = Ground(tmp_path_factory.mktemp("matrix"))
        yield made
        made.close()


def test_an_operation_that_is_marked_with_no_resource_is_known_to_ask_itself_or_to_need_no_leave():
    unmarked = {name for operations in SERVICES.values() for name, found in operations.items() if not found.resource}

    assert unmarked == {*ITSELF, *NO_LEAVE, *TRUSTED}


@pytest.mark.parametrize(("service", "name"), EVERY)
def test_who_does_not_sign_may_do_nothing(ground, service, name):
    headers = [("host", "localhost"), ("content-type", "application/x-www-form-urlencoded")]
    form = f"Action={name}&Version={load(service).api_version}".encode()
    if service in SPOKEN_IN_JSON:
        headers = [("host", "localhost"), ("x-amz-target", f"{load(service).target_prefix}.{name}")]
    before = ground.changes()

    answer = ground.aws(Request("POST", "/", "", headers, peer="127.0.0.1", is_secure=False))
    answer = answer.then(form) if isinstance(answer, ReadBody) else answer

    code = spelled(answer)[1]
    assert code.removesuffix("Exception") == "MissingAuthenticationToken" or name == "AssumeRoleWithWebIdentity"
    assert answer.status == (400 if service in SPOKEN_IN_JSON or code == "ValidationError" else 403)
    assert ground.changes() == before


@pytest.mark.parametrize(("service", "name"), PROTECTED)
@pytest.mark.parametrize("who", ["somebody", "session"])
def test_an_operation_needs_its_action_on_its_resource(ground, who, service, name):
    request = request_for(service, name)
    action = f"{load(service).signing_name}:{SERVICES[service][name].action}"
    resources = ground.resources(who, service, name, request)
    others = [another(resource) for resource in resources]

    ground.give(who, allow("ecr:ListImages", AT.arn + "-and-more"))
    assert ground.refused(who, service, name, request) == IDENTITY
    ground.give(who, allow(action, *others), {"Effect": "Allow", "NotAction": action, "Resource": "*"})
    assert ground.refused(who, service, name, request) == IDENTITY
    ground.give(who, allow("*"), deny(action, *resources))
    assert ground.refused(who, service, name, request) == DENIED
    ground.give(who, allow(action, *resources), *([ALSO[name]] if name in ALSO else []))
    assert ground.passes(who, service, name, request)


@pytest.mark.parametrize(("service", "name"), PROTECTED)
def test_who_has_no_rights_may_do_nothing_and_the_root_everything(ground, service, name):
    request = request_for(service, name)

    assert ground.refused("nobody", service, name, request) == IDENTITY
    assert ground.passes("root", service, name, request)


@pytest.mark.parametrize(("service", "name"), PROTECTED)
@pytest.mark.parametrize("who", ["stranger", "root of strangers"])
def test_strangers_may_do_nothing_to_what_is_not_theirs_whatever_they_may_at_home(ground, who, service, name):
    request = request_for(service, name)
    if who == "stranger":
        ground.give(who, allow("*"))
    if service in SPOKEN_IN_JSON and "registryId" in load(service).find(name).input_shape.members:
        request = {**request, "registryId": HOME.account_id}
    found = SERVICES[service][name]
    theirs = found.resource and found.resource(ground.call(who, service), request)
    owners = {owner(one) for one in (theirs if isinstance(theirs, list | tuple) else [theirs])}

    if owners <= {None, OTHER.account_id}:  # there is no way to speak of another account's
        before = rows_of_home(ground)
        assert ground.passes(who, service, name, request) is not (name in HIDDEN)
        assert rows_of_home(ground) == before
    else:
        assert ground.refused(who, service, name, request) == OWNER


def owner(resource):
    """The account that a resource belongs to."""
    return getattr(resource, "registry", resource).account_id if resource is not None else None


def rows_of_home(ground):
    """Every row that says that it is the home account's."""
    with closing(databases.look(ground.on.database)) as rows:
        ids = {"account_id": HOME.account_id}
        [ids["registry_id"]] = rows.execute(
            f"SELECT id FROM registries WHERE account_id = '{HOME.account_id}'"
        ).fetchone()
        return {
            table: rows.execute(f"SELECT * FROM {table} WHERE CAST({column} AS text) = '{ids[column]}'").fetchall()
            for table, column in databases.columns(rows)
            if column in ids
        }


@pytest.mark.parametrize(
    ("service", "name", "request_"),
    [
        ("ecr", "DescribeRepositories", {"repositoryNames": [AT.name, "second/one"]}),
        ("ecr", "BatchGetRepositoryScanningConfiguration", {"repositoryNames": [AT.name, "second/one"]}),
        ("iam", "UpdateUser", {"UserName": "bob", "NewUserName": "rob"}),
        ("iam", "UpdateGroup", {"GroupName": "crew", "NewGroupName": "squad"}),
    ],
)
def test_leave_is_needed_for_every_resource_of_a_request(ground, service, name, request_):
    resources = ground.resources("somebody", service, name, request_)
    assert len(resources) == 2

    for missing in resources:
        ground.give("somebody", allow(f"{service}:{name}", *(one for one in resources if one != missing)))
        assert ground.refused("somebody", service, name, request_) == IDENTITY
    ground.give("somebody", allow(f"{service}:{name}", *resources))
    assert ground.passes("somebody", service, name, request_)


@pytest.mark.parametrize("name", sorted(NO_LEAVE))
@pytest.mark.parametrize("who", ["somebody", "stranger", "root"])
def test_what_needs_no_leave_cannot_be_denied(ground, who, name):
    if who != "root":
        ground.give(who, deny("*"))

    assert ground.ask(who, "sts", name, {}) is None


def test_a_role_is_assumed_by_whom_it_trusts_and_who_may(ground):
    request = {"RoleArn": ROLE_ARN, "RoleSessionName": "run-1"}
    asked = "sts", "AssumeRole", request

    for who in ("somebody", "session"):
        ground.give(who, allow("sts:AssumeRole", f"{ROLE_ARN}-and-more"))
        assert IDENTITY.replace("ACTION", "sts:AssumeRole") in ground.ask(who, *asked)[2]
        ground.give(who, allow("*"), deny("sts:AssumeRole", ROLE_ARN))
        assert DENIED in ground.ask(who, *asked)[2]
        ground.give(who, allow("sts:AssumeRole", ROLE_ARN))
        assert ground.ask(who, *asked) is None
    ground.give("stranger", allow("*"))
    assert "because no role trust policy allows the sts:AssumeRole action" in ground.ask("stranger", *asked)[2]
    assert ground.ask("root", *asked)[1] == "AccessDenied"


# ---- The doors that run


def test_the_running_doors_ask(product, account, name):
    """One of each kind, in full: what the tests above do below the check of signatures is what the server does."""
    account.client("ecr").create_repository(repositoryName=name)
    nobody = account.a_user("nobody", [allow("ecr:GetAuthorizationToken")])
    token = account.client("ecr", **nobody).get_authorization_token()["authorizationData"][0]["authorizationToken"]
    arn = f"arn:aws:ecr:us-east-1:{account.id}:repository"
    head = f"User: arn:aws:iam::{account.id}:user/nobody is not authorized to perform: "
    tail = " because no identity-based policy allows the {} action"
    asked = [
        ("ecr", "describe_repositories", {}, "ecr:DescribeRepositories", f"{arn}/*"),
        ("ecr", "list_images", {"repositoryName": name}, "ecr:ListImages", f"{arn}/{name}"),
        ("ecr", "describe_registry", {}, "ecr:DescribeRegistry", "*"),
        ("iam", "get_user", {"UserName": "nobody"}, "iam:GetUser", f"arn:aws:iam::{account.id}:user/nobody"),
        ("sts", "get_federation_token", {"Name": "guest"}, "sts:GetFederationToken",
         f"arn:aws:sts::{account.id}:federated-user/guest"),
    ]  # fmt: skip

    told = [
        refusal(getattr(account.client(service, **nobody), method), **members) for service, method, members, *_ in asked
    ]
    answers = [product.http(f"Basic {token}")("GET", path) for path in (f"/v2/{name}/tags/list", "/v2/_catalog")]

    codes = ["AccessDeniedException"] * 3 + ["AccessDenied"] * 2
    for (code, message), wanted, (*_, action, resource) in zip(told, codes, asked, strict=True):
        assert (code, message) == (wanted, f"{head}{action} on resource: {resource}{tail.format(action)}")
    assert [(answer.status, answer.code) for answer in answers] == [(403, "DENIED")] * 2
    assert answers[0].message == f"{head}ecr:ListImages on resource: {arn}/{name}{tail.format('ecr:ListImages')}"
