"""Registries of Amazon ECR, or of anything that speaks its API: what they hold, and a login for their images."""

from __future__ import annotations

import base64
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from holdfast.model import digests
from holdfast.model.errors import Refusal
from holdfast.outbound import aws_clients

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

PAGE = 1000  # images
REPOSITORIES = 100  # of a page; more are not asked for by their names at once
PAGES = 10_000  # of one list


class EcrRefused(Exception):
    """A call that was answered with an error, or not at all; the message says by whom and why."""

    def __init__(self, operation: str, code: str, text: str) -> None:
        super().__init__(f"{operation}: {text}")
        self.code = code


@dataclass(frozen=True, slots=True)
class FoundRepository:
    """A repository as DescribeRepositories tells of it, with what only further calls tell."""

    name: str
    mutability: str
    filters: tuple[str, ...]
    scan_on_push: bool
    encryption: str
    tags: Mapping[str, str]
    policy: str | None
    lifecycle: str | None


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image as DescribeImages tells of it."""

    digest: str
    tags: tuple[str, ...]
    pushed_at: datetime
    is_archived: bool


@dataclass(frozen=True, slots=True)
class EcrLogin:
    """Where the images of a registry are, and a name and password for it."""

    url: str
    username: str
    password: str
    expires_at: datetime


class AwsEcr:
    """A client of ECR in one region."""

    def __init__(
        self, region: str, endpoint: str | None = None, profile: str | None = None, ca_file: Path | None = None
    ) -> None:
        try:
            # ECR slows its callers down by account; somebody who follows it the whole day shall be a quiet one.
            self._client = aws_clients.client(
                "ecr", region, endpoint, attempts=8, mode="adaptive", profile=profile, ca_file=ca_file
            )
        except (BotoCoreError, ValueError) as fault:  # the latter of an endpoint that is no URL
            raise EcrRefused("Credentials", type(fault).__name__, str(fault)) from None
        self.region = region

    def account_id(self) -> str:
        """Whose registry it is."""
        with _sound("DescribeRegistry"):
            found: str = self._call("describe_registry")["registryId"]
        return found

    def login(self) -> EcrLogin:
        """A login for the registry's images."""
        with _sound("GetAuthorizationToken"):
            told = self._call("get_authorization_token")["authorizationData"][0]
            username, _, password = base64.b64decode(told["authorizationToken"], validate=True).decode().partition(":")
            return EcrLogin(told["proxyEndpoint"], username, password, told["expiresAt"])

    def names(self) -> Iterator[str]:
        """The names of all repositories."""
        for page in self._pages("describe_repositories", maxResults=REPOSITORIES):
            with _sound("DescribeRepositories"):
                names = [one["repositoryName"] for one in page["repositories"]]
            yield from names

    def repository(self, name: str) -> FoundRepository | None:
        """A repository with its settings; None if there is none."""
        found = self._optional("describe_repositories", "RepositoryNotFoundException", repositoryNames=[name])
        if found is None:
            return None
        with _sound("DescribeRepositories"):
            [one] = found["repositories"]
            arn = one["repositoryArn"]
        policy = self._optional("get_repository_policy", "RepositoryPolicyNotFoundException", repositoryName=name)
        rules = self._optional("get_lifecycle_policy", "LifecyclePolicyNotFoundException", repositoryName=name)
        tags = self._call("list_tags_for_resource", resourceArn=arn)
        with _sound("DescribeRepositories"):
            return FoundRepository(
                name,
                one.get("imageTagMutability", "MUTABLE"),
                tuple(wish["filter"] for wish in one.get("imageTagMutabilityExclusionFilters", ())),
                one.get("imageScanningConfiguration", {}).get("scanOnPush", False),
                one.get("encryptionConfiguration", {}).get("encryptionType", "AES256"),
                {tag["Key"]: tag.get("Value", "") for tag in tags["tags"]},
                policy and policy["policyText"],
                rules and rules["lifecyclePolicyText"],
            )

    def images(self, name: str) -> Iterator[FoundImage]:
        """The images of a repository, in ECR's order, whatever their status: an archived one is not gone."""
        any_ = {"imageStatus": "ANY"}
        for page in self._pages("describe_images", repositoryName=name, maxResults=PAGE, filter=any_):
            with _sound("DescribeImages"):
                found = [
                    FoundImage(
                        digests.check_digest(one["imageDigest"]),
                        tuple(one.get("imageTags", ())),
                        one["imagePushedAt"],
                        one.get("imageStatus", "ACTIVE") != "ACTIVE",
                    )
                    for one in page["imageDetails"]
                ]
            yield from found

    def _pages(self, operation: str, **members: Any) -> Iterator[Any]:
        token: dict[str, str] = {}
        for _ in range(PAGES):
            page = self._call(operation, **members, **token)
            yield page
            if not page.get("nextToken"):
                return
            token = {"nextToken": page["nextToken"]}
        raise EcrRefused(operation, "", f"the list has more than {PAGES} pages")

    def _optional(self, operation: str, absent: str, **members: Any) -> Any:
        try:
            return self._call(operation, **members)
        except EcrRefused as refusal:
            if refusal.code == absent:
                return None
            raise

    def _call(self, operation: str, **members: Any) -> Any:
        try:
            return getattr(self._client, operation)(**members)
        except ClientError as fault:
            error = fault.response["Error"]
            code = error.get("Code", "")
            raise EcrRefused(fault.operation_name, code, f"{code}: {error.get('Message', '')}") from None
        except (BotoCoreError, ResponseParserError) as fault:
            name = operation.title().replace("_", "")
            raise EcrRefused(name, type(fault).__name__, str(fault)) from None


@contextmanager
def _sound(operation: str) -> Iterator[None]:
    """A block that reads an answer, which may lack what ECR's have."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, Refusal) as fault:
        raise EcrRefused(operation, "", f"the answer is none of ECR: {type(fault).__name__} {fault}") from None
