"""A client of any OCI registry (distribution-spec 1.1): what it has, and what it is given.

    Puller, Pusher ─► Session: as whom ─► Wire: to which addresses, within which time

Nothing that a remote says is believed further than it is proved: sizes, ranges and digests are held against each other,
every answer has a limit, and wherever it points is judged like an address of its own.
"""

from holdfast.outbound.distribution.faults import (
    Failing,
    Full,
    Lied,
    NotThere,
    OutOfBounds,
    Refused,
    Rejected,
    RemoteFault,
    TooManyRequests,
    Unreachable,
)
from holdfast.outbound.distribution.pulling import Described, Manifest, Puller, Referrer
from holdfast.outbound.distribution.pushing import Pusher, Upload
from holdfast.outbound.distribution.session import URL_LENGTH
from holdfast.outbound.distribution.wire import Wire, vouches

__all__ = [
    "URL_LENGTH",
    "Described",
    "Failing",
    "Full",
    "Lied",
    "Manifest",
    "NotThere",
    "OutOfBounds",
    "Puller",
    "Pusher",
    "Referrer",
    "Refused",
    "Rejected",
    "RemoteFault",
    "TooManyRequests",
    "Unreachable",
    "Upload",
    "Wire",
    "vouches",
]
