"""The tasks that run in clusters of Amazon ECS, or of anything that speaks its API.

Credentials come from where every AWS tool looks for them: the environment, a profile, or the role of the machine.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from holdfast.outbound import aws_clients

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_ONCE = 100  # tasks of one DescribeTasks
SERVICES_AT_ONCE = 10  # of one DescribeServices


class EcsFault(Exception):
    """A call that was answered with an error, or not at all; the message says which and why."""


class AwsEcs:
    """A client of ECS in one region."""

    def __init__(self, region: str, endpoint: str | None = None, profile: str | None = None) -> None:
        try:
            self._client = aws_clients.client("ecs", region, endpoint, attempts=4, profile=profile)
        except (BotoCoreError, ValueError) as fault:  # the latter of an endpoint that is no URL
            raise EcsFault(str(fault)) from None

    def definitions(self) -> Iterator[tuple[str, Any]]:
        """The task definitions of all services of all clusters, each with its cluster and service."""
        known: dict[str, Any] = {}
        with _told():
            for cluster in self._clusters():
                for service in self._services(cluster):
                    place = f"{cluster.rpartition('/')[2]}/service:{service['serviceName']}"
                    revisions = [service, *service.get("deployments", ())]
                    for arn in dict.fromkeys(one["taskDefinition"] for one in revisions):
                        if arn not in known:
                            found = self._client.describe_task_definition(taskDefinition=arn)
                            known[arn] = found["taskDefinition"]
                        yield place, known[arn]

    def tasks(self) -> Iterator[Any]:
        """Every task of every cluster that is to run, as DescribeTasks tells of it."""
        with _told():
            for cluster in self._clusters():
                for page in self._client.get_paginator("list_tasks").paginate(
                    cluster=cluster, desiredStatus="RUNNING", PaginationConfig={"PageSize": AT_ONCE}
                ):
                    if page["taskArns"]:
                        yield from self._client.describe_tasks(cluster=cluster, tasks=page["taskArns"])["tasks"]

    def _clusters(self) -> Iterator[str]:
        for page in self._client.get_paginator("list_clusters").paginate():
            yield from page["clusterArns"]

    def _services(self, cluster: str) -> Iterator[Any]:
        size = {"PageSize": SERVICES_AT_ONCE}
        for page in self._client.get_paginator("list_services").paginate(cluster=cluster, PaginationConfig=size):
            if page["serviceArns"]:
                yield from self._client.describe_services(cluster=cluster, services=page["serviceArns"])["services"]


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError, ResponseParserError, LookupError) as fault:
        raise EcsFault(f"Amazon ECS: {fault}") from None
