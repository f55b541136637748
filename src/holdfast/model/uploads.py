"""A layer on its way in: the session, its parts, and the limits on both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.model.kms import OWN

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.kms import Sealed

MIB = 1024 * 1024
PART_BYTES = 10 * MIB  # what InitiateLayerUpload advises, as ECR does
MINIMUM_PART_BYTES = 5 * MIB  # of every part but the last, through the ECR API
MAXIMUM_LAYER_BYTES = 52_000 * MIB
MAXIMUM_PARTS = 10_000
SMALL_BYTES = 32 * 1024  # an object of this size or less lies in the database


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive bytes of an upload, kept as one object."""

    first_byte: int
    size_bytes: int
    object_key: str
    sha256: str
    sealed: Sealed | None = field(default=None, repr=False)  # of a small one that is not in the database yet


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload in progress; `received_bytes` is authoritative."""

    id: str
    repository_id: int
    received_bytes: int
    expires_at: datetime
    key_scope: str = OWN
    parts: tuple[Part, ...] = field(default=())
