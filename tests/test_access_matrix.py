"""Who may do what: every operation and every route, asked by everybody who differs in rights."""

from __future__ import annotations

import json
import sqlite3
from base64 import b64encode
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest
from botocore.serialize import create_serializer

from holdfast import oci, registry
from holdfast.aws import ecr, iam, sts
from holdfast.aws.door import Door
from holdfast.aws.operations import ANONYMOUS, Call
from holdfast.aws.service_models import load
from holdfast.http import ReadBody, Receive, Request
from holdfast.model.callers import holder
from holdfast.model.errors import AccessDenied, Refusal
from holdfast.model.iam_sessions import ROLE
from holdfast.model.names import AllRepositories, Arn, Registry, RepositoryRef
from holdfast.oci.routes import ROUTES
from holdfast.registry.accounts import Tokens
from tests import builders
from tests.aws.furnished import RIGHT, nobody_waits_for_the_disk
from tests.callers import refusal
from tests.registry.ground import AT, HOME, Clock, open_ground, push

OTHER = Registry("444455556666", HOME.region)
TRUST = {"Effect": "Allow", "Principal": {"AWS": HOME.account_id}, "Action": "sts:AssumeRole"}
ROLE_ARN = f"arn:aws:iam::{HOME.account_id}:role/trusting"
EMPTY_DIGEST = builders.digest(b"")
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, *resources):
    return {"Effect": "Allow", "Action": action, "Resource": list(resources) or "*"}


EVERYTHING = allow("*")
HARMLESS = document({"Effect": "Allow", "Principal": {"AWS": "999999999999"}, "Action": "ecr:ListImages"})

# ---- What is asked: ECR by requests that are right elsewhere too, the others by the members that they must have

ECR_REQUESTS = RIGHT | {
    "CreateRepository": {"repositoryName": "new/repository"},  # with tags more is asked for
    "SetRepositoryPolicy": {"repositoryName": AT.name, "policyText": HARMLESS},  # lets in nobody whom we know
    "BatchDeleteImage": {"repositoryName": AT.name, "imageIds": [{"imageDigest": EMPTY_DIGEST}]},
}
REGISTRY_POLICY = document({**json.loads(HARMLESS)["Statement"][0], "Resource": "*"})
ECR_REQUESTS["PutRegistryPolicy"] = {"policyText": REGISTRY_POLICY}
MEMBERS = {
    "AccessKeyId": "AKIAIOSFODNN7EXAMPLE",
    "AccountAlias": "ours",
    "ActionNames": ["ecr:ListImages"],
    "AssumeRolePolicyDocument": document(TRUST),
    "AWSServiceName": "replication.ecr.amazonaws.com",
    "ClientID": "audience",
    "DeletionTaskId": "task/aws-service-role/x.amazonaws.com/One/00000000-0000-0000-0000-000000000000",
    "Description": "new",
    "EncodedMessage": "nothing",
    "GroupName": "crew",
    "InstanceProfileName": "machine",
    "Name": "guest",
    "NewPassword": "a new Password 1!",
    "OldPassword": "an old Password 1!",
    "OpenIDConnectProviderArn": f"arn:aws:iam::{HOME.account_id}:oidc-provider/issuer.example",
    "PermissionsBoundary": READ_ONLY,
    "PolicyArn": f"arn:aws:iam::{HOME.account_id}:policy/own",
    "PolicyDocument": document(EVERYTHING),
    "PolicyInputList": [document(EVERYTHING)],
    "PolicyName": "own",
    "PolicySourceArn": f"arn:aws:iam::{HOME.account_id}:user/bob",
    "RoleArn": ROLE_ARN,
    "RoleName": "deployer",
    "RoleSessionName": "run-1",
    "Status": "Inactive",
    "TagKeys": ["team"],
    "Tags": [{"Key": "team", "Value": "red"}],
    "ThumbprintList": ["0" * 40],
    "Url": "https://issuer.example",
    "UserName": "bob",
    "VersionId": "v1",
}
NAMED_THOUGH_OPTIONAL = {"UserName"}  # else it is the caller who is meant

