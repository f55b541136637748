"""The two ways in which images go, for whoever lets one go: deleted, or into the archive; none that is in use."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.images import ARCHIVED
from holdfast.registry import arrivals, leases

if TYPE_CHECKING:
    from holdfast.model.images import Image
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction


def remove(on: Backends, tx: Transaction, repository: Repository, image: Image, *, spreads: bool = True) -> None:
    """Delete an image with its tags, so that it can be restored; or `ImageInUse`."""
    leases.require_unused(on, tx, repository, image)
    arrivals.removed(on, tx, repository, image, spreads=spreads)
    store.deleted_images.bury(tx, repository, image, on.clock())


def archive(on: Backends, tx: Transaction, repository: Repository, image: Image) -> Image:
    """Put an image with its tags into the archive; it as it is then; or `ImageInUse`."""
    leases.require_unused(on, tx, repository, image)
    store.images.archive(tx, repository, image, on.clock())
    archived = replace(image, status=ARCHIVED)
    arrivals.archived(on, tx, repository, archived)
    return archived
