"""Which addresses a call outward may reach: those of the public internet, and those that the operator allows.

Whoever names a URL must not make this machine talk to its own network for him. So a name is resolved once, the
address is judged, and the connection is made to that very address.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# What IANA's registry of special addresses has, and older versions of Python do not.
_SPECIAL_V4 = ("192.88.99.0/24",)
_SPECIAL_V6 = ("::/96", "64:ff9b:1::/48", "100::/63", "2001::/23", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10")
_SPECIAL = tuple(map(ipaddress.ip_network, _SPECIAL_V4 + _SPECIAL_V6))


def may_reach(address: Address, allowed: Iterable[Network]) -> bool:
    """Whether a call may go to an address."""
    return is_public(_meant(address)) or is_in_any(address, allowed)


def is_in_any(address: Address, allowed: Iterable[Network]) -> bool:
    """Whether an address, in whatever spelling, is one that the operator allows by name."""
    return any(_is_in(one, network) for network in allowed for one in {address, _meant(address)})


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet's, and of a single machine there."""
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return False
    return address.is_global and not address.is_multicast and not any(_is_in(address, one) for one in _SPECIAL)


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 one is another spelling of."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address


def _is_in(address: Address, network: Network) -> bool:
    return address.version == network.version and address in network
