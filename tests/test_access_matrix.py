"""Who may do what: every operation and every route, asked by everybody who differs in rights."""

from __future__ import annotations

import json
import re
import sqlite3
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
from tests.callers import Query, Registry as Repository, refusal
from tests.registry.ground import AT, HOME, Clock, open_ground, push

OTHER = Registry("444455556666", HOME.region)
TRUST = {"Effect": "Allow", "Principal": {"AWS": HOME.account_id}, "Action": "sts:AssumeRole"}
ROLE_ARN = f"arn:aws:iam::{HOME.account_id}:role/deployer"
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
LONG_TERM_ONLY = {"GetFederationToken"}  # whatever the policies of a session say
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
    """A registry, its doors, and somebody of every sort."""

    def __init__(self, folder):
        self.on = open_ground(folder, Clock())
        push(self.on, AT, "an image", "v1")
        registry.accounts.create(self.on, OTHER.account_id)
        for name in ("nobody", "exact", "elsewhere", "denied", "bob"):
            registry.iam.users.create(self.on, HOME.account_id, name)
        registry.iam.users.create(self.on, OTHER.account_id, "stranger")
        registry.iam.roles.create(self.on, HOME.account_id, "worker", document(TRUST))
        registry.iam.roles.create(self.on, HOME.account_id, "deployer", document(TRUST))
        self.give("stranger", EVERYTHING, account=OTHER.account_id)
        self.tokens = Tokens(self.on)
        self.aws = Door(self.on, self.tokens, window=timedelta(minutes=15))
        self.oci = oci.Door(self.on, self.tokens)
        self.upload = registry.uploads.begin(self.on, AT)
        self._watch = sqlite3.connect(self.on.database._path)
        self._callers = {}

    def close(self):
        self._watch.close()
        self.on.database.close()

    def give(self, name, *statements, kind="user", account=HOME.account_id):
        """Let somebody have just these statements."""
        registry.iam.attachments.put_inline(self.on, kind, account, name, "own", document(*statements))

    def caller(self, name):
        """Somebody by name, whose key is a real one."""
        if name not in self._callers:
            self._callers[name] = self._make(name)
        return self._callers[name]

    def _make(self, name):
        account = OTHER.account_id if name.startswith("stranger") else HOME.account_id
        if name.endswith("root"):
            key, _ = registry.accounts.create_key(self.on, account)
            return holder(key.id, account, None, None, None)
        if name == "session":
            return self._begin_session()
        _, key, _ = registry.iam.access_keys.create(self.on, account, name)
        return holder(key.id, account, key.user_id, "/", name)

    def _begin_session(self):
        role = registry.iam.roles.get(self.on, HOME.account_id, "worker")
        with self.on.database.transaction() as tx:
            credentials = registry.iam.sessions.begin(
                self.on, tx, account_id=HOME.account_id, kind=ROLE, entity_id=role.id, name="run",
                lifetime=timedelta(hours=12),
            )  # fmt: skip
        return registry.iam.sessions.find(self.on, credentials.access_key_id).caller

    def version(self):
        """What changes with every commit."""
        return self._watch.execute("PRAGMA data_version").fetchone()

    def call(self, caller):
        head = [("host", "localhost"), *CONTENT_TYPE]
        return Call(self.on, self.tokens, Request("POST", "/", "", head, peer="127.0.0.1", is_secure=False), caller,
                    HOME.region)  # fmt: skip

    def ask(self, caller, service, name, request):
        """Ask for an operation; the code and the words of a refusal, or None and nothing."""
        model = load(service).find(name)
        if service == "ecr":
            sent = json.dumps(request).encode()
        else:
            sent = create_serializer("query").serialize_to_request(request, model)["body"]
        call = self.call(caller)
        try:
            self.aws._run(call, SERVICES[service][name], model, sent)
        except Refusal as refused:
            return spelled(service, self.aws.refuse(self.call(caller).http, refused)), refused
        return (200, "", ""), None

    def send(self, authorization, method, path):
        """Ask at the registry's door, and go on to the end of what it wants; the answer."""
        headers = [("host", "localhost"), ("content-length", "0")]
        headers += [("authorization", authorization)] if authorization else []
        answer = self.oci(Request(method, path, "", headers, peer="127.0.0.1", is_secure=False))
        if isinstance(answer, ReadBody):
            try:
                return answer.then(b"{}")
            except Refusal as refused:
                return self.oci.refuse(Request(method, path, "", headers, peer="", is_secure=False), refused)
        if isinstance(answer, Receive):
            try:
                return answer.sink.finish()
            except Refusal as refused:
                return answer.sink.refuse(refused)
        return answer

    def login(self, caller):
        """A login of docker's."""
        from base64 import b64encode

        password, _ = self.tokens.issue(caller, HOME)
        return "Basic " + b64encode(f"AWS:{password}".encode()).decode()


CONTENT_TYPE = [("content-type", "application/x-www-form-urlencoded")]


def spelled(service, answer):
    """Status, code and message of a refusal on the wire."""
    if service == "ecr":
        told = json.loads(answer.body) if answer.body.startswith(b"{") else None
        if told is not None:
            return answer.status, told["__type"], told["message"]
    found = {element.tag.rpartition("}")[2]: element.text for element in ET.fromstring(answer.body).iter()}
    return answer.status, found["Code"], found["Message"]


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    with nobody_waits_for_the_disk():
        made = Ground(tmp_path_factory.mktemp("matrix"))
        yield made
        made.close()
