"""Scan images: take what is in one, and hold it against the advisories.

    PENDING ── IN_PROGRESS ─┬─ COMPLETE, ACTIVE            findings are kept; of a watched image they are read anew
                            └─ UNSUPPORTED_IMAGE, FAILED   with the reason, and without findings

Nobody may take an image for clean that nothing looked at.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import scanning
from holdfast.model.errors import StorageUnavailable
from holdfast.model.image_findings import MOST, besides, counted, is_of_system, pack, unpack
from holdfast.model.images import ACTIVE
from holdfast.model.inventory import State
from holdfast.model.scanning import DESCRIPTIONS, UNDER_WAY, ScanType, Status
from holdfast.model.severities import ORDER
from holdfast.registry import events, image_findings, inventories, news, plugged_scans, purging
from holdfast.registry import scanning as wanted

if TYPE_CHECKING:
    from holdfast.model.images import Image
    from holdfast.model.inventory import Taken
    from holdfast.model.packages import OperatingSystem
    from holdfast.model.repositories import Repository
    from holdfast.model.scanning import Scan
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job
    from holdfast.store import Transaction

TRIES = 3
AWAY = timedelta(minutes=1)  # between two looks whether the store of bytes is there
SCANNED_ONCE = "The image was scanned when it came."
IMAGES_AT_ONCE = 100
NOT_DONE = {
    State.UNSUPPORTED: Status.UNSUPPORTED_IMAGE,
    State.TOO_LARGE: Status.IMAGE_SIZE_EXCEEDED,
    State.FAILED: Status.FAILED,
}


def scan(on: Backends, job: Job) -> datetime | None:
    """Scan an image, or say why it was not; once the store of bytes is there, if it is away."""
    image_id = job.item.payload["image_id"]
    with on.database.transaction(durable=False) as tx:
        job.step(tx)
        found = store.images.find_by_id(tx, image_id)
        if found is None:
            return purging.look_again(on, tx, image_id)
        image, repository = found[0], store.repositories.get_by_id(tx, found[1])
        asked = store.scans.find(tx, image_id)
        if asked is None or asked.completed_at is not None or asked.status not in UNDER_WAY:
            return None  # it was done, and its process died before it could say so
        status = Status.IN_PROGRESS if image.status == ACTIVE else Status.IMAGE_ARCHIVED
        asked = replace(asked, status=status, description=DESCRIPTIONS[status])
        if not store.scans.change(tx, image_id, asked) or status is not Status.IN_PROGRESS:
            return None
    if job.item.attempts > TRIES:
        text = job.item.error or "its process ended"
        return _end(on, job, asked.not_done(f"it was tried {TRIES} times, the last time with: {text}"))
    try:
        ended = looked(on, job, repository, image, asked)
    except StorageUnavailable:
        return on.clock() + AWAY
    return ended if isinstance(ended, datetime) else _end(on, job, *ended)


def scan_repository(on: Backends, job: Job) -> None:
    """Ask for the scans that images lack since their repository is scanned as it is now."""
    after = (job.item.progress or {}).get("after", 0)
    while True:
        with on.database.transaction() as tx:
            repository = store.repositories.find_by_id(tx, job.item.payload["repository_id"])
            if repository is None:
                return
            images = store.lists.page(tx, repository, after, IMAGES_AT_ONCE, tagged=None, status=ACTIVE)
            if not images:
                return
            after = images[-1].id
            job.step(tx, {"after": after})
            wanted.catch_up(on, tx, repository, images, on.clock())
        job.rest()


def looked(
    on: Backends, job: Job, repository: Repository, image: Image, asked: Scan
) -> tuple[Scan, bytes | None] | datetime:
    """How a scan by whoever is to look ends, or when to look again."""
    if on.scanner is None:
        return _look(on, job, repository, image, asked)
    others = plugged_scans.look(on, job, on.scanner, repository, image, asked)
    if not on.scanner.is_beside or isinstance(others, datetime):
        return others
    return _both(on, image, _look(on, job, repository, image, asked), others)


def _both(
    on: Backends, image: Image, own: tuple[Scan, bytes | None], others: tuple[Scan, bytes | None]
) -> tuple[Scan, bytes | None]:
    """What two scanners found; if one of them did not look, that is said, and what the other one found counts."""
    (scan_, kept), (other, found) = own, others
    if not scan_.has_findings and not other.has_findings:
        return scan_.not_done(f"{_bare(scan_)} And by the other scanner: {_bare(other)}", scan_.status), None
    if not scan_.has_findings:
        return replace(other, description=f"{other.description} Our own engine did not look: {_bare(scan_)}"), found
    if not other.has_findings or found is None:
        return replace(scan_, description=f"{scan_.description} The other scanner did not look: {_bare(other)}"), kept
    by_package = scan_.type is ScanType.BASIC
    text = f"{scan_.description} {other.description}"
    if kept is not None:
        both = [*(ours := unpack(kept)), *besides(ours, unpack(found), by_package=by_package)]
        both.sort(key=lambda one: one.place)
        if len(both) > MOST:
            return scan_.not_done(f"limit: it has more than {MOST} findings"), None
        counts = counted(one.severity for one in both)
        return replace(scan_, description=text, counts=counts), pack(both)
    with on.database.snapshot() as tx:
        packages = store.image_findings.packages(tx, image.id)
        more = image_findings.besides(tx, packages, scan_.type, unpack(found))
    counts = Counter(scan_.counts or {}) + Counter(one.severity for one in more)
    return replace(scan_, description=text, counts={one: counts[one] for one in ORDER if counts[one]}), found


def _bare(scan_: Scan) -> str:
    return scan_.description.removeprefix(f"{scanning.NOT_SCANNED} ")


def _look(on: Backends, job: Job, repository: Repository, image: Image, asked: Scan) -> tuple[Scan, bytes | None]:
    """How a scan ends, and what it found, if that is kept."""
    while True:
        taken = inventories.take(on, repository, image, inventories.watching(on, job))
        judged = _judged(on, image, asked, taken)
        if judged is not None:
            return judged


def _judged(on: Backends, image: Image, asked: Scan, taken: Taken) -> tuple[Scan, bytes | None] | None:
    """How a scan of an inventory ends; None if it was forgotten meanwhile."""
    if taken.inventory is None:
        return asked.not_done(taken.reason, NOT_DONE[taken.state]), None
    with on.database.snapshot() as tx:
        if store.inventories.find(tx, image.id) is None and store.images.find_by_id(tx, image.id) is not None:
            return None
        packages = store.image_findings.packages(tx, image.id)
        if asked.type is ScanType.BASIC:
            packages = {row: package for row, package in packages.items() if is_of_system(package.ecosystem)}
        if not packages:
            return asked.not_done(_nothing_to_look_up(asked.type, taken.inventory.os), Status.UNSUPPORTED_IMAGE), None
        ecosystems = tuple(sorted({package.ecosystem for package in packages.values()}))
        missing = set(ecosystems) - store.image_findings.covered(tx, ecosystems)
        asked = replace(asked, ecosystems=ecosystems, source_updated_at=image_findings.updated_at(tx))
        if not asked.is_live and scanning.is_blind(ecosystems, missing):
            return asked.not_done(f"{scanning.lacking(missing)}; then scan it again"), None
        bare = image_findings.of_image(tx, packages, asked.type)
        if len(bare) > MOST:
            return asked.not_done(f"limit: it has more than {MOST} findings"), None
        asked = replace(asked, counts=counted(one.severity for one in bare))
        kept = None if asked.is_live else pack(image_findings.whole(tx, image.id, bare))
    status = Status.COMPLETE if asked.type is ScanType.BASIC else Status.ACTIVE
    text = DESCRIPTIONS[status] if asked.type is ScanType.BASIC or asked.is_live else SCANNED_ONCE
    notes = len(taken.inventory.notes)
    if notes:
        text = f"{text} What {notes} of its files say of packages was not understood."
    if missing and not asked.is_live:
        text = f"{text} {scanning.lacking(missing)}."
    return replace(asked, status=status, description=text), kept


def _nothing_to_look_up(type_: ScanType, os: OperatingSystem | None) -> str:
    if type_ is ScanType.ENHANCED:
        return "no packages were found in it"
    if os is None:
        return "no operating system was recognised in it, and a basic scan looks at that alone"
    return f"no packages of its operating system ({os.name or os.id}) were found in it"


def _end(on: Backends, job: Job, ended: Scan, kept: bytes | None = None) -> datetime | None:
    """Keep how a scan ended, and tell it."""
    image_id = job.item.payload["image_id"]
    ended = replace(ended, completed_at=on.clock())
    with on.database.transaction() as tx:
        job.step(tx)
        found = store.images.find_by_id(tx, image_id)
        if found is None:
            return purging.look_again(on, tx, image_id)
        image, repository = found[0], store.repositories.get_by_id(tx, found[1])
        now = store.scans.find(tx, image_id)
        if now is None or now.status is not Status.IN_PROGRESS:
            return None  # it was asked for anew, and this work comes again
        if ended.is_live and ended.has_findings:
            news.count_sets(tx, store.image_findings.uncounted(tx, image.id))
        if kept is not None:
            store.image_findings.keep(tx, image.id, kept)
        if store.scans.change(tx, image.id, lasting(tx, image.id, ended, kept)):
            [image] = store.tags.of_images(tx, [image])
            ended = replace(ended, counts=wanted.counting(on, tx, repository, image, ended))
            events.tell(on, tx, repository.registry, scanning.scanned(repository.ref, image, ended))
    return None


def lasting(tx: Transaction, image_id: int, ended: Scan, kept: bytes | None) -> Scan:
    """A scan as it is kept: our own findings of one that is live are counted whenever they are read."""
    if not ended.is_live:
        return ended
    if kept is None:
        return replace(ended, counts=None)
    packages = store.image_findings.packages(tx, image_id)
    more = image_findings.besides(tx, packages, ended.type, unpack(kept))
    return replace(ended, counts=counted(one.severity for one in more))
