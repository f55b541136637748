"""Statements and policies shortly written, and how docker reaches a repository as somebody."""

from __future__ import annotations

import json
from typing import Any

from tests.callers import Http, Registry

PULL_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly"
PULL = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
UPLOAD = ["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload"]
PUSH = [*UPLOAD, "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:PutImage"]
LOGIN = {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}
DENIED = "AccessDeniedException"


def allow(actions: Any, *resources: str, **members: Any) -> dict[str, Any]:
    """A statement of a user's policy."""
    return {"Effect": "Allow", "Action": actions, "Resource": list(resources) or "*", **members}


def grant(principal: str, actions: Any, **members: Any) -> dict[str, Any]:
    """A statement of a repository's policy."""
    return {"Effect": "Allow", "Principal": principal if principal == "*" else {"AWS": principal}, "Action": actions,
            **members}  # fmt: skip


def policy(*statements: Any) -> str:
    """A document."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def sentence(
    arn: str, action: str, resource: str, reason: str = "because no identity-based policy allows the {} action"
) -> str:
    """How somebody is told that he may not."""
    return f"User: {arn} is not authorized to perform: {action} on resource: {resource} {reason.format(action)}"


def docker(account: Any, credentials: dict[str, str], repository: str, *, of: Any = None) -> Registry:
    """A repository as somebody's docker reaches it, perhaps one of another account."""
    wanted = {"registryIds": [of.id]} if of else {}
    answer = account.client("ecr", **credentials).get_authorization_token(**wanted)
    authorization = f"Basic {answer['authorizationData'][0]['authorizationToken']}"
    return Registry(Http(account.product.address, authorization), repository)


def deny(actions: Any, *resources: str, **members: Any) -> dict[str, Any]:
    """A statement of a user's policy that takes away."""
    return {**allow(actions, *resources, **members), "Effect": "Deny"}


def blob_of(image: Any) -> str:
    """Where an image has its layer."""
    return f"/blobs/{image.json()['layers'][0]['digest']}"
