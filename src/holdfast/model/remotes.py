"""Registries elsewhere: where one is, and as whom it is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from holdfast.model.errors import InvalidParameter

AUTHORITY = re.compile(
    r"(?P<host>[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Remote:
    """Any OCI registry, by host and port; https, unless the operator says that it speaks plain HTTP."""

    authority: str
    is_plain: bool = False
    ca_pem: str | None = None  # vouches for it, beside those whom the system trusts

    def __post_init__(self) -> None:
        found = AUTHORITY.fullmatch(self.authority)
        if not found or not 0 < int(found["port"] or 443) < 65536:
            raise InvalidParameter("registry", f"'{self.authority[:200]}' is not a host, or a host and a port")

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"{'http' if self.is_plain else 'https'}://{self.authority}"


@dataclass(frozen=True, slots=True)
class Password:
    """A name and a password, or a token in place of one: for Basic, and for servers that give tokens."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key of AWS, or of another Holdfast: for an ECR, whose login token it gets."""

    id: str
    secret: str = field(repr=False)
    region: str
    session_token: str | None = field(default=None, repr=False)
    api_url: str | None = None  # of the ECR API; beside the registry itself if there is none
    role_arn: str | None = None  # that it assumes first


Credentials = Password | AccessKey
