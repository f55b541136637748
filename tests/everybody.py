"""Somebody of every sort in front of a registry's doors, and a request for every operation."""

from __future__ import annotations

import json
from datetime import timedelta
from xml.etree import ElementTree as ET

from botocore.serialize import create_serializer

from holdfast import registry
from holdfast.aws import ecr, iam, own, secretsmanager, sts
from holdfast.aws.door import Door
from holdfast.aws.operations import Call
from holdfast.aws.service_models import load
from holdfast.http import Request
from holdfast.model.callers import holder
from holdfast.model.errors import Refusal
from holdfast.model.iam_sessions import ROLE
from holdfast.model.names import Registry
from holdfast.registry.accounts import Tokens
from tests import builders, databases
from tests.aws.furnished import RIGHT
from tests.grants import allow, policy
from tests.registry.ground import AT, HOME, Clock, open_ground, push

OTHER = Registry("444455556666", HOME.region)
TRUST = {"Effect": "Allow", "Principal": {"AWS": HOME.account_id}, "Action": "sts:AssumeRole"}
ROLE_ARN = f"arn:aws:iam::{HOME.account_id}:role/trusting"
EMPTY_DIGEST = builders.digest(b"")
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"

# How refusals end.
IDENTITY = "because no identity-based policy allows the ACTION action"
OWNER = "because no resource-based policy allows the ACTION action"
DENIED = "with an explicit deny in an identity-based policy"


HARMLESS = policy({"Effect": "Allow", "Principal": {"AWS": "999999999999"}, "Action": "ecr:ListImages"})

# ---- What is asked: ECR by requests that are right elsewhere too, the others by the members that they must have

