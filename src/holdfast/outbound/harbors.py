"""Registries whose images others ask us to scan: whoever may ask names one, and it is reached like any other."""

from __future__ import annotations

import hmac
from pathlib import Path  # noqa: TC003 - dataclasses read it
from typing import TYPE_CHECKING

from holdfast.model.remotes import Remote
from holdfast.outbound.distribution import Puller, Wire

if TYPE_CHECKING:
    from collections.abc import Collection

    from holdfast.model.harbor import Request
    from holdfast.outbound.addresses import Network


class Harbors:
    """Who may ask, and how the registries are reached that they name."""

    def __init__(self, token: str, allowed: Collection[Network] = (), ca_file: Path | None = None) -> None:
        self._token = token.encode()
        self._allowed = tuple(allowed)
        self._ca_pem = ca_file.read_text() if ca_file is not None else None

    def knows(self, token: str) -> bool:
        """Whether somebody may ask."""
        return hmac.compare_digest(self._token, token.encode(errors="surrogateescape"))

    def puller(self, request: Request) -> Puller:
        """What reads the image that is asked about; its connections go with it."""
        authority, is_plain = request.remote
        wire = Wire(self._allowed, self._ca_pem)
        return Puller(Remote(authority, is_plain=is_plain), request.credentials, wire=wire)
