"""Account, region, registry, repository, tag and ARN: the names by which things are known."""

from __future__ import annotations

import re
from dataclasses import dataclass

from holdfast.model.errors import InvalidParameter, NameInvalid, TagInvalid

ACCOUNT_ID = re.compile(r"[0-9]{12}", re.ASCII)
REGION = re.compile(r"[0-9a-z-]{2,25}", re.ASCII)
REPOSITORY_NAME_PATTERN = (
    r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"  # as AWS prints it in errors
)
REPOSITORY_NAME = re.compile(REPOSITORY_NAME_PATTERN, re.ASCII)
OCI_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)  # distribution-spec, "Pulling manifests"
ROLE_ARN = re.compile(r"arn:aws(-[a-z]+)*:iam::[0-9]{12}:role(/[\w+=,.@-]+)+", re.ASCII)
REGISTRY_HOST = re.compile(
    r"(?P<account>[0-9]{12})\.(?P<kind>dkr[.-]ecr(?:-fips)?)\.(?P<region>[0-9a-z-]{2,25})\.(?P<domain>[a-z0-9.-]+)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Registry:
    """All repositories of one account in one region."""

    account_id: str
    region: str

    def __post_init__(self) -> None:
        if not ACCOUNT_ID.fullmatch(self.account_id) or not REGION.fullmatch(self.region):
            raise NameInvalid(f"{self.account_id}/{self.region}")


@dataclass(frozen=True, slots=True)
class RepositoryRef:
    """A repository by name, whether or not it exists."""

    registry: Registry
    name: str

    def __post_init__(self) -> None:
        if not 2 <= len(self.name) <= 256 or not REPOSITORY_NAME.fullmatch(self.name):
            raise NameInvalid(self.name)

    @property
    def arn(self) -> str:
        """The repository's ARN, in the partition of its region."""
        registry = self.registry
        return f"arn:{partition(registry.region)}:ecr:{registry.region}:{registry.account_id}:repository/{self.name}"


@dataclass(frozen=True, slots=True)
class AllRepositories:
    """Every repository of a registry: what a list that names none is asked for."""

    registry: Registry

    @property
    def arn(self) -> str:
        """The ARN that stands for all of them."""
        home = self.registry
        return f"arn:{partition(home.region)}:ecr:{home.region}:{home.account_id}:repository/*"


@dataclass(frozen=True, slots=True)
class Arn:
    """Something of an account that is no repository, such as a user or a role, whether or not it exists."""

    account_id: str
    arn: str


def partition(region: str) -> str:
    """The ARN partition that a region belongs to."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def check_oci_tag(tag: str) -> str:
    """Return a tag that the registry protocol may carry, or refuse it."""
    if not OCI_TAG.fullmatch(tag):
        raise TagInvalid(tag)
    return tag


def check_role_arn(field: str, arn: str) -> str:
    """Return the ARN of an IAM role, or refuse it."""
    if not ROLE_ARN.fullmatch(arn):
        raise InvalidParameter(field, "must be the ARN of an IAM role")
    return arn


def registry_of_host(host: str) -> Registry | None:
    """The registry that a host name (without port) speaks of, if it is in ECR's form."""
    found = REGISTRY_HOST.fullmatch(host)
    return Registry(found["account"], found["region"]) if found else None
