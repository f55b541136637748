"""Clients of Amazon's APIs, or of anything that speaks them, for commands: all are made alike.

Credentials come from where every AWS tool looks for them: the environment, a profile, or the role of the machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from pathlib import Path

CONNECT_SECONDS = 5


def client(
    service: str,
    region: str,
    endpoint: str | None,
    *,
    attempts: int,
    mode: str = "standard",
    read_seconds: int = 60,
    profile: str | None = None,
    ca_file: Path | None = None,
    models: Path | None = None,
) -> Any:
    """A client of one service in one region, which may be described in a folder of our own.

    Raises botocore's `BotoCoreError`, and `ValueError` of an endpoint that is no URL.
    """
    session = botocore.session.Session(profile=profile)
    if models is not None:
        session.get_component("data_loader").search_paths.append(str(models))
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"mode": mode, "total_max_attempts": attempts},
        user_agent_extra="holdfast",
    )
    verify = str(ca_file) if ca_file is not None else None
    return session.create_client(service, region_name=region, endpoint_url=endpoint, config=config, verify=verify)
