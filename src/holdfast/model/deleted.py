"""What was deleted and may still be restored, and what a tag named before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.names import RepositoryRef


@dataclass(frozen=True, slots=True)
class DeletedRepository:
    """A repository that was deleted, under the name that it had."""

    id: int
    ref: RepositoryRef
    image_count: int
    deleted_at: datetime
    is_purging: bool  # some of it is gone already, so it cannot come back


@dataclass(frozen=True, slots=True)
class DeletedImage:
    """An image that was deleted, with the tags that it had."""

    id: int
    digest: str
    media_type: str
    artifact_type: str | None
    config_media_type: str | None
    subject: str | None
    manifest_bytes: int
    size_bytes: int
    pushed_at: datetime
    pulled_at: datetime | None
    status: str
    archived_at: datetime | None
    activated_at: datetime | None
    deleted_at: datetime
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tagging:
    """That a tag named a digest for a time, which is over."""

    id: int
    name: str
    digest: str
    tagged_at: datetime
    until_at: datetime
