"""A client of any OCI registry (distribution-spec 1.1): what it has, and what it is given.

    Puller, Pusher ─► Session: as whom ─► Wire: to which addresses, within which time

Nothing that a remote says is believed further than it is proved: sizes, ranges and digests are held against each other,
every answer has a limit, and wherever it points is judged like an address of its own.
"""

from holdfast.outbound.distribution.faults import (
    Lied,
    NotThere,
    Refused,
    Rejected,
    RemoteFault,
    TooManyRequests,
    Unreachable,
)
from holdfast.outbound.distribution.pulling import Described, Manifest, Puller, Referrer
from holdfast.outbound.distribution.pushing import Pusher
from holdfast.outbound.distribution.wire import Wire, vouches

__all__ = [
    "Described",
    "Lied",
    "Manifest",
    "NotThere",
    "Puller",
    "Pusher",
    "Referrer",
    "Refused",
    "Rejected",
    "RemoteFault",
    "TooManyRequests",
    "Unreachable",
    "Wire",
    "vouches",
]
