"""Our own operations at a Holdfast, for commands that are run beside what they tell of.

Credentials come from where every AWS tool looks for them: the environment, a profile, or the role of the machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from holdfast.outbound import aws_clients

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

AT_ONCE = 1000  # images of one PutImageLease


class OwnApiFault(Exception):
    """A call that was answered with an error, or not at all; the message says which and why."""


class OwnApi:
    """A client of one Holdfast; `models` is the folder with the description of our operations."""

    def __init__(self, url: str, models: Path, profile: str | None = None, ca_file: Path | None = None) -> None:
        self._url = url
        self._more: dict[str, Any] = {"models": models, "profile": profile, "ca_file": ca_file}
        self._clients: dict[str, Any] = {}

    def put_leases(
        self,
        region: str,
        account_id: str | None,
        repository: str,
        images: Sequence[dict[str, str]],
        *,
        holder: str,
        kind: str,
        seconds: int,
    ) -> tuple[list[Any], list[Any]]:
        """Take or renew leases on images of a repository: those that hold, and those of images that are not there."""
        held: list[Any] = []
        failed: list[Any] = []
        registry = {"registryId": account_id} if account_id is not None else {}
        try:
            client = self._client(region)
            for start in range(0, len(images), AT_ONCE):
                answer = client.put_image_lease(
                    repositoryName=repository,
                    holder=holder,
                    kind=kind,
                    leaseSeconds=seconds,
                    images=images[start : start + AT_ONCE],
                    **registry,
                )
                held += answer["leases"]
                failed += answer["failures"]
        except (BotoCoreError, ClientError, ResponseParserError, LookupError, ValueError) as fault:
            raise OwnApiFault(str(fault)) from None
        return held, failed

    def _client(self, region: str) -> Any:
        if region not in self._clients:
            self._clients[region] = aws_clients.client(
                "holdfast", region, self._url, attempts=3, read_seconds=30, **self._more
            )
        return self._clients[region]
