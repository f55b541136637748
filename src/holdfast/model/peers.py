"""Where a destination of replication really is, if it is not a registry of this installation.

ECR's rules name a region and an account. A peer says what they stand for: another Holdfast, a registry of Amazon ECR,
or any registry that speaks OCI's protocol.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from holdfast.model import secrets
from holdfast.model.errors import InvalidParameter
from holdfast.model.names import Registry
from holdfast.model.remotes import Remote

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTING = "replication-peers"  # under which those of a registry are kept
SECRETS = "ecr-replication/"  # with which the names of secrets begin that may be sent to a peer
MOST_CA_CHARACTERS = 64 * 1024
_PREFIX = re.compile(r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*", re.ASCII)


class Kind(StrEnum):
    """What a peer is, and so how it is asked for what OCI's protocol does not have."""

    HOLDFAST = "HOLDFAST"
    ECR = "ECR"
    OCI = "OCI"

    @property
    def has_api(self) -> bool:
        """Whether it speaks ECR's API: repositories are made there, and a secret is an access key."""
        return self is not Kind.OCI


@dataclass(frozen=True, slots=True)
class Peer:
    """A registry elsewhere that stands behind a destination."""

    destination: Registry
    kind: Kind
    url: str  # https://host or http://host, with a port or without
    prefix: str = ""  # of the names of repositories there
    credential_arn: str | None = None
    ca_pem: str | None = None
    region: str = ""  # that calls of its API are signed for; that of the destination if it is empty

    def __post_init__(self) -> None:
        found = urlsplit(self.url)
        if found.scheme not in {"http", "https"} or found.path.strip("/") or found.query or "@" in found.netloc:
            raise InvalidParameter("url", "must be https://host or http://host, with a port or without")
        if not _PREFIX.fullmatch(self.prefix) or len(self.prefix) > 200:
            raise InvalidParameter("prefix", "must be names in lower case, each with a slash after it")
        if self.kind.has_api and self.credential_arn is None:
            raise InvalidParameter("credentialArn", "Member must not be null")
        if self.ca_pem is not None and len(self.ca_pem) > MOST_CA_CHARACTERS:
            raise InvalidParameter("caCertificates", f"Member must have at most {MOST_CA_CHARACTERS} characters")
        self.remote  # noqa: B018 - it is checked when it is made

    @property
    def remote(self) -> Remote:
        """It as it is called."""
        found = urlsplit(self.url)
        return Remote(found.netloc, is_plain=found.scheme == "http", ca_pem=self.ca_pem)

    def name_of(self, repository_name: str) -> str:
        """What a repository is called there."""
        return f"{self.prefix}{repository_name}"

    def check_secret(self, source: Registry) -> None:
        """Refuse a secret that is of somebody else, or was not made to be sent to a peer."""
        if self.credential_arn is None:
            return
        named = secrets.read_arn(self.credential_arn)
        if named is None or named.registry != source:
            raise InvalidParameter("credentialArn", "the secret must be of the same account and region as the registry")
        if not all(name.startswith(SECRETS) for name, _ in named.candidates):
            raise InvalidParameter("credentialArn", f"the name of the secret must begin with '{SECRETS}'")

    @property
    def document(self) -> dict[str, Any]:
        """As it is kept."""
        to = self.destination
        rest = {"kind": self.kind.value, "url": self.url, "prefix": self.prefix, "credential_arn": self.credential_arn}
        return {"account_id": to.account_id, "to": to.region, **rest, "ca_pem": self.ca_pem, "region": self.region}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Peer:
        """The peer that was kept so."""
        rest = dict(kept)
        destination = Registry(rest.pop("account_id"), rest.pop("to"))
        return cls(destination, Kind(rest.pop("kind")), **rest)
