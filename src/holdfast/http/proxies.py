"""Who the client is when it comes through a proxy: told by the proxy, and believed only of those that are trusted."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

UNKNOWN = "unknown"  # no address: no policy takes it for one
LONGEST = 64  # characters of an address; the zone of one of IPv6 could be of any length


def is_trusted(peer: str, trusted: Iterable[Network]) -> bool:
    """Whether an address is one of the operator's proxies."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    plain = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return any((plain or address) in network for network in trusted)


def client(
    peer: str, headers: Sequence[tuple[str, str]], trusted: Sequence[Network], *, is_secure: bool
) -> tuple[str, bool]:
    """The client's address and whether it spoke TLS, as a trusted peer tells.

    Each proxy appends the address that it saw; those from the right that are trusted proxies themselves are passed
    over, and what stands left of the first stranger may be anybody's invention.
    """
    hops = [hop.strip() for name, value in headers if name == "x-forwarded-for" for hop in value.split(",")]
    while hops and is_trusted(peer, trusted):
        hop = hops.pop()
        peer = _address(hop) if hop else peer
    schemes = [value.strip().lower() for name, value in headers if name == "x-forwarded-proto"]
    return peer, schemes[-1].rpartition(",")[2].strip() == "https" if schemes else is_secure


def _address(hop: str) -> str:
    """The address of a hop, which some proxies write with its port; what is none may be anybody's."""
    host = hop[1:].partition("]")[0] if hop.startswith("[") else hop
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        return str(ipaddress.ip_address(host)) if len(host) <= LONGEST else UNKNOWN
    except ValueError:
        return UNKNOWN
