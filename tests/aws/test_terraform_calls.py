"""What Terraform's provider for AWS calls for its resources, and compares afterwards: create, read, update, destroy.

The provider itself is not run; these are the calls of its sources (internal/service/iam and ecr). A resource has no
diff if what is read is what was written, again and again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import jmespath
import pytest

from tests.callers import refusal

ME = "ACCOUNT"  # the number of the account, wherever it stands in a text
READ_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
POWER = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPowerUser"
TAGS, OTHER_TAGS = [{"Key": "team", "Value": "red"}], [{"Key": "stage", "Value": "prod"}]


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


PULL = policy({"Effect": "Allow", "Action": ["ecr:BatchGetImage"], "Resource": "*"})
PUSH = policy({"Effect": "Allow", "Action": ["ecr:PutImage"], "Resource": "*"})
TRUST = policy({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})
TRUST_ECS = TRUST.replace("ec2.", "ecs-tasks.")
SHARE = policy({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
                "Action": ["ecr:BatchGetImage"]})  # fmt: skip
REGISTRY = policy({"Sid": "r", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
                   "Action": ["ecr:ReplicateImage"],
                   "Resource": ["arn:aws:ecr:us-east-1:ACCOUNT:repository/*"]})  # fmt: skip
FEW = {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 3}
EXPIRE = json.dumps({"rules": [{"rulePriority": 1, "selection": FEW, "action": {"type": "expire"}}]})

Call = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Phase:
    """Calls that change something, and calls that read it with what must be found: an expression and its value."""

    does: list[Call]
    reads: list[tuple[str, dict[str, Any], dict[str, Any]]] = field(default_factory=list)


@dataclass(frozen=True)
class Resource:
    """The life of a resource, and how reading it is refused once it is gone."""

    service: str
    phases: list[Phase]
    destroy: list[Call]
    gone: tuple[str, dict[str, Any], str] | None
    before: list[Call] = field(default_factory=list)


USER, ROLE, ALICE = {"UserName": "alice"}, {"RoleName": "app"}, [("create_user", {"UserName": "alice"})]
APP = [("create_role", {"RoleName": "app", "AssumeRolePolicyDocument": TRUST})]
OWN = f"arn:aws:iam::{ME}:policy/own"
OIDC = {"OpenIDConnectProviderArn": f"arn:aws:iam::{ME}:oidc-provider/issuer.example"}
REPO = {"repositoryName": "app/api"}
REPO_ARN = {"resourceArn": f"arn:aws:ecr:us-east-1:{ME}:repository/app/api"}
A_REPOSITORY = [("create_repository", REPO)]
NO_ENTITY = "NoSuchEntity"

RESOURCES = {
    "aws_iam_user": Resource(
        "iam",
        [
            Phase(
                [("create_user", {**USER, "Path": "/p/", "Tags": TAGS, "PermissionsBoundary": READ_ONLY})],
                [("get_user", USER, {"User.[UserName, Path, Arn, Tags, PermissionsBoundary.PermissionsBoundaryArn]": [
                    "alice", "/p/", f"arn:aws:iam::{ME}:user/p/alice", TAGS, READ_ONLY]})],
            ),
            Phase(
                [
                    ("update_user", {**USER, "NewUserName": "bob", "NewPath": "/q/"}),
                    ("put_user_permissions_boundary", {"UserName": "bob", "PermissionsBoundary": POWER}),
                    ("untag_user", {"UserName": "bob", "TagKeys": ["team"]}),
                    ("tag_user", {"UserName": "bob", "Tags": OTHER_TAGS}),
                ],
                [("get_user", {"UserName": "bob"}, {
                    "User.[UserName, Path, Tags, PermissionsBoundary.PermissionsBoundaryArn]": [
                        "bob", "/q/", OTHER_TAGS, POWER]})],
            ),
            Phase(
                [("delete_user_permissions_boundary", {"UserName": "bob"})],
                [("get_user", {"UserName": "bob"}, {"User.PermissionsBoundary": None})],
            ),
        ],
        [
            *[(call, {"UserName": "bob"}) for call in (
                "list_groups_for_user", "list_access_keys", "list_ssh_public_keys", "list_mfa_devices",
                "list_signing_certificates", "list_service_specific_credentials", "list_attached_user_policies",
                "list_user_policies")],
            ("list_virtual_mfa_devices", {"AssignmentStatus": "Assigned"}),
            ("delete_user", {"UserName": "bob"}),
        ],
        ("get_user", {"UserName": "bob"}, NO_ENTITY),
    ),
    "aws_iam_role": Resource(
        "iam",
        [
            Phase(
                [("create_role", {**ROLE, "Path": "/p/", "AssumeRolePolicyDocument": TRUST, "Description": "d",
                                  "MaxSessionDuration": 7200, "Tags": TAGS, "PermissionsBoundary": READ_ONLY})],
                [
                    ("get_role", ROLE, {
                        "Role.[RoleName, Path, Description, MaxSessionDuration, Tags]": ["app", "/p/", "d", 7200, TAGS],
                        "Role.AssumeRolePolicyDocument": json.loads(TRUST),
                        "Role.PermissionsBoundary.PermissionsBoundaryArn": READ_ONLY}),
                    ("list_role_policies", ROLE, {"PolicyNames": []}),
                    ("list_attached_role_policies", ROLE, {"AttachedPolicies": []}),
                ],
            ),
            Phase(
                [
                    ("update_assume_role_policy", {**ROLE, "PolicyDocument": TRUST_ECS}),
                    ("update_role_description", {**ROLE, "Description": ""}),
                    ("update_role", {**ROLE, "MaxSessionDuration": 3600}),
                    ("put_role_permissions_boundary", {**ROLE, "PermissionsBoundary": POWER}),
                    ("tag_role", {**ROLE, "Tags": OTHER_TAGS}),
                    ("untag_role", {**ROLE, "TagKeys": ["team"]}),
                ],
                [("get_role", ROLE, {
                    "Role.[MaxSessionDuration, Tags]": [3600, OTHER_TAGS],
                    "Role.AssumeRolePolicyDocument": json.loads(TRUST_ECS)})],
            ),
            Phase([("delete_role_permissions_boundary", ROLE)],
                  [("get_role", ROLE, {"Role.PermissionsBoundary": None})]),
        ],
        [("list_instance_profiles_for_role", ROLE), ("list_attached_role_policies", ROLE),
         ("list_role_policies", ROLE), ("delete_role", ROLE)],
        ("get_role", ROLE, NO_ENTITY),
    ),
    "aws_iam_policy": Resource(
        "iam",
        [
            Phase(
                [("create_policy", {"PolicyName": "own", "Path": "/", "PolicyDocument": PULL, "Description": "d",
                                    "Tags": TAGS})],
                [
                    ("get_policy", {"PolicyArn": OWN}, {
                        "Policy.[PolicyName, Path, Arn, Description, DefaultVersionId, Tags, AttachmentCount]": [
                            "own", "/", OWN, "d", "v1", TAGS, 0]}),
                    ("get_policy_version", {"PolicyArn": OWN, "VersionId": "v1"},
                     {"PolicyVersion.Document": json.loads(PULL)}),
                ],
            ),
            Phase(
                [
                    ("list_policy_versions", {"PolicyArn": OWN}),
                    ("create_policy_version", {"PolicyArn": OWN, "PolicyDocument": PUSH, "SetAsDefault": True}),
                    ("tag_policy", {"PolicyArn": OWN, "Tags": OTHER_TAGS}),
                    ("untag_policy", {"PolicyArn": OWN, "TagKeys": ["team"]}),
                ],
                [
                    ("get_policy", {"PolicyArn": OWN}, {"Policy.[DefaultVersionId, Tags]": ["v2", OTHER_TAGS]}),
                    ("get_policy_version", {"PolicyArn": OWN, "VersionId": "v2"},
                     {"PolicyVersion.Document": json.loads(PUSH)}),
                ],
            ),
        ],
        [("list_policy_versions", {"PolicyArn": OWN}), ("delete_policy_version", {"PolicyArn": OWN, "VersionId": "v1"}),
         ("delete_policy", {"PolicyArn": OWN})],
        ("get_policy", {"PolicyArn": OWN}, NO_ENTITY),
    ),
    **{
        f"aws_iam_{kind}_policy": Resource(
            "iam",
            [
                Phase(
                    [(f"put_{kind}_policy", {**who, "PolicyName": "own", "PolicyDocument": text})],
                    [(f"get_{kind}_policy", {**who, "PolicyName": "own"},
                      {"[PolicyName, PolicyDocument]": ["own", json.loads(text)]})],
                )
                for text in (PULL, PUSH)
            ],
            [(f"delete_{kind}_policy", {**who, "PolicyName": "own"})],
            (f"get_{kind}_policy", {**who, "PolicyName": "own"}, NO_ENTITY),
            before,
        )
        for kind, who, before in (("user", USER, ALICE), ("role", ROLE, APP))
    },
    **{
        f"aws_iam_{kind}_policy_attachment": Resource(
            "iam",
            [Phase([(f"attach_{kind}_policy", {**who, "PolicyArn": READ_ONLY})],
                   [(f"list_attached_{kind}_policies", who, {"AttachedPolicies[].PolicyArn": [READ_ONLY]})])],
            [(f"detach_{kind}_policy", {**who, "PolicyArn": READ_ONLY})],
            (f"detach_{kind}_policy", {**who, "PolicyArn": READ_ONLY}, NO_ENTITY),
            before,
        )
        for kind, who, before in (("user", USER, ALICE), ("role", ROLE, APP))
    },
    "aws_iam_instance_profile": Resource(
        "iam",
        [
            Phase(
                [("create_instance_profile", {"InstanceProfileName": "box", "Path": "/", "Tags": TAGS}),
                 ("add_role_to_instance_profile", {"InstanceProfileName": "box", **ROLE})],
                [("get_instance_profile", {"InstanceProfileName": "box"}, {
                    "InstanceProfile.[Path, Tags, Roles[].RoleName]": ["/", TAGS, ["app"]]})],
            ),
            Phase(
                [("tag_instance_profile", {"InstanceProfileName": "box", "Tags": OTHER_TAGS}),
                 ("untag_instance_profile", {"InstanceProfileName": "box", "TagKeys": ["team"]})],
                [("get_instance_profile", {"InstanceProfileName": "box"}, {"InstanceProfile.Tags": OTHER_TAGS})],
            ),
        ],
        [("remove_role_from_instance_profile", {"InstanceProfileName": "box", **ROLE}),
         ("delete_instance_profile", {"InstanceProfileName": "box"})],
        ("get_instance_profile", {"InstanceProfileName": "box"}, NO_ENTITY),
        APP,
    ),
    "aws_iam_openid_connect_provider": Resource(
        "iam",
        [
            Phase(
                [("create_open_id_connect_provider", {"Url": "https://issuer.example", "ClientIDList": ["a"],
                                                      "ThumbprintList": ["0" * 40], "Tags": TAGS})],
                [("get_open_id_connect_provider", OIDC, {
                    "[Url, ClientIDList, ThumbprintList, Tags]": ["issuer.example", ["a"], ["0" * 40], TAGS]})],
            ),
            Phase(
                [
                    ("update_open_id_connect_provider_thumbprint", {**OIDC, "ThumbprintList": ["1" * 40]}),
                    ("add_client_id_to_open_id_connect_provider", {**OIDC, "ClientID": "b"}),
                    ("remove_client_id_from_open_id_connect_provider", {**OIDC, "ClientID": "a"}),
                ],
                [("get_open_id_connect_provider", OIDC, {"[ClientIDList, ThumbprintList]": [["b"], ["1" * 40]]})],
            ),
        ],
        [("delete_open_id_connect_provider", OIDC)],
        ("get_open_id_connect_provider", OIDC, NO_ENTITY),
    ),
    "aws_iam_account_password_policy": Resource(
        "iam",
        [
            Phase(
                [("update_account_password_policy", members)],
                [("get_account_password_policy", {}, {f"PasswordPolicy.{key}": value for key, value in told.items()})],
            )
            for members, told in (
                ({"MinimumPasswordLength": 14, "RequireSymbols": True, "AllowUsersToChangePassword": True,
                  "MaxPasswordAge": 90, "PasswordReusePrevention": 5, "HardExpiry": True},
                 {"MinimumPasswordLength": 14, "RequireSymbols": True, "ExpirePasswords": True, "MaxPasswordAge": 90,
                  "PasswordReusePrevention": 5, "HardExpiry": True, "AllowUsersToChangePassword": True}),
                ({"MinimumPasswordLength": 8},
                 {"MinimumPasswordLength": 8, "RequireSymbols": False, "ExpirePasswords": False}),
            )
        ],
        [("delete_account_password_policy", {})],
        ("get_account_password_policy", {}, NO_ENTITY),
    ),
    "aws_ecr_repository": Resource(
        "ecr",
        [
            Phase(
                [("create_repository", {**REPO, "imageTagMutability": "IMMUTABLE", "tags": TAGS,
                                        "encryptionConfiguration": {"encryptionType": "AES256"},
                                        "imageScanningConfiguration": {"scanOnPush": True}})],
                [
                    ("describe_repositories", {"repositoryNames": ["app/api"]}, {
                        "repositories[0].[repositoryName, imageTagMutability, registryId, repositoryArn]": [
                            "app/api", "IMMUTABLE", ME, REPO_ARN["resourceArn"]],
                        "repositories[0].imageScanningConfiguration.scanOnPush": True,
                        "repositories[0].encryptionConfiguration": {"encryptionType": "AES256"}}),
                    ("list_tags_for_resource", REPO_ARN, {"tags": TAGS}),
                ],
            ),
            Phase(
                [
                    ("put_image_tag_mutability", {**REPO, "imageTagMutability": "MUTABLE"}),
                    ("put_image_scanning_configuration", {
                        **REPO, "imageScanningConfiguration": {"scanOnPush": False}}),
                    ("untag_resource", {**REPO_ARN, "tagKeys": ["team"]}),
                    ("tag_resource", {**REPO_ARN, "tags": OTHER_TAGS}),
                ],
                [
                    ("describe_repositories", {"repositoryNames": ["app/api"]}, {
                        "repositories[0].[imageTagMutability, imageScanningConfiguration.scanOnPush]": [
                            "MUTABLE", False]}),
                    ("list_tags_for_resource", REPO_ARN, {"tags": OTHER_TAGS}),
                ],
            ),
        ],
        [("delete_repository", {**REPO, "force": True})],
        ("describe_repositories", {"repositoryNames": ["app/api"]}, "RepositoryNotFoundException"),
    ),
    "aws_ecr_lifecycle_policy": Resource(
        "ecr",
        [Phase([("put_lifecycle_policy", {**REPO, "lifecyclePolicyText": EXPIRE})],
               [("get_lifecycle_policy", REPO, {"[repositoryName, lifecyclePolicyText]": ["app/api", EXPIRE]})])],
        [("delete_lifecycle_policy", REPO)],
        ("get_lifecycle_policy", REPO, "LifecyclePolicyNotFoundException"),
        A_REPOSITORY,
    ),
    "aws_ecr_repository_policy": Resource(
        "ecr",
        [Phase([("set_repository_policy", {**REPO, "policyText": SHARE})],
               [("get_repository_policy", REPO, {"policyText": json.loads(SHARE)})])],
        [("delete_repository_policy", REPO)],
        ("get_repository_policy", REPO, "RepositoryPolicyNotFoundException"),
        A_REPOSITORY,
    ),
    "aws_ecr_registry_policy": Resource(
        "ecr",
        [Phase([("put_registry_policy", {"policyText": REGISTRY})],
               [("get_registry_policy", {}, {"registryId": ME, "policyText": json.loads(REGISTRY)})])],
        [("delete_registry_policy", {})],
        ("get_registry_policy", {}, "RegistryPolicyNotFoundException"),
    ),
    "aws_ecr_replication_configuration": Resource(
        "ecr",
        [
            Phase([("put_replication_configuration", {"replicationConfiguration": {"rules": rules}})],
                  [("describe_registry", {}, {"replicationConfiguration.rules": rules})])
            for rules in (
                [{"destinations": [{"region": "eu-west-1", "registryId": "111122223333"}],
                  "repositoryFilters": [{"filter": "prod", "filterType": "PREFIX_MATCH"}]}],
                [],
            )
        ],
        [],
        None,
    ),
    "aws_ecr_pull_through_cache_rule": Resource(
        "ecr",
        [Phase([("create_pull_through_cache_rule", {"ecrRepositoryPrefix": "hub", "upstreamRegistryUrl":
                                                    "public.ecr.aws"})],
               [("describe_pull_through_cache_rules", {"ecrRepositoryPrefixes": ["hub"]}, {
                   "pullThroughCacheRules[0].[ecrRepositoryPrefix, upstreamRegistryUrl, registryId]": [
                       "hub", "public.ecr.aws", ME]})])],
        [("delete_pull_through_cache_rule", {"ecrRepositoryPrefix": "hub"})],
        ("describe_pull_through_cache_rules", {"ecrRepositoryPrefixes": ["hub"]},
         "PullThroughCacheRuleNotFoundException"),
    ),
    "aws_ecr_repository_creation_template": Resource(
        "ecr",
        [
            Phase(
                [(call, {"prefix": "hub", "appliedFor": ["PULL_THROUGH_CACHE"], "description": text,
                         "imageTagMutability": "IMMUTABLE", "lifecyclePolicy": EXPIRE, "repositoryPolicy": SHARE,
                         "encryptionConfiguration": {"encryptionType": "AES256"}, "resourceTags": TAGS})],
                [("describe_repository_creation_templates", {"prefixes": ["hub"]}, {
                    "repositoryCreationTemplates[0].[prefix, appliedFor, description, imageTagMutability]": [
                        "hub", ["PULL_THROUGH_CACHE"], text, "IMMUTABLE"],
                    "repositoryCreationTemplates[0].[encryptionConfiguration.encryptionType, resourceTags]": [
                        "AES256", TAGS],
                    "repositoryCreationTemplates[0].lifecyclePolicy": EXPIRE,
                    "repositoryCreationTemplates[0].repositoryPolicy": json.loads(SHARE)})],
            )
            for call, text in (("create_repository_creation_template", "one"),
                               ("update_repository_creation_template", "two"))
        ],
        [("delete_repository_creation_template", {"prefix": "hub"})],
        None,
    ),
    "aws_ecr_registry_scanning_configuration": Resource(
        "ecr",
        [
            Phase([("put_registry_scanning_configuration", {"scanType": kind, "rules": rules})],
                  [("get_registry_scanning_configuration", {}, {
                      "[registryId, scanningConfiguration.scanType, scanningConfiguration.rules]": [ME, kind, rules]})])
            for kind, rules in (
                ("BASIC", [{"scanFrequency": "SCAN_ON_PUSH",
                            "repositoryFilters": [{"filter": "prod*", "filterType": "WILDCARD"}]}]),
                ("BASIC", []),
            )
        ],
        [],
        None,
    ),
    "aws_ecr_account_setting": Resource(
        "ecr",
        [Phase([("put_account_setting", {"name": "REGISTRY_POLICY_SCOPE", "value": value})],
               [("get_account_setting", {"name": "REGISTRY_POLICY_SCOPE"}, {
                   "[name, value]": ["REGISTRY_POLICY_SCOPE", value]})])
         for value in ("V2", "V2")],
        [],
        None,
    ),
}  # fmt: skip


def of(account, value):
    """A value with the number of an account where it belongs."""
    return json.loads(json.dumps(value).replace(ME, account.id))


def as_compared(value):
    """What is read as the provider compares it: policies by what they say."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "%7B")):
        return json.loads(unquote(value))
    if isinstance(value, list):
        return [as_compared(one) for one in value]
    return value


