"""Who may do what as docker does: every route, asked by everybody who differs in rights."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace

import pytest

from holdfast import oci, registry
from holdfast.http import ReadBody, Receive, Request
from holdfast.model.errors import Refusal
from holdfast.model.names import AllRepositories
from holdfast.oci.routes import ROUTES
from tests.aws.furnished import nobody_waits_for_the_disk
from tests.everybody import DENIED, IDENTITY, OWNER, Ground, another
from tests.grants import allow, deny, policy
from tests.registry.ground import AT, HOME


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    with nobody_waits_for_the_disk():
        made = Ground(tmp_path_factory.mktemp("matrix"))
        yield made
        made.close()


def address(ground, row):
    """A path of a row; what it names is there as far as it can be."""
    tail = row.path.rpartition("/{reference}")[0].rpartition("/")[2]
    layer = ground.image.json()["layers"][0]["digest"]
    reference = {"manifests": "v1", "referrers": ground.image.digest, "blobs": layer, "uploads": ground.upload}
    path = row.path.replace("{name}", AT.name).replace("{reference}", reference.get(tail, ""))
    return f"{path}?digest={layer}" if row.method == "PUT" and tail == "uploads" else path


def send(ground, who, row, on=None):
    """Ask at the registry's door as docker does, up to the end of the body; the answer."""
    door = oci.Door(on or ground.on, ground.tokens)
    headers = [("host", "localhost"), ("content-length", "0"), ("authorization", login(ground, who))]
    path, _, query = address(ground, row).partition("?")
    request = Request(row.method, path, query, headers[: 3 if who else 2], peer="127.0.0.1", is_secure=False)
    answer = door(request)
    try:
        if isinstance(answer, ReadBody):
            return answer.then(b"{}")
        return answer.sink.finish() if isinstance(answer, Receive) else answer
    except Refusal as refused:
        return door.refuse(request, refused)


def login(ground, who):
    if not who:
        return ""
    password, _ = ground.tokens.issue(ground.callers[who], HOME)
    return "Basic " + b64encode(f"AWS:{password}".encode()).decode()


def shut_out(ground, who, row):
    """Ask for what must be refused, without effect and in these words; the reason."""
    before = ground.changes()
    answer = send(ground, who, row)
    assert ground.changes() == before
    assert answer.status == 403
    [error] = json.loads(answer.body)["errors"]
    resource = AT.arn if "{name}" in row.path else AllRepositories(HOME).arn
    head = f"User: {ground.callers[who].arn} is not authorized to perform: {row.needs} on resource: {resource} "
    assert error["code"] == "DENIED"
    assert error["message"].startswith(head), error
    return error["message"].removeprefix(head).replace(row.needs, "ACTION")


def row_name(row):
    return f"{row.method} {row.path}"


GUARDED = [row for row in ROUTES if row.needs is not None]


def test_only_the_ping_needs_no_leave():
    assert {row.path for row in ROUTES if row.needs is None} == {"/v2/"}


@pytest.mark.parametrize("row", ROUTES, ids=row_name)
def test_who_does_not_log_in_is_asked_to(ground, row):
    before = ground.changes()

    answer = send(ground, None, row)

    assert answer.status == 401
    assert dict(answer.headers)["Www-Authenticate"] == 'Basic realm="http://localhost/",service="ecr.amazonaws.com"'
    assert answer.body == b"Not Authorized\n"
    assert ground.changes() == before


@pytest.mark.parametrize("row", GUARDED, ids=row_name)
@pytest.mark.parametrize("who", ["somebody", "session"])
def test_a_route_needs_its_action_on_its_repository(ground, who, row):
    resource = AT.arn if "{name}" in row.path else AllRepositories(HOME).arn
    needed = [row.needs, *([row.or_needs] if row.or_needs else [])]

    ground.give(who, allow("iam:*"))
    assert shut_out(ground, who, row) == IDENTITY
    ground.give(who, allow("*", another(resource)), {"Effect": "Allow", "NotAction": needed, "Resource": "*"})
    assert shut_out(ground, who, row) == IDENTITY
    ground.give(who, allow("*"), deny(needed, resource))
    assert shut_out(ground, who, row) == DENIED
    for action in needed:
        ground.give(who, allow(action, resource))
        assert send(ground, who, row).status not in {401, 403}


@pytest.mark.parametrize("row", ROUTES, ids=row_name)
def test_a_stranger_may_do_nothing_and_the_root_everything(ground, row):
    ground.give("stranger", allow("*"))
    if row.needs is not None:
        assert shut_out(ground, "stranger", row) == OWNER
        assert shut_out(ground, "root of strangers", row) == OWNER

    assert send(ground, "root", row).status not in {401, 403}


@pytest.mark.parametrize("row", GUARDED, ids=row_name)
def test_who_is_nobody_gets_what_is_public_where_everybody_may(ground, row):
    text = policy(
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:ListImages", row.needs],
        }
    )
    registry.policies.set_on_repository(ground.on, ground.callers["root"], AT, text, ground.call("root", "ecr").http)
    is_public = row.method in {"GET", "HEAD"} and "{name}" in row.path and "uploads" not in row.path

    assert send(ground, None, row).status == 401
    answer = send(ground, None, row, on=replace(ground.on, public_repositories=True))

    registry.policies.delete_from_repository(ground.on, AT)
    assert (answer.status != 401) is is_public
    assert send(ground, None, row, on=replace(ground.on, public_repositories=True)).status == 401
