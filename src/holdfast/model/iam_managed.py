"""The policies that every account has from Amazon: those about what is served here, under Amazon's names."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from holdfast.model.iam_entities import POLICY, key_of, new_id
from holdfast.model.iam_policies import AWS, ManagedPolicy, PolicyVersion
from holdfast.model.iam_roles import SERVICE_PATH

CREATED_AT = datetime(2026, 1, 1, tzinfo=UTC)

_TOKEN = "ecr:GetAuthorizationToken"  # noqa: S105 - an action
_PULL = ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer"]
_READ = [
    _TOKEN,
    *_PULL,
    "ecr:GetRepositoryPolicy",
    "ecr:DescribeRepositories",
    "ecr:ListImages",
    "ecr:DescribeImages",
    "ecr:BatchGetImage",
    "ecr:GetLifecyclePolicy",
    "ecr:GetLifecyclePolicyPreview",
    "ecr:ListTagsForResource",
    "ecr:DescribeImageScanFindings",
]
_PUSH = ["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage"]
_ORGANIZATION = [
    f"organizations:{action}"
    for action in (
        "DescribeAccount",
        "DescribeOrganization",
        "DescribeOrganizationalUnit",
        "DescribePolicy",
        "ListChildren",
        "ListParents",
        "ListPoliciesForTarget",
        "ListRoots",
        "ListPolicies",
        "ListTargetsForPolicy",
    )
]
_SAME_ACCOUNT = {"StringEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}}


def _allow(*actions: str, resource: str = "*", condition: dict[str, Any] | None = None) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return statement | ({"Condition": condition} if condition else {})


# Name → path, description, statements.
_POLICIES: dict[str, tuple[str, str, list[dict[str, Any]]]] = {
    "AdministratorAccess": ("/", "Provides full access to AWS services and resources.", [_allow("*")]),
    "AmazonEC2ContainerRegistryFullAccess": (
        "/",
        "Provides administrative access to Amazon ECR resources",
        [
            _allow("ecr:*", "cloudtrail:LookupEvents"),
            _allow(
                "iam:CreateServiceLinkedRole",
                condition={"StringEquals": {"iam:AWSServiceName": ["replication.ecr.amazonaws.com"]}},
            ),
        ],
    ),
    "AmazonEC2ContainerRegistryPowerUser": (
        "/",
        "Provides full access to Amazon EC2 Container Registry, but not to delete repositories or to change policies.",
        [_allow(*_READ, *_PUSH)],
    ),
    "AmazonEC2ContainerRegistryPullOnly": (
        "/",
        "Provides pull-only access to Amazon EC2 Container Registry repositories.",
        [_allow(_TOKEN, "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchImportUpstreamImage")],
    ),
    "AmazonEC2ContainerRegistryReadOnly": (
        "/",
        "Provides read-only access to Amazon EC2 Container Registry repositories.",
        [_allow(*_READ)],
    ),
    "AWSAppRunnerServicePolicyForECRAccess": (
        "/service-role/",
        "AWS App Runner service policy that grants access to ECR resources.",
        [
            _allow(
                "ecr:GetDownloadUrlForLayer",
                "ecr:BatchGetImage",
                "ecr:DescribeImages",
                _TOKEN,
                "ecr:BatchCheckLayerAvailability",
            )
        ],
    ),
    "AWSECRPullThroughCache_ServiceRolePolicy": (
        SERVICE_PATH,
        "This policy allows Amazon ECR to pull and cache images of upstream registries.",
        [
            _allow(
                _TOKEN,
                *_PULL,
                *_PUSH,
                "ecr:BatchGetImage",
                "ecr:BatchImportUpstreamImage",
                "ecr:GetImageCopyStatus",
                condition=_SAME_ACCOUNT,
            ),
            _allow(
                "secretsmanager:GetSecretValue",
                resource="arn:aws:secretsmanager:*:*:secret:ecr-pullthroughcache/*",
                condition=_SAME_ACCOUNT,
            ),
        ],
    ),
    "ECRReplicationServiceRolePolicy": (
        SERVICE_PATH,
        "Enables access to AWS Services and Resources used or managed by ECR Replication",
        [_allow("ecr:CreateRepository", "ecr:ReplicateImage")],
    ),
    "ECRTemplateServiceRolePolicy": (
        SERVICE_PATH,
        "Enables access to AWS Services and Resources used or managed by ECR repository creation templates",
        [_allow("ecr:CreateRepository")],
    ),
    "IAMFullAccess": ("/", "Provides full access to IAM.", [_allow("iam:*", *_ORGANIZATION)]),
    "IAMReadOnlyAccess": (
        "/",
        "Provides read only access to IAM.",
        [
            _allow(
                "iam:GenerateCredentialReport",
                "iam:GenerateServiceLastAccessedDetails",
                "iam:Get*",
                "iam:List*",
                "iam:SimulateCustomPolicy",
                "iam:SimulatePrincipalPolicy",
            )
        ],
    ),
    "ReadOnlyAccess": (
        "/",
        "Provides read-only access to AWS services and resources.",
        [
            _allow(
                "ecr:BatchCheck*",
                "ecr:BatchGet*",
                "ecr:Describe*",
                "ecr:Get*",
                "ecr:List*",
                "iam:Generate*",
                "iam:Get*",
                "iam:List*",
                "iam:Simulate*",
                "sts:GetAccessKeyInfo",
                "sts:GetCallerIdentity",
                "sts:GetSessionToken",
            )
        ],
    ),
}


def _policy(name: str, path: str, description: str) -> ManagedPolicy:
    # The id must be the same in every process; whose it is nobody asks.
    id_ = new_id(POLICY, hashlib.sha256(f"{path}{name}".encode()).digest()[:11])
    return ManagedPolicy(id_, AWS, name, path, description, 1, 1, CREATED_AT, CREATED_AT)


POLICIES = tuple(
    sorted(
        (_policy(name, path, description) for name, (path, description, _) in _POLICIES.items()),
        key=lambda policy: key_of(policy.name),
    )
)
BY_ARN = {policy.arn: policy for policy in POLICIES}
DOCUMENTS = {
    policy.arn: json.dumps({"Version": "2012-10-17", "Statement": _POLICIES[policy.name][2]}, indent=4)
    for policy in POLICIES
}


def version(policy_arn: str) -> PolicyVersion:
    """The only version of a policy of Amazon's."""
    return PolicyVersion(1, DOCUMENTS[policy_arn], CREATED_AT, is_default=True)
