"""Say which images are scanned, ask for scans, and do them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import scanning
from holdfast.model.errors import (
    ImageArchived,
    LimitExceeded,
    ScanNotFound,
    UnsupportedImageType,
    Validation,
)
from holdfast.model.images import ACTIVE
from holdfast.model.inventory import State
from holdfast.model.scanning import DESCRIPTIONS, SETTING, Scan, ScanType, Status
from holdfast.model.work import ScanImage
from holdfast.registry import events, inventories, purging, scan_frequencies

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from holdfast.model.images import Image, ImageId
    from holdfast.model.names import Registry, RepositoryRef
    from holdfast.model.repositories import Repository
    from holdfast.model.scanning import Configuration, Effective
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job
    from holdfast.store import Transaction

NO_ADVISORIES = "The image was not scanned: its packages are known, but this version of Holdfast judges none"


def configuration(on: Backends, registry: Registry) -> Configuration:
    """What is set for a whole registry."""
    with on.database.snapshot() as tx:
        return scanning.read(store.registry_settings.find(tx, registry, SETTING))


def configure(on: Backends, registry: Registry, wanted: Configuration) -> None:
    """Replace what is set for a whole registry; which repositories that changes is told in the background."""
    now = on.clock()
    with on.database.transaction() as tx:
        before = scanning.read(store.registry_settings.find(tx, registry, SETTING))
        store.registry_settings.put(tx, registry, SETTING, wanted.text, now)
        if wanted.type is ScanType.ENHANCED and wanted != before:
            scan_frequencies.changed(tx, registry, before, now)


def of_repositories(
    on: Backends, named: Iterable[RepositoryRef]
) -> tuple[list[tuple[Repository, Effective]], list[RepositoryRef]]:
    """What is done with each of some repositories, and which of them are not there."""
    found, missing = [], []
    with on.database.snapshot() as tx:
        for at in named:
            repository = store.repositories.find(tx, at)
            if repository is None:
                missing.append(at)
            else:
                found.append((repository, _effective(tx, repository)))
    return found, missing


def start(on: Backends, at: RepositoryRef, id_: ImageId) -> tuple[Image, Scan]:
    """Ask for a scan of an image, once in a while."""
    now = on.clock()
    with on.database.transaction() as tx:
        repository, image = _get(tx, at, id_)
        if image.status != ACTIVE:
            raise ImageArchived(at, image.digest)
        if not scanning.is_scannable(image):
            raise UnsupportedImageType(at, image.digest)
        if _configured(tx, repository).type is ScanType.ENHANCED:
            raise Validation(
                "Starting a scan is not supported when enhanced scanning is enabled for the registry: "
                "images are scanned as its scanning configuration says"
            )
        if _is_recent(store.scans.find(tx, image.id), now, on.limits.scan_interval):
            raise LimitExceeded("The scan quota per image has been exceeded. Wait and try again.")
        if _is_full(on, tx, repository, now):
            raise LimitExceeded(
                f"The registry cannot have more than {on.limits.scans_per_day} images scanned in 24 hours"
            )
        return image, _request(tx, repository, image, now)


def get(on: Backends, at: RepositoryRef, id_: ImageId) -> tuple[Image, Scan, ScanType]:
    """The latest scan of an image, or `ScanNotFound`, and how its registry's images are scanned."""
    with on.database.snapshot() as tx:
        repository, image = _get(tx, at, id_)
        scan_ = store.scans.find(tx, image.id)
        if scan_ is None:
            raise ScanNotFound(at, id_.digest, id_.tag)
        return image, scan_, _configured(tx, repository).type


def of_images(on: Backends, images: Iterable[Image]) -> dict[int, Scan]:
    """The latest scan of each image that was ever scanned, by the image's row."""
    with on.database.snapshot() as tx:
        return store.scans.of_images(tx, [image.id for image in images])


def pushed(on: Backends, tx: Transaction, repository: Repository, image: Image, now: datetime) -> None:
    """Ask for a scan of an image that was pushed, or came back from the archive, where that is wanted."""
    wanted = _effective(tx, repository).is_on_push
    # A new image was never scanned, and need not be asked for its scan.
    before = store.scans.find(tx, image.id) if image.archived_at is not None else None
    if before is not None:
        if _is_recent(before, now, on.limits.scan_interval):
            return
        store.scans.forget(tx, image.id)
    if not wanted:
        return
    if not scanning.is_scannable(image):
        _skip(tx, repository, image, Status.UNSUPPORTED_IMAGE, now)
    elif _is_full(on, tx, repository, now):
        _skip(tx, repository, image, Status.LIMIT_EXCEEDED, now)
    else:
        _request(tx, repository, image, now)