# What operations that are marked with no resource ask for themselves, or that they need no leave.
ITSELF = {
    f"{verb}{kind}{what}": f"{kind}Name"
    for kind in ("User", "Group", "Role")
    for verb, what in (("Attach", "Policy"), ("Detach", "Policy"), ("Put", "Policy"), ("Delete", "Policy"),
                       ("Delete", "PermissionsBoundary"))
    if (kind, what) != ("Group", "PermissionsBoundary")
}  # fmt: skip
NO_LEAVE = {"GetCallerIdentity", "GetSessionToken"}
TRUSTED = {"AssumeRole", "AssumeRoleWithWebIdentity"}  # a trust policy has its say; the second asks for a token
SERVICES = {"ecr": ecr.OPERATIONS, "iam": iam.OPERATIONS, "sts": sts.OPERATIONS}
EVERY = [(service, name) for service, operations in SERVICES.items() for name in sorted(operations)]
PROTECTED = [pair for pair in EVERY if pair[1] not in NO_LEAVE | TRUSTED]


def request_for(service, name):
    """A request for an operation; what it must have and is not in the tables is a KeyError here."""
    if service == "ecr":
        return ECR_REQUESTS[name]
    shape = load(service).find(name).input_shape
    if shape is None:
        return {}
    wanted = {*shape.required_members, *(NAMED_THOUGH_OPTIONAL & set(shape.members))}
    return {member: MEMBERS[member] for member in sorted(wanted)}


def of_home(service, name, request):
    """The same request of a stranger, who must say which registry he means, if he can."""
    has_registry = service == "ecr" and "registryId" in load("ecr").find(name).input_shape.members
    return {**request, "registryId": HOME.account_id} if has_registry else request


# ---- Who asks


class Ground:
    """A registry with its doors, and somebody of every sort in front of them."""

    def __init__(self, folder):
        self.on = open_ground(folder, Clock())
        self.tokens = Tokens(self.on)
        self.aws = Door(self.on, self.tokens, window=timedelta(minutes=15))
        self.image = push(self.on, AT, "an image", "v1")
        self.upload = registry.uploads.begin(self.on, AT)
        registry.accounts.create(self.on, OTHER.account_id)
        registry.iam.users.create(self.on, HOME.account_id, "bob")
        for name in ("worker", "deployer", "trusting"):
            registry.iam.roles.create(self.on, HOME.account_id, name, document(TRUST))
        self.callers = {name: self._user(HOME, name) for name in ("nobody", "somebody")}
        self.callers |= {"stranger": self._user(OTHER, "stranger"), "session": self._session("worker")}
        self.callers |= {"root": self._root(HOME), "root of strangers": self._root(OTHER)}
        self.give("stranger", allow("*"))
        self._watch = sqlite3.connect(self.on.database._path)

    def close(self):
        self._watch.close()
        self.on.database.close()

    def _user(self, home, name):
        user = registry.iam.users.create(self.on, home.account_id, name)
        _, key, _ = registry.iam.access_keys.create(self.on, home.account_id, name)
        return holder(key.id, home.account_id, user.id, user.path, user.name)

    def _root(self, home):
        key, _ = registry.accounts.create_key(self.on, home.account_id)
        return holder(key.id, home.account_id, None, None, None)

    def _session(self, role_name):
        role = registry.iam.roles.get(self.on, HOME.account_id, role_name)
        of_role = {"account_id": HOME.account_id, "kind": ROLE, "entity_id": role.id, "name": "run"}
        with self.on.database.transaction() as tx:
            credentials = registry.iam.sessions.begin(self.on, tx, lifetime=timedelta(hours=12), **of_role)
        return registry.iam.sessions.find(self.on, credentials.access_key_id).caller

    def give(self, name, *statements):
        """Let somebody have these rights and no others."""
        kind, entity = ("role", "worker") if name == "session" else ("user", name)
        account = self.callers[name].account_id
        registry.iam.attachments.put_inline(self.on, kind, account, entity, "own", document(*statements))

    def changes(self):
        """A number that every commit changes."""
        return self._watch.execute("PRAGMA data_version").fetchone()

    def call(self, name, service):
        """Somebody at the endpoint of a service."""
        kind = "application/x-amz-json-1.1" if service == "ecr" else "application/x-www-form-urlencoded"
        headers = [("host", "localhost"), ("content-type", kind), ("authorization", f"x/{service}/aws4_request")]
        head = Request("POST", "/", "", headers, peer="127.0.0.1", is_secure=False)
        return Call(self.on, self.tokens, head, self.callers[name], HOME.region)

    def resources(self, name, service, operation, request):
        """What somebody is asked leave for, as policies name it."""
        found, call = SERVICES[service][operation], self.call(name, service)
        if operation in ITSELF:
            member = ITSELF[operation]
            kind = member.removesuffix("Name").lower()
            return [f"arn:aws:iam::{call.caller.account_id}:{kind}/{request[member]}"]
        resources = found.resource(call, request)
        listed = resources if isinstance(resources, list | tuple) else [resources]
        return ["*" if isinstance(one, Registry) else one.arn for one in listed]

    def ask(self, name, service, operation, request):
        """Ask for an operation; how it is refused: status, code and message, or None if it is not."""
        model, call = load(service).find(operation), self.call(name, service)
        sent = json.dumps(request).encode()
        if service != "ecr":
            sent = create_serializer("query").serialize_to_request(request, model)["body"]
        try:
            self.aws._run(call, SERVICES[service][operation], model, sent)
        except Refusal as refused:
            return spelled(self.aws.refuse(call.http, refused))
        return None

    def refused(self, name, service, operation, request):
        """Ask for what must be refused, without effect and in these words; the reason, and the resource."""
        before = self.changes()
        found = self.ask(name, service, operation, request)
        assert self.changes() == before
        assert found is not None
        status, code, message = found
        assert (status, code) == ((400, "AccessDeniedException") if service == "ecr" else (403, "AccessDenied"))
        action = f"{service}:{SERVICES[service][operation].action}"
        head = f"User: {self.callers[name].arn} is not authorized to perform: {action} on resource: "
        assert message.startswith(head), message
        resource, _, reason = message.removeprefix(head).partition(" ")
        assert resource in self.resources(name, service, operation, request)
        return reason.replace(action, "ACTION")

    def passes(self, name, service, operation, request):
        """Ask for what may be answered in any way, except that it is not allowed."""
        found = self.ask(name, service, operation, request)
        return found is None or "is not authorized to perform" not in found[2]


