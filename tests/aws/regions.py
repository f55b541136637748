"""A registry of a test's own: what is set on a whole registry must not touch other tests."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config

from holdfast.aws.service_models import OWN_MODELS
from tests.callers import Aws, Http, Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Product

SECONDS = 30  # for what is done in the background


class Region:
    """The registry of the root account in a region that nobody else uses."""

    def __init__(self, product: Product, test: str) -> None:
        self.name = f"eu-{hashlib.sha256(test.encode()).hexdigest()[:16]}-1"
        self.ecr = product.ecr(self.name)
        self._product = product
        self._token = ""

    def aws(self) -> Aws:
        """ECR's API spoken raw."""
        return self._product.aws(self.name)

    def registry(self, repository: str) -> Registry:
        """A new repository, spoken to as docker does."""
        self.ecr.create_repository(repositoryName=repository)
        return self.existing(repository)

    def existing(self, repository: str) -> Registry:
        """A repository that is there, spoken to as docker does."""
        self._token = self._token or self.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
        return Registry(Http(self._product.address, f"Basic {self._token}"), repository)


def own_client(product: Product, region: str) -> Any:
    """boto3, which was told of our own operations, in a region."""
    core = botocore.session.get_session()
    core.get_component("data_loader").search_paths.append(str(OWN_MODELS))
    key_id, secret = product.credentials()
    session = boto3.Session(botocore_session=core, aws_access_key_id=key_id, aws_secret_access_key=secret)
    return session.client("holdfast", region, endpoint_url=product.url, config=Config(retries={"max_attempts": 1}))


def eventually(look: Callable[[], Any], is_so: Callable[[Any], bool]) -> Any:
    """What is seen when something is so, which background work brings about."""
    deadline = time.monotonic() + SECONDS
    while not is_so(seen := look()):
        assert time.monotonic() < deadline, f"it never came true; last seen: {seen}"
        time.sleep(0.05)
    return seen


def bare(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what boto3 adds."""
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}
