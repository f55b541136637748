"""The images of a registry of ECR that is followed for days: its logins are over after hours."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from holdfast.model.errors import InvalidParameter
from holdfast.model.remotes import Password, Remote
from holdfast.outbound.aws_ecr import EcrRefused
from holdfast.outbound.distribution import Puller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.outbound.aws_ecr import AwsEcr
    from holdfast.outbound.distribution import Manifest, Wire

LOGIN_SECONDS = 900.0  # the shortest session of a role


class EcrImages:
    """Reads manifests and blobs with a login that is not old; threads may share it."""

    def __init__(self, ecr: AwsEcr, wire: Wire, ca_pem: str | None) -> None:
        self._ecr = ecr
        self._wire = wire
        self._ca_pem = ca_pem
        self._lock = threading.Lock()
        self._puller: Puller | None = None
        self._until = 0.0

    def log_in(self) -> None:
        """Make sure that there is a login. Raises `EcrRefused`."""
        self._now()

    def manifest(self, name: str, reference: str) -> Manifest:
        """A manifest by its digest. Raises `RemoteFault` and `EcrRefused`."""
        return self._now().manifest(name, reference)

    def read_blob(
        self,
        name: str,
        digest: str,
        start: int = 0,
        size_bytes: int | None = None,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> Iterator[bytes]:
        """The pieces of a blob. Raises `RemoteFault` and `EcrRefused`."""
        return self._now().read_blob(name, digest, start, size_bytes, pause=pause)

    def _now(self) -> Puller:
        with self._lock:
            if self._puller is None or time.monotonic() > self._until:
                login = self._ecr.login()
                try:
                    url = urlsplit(login.url)
                    remote = Remote(url.netloc, is_plain=url.scheme == "http", ca_pem=self._ca_pem)
                except (ValueError, InvalidParameter):
                    raise EcrRefused("GetAuthorizationToken", "", f"{login.url[:200]!r} is no registry") from None
                self._puller = Puller(remote, Password(login.username, login.password), wire=self._wire)
                self._until = time.monotonic() + LOGIN_SECONDS
            return self._puller
