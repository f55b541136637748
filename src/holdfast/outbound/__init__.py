"""Calls outward: what others say on the network, asked for with care."""

from holdfast.outbound.fetch import Fetched, Fetcher, Network, Unreachable

__all__ = ["Fetched", "Fetcher", "Network", "Unreachable"]