def spelled(answer):
    """Status, code and message of a refusal on the wire."""
    if answer.body.startswith(b"{"):
        told = json.loads(answer.body)
        return answer.status, told["__type"], told["message"]
    told = {element.tag.rpartition("}")[2]: element.text for element in ET.fromstring(answer.body).iter()}
    return answer.status, told["Code"], told["Message"]


def another(resource):
    """Something of the same kind, as a policy would name it."""
    return AT.arn + "/x" if resource == "*" else f"{resource.removesuffix('*')}-and-more"


IDENTITY = "because no identity-based policy allows the ACTION action"
OWNER = "because no resource-based policy allows the ACTION action"
DENIED = "with an explicit deny in an identity-based policy"


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    with nobody_waits_for_the_disk():
        made = Ground(tmp_path_factory.mktemp("matrix"))
        yield made
        made.close()


# ---- The operations


def test_an_operation_that_is_marked_with_no_resource_is_known_to_ask_itself_or_to_need_no_leave():
    unmarked = {name for operations in SERVICES.values() for name, found in operations.items() if not found.resource}

    assert unmarked == {*ITSELF, *NO_LEAVE, *TRUSTED}


@pytest.mark.parametrize(("service", "name"), EVERY)
def test_who_does_not_sign_may_do_nothing(ground, service, name):
    model = load(service).find(name)
    headers = [("host", "localhost"), ("content-type", "application/x-www-form-urlencoded")]
    form = f"Action={name}&Version={load(service).api_version}".encode()
    if service == "ecr":
        headers = [("host", "localhost"), ("x-amz-target", f"{load('ecr').target_prefix}.{name}")]
    before = ground.changes()

    answer = ground.aws(Request("POST", "/", "", headers, peer="127.0.0.1", is_secure=False))
    answer = answer.then(form) if isinstance(answer, ReadBody) else answer

    code = spelled(answer)[1]
    assert code.removesuffix("Exception") == "MissingAuthenticationToken" or name == "AssumeRoleWithWebIdentity"
    assert answer.status == (400 if service == "ecr" or code == "ValidationError" else 403)
    assert ground.changes() == before
    assert model is not None


