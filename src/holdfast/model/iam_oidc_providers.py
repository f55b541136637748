"""What providers of identities are: issuers of tokens that an account trusts (OpenID Connect)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.model.errors import InvalidInput, LimitExceeded, Validation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

SCHEME = "https://"
URL_LENGTH = 255
MOST_CLIENT_IDS = 100
MOST_THUMBPRINTS = 5

_ISSUER = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?", re.ASCII)
_ARN = re.compile(r"arn:[^:\s]*:[^:\s]*:[^:\s]*:[^:\s]*:\S+", re.ASCII)
_PROVIDER_ARN = re.compile(r"arn:aws(?:-[a-z]+)*:iam::(?P<account>[0-9]{12}):oidc-provider/(?P<url>\S+)", re.ASCII)
_THUMBPRINT = re.compile(r"[0-9A-Fa-f]{40}", re.ASCII)


@dataclass(frozen=True, slots=True)
class OidcProvider:
    """An issuer, and for whom its tokens must be meant; its URL is without https://."""

    account_id: str
    url: str
    client_ids: Sequence[str]
    thumbprints: Sequence[str]  # of certificates, kept for those who ask
    created_at: datetime
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.client_ids) > MOST_CLIENT_IDS:
            raise LimitExceeded(f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {MOST_CLIENT_IDS}")
        if len(self.thumbprints) > MOST_THUMBPRINTS:
            raise InvalidInput("Thumbprint list must contain fewer than 5 entries.")
        if not all(map(_THUMBPRINT.fullmatch, self.thumbprints)):
            raise InvalidInput("A thumbprint must be 40 hexadecimal digits.")

    @property
    def arn(self) -> str:
        """The provider's ARN, which has the issuer in it."""
        return f"arn:aws:iam::{self.account_id}:oidc-provider/{self.url}"


@dataclass(frozen=True, slots=True)
class OidcProviderArn:
    """The ARN of a provider, whether or not it is there."""

    text: str
    account_id: str
    url: str


def read_url(url: str) -> str:
    """An issuer's URL without https://, or the refusal of what no issuer can have."""
    issuer = url.removeprefix(SCHEME)
    if issuer == url or not _ISSUER.fullmatch(issuer) or len(url) > URL_LENGTH:
        raise Validation("Invalid Open ID Connect Provider URL")
    return issuer


def read_arn(text: str) -> OidcProviderArn:
    """The provider that an ARN names; refused in IAM's words if it names none."""
    if not _ARN.fullmatch(text):
        raise Validation("Invalid ARN:  Could not be parsed!")
    found = _PROVIDER_ARN.fullmatch(text)
    if found is None:
        raise InvalidInput(f"ARN {text} is not valid.")
    return OidcProviderArn(text, found["account"], found["url"])


def once(items: Iterable[str]) -> tuple[str, ...]:
    """Items in their order, each only once."""
    return tuple(dict.fromkeys(items))
