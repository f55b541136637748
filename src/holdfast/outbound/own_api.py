"""Our own operations at a Holdfast, for commands that are run beside what they tell of.

Credentials come from where every AWS tool looks for them: the environment, a profile, or the role of the machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 3},
    user_agent_extra="holdfast",
)
AT_ONCE = 1000  # images of one PutImageLease


class OwnApiFault(Exception):
    """A call that was answered with an error, or not at all; the message says which and why."""


class OwnApi:
    """A client of one Holdfast; `models` is the folder with the description of our operations."""

    def __init__(self, url: str, models: Path, profile: str | None = None, ca_file: Path | None = None) -> None:
        self._url = url
        self._verify = str(ca_file) if ca_file is not None else None
        self._clients: dict[str, Any] = {}
        try:
            self._session = botocore.session.Session(profile=profile)
        except BotoCoreError as fault:
            raise OwnApiFault(str(fault)) from None
        self._session.get_component("data_loader").search_paths.append(str(models))

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
            self._clients[region] = self._session.create_client(
                "holdfast", region_name=region, endpoint_url=self._url, config=CONFIG, verify=self._verify
            )
        return self._clients[region]