@pytest.mark.parametrize(("service", "name"), PROTECTED)
@pytest.mark.parametrize("who", ["somebody", "session"])
def test_an_operation_needs_its_action_on_its_resource(ground, who, service, name):
    request = request_for(service, name)
    action = f"{service}:{SERVICES[service][name].action}"
    resources = ground.resources(who, service, name, request)
    others = [another(resource) for resource in resources]

    ground.give(who, allow("ecr:ListImages", AT.arn + "-and-more"))
    assert ground.refused(who, service, name, request) == IDENTITY
    ground.give(who, allow(action, *others), {"Effect": "Allow", "NotAction": action, "Resource": "*"})
    assert ground.refused(who, service, name, request) == IDENTITY
    ground.give(who, allow("*"), {**allow(action, *resources), "Effect": "Deny"})
    assert ground.refused(who, service, name, request) == DENIED
    ground.give(who, allow(action, *resources))
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
    if service == "ecr" and "registryId" in load("ecr").find(name).input_shape.members:
        request = {**request, "registryId": HOME.account_id}
    found = SERVICES[service][name]
    theirs = found.resource and found.resource(ground.call(who, service), request)
    owners = {owner(one) for one in (theirs if isinstance(theirs, list | tuple) else [theirs])}

    if owners <= {None, OTHER.account_id}:  # there is no way to speak of another account's
        before = rows_of_home(ground)
        assert ground.passes(who, service, name, request)
        assert rows_of_home(ground) == before
    else:
        assert ground.refused(who, service, name, request) == OWNER


def owner(resource):
    """The account that a resource belongs to."""
    return getattr(resource, "registry", resource).account_id if resource is not None else None


def rows_of_home(ground):
    """Every row that says that it is the home account's."""
    with closing(sqlite3.connect(ground.on.database._path)) as rows:
        ids = {"account_id": HOME.account_id}
        [ids["registry_id"]] = rows.execute("SELECT id FROM registries WHERE account_id = ?", [HOME.account_id]).fetchone()
        columns = rows.execute(
            "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table'"
        ).fetchall()
        return {
            table: rows.execute(f"SELECT * FROM {table} WHERE {column} = ?", [ids[column]]).fetchall()  # noqa: S608
            for table, column in columns
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
        ground.give(who, {**allow("*"), "Effect": "Deny"})

    assert ground.ask(who, "sts", name, {}) is None


def test_a_role_is_assumed_by_whom_it_trusts_and_who_may(ground):
    request = {"RoleArn": ROLE_ARN, "RoleSessionName": "run-1"}
    asked = "sts", "AssumeRole", request

    for who in ("somebody", "session"):
        ground.give(who, allow("sts:AssumeRole", f"{ROLE_ARN}-and-more"))
        assert IDENTITY.replace("ACTION", "sts:AssumeRole") in ground.ask(who, *asked)[2]
        ground.give(who, allow("*"), {**allow("sts:AssumeRole", ROLE_ARN), "Effect": "Deny"})
        assert DENIED in ground.ask(who, *asked)[2]
        ground.give(who, allow("sts:AssumeRole", ROLE_ARN))
        assert ground.ask(who, *asked) is None
    ground.give("stranger", allow("*"))
    assert "because no role trust policy allows the sts:AssumeRole action" in ground.ask("stranger", *asked)[2]
    assert ground.ask("root", *asked)[1] == "AccessDenied"


# ---- The routes


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
    ground.give(who, allow("*"), {**allow(needed, resource), "Effect": "Deny"})
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
    policy = document(
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:ListImages", row.needs],
        }
    )
    registry.policies.set_on_repository(ground.on, ground.callers["root"], AT, policy, ground.call("root", "ecr").http)
    is_public = row.method in {"GET", "HEAD"} and "{name}" in row.path and "uploads" not in row.path

    assert send(ground, None, row).status == 401
    answer = send(ground, None, row, on=replace(ground.on, public_repositories=True))

    registry.policies.delete_from_repository(ground.on, AT)
    assert (answer.status != 401) is is_public
    assert send(ground, None, row, on=replace(ground.on, public_repositories=True)).status == 401


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
