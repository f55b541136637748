"""Images that an upstream registry has: served while they are fetched, kept, looked after, and let go.

    a pull ─► not here, a rule is ─► manifest: asked for, kept as on its way ─► served at once
                                 └─► blob: one flight for all who want it ────► served as it comes
                                                │
    ImportImage ─ what the client did not fetch ┴─► all is here: the image, its tags, its referrers

`upstreams` is what a process knows of upstreams, and `flights` fetches blobs; `siblings` lets other processes of the
machine read them, `sharing` and `neighbours` those of other machines. `images` answers pulls, `batches` the ECR API,
`sending` brings what clients do not push, `importing` does the rest in the background, and `evicting` makes room.
"""

from holdfast.registry.pull_through import evicting, importing
from holdfast.registry.pull_through.batches import Batch, require_layer
from holdfast.registry.pull_through.flights import Flight, Reader
from holdfast.registry.pull_through.images import (
    Leave,
    Wait,
    blob,
    blob_size,
    is_stale,
    manifest,
    may_have,
    refresh,
    rewritten,
)
from holdfast.registry.pull_through.referring import referrers, require_subject
from holdfast.registry.pull_through.sending import Parts
from holdfast.registry.pull_through.standing import Standing, status
from holdfast.registry.pull_through.upstreams import LOOK_SECONDS, Upstreams, validate

__all__ = [
    "LOOK_SECONDS",
    "Batch",
    "Flight",
    "Leave",
    "Parts",
    "Reader",
    "Standing",
    "Upstreams",
    "Wait",
    "blob",
    "blob_size",
    "evicting",
    "importing",
    "is_stale",
    "manifest",
    "may_have",
    "referrers",
    "refresh",
    "require_layer",
    "require_subject",
    "rewritten",
    "status",
    "validate",
]