def read(client, account, phase):
    """Everything that a phase reads, as it is expected and as it is."""
    for call, members, expected in phase.reads:
        answer = getattr(client, call)(**of(account, members))
        for expression, value in expected.items():
            found = as_compared(jmespath.search(expression, json.loads(json.dumps(answer, default=str))))
            assert found == as_compared(of(account, value)), (call, expression)


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=RESOURCES)
def test_a_resource_is_made_refreshed_changed_and_destroyed(account, resource):
    client = account.client(resource.service)
    for call, members in resource.before:
        getattr(client, call)(**of(account, members))

    for phase in resource.phases:
        for call, members in phase.does:
            getattr(client, call)(**of(account, members))
        read(client, account, phase)
        read(client, account, phase)  # a refresh finds no diff
    for call, members in resource.destroy:
        getattr(client, call)(**of(account, members))

    if resource.gone is not None:
        call, members, code = resource.gone
        assert refusal(getattr(client, call), **of(account, members))[0] == code


def test_an_access_key_is_made_refreshed_changed_and_destroyed(account):
    iam = account.iam
    iam.create_user(**USER)

    key = iam.create_access_key(**USER)["AccessKey"]["AccessKeyId"]
    for status in ("Inactive", "Active"):
        iam.update_access_key(**USER, AccessKeyId=key, Status=status)
        [found] = iam.list_access_keys(**USER)["AccessKeyMetadata"]
        assert (found["AccessKeyId"], found["Status"]) == (key, status)
    iam.delete_access_key(**USER, AccessKeyId=key)

    assert iam.list_access_keys(**USER)["AccessKeyMetadata"] == []
