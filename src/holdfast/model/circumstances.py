"""How a request came in, as far as a policy may ask."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

Facts: TypeAlias = Mapping[str, str | tuple[str, ...]]  # condition keys, in lower case, and their values
NOTHING: Facts = {}
IMAGE_DIGEST_KEY = "ecr:imagedigest"  # likewise: the digest that is pulled
IMAGE_TAG_KEY = "ecr:imagetag"  # a condition key of ours: the tag that is pushed, pulled or deleted


class Circumstances(Protocol):
    """What is known of a request besides its caller; a request of the HTTP floor is one."""

    @property
    def id(self) -> str:
        """The request id."""

    @property
    def peer(self) -> str:
        """The address of the client, behind proxies that are trusted."""

    @property
    def is_secure(self) -> bool:
        """Whether the client spoke TLS."""

    def header(self, name: str) -> str | None:
        """The first header of a lower-case name."""


@dataclass(frozen=True, slots=True)
class NoRequest:
    """The circumstances of what the registry does by itself, for an account."""

    id: str = "background"
    peer: str = ""
    is_secure: bool = True

    def header(self, name: str) -> str | None:  # noqa: ARG002 - there are none
        """No header."""
        return None


def surroundings(request: Circumstances, now: datetime) -> dict[str, str]:
    """What a request tells of itself (IAM user guide, "AWS global condition context keys")."""
    told = {
        "aws:sourceip": _plain_address(request.peer),
        "aws:useragent": request.header("user-agent"),
        "aws:referer": request.header("referer"),
        "aws:securetransport": "true" if request.is_secure else "false",
        "aws:viaawsservice": "false",
        "aws:currenttime": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "aws:epochtime": str(int(now.timestamp())),
    }
    return {key: value for key, value in told.items() if value is not None}


def tag_keys(prefix: str, tags: Iterable[tuple[str, str]]) -> dict[str, str | tuple[str, ...]]:
    """Tags as condition keys, whose case does not matter; of tags that differ in nothing else, all values are told.

    A condition on such a key that says nothing of several values means none of them (IAM user guide, "AWS global
    condition context keys": one or the other tag, "but not both").
    """
    told: dict[str, str | tuple[str, ...]] = {}
    for tag, value in tags:
        key = f"{prefix}/{tag.lower()}"
        before = told.get(key, ())
        told[key] = (*((before,) if isinstance(before, str) else before), value) if before != () else value
    return told


def neighbourhood(peer: str) -> str:
    """The addresses that one client may have: its own of IPv4, all of its network of IPv6."""
    plain = _plain_address(peer)
    if plain is None or ":" not in plain:
        return plain or peer
    return str(ipaddress.IPv6Network((plain.partition("%")[0], 64), strict=False))


def _plain_address(peer: str) -> str | None:
    """An address; one of IPv4 in the clothes of IPv6 is one of IPv4. None for what is no address."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)