ECR_REQUESTS = RIGHT | {
    "CreateRepository": {"repositoryName": "new/repository"},  # with tags more is asked for
    "SetRepositoryPolicy": {"repositoryName": AT.name, "policyText": HARMLESS},  # lets in nobody whom we know
    "BatchDeleteImage": {"repositoryName": AT.name, "imageIds": [{"imageDigest": EMPTY_DIGEST}]},
}
REGISTRY_POLICY = policy({**json.loads(HARMLESS)["Statement"][0], "Resource": "*"})
ECR_REQUESTS["PutRegistryPolicy"] = {"policyText": REGISTRY_POLICY}
OWN_REQUESTS = {
    "ListDeletedRepositories": {},
    "RestoreRepository": {"repositoryName": "gone/repository"},
    "PurgeDeletedRepository": {"repositoryName": "gone/repository"},
    "ListDeletedImages": {"repositoryName": AT.name},
    "RestoreImage": {"repositoryName": AT.name, "imageDigest": EMPTY_DIGEST},
    "PurgeDeletedImage": {"repositoryName": AT.name, "imageDigest": EMPTY_DIGEST},
    "ListImageTagHistory": {"repositoryName": AT.name},
    "StartImageInventory": {"repositoryName": AT.name, "imageId": {"imageTag": "v1"}},
    "ListImagePackages": {"repositoryName": AT.name, "imageId": {"imageTag": "v1"}},
    "ListImagesWithPackage": {"packageName": "openssl"},
    "ListImagesWithVulnerability": {"vulnerabilityId": "CVE-2021-44228"},
    "DescribeImageEfficiency": {"repositoryName": AT.name, "imageId": {"imageTag": "v1"}},
    "GetImageSbom": {"repositoryName": AT.name, "imageId": {"imageTag": "v1"}},
    "AttachImageSbom": {"repositoryName": AT.name, "imageId": {"imageTag": "v1"}},
    "ImportImageSbom": {"repositoryName": AT.name, "imageId": {"imageTag": "v1"}, "sbomDigest": EMPTY_DIGEST},
    "WithdrawImageSbom": {"repositoryName": AT.name, "imageId": {"imageTag": "v1"}},
    "PutFindingSuppression": {
        "repositoryName": AT.name,
        "vulnerabilityId": "CVE-2024-0727",
        "reason": "not loaded",
        "expiresAt": 4102444800,
    },
    "ListFindingSuppressions": {"repositoryName": AT.name},
    "DeleteFindingSuppression": {"repositoryName": AT.name, "suppressionId": 1},
    "ListSuppressedFindings": {"repositoryName": AT.name, "imageId": {"imageTag": "v1"}},
    "PutVexDocument": {"repositoryName": AT.name, "document": "{}"},
    "ListVexDocuments": {"repositoryName": AT.name},
    "DeleteVexDocument": {"repositoryName": AT.name, "vexDocumentId": 1},
    "PutEventTarget": {"name": "ci", "kind": "WEBHOOK", "address": "https://ci.example/hook"},
    "ListEventTargets": {},
    "DeleteEventTarget": {"name": "ci"},
    "TestEventTarget": {"name": "ci"},
    "ListEventDeadLetters": {"name": "ci"},
    "DeleteEventDeadLetters": {"name": "ci"},
    "ReplayEvents": {"name": "ci"},
    "RestoreImageTag": {"repositoryName": AT.name, "imageTag": "v1"},
    "PutImageLease": {"repositoryName": AT.name, "holder": "prod", "images": [{"imageTag": "v1"}]},
    "ListImageLeases": {"repositoryName": AT.name},
    "ReleaseImageLease": {"repositoryName": AT.name, "holder": "prod"},
    "ListLifecyclePolicyPreviewFailures": {"repositoryName": AT.name},
    "DescribeReplicationDestinations": {},
    "GetRepositoryContentDigest": {"repositoryName": AT.name},
    "ListRepositoryContent": {"repositoryName": AT.name, "buckets": [0]},
    "PutReplicationPeer": {
        "destination": {"region": "eu-west-1", "registryId": HOME.account_id},
        "kind": "OCI",
        "url": "https://registry.example",
    },
    "DeleteReplicationPeer": {"destination": {"region": "eu-west-1", "registryId": HOME.account_id}},
    "ListReplicationPeers": {},
    "CancelReplications": {"destination": {"region": "eu-west-1", "registryId": HOME.account_id}},
    "PutReplicatedSettings": {
        "destination": {"region": "eu-west-1", "registryId": HOME.account_id},
        "settings": [],
    },
    "PutSettingLeaders": {"repositoryName": AT.name, "leaders": ["somebody"]},
    "DescribeReplicationVerifications": {},
    "PutPullThroughCacheOptions": {"ecrRepositoryPrefix": "cached"},
    "DescribePullThroughCaches": {},
    "RefreshPullThroughCacheTag": {"repositoryName": AT.name, "imageTag": "v1"},
    "StartReplicationVerification": {
        "repositoryName": AT.name,
        "destination": {"region": "eu-west-1", "registryId": HOME.account_id},
    },
}
A_SECRET = {"SecretId": "ecr-pullthroughcache/hub"}
SECRET_REQUESTS = {
    "CreateSecret": {"Name": "ecr-pullthroughcache/new", "SecretString": "{}"},
    "DeleteSecret": A_SECRET,
    "DescribeSecret": A_SECRET,
    "GetResourcePolicy": A_SECRET,
    "GetSecretValue": A_SECRET,
    "ListSecretVersionIds": A_SECRET,
    "ListSecrets": {},
    "PutSecretValue": A_SECRET | {"SecretString": "{}"},
    "RestoreSecret": A_SECRET,
    "TagResource": A_SECRET | {"Tags": [{"Key": "team", "Value": "red"}]},
    "UntagResource": A_SECRET | {"TagKeys": ["team"]},
    "UpdateSecret": A_SECRET | {"SecretString": "[]"},
    "UpdateSecretVersionStage": A_SECRET | {"VersionStage": "x", "MoveToVersionId": "a" * 32},
}
MEMBERS = {
    "AccessKeyId": "AKIAIOSFODNN7EXAMPLE",
    "AccountAlias": "ours",
    "ActionNames": ["ecr:ListImages"],
    "AssumeRolePolicyDocument": policy(TRUST),
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
    "PolicyDocument": policy(allow("*")),
    "PolicyInputList": [policy(allow("*"))],
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
SPOKEN_IN_JSON = {"ecr": ECR_REQUESTS, "holdfast": OWN_REQUESTS, "secretsmanager": SECRET_REQUESTS}
NO_LEAVE = {"GetCallerIdentity", "GetSessionToken"}
TRUSTED = {"AssumeRole", "AssumeRoleWithWebIdentity"}  # a trust policy has its say; the second asks for a token
ALSO = {
    "AddRoleToInstanceProfile": allow("iam:PassRole", f"arn:aws:iam::{HOME.account_id}:role/deployer"),
    "RefreshPullThroughCacheTag": allow("ecr:BatchImportUpstreamImage", AT.arn),
}
HIDDEN = {"GetAccessKeyLastUsed"}  # of what is another account's, as of what is not there
SERVICES = {
    "ecr": ecr.OPERATIONS,
    "holdfast": own.OPERATIONS,
    "secretsmanager": secretsmanager.OPERATIONS,
    "iam": iam.OPERATIONS,
    "sts": sts.OPERATIONS,
}
EVERY = [(service, name) for service, operations in SERVICES.items() for name in sorted(operations)]
PROTECTED = [pair for pair in EVERY if pair[1] not in NO_LEAVE | TRUSTED]


def request_for(service, name):
    """A request for an operation; what it must have and is not in the tables is a KeyError here."""
    if service in SPOKEN_IN_JSON:
        return SPOKEN_IN_JSON[service][name]
    shape = load(service).find(name).input_shape
    if shape is None:
        return {}
    wanted = {*shape.required_members, *(NAMED_THOUGH_OPTIONAL & set(shape.members))}
    return {member: MEMBERS[member] for member in sorted(wanted)}


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
        registry.accounts.create_key(self.on, HOME.account_id, key_id=MEMBERS["AccessKeyId"])
        registry.iam.users.create(self.on, HOME.account_id, "bob")
        for name in ("worker", "deployer", "trusting"):
            registry.iam.roles.create(self.on, HOME.account_id, name, policy(TRUST))
        self.callers = {name: self._user(HOME, name) for name in ("nobody", "somebody")}
        self.callers |= {"stranger": self._user(OTHER, "stranger"), "session": self._session("worker")}
        self.callers |= {"root": self._root(HOME), "root of strangers": self._root(OTHER)}
        self._watch = databases.look(self.on.database)

    def close(self):
        self._watch.close()
        databases.forget(self.on.database)

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
        registry.iam.attachments.put_inline(self.on, kind, account, entity, "own", policy(*statements))

    def changes(self):
        """A number that every commit changes."""
        return databases.state(self._watch)

    def call(self, name, service):
        """Somebody at the endpoint of a service."""
        kind = "application/x-amz-json-1.1" if service in SPOKEN_IN_JSON else "application/x-www-form-urlencoded"
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
        if service not in SPOKEN_IN_JSON:
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
        assert (status, code) == (
            (400, "AccessDeniedException") if service in SPOKEN_IN_JSON else (403, "AccessDenied")
        )
        action = f"{load(service).signing_name}:{SERVICES[service][operation].action}"
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
