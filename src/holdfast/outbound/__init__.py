"""Calls outward: what others say on the network, asked for with care."""

from holdfast.outbound.fetch import Fetched, Fetcher, Network, Unreachable
from holdfast.outbound.key_service import KeyRefused, KeyService, KeyServiceDown

__all__ = ["Fetched", "Fetcher", "KeyRefused", "KeyService", "KeyServiceDown", "Network", "Unreachable"]
