"""What follows when an image comes, goes or changes its storage class: events, and work for others.

Every function runs in the transaction of the change.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.events import image_action, replication_action
from holdfast.model.images import ACTIVATING
from holdfast.model.scanning import DESCRIPTIONS, UNDER_WAY, Status
from holdfast.model.work import ActivateImage, FollowSubject, ReplicateImage, ScanImage
from holdfast.registry import events, replication, scanning, signing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.model.images import Image
    from holdfast.model.names import Registry
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction


def pushed(
    on: Backends,
    tx: Transaction,
    repository: Repository,
    image: Image,
    tags: Sequence[str],
    *,
    is_new: bool,
    is_restored: bool,
    copied_from: Registry | None = None,
) -> None:
    """An image was pushed, or some tags now name it; one that its push brought back from the archive is as new.

    One that was copied from another registry is not copied further, so there are no circles (ECR user guide).
    """
    if is_restored:
        _tell_restored(on, tx, repository, image)
    untagged = [None] if is_new or is_restored else []
    for tag in tags or untagged:
        event = (
            replication_action(repository.ref, image, tag, copied_from)
            if copied_from
            else image_action("PUSH", repository.name, image, tag)
        )
        events.tell(on, tx, repository.registry, event)
    if (tags or untagged) and copied_from is None:
        replication.pushed(on, tx, repository, image, on.clock())
    if is_new or is_restored:
        _arrived(on, tx, repository, image)
    if is_restored:
        _call_referrers(on, tx, repository, image)


def activated(on: Backends, tx: Transaction, repository: Repository, image: Image) -> None:
    """An image with its tags came back from the archive: for everybody else that is as if it were pushed."""
    _tell_restored(on, tx, repository, image)
    replication.pushed(on, tx, repository, image, on.clock())
    _arrived(on, tx, repository, image)
    _call_referrers(on, tx, repository, image)


def archived(on: Backends, tx: Transaction, repository: Repository, image: Image) -> None:
    """An image with its tags went into the archive."""
    _tell_each(on, tx, repository, image, "UPDATE_STORAGE_CLASS", target_storage_class="ARCHIVE")
    _call_referrers(on, tx, repository, image)


def restored(on: Backends, tx: Transaction, repository: Repository, image: Image) -> None:
    """A deleted image with its tags is there again: for everybody else that is as if it were pushed."""
    for tag in image.tags or (None,):
        events.tell(on, tx, repository.registry, image_action("PUSH", repository.name, image, tag))
    replication.pushed(on, tx, repository, image, on.clock())
    _go_on(on, tx, image)


def _go_on(on: Backends, tx: Transaction, image: Image) -> None:
    """Let what was being done with an image when it was deleted be done."""
    now = on.clock()
    if image.status == ACTIVATING:
        store.work.add(tx, ActivateImage(image.id), now)
    scan = store.scans.find(tx, image.id)
    if scan is not None and scan.is_live and scan.has_findings:  # its packages were forgotten
        status = Status.PENDING
        scan = replace(scan, status=status, description=DESCRIPTIONS[status], completed_at=None)
        store.scans.change(tx, image.id, scan)
    if scan is not None and scan.status in UNDER_WAY:
        store.work.add(tx, ScanImage(image.id), now)
    for one in store.replications.of_image(tx, image.id):
        if one.status == "IN_PROGRESS":
            store.work.add(tx, ReplicateImage(image.id, one.destination.region, one.destination.account_id), now)


def untagged(
    on: Backends, tx: Transaction, repository: Repository, image: Image, tag: str, *, spreads: bool = True
) -> None:
    """A tag was removed, and its image stays."""
    if spreads:
        replication.removed(tx, repository, image, tag, on.clock())
    events.tell(on, tx, repository.registry, image_action("DELETE", repository.name, image, tag))


def removed(on: Backends, tx: Transaction, repository: Repository, image: Image, *, spreads: bool = True) -> None:
    """An image with its tags is being removed."""
    if spreads:
        replication.removed(tx, repository, image, None, on.clock())
    _tell_each(on, tx, repository, image, "DELETE")
    if store.lists.has_referrers(tx, repository, image.digest):
        due_at = on.clock() + on.limits.referrer_delay  # the subject may be pushed again
        store.work.add(tx, FollowSubject(repository.id, image.digest), on.clock(), due_at, postpone=True)


def _tell_each(on: Backends, tx: Transaction, repository: Repository, image: Image, action: str, **more: str) -> None:
    for tag in image.tags or (None,):
        events.tell(on, tx, repository.registry, image_action(action, repository.name, image, tag, **more))


def _tell_restored(on: Backends, tx: Transaction, repository: Repository, image: Image) -> None:
    at = f"{on.clock():%Y-%m-%dT%H:%M:%SZ}"
    _tell_each(on, tx, repository, image, "UPDATE_STORAGE_CLASS", target_storage_class="STANDARD", last_activated_at=at)


def _arrived(on: Backends, tx: Transaction, repository: Repository, image: Image) -> None:
    """What is configured to happen to every new image."""
    now = on.clock()
    scanning.pushed(on, tx, repository, image, now)
    signing.pushed(on, tx, repository, image, now)


def _call_referrers(on: Backends, tx: Transaction, repository: Repository, image: Image) -> None:
    """Let referrers follow an image that changed its storage class."""
    if store.lists.has_referrers(tx, repository, image.digest):
        store.work.add(tx, FollowSubject(repository.id, image.digest), on.clock())
