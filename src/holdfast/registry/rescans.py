"""Let a plugged scanner look at watched images once more when it has other advisories.

    every hour: what does the scanner say of itself? ── something else ─► work for each image that is watched
                                                                           └─► findings of now, in place of others

What was found before is shown until then, and stays if the scanner fails.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import news
from holdfast.model import scanning as model
from holdfast.model.errors import StorageUnavailable
from holdfast.model.image_findings import unpack, worst_by_name
from holdfast.model.images import ACTIVE
from holdfast.model.scan_reports import BadReport
from holdfast.model.scanning import Frequency, Scan, ScanType
from holdfast.model.work import RescanImage
from holdfast.outbound import ScannerRefused, Unreachable
from holdfast.registry import events, image_findings, image_scans, scanning, verdicts
from holdfast.registry.news import EVER, count_sets

if TYPE_CHECKING:
    from holdfast.model.image_findings import ImageFinding
    from holdfast.model.images import Image
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job
    from holdfast.store import Transaction

SEEN = "scanner-seen"  # the setting of the home registry that tells which advisories were there the last time
IMAGES_AT_ONCE = 100
log = logging.getLogger(__name__)


def follow(on: Backends, job: Job) -> None:
    """Want images looked at once more that were before the scanner had the advisories that it has now."""
    if on.scanner is None:
        return
    try:
        metadata = on.scanner.metadata()
    except (Unreachable, ScannerRefused, BadReport) as fault:
        log.warning("the scanner does not say which advisories it has: %s", fault)
        return
    seen, now, after = f"{metadata.name} {metadata.updated_at}", on.clock(), 0
    with on.database.snapshot() as tx:
        before = store.registry_settings.find(tx, on.home, SEEN)
    while before not in {None, seen}:
        with on.database.transaction() as tx:
            job.step(tx)
            since = now - on.limits.scan_watch if on.limits.scan_watch else EVER
            rows = store.scans.watched_before(tx, now, since, after, IMAGES_AT_ONCE)
            for row in rows:
                found = store.images.find_by_id(tx, row)
                if found is not None and _is_wanted(on, tx, store.repositories.get_by_id(tx, found[1]), now):
                    store.work.add(tx, RescanImage(row), now)
        if not rows:
            break
        after = rows[-1]
        job.rest()
    if before != seen:
        with on.database.transaction() as tx:
            job.step(tx)
            store.registry_settings.put(tx, on.home, SEEN, seen, now)


def _is_wanted(on: Backends, tx: Transaction, repository: Repository, now: datetime) -> bool:
    is_continuous = scanning.effective(tx, repository).frequency is Frequency.CONTINUOUS_SCAN
    return is_continuous and scanning.count_if_any_left(on, tx, repository, now)


def rescan(on: Backends, job: Job) -> datetime | None:
    """Look once more at an image; when to go on, if the scanner takes its time."""
    image_id = job.item.payload["image_id"]
    with on.database.snapshot() as tx:
        found = store.images.find_by_id(tx, image_id)
        before = store.scans.find(tx, image_id)
        if found is None or before is None or not before.has_findings or before.type is not ScanType.ENHANCED:
            return None
        image, repository = found[0], store.repositories.get_by_id(tx, found[1])
    if on.scanner is None or image.status != ACTIVE or job.item.attempts > image_scans.TRIES:
        return None
    try:
        ended = image_scans.looked(on, job, repository, image, replace(before, is_live=True))
    except StorageUnavailable:
        return on.clock() + image_scans.AWAY
    if isinstance(ended, datetime):
        return ended
    scan, kept = ended
    if not scan.has_findings or kept is None:
        log.warning("%s in %s was not scanned again: %s", image.digest, repository.name, scan.description)
        return None
    _replace(on, job, before, scan, kept)
    return None


def _replace(on: Backends, job: Job, before: Scan, scan: Scan, kept: bytes) -> None:
    """Let an image have the findings of now, and tell what is new in it and what is closed."""
    image_id = job.item.payload["image_id"]
    with on.database.transaction() as tx:
        job.step(tx)
        found, now = store.images.find_by_id(tx, image_id), store.scans.find(tx, image_id)
        if found is None or now is None or now.requested_at != before.requested_at or not now.has_findings:
            return  # it is gone, or was asked for anew
        image, repository = found[0], store.repositories.get_by_id(tx, found[1])
        old = store.image_findings.kept(tx, image_id)
        store.image_findings.keep(tx, image_id, kept)
        if scan.is_live:
            count_sets(tx, store.image_findings.uncounted(tx, image_id))
        lasting = image_scans.lasting(tx, image_id, scan, kept)
        store.scans.change(tx, image_id, replace(lasting, completed_at=on.clock()))
        if image.is_tagged and model.is_watched(image, on.clock(), on.limits.scan_watch):
            [image] = store.tags.of_images(tx, [image])
            _tell(on, tx, repository, image, unpack(old) if old else (), unpack(kept))


def _tell(
    on: Backends,
    tx: Transaction,
    repository: Repository,
    image: Image,
    old: tuple[ImageFinding, ...],
    new: tuple[ImageFinding, ...],
) -> None:
    judge = verdicts.on_image(tx, repository, image, on.clock())
    was, is_ = (worst_by_name(image_findings.without(tx, some, judge)) for some in (old, new))
    for status, some in (
        ("ACTIVE", {name: one for name, one in is_.items() if name not in was}),
        ("CLOSED", {name: one for name, one in was.items() if name not in is_}),
    ):
        if some:
            event = news.in_image(repository.ref, image, news.news(some), status)
            events.tell(on, tx, repository.registry, event)
