"""What roles and instance profiles are, and which roles belong to services."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.model.errors import InvalidInput
from holdfast.model.iam_entities import arn, check_name, check_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

ROLE_NAME_LENGTH = 64
INSTANCE_PROFILE_NAME_LENGTH = 128
SERVICE_PATH = "/aws-service-role/"  # of the roles of services
DEFAULT_SESSION_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Role:
    """What callers may become for a while; the principals of its trust policy are ids."""

    id: str
    account_id: str
    name: str
    path: str
    trust_policy: str
    created_at: datetime
    description: str | None = None
    max_session_seconds: int = DEFAULT_SESSION_SECONDS
    boundary_arn: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    used_at: datetime | None = None
    used_in: str | None = None

    def __post_init__(self) -> None:
        check_name("roleName", self.name, ROLE_NAME_LENGTH)
        check_path("path", self.path)

    @property
    def arn(self) -> str:
        """The role's ARN, which has the path in it."""
        return arn(self.account_id, "role", self.path, self.name)

    @property
    def is_of_a_service(self) -> bool:
        """Whether a service owns it, so that users cannot change it."""
        return self.path.startswith(SERVICE_PATH)


@dataclass(frozen=True, slots=True)
class InstanceProfile:
    """What a machine is given instead of a role, with a role in it or none."""

    id: str
    account_id: str
    name: str
    path: str
    created_at: datetime
    role_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name("instanceProfileName", self.name, INSTANCE_PROFILE_NAME_LENGTH)
        check_path("path", self.path)

    @property
    def arn(self) -> str:
        """The instance profile's ARN, which has the path in it."""
        return arn(self.account_id, "instance-profile", self.path, self.name)


@dataclass(frozen=True, slots=True)
class ServiceRole:
    """A role that a service has in every account where it is used."""

    service: str
    role_name: str
    policy_name: str

    @property
    def path(self) -> str:
        """The role's path."""
        return f"{SERVICE_PATH}{self.service}/"

    @property
    def policy_arn(self) -> str:
        """The ARN of its only policy, which is Amazon's."""
        return arn("aws", "policy", SERVICE_PATH, self.policy_name)

    @property
    def trust_policy(self) -> str:
        """That only the service may be the role."""
        statement = {"Effect": "Allow", "Principal": {"Service": self.service}, "Action": "sts:AssumeRole"}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))


# Amazon ECR user guide, "Using service-linked roles".
SERVICE_ROLES = {
    role.service: role
    for role in (
        ServiceRole(
            "replication.ecr.amazonaws.com", "AWSServiceRoleForECRReplication", "ECRReplicationServiceRolePolicy"
        ),
        ServiceRole(
            "pullthroughcache.ecr.amazonaws.com",
            "AWSServiceRoleForECRPullThroughCache",
            "AWSECRPullThroughCache_ServiceRolePolicy",
        ),
        ServiceRole("ecr.amazonaws.com", "AWSServiceRoleForECRTemplate", "ECRTemplateServiceRolePolicy"),
    )
}


def service_role(service: str, suffix: str | None) -> ServiceRole:
    """The role of a service, or `InvalidInput`."""
    role = SERVICE_ROLES.get(service)
    if role is None:
        raise InvalidInput(f"Cannot find Service Linked Role template for {service}")
    if suffix is not None:
        raise InvalidInput(f"Custom suffix is not allowed for {service}")
    return role


def check_path_of_customer(path: str) -> None:
    """Refuse the path that only roles of services have."""
    if path.startswith(SERVICE_PATH):
        raise InvalidInput(f"The path {SERVICE_PATH} is reserved for the roles of services")