UNDER_WAY = {Status.PENDING, Status.IN_PROGRESS}


def scan(on: Backends, job: Job) -> datetime | None:
    """Scan an image, or say that it was not scanned: nobody may take one for clean that nothing looked at."""
    image_id = job.item.payload["image_id"]
    with on.database.transaction(durable=False) as tx:
        job.step(tx)
        found = store.images.find_by_id(tx, image_id)
        if found is None:
            return purging.look_again(on, tx, image_id)
        image = found[0]
        asked = store.scans.find(tx, image_id)
        if asked is None or asked.completed_at is not None or asked.status not in UNDER_WAY:
            return None  # it was done, and its process died before it could say so
        is_wanted = image.status == ACTIVE
        status = Status.IN_PROGRESS if is_wanted else Status.IMAGE_ARCHIVED
        if not store.scans.change(tx, image_id, status, DESCRIPTIONS[status], None):
            return None
    if not is_wanted:
        return None
    outcome = _engine(on, job, image, found[1])
    with on.database.transaction() as tx:
        job.step(tx)
        found = store.images.find_by_id(tx, image_id)
        if found is not None:
            image, repository_id = found
            _end(on, tx, store.repositories.get_by_id(tx, repository_id), image, outcome)
            return None
        return purging.look_again(on, tx, image_id)


def _engine(on: Backends, job: Job, image: Image, repository_id: int) -> tuple[Status, str]:
    """How a scan ended, and what is to be said of it."""
    with on.database.snapshot() as tx:
        repository = store.repositories.get_by_id(tx, repository_id)
    taken = inventories.take(on, repository, image, inventories.watching(on, job))
    if taken.state is State.COMPLETE:
        return Status.FAILED, NO_ADVISORIES
    status = Status.UNSUPPORTED_IMAGE if taken.state is State.UNSUPPORTED else Status.FAILED
    return status, f"The image was not scanned: {taken.reason}"


def _end(on: Backends, tx: Transaction, repository: Repository, image: Image, outcome: tuple[Status, str]) -> None:
    status, text = outcome
    if status is Status.COMPLETE and _configured(tx, repository).type is ScanType.ENHANCED:
        status = Status.ACTIVE
    if store.scans.change(tx, image.id, status, text, on.clock()):
        [image] = store.tags.of_images(tx, [image])
        events.tell(on, tx, repository.registry, scanning.scanned(repository.ref, image, status))


def _get(tx: Transaction, at: RepositoryRef, id_: ImageId) -> tuple[Repository, Image]:
    repository = store.repositories.get(tx, at)
    return repository, store.images.get(tx, repository, id_)


def _effective(tx: Transaction, repository: Repository) -> Effective:
    return scanning.effective(_configured(tx, repository), repository.name, repository.scan_on_push)


def _configured(tx: Transaction, repository: Repository) -> Configuration:
    return scanning.read(store.registry_settings.find_by_id(tx, repository.registry_id, SETTING))


def _is_recent(scan_: Scan | None, now: datetime, interval: timedelta) -> bool:
    return scan_ is not None and scan_.was_begun and scan_.requested_at > now - interval


def _is_full(on: Backends, tx: Transaction, repository: Repository, now: datetime) -> bool:
    return store.counters.scans_of_a_day(tx, repository.registry_id, now) >= on.limits.scans_per_day


def _request(tx: Transaction, repository: Repository, image: Image, now: datetime) -> Scan:
    scan_ = Scan(Status.PENDING, DESCRIPTIONS[Status.PENDING], now)
    store.scans.put(tx, repository.registry_id, image.id, scan_)
    store.counters.count_scan(tx, repository.registry_id, now)
    store.work.add(tx, ScanImage(image.id), now)
    return scan_


def _skip(tx: Transaction, repository: Repository, image: Image, status: Status, now: datetime) -> None:
    store.scans.put(tx, repository.registry_id, image.id, Scan(status, DESCRIPTIONS[status], now))
