"""Kept bytes that are not what was pushed, and what is told of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.model.events import Event

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from holdfast.model.names import Registry

MISSING = "its object is missing"
UNPROVED_HEADER = "the header of its object does not prove itself, or its length is wrong"
TOLD_REPOSITORIES = 100  # of a damaged blob, in one event


@dataclass(frozen=True, slots=True)
class Kept:
    """A blob as it is kept: once for each registry and key scope."""

    id: int
    registry_id: int
    registry: Registry
    key_scope: str
    digest: str
    size_bytes: int
    object_key: str
    verified_at: datetime  # when all its bytes were last seen to be right
    damaged_at: datetime | None
    damage: str | None


@dataclass(frozen=True, slots=True)
class KeptManifest:
    """A manifest as it is kept, without its body."""

    id: int
    registry: Registry
    repository_name: str
    digest: str
    verified_at: datetime
    damaged_at: datetime | None


def unproved(position: int) -> str:
    """What is said of a segment that does not open."""
    return f"the bytes from {position} on do not prove themselves"


def other_digest(found: str) -> str:
    """What is said of bytes that open and are others."""
    return f"its bytes have the digest {found}"


def layer_event(kind: str, blob: Kept, repositories: Sequence[str], damage: str | None = None) -> Event:
    """`Layer Damaged` or `Layer Repaired`."""
    detail = {
        "layer-digest": blob.digest,
        "layer-size": blob.size_bytes,
        "repository-names": list(repositories),
        "damage": damage,
    }
    return Event(kind, {name: value for name, value in detail.items() if value is not None}, source="holdfast")


def manifest_event(kind: str, manifest: KeptManifest) -> Event:
    """`Manifest Damaged` or `Manifest Repaired`."""
    detail = {"image-digest": manifest.digest, "repository-name": manifest.repository_name}
    return Event(kind, detail, source="holdfast")
