"""An image as lists show it, and how callers point at one."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.kms import Sealed


@dataclass(frozen=True, slots=True)
class ImageId:
    """ECR's ImageIdentifier: a digest, a tag, or both."""

    digest: str | None = None
    tag: str | None = None


ACTIVE, ARCHIVED, ACTIVATING = "ACTIVE", "ARCHIVED", "ACTIVATING"  # ECR's imageStatus
STATUSES = (ACTIVE, ARCHIVED, ACTIVATING)
ANY = "ANY"  # of these, for who asks


@dataclass(frozen=True, slots=True)
class Image:
    """A stored manifest and what is known about it, without its bytes."""

    id: int
    digest: str
    media_type: str
    artifact_type: str | None
    config_media_type: str | None
    subject: str | None
    manifest_bytes: int
    size_bytes: int
    annotations: dict[str, str]
    pushed_at: datetime
    pulled_at: datetime | None = None  # by people and workloads; it may lag behind
    status: str = ACTIVE
    archived_at: datetime | None = None
    activated_at: datetime | None = None  # when it came back from the archive
    is_tagged: bool = False
    tags: tuple[str, ...] = field(default=())


class Keeping(Enum):
    """What became of bytes that were to be a blob."""

    NEW = "new"
    REPLACED = "replaced"  # damaged ones
    KNOWN = "known"  # not needed: the blob is there already


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that a repository holds: their digest, their size, and where they are kept."""

    digest: str
    size_bytes: int
    object_key: str
    sealed: Sealed | None = field(default=None, repr=False)  # of a small one that is not in the database yet
