"""Say which images are scanned, ask for scans, and tell how they stand and what they found."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from holdfast.model.image_findings import counted, page, unpack
from holdfast.model.images import ACTIVE
from holdfast.model.scanning import DESCRIPTIONS, SETTING, UNDER_WAY, Frequency, Scan, ScanType, Status
from holdfast.model.verdicts import Suppressed
from holdfast.model.work import ScanImage
from holdfast.registry import image_findings, scan_frequencies, verdicts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta

    from holdfast.model.image_findings import Bare, Counts, ImageFinding, PackageVersion, Place
    from holdfast.model.images import Image, ImageId
    from holdfast.model.names import Registry, RepositoryRef
    from holdfast.model.packages import OperatingSystem
    from holdfast.model.repositories import Repository
    from holdfast.model.scanning import Configuration, Effective
    from holdfast.model.verdicts import Verdict
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction


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
                found.append((repository, effective(tx, repository)))
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
        before = store.scans.find(tx, image.id)
        if before is not None and before.type is ScanType.BASIC and _is_recent(before, now, on.limits.scan_interval):
            raise LimitExceeded("The scan quota per image has been exceeded. Wait and try again.")
        if _is_full(on, tx, repository, now):
            raise LimitExceeded(
                f"The registry cannot have more than {on.limits.scans_per_day} images scanned in 24 hours"
            )
        return image, _request(tx, repository, image, now)


LOOKED_AT = 50  # packages, for what they are built for
ANY_ARCHITECTURE = frozenset({"", "all", "noarch"})


@dataclass(frozen=True, slots=True)
class Report:
    """How the latest scan of an image stands, and a page of what it found."""

    image: Image
    scan: Scan
    findings: Sequence[ImageFinding] = ()
    has_more: bool = False
    os: OperatingSystem | None = None
    architecture: str | None = None  # as its packages tell

    @property
    def platform(self) -> str | None:
        """Its operating system as Inspector writes it, such as DEBIAN_12."""
        return f"{self.os.id}_{self.os.version}".upper().rstrip("_") if self.os else None


def report(on: Backends, at: RepositoryRef, id_: ImageId, after: Place, limit: int) -> Report:
    """The latest scan of an image with up to `limit` findings that follow a place; or `ScanNotFound`."""
    with on.database.snapshot() as tx:
        repository, image, scan, packages = _latest(on, tx, at, id_)
        if not scan.has_findings:
            return Report(image, scan)
        judge = verdicts.on_image(tx, repository, image, on.clock())
        described = _described(tx, image) if scan.type is ScanType.ENHANCED else (None, None)
        if not scan.is_live:
            every = image_findings.without(tx, _kept(tx, image), judge)
            found, more = page(every, after, limit)
            scan = replace(scan, counts=counted(one.severity for one in every))
            return Report(image, scan, found, more, *described)
        live = image_findings.of_image_and(tx, packages, scan.type, judge, _kept(tx, image))
        some, more = page(live, after, limit)
        counts = counted(one.severity for one in live)
        scan = replace(scan, counts=counts, source_updated_at=image_findings.updated_at(tx))
        return Report(image, scan, image_findings.shown(tx, image.id, some), more, *described)


def _latest(
    on: Backends, tx: Transaction, at: RepositoryRef, id_: ImageId
) -> tuple[Repository, Image, Scan, dict[int, PackageVersion]]:
    """An image with its tags, how its latest scan stands now, and the packages that are watched; or `ScanNotFound`."""
    repository, image = _get(tx, at, id_)
    scan = store.scans.find(tx, image.id)
    if scan is None:
        raise ScanNotFound(at, id_.digest, id_.tag)
    [image] = store.tags.of_images(tx, [image])
    packages = store.image_findings.packages(tx, image.id) if scan.is_live else {}
    covered = store.image_findings.covered(tx, scan.ecosystems or ())
    return repository, image, _now(on, image, scan, covered, has_packages=bool(packages)), packages


def suppressed(
    on: Backends, at: RepositoryRef, id_: ImageId, after: Place, limit: int
) -> tuple[Report, Sequence[Suppressed]]:
    """Up to `limit` findings of the latest scan of an image that do not count, each with why, that follow a place."""
    with on.database.snapshot() as tx:
        repository, image, scan, packages = _latest(on, tx, at, id_)
        if not scan.has_findings:
            return Report(image, scan), ()
        judge = verdicts.on_image(tx, repository, image, on.clock())
        described = _described(tx, image) if scan.type is ScanType.ENHANCED else (None, None)
        judged: list[tuple[Bare | ImageFinding, tuple[Verdict, ...]]]
        if scan.is_live:
            others = image_findings.besides(tx, packages, scan.type, _kept(tx, image))
            judged = [*image_findings.suppressed(tx, packages, scan.type, judge), *judge.of_kept(tx, others)]
        else:
            judged = [*judge.of_kept(tx, _kept(tx, image))]
        why = {one.place: (one, some) for one, some in sorted(judged, key=lambda pair: pair[0].place) if some}
        some, more = page([one for one, _ in why.values()], after, limit)
        wholes = image_findings.shown(tx, image.id, some)
        found = [Suppressed(whole, why[one.place][1]) for one, whole in zip(some, wholes, strict=True)]
        return Report(image, scan, (), more, *described), found


def counting(on: Backends, tx: Transaction, repository: Repository, image: Image, scan: Scan) -> Counts | None:
    """How many of the findings of a scan that ended count, by severity; None if it did not look."""
    judge = verdicts.on_image(tx, repository, image, on.clock())
    if judge.is_idle or not scan.has_findings:
        return scan.counts
    if not scan.is_live:
        return counted(one.severity for one in image_findings.without(tx, _kept(tx, image), judge))
    packages = store.image_findings.packages(tx, image.id)
    live = image_findings.of_image_and(tx, packages, scan.type, judge, _kept(tx, image))
    return counted(one.severity for one in live)


def _kept(tx: Transaction, image: Image) -> Sequence[ImageFinding]:
    packed = store.image_findings.kept(tx, image.id)
    return unpack(packed) if packed else ()


def _described(tx: Transaction, image: Image) -> tuple[OperatingSystem | None, str | None]:
    """The system of an image, and the architecture of its packages."""
    inventory = store.inventories.find(tx, image.id)
    some = store.inventories.page(tx, image.id, store.inventories.FIRST, LOOKED_AT)
    known = (one.installed.package.architecture for one in some)
    return inventory.os if inventory else None, next((one for one in known if one not in ANY_ARCHITECTURE), None)


def of_images(on: Backends, at: RepositoryRef, images: Sequence[Image], *, is_exact: bool = False) -> dict[int, Scan]:
    """The latest scan of each image of a repository that was ever scanned, by the image's row, with its counts.

    Unless they are to be exact, those of one that is live are the sum over its sets of packages: what two of them have
    counts twice, and what was imported a moment ago may not count yet.
    """
    with on.database.snapshot() as tx:
        scans = store.scans.of_images(tx, [image.id for image in images])
        looked = [image for image in images if image.id in scans and scans[image.id].has_findings]
        repository = store.repositories.find(tx, at) if looked else None
        if repository is None:
            return scans
        live = [image.id for image in looked if scans[image.id].is_live]
        judges = verdicts.over(tx, repository, looked, on.clock())
        exactly = verdicts.touched(tx, judges, live)
        covered = store.image_findings.covered(tx, (one for row in live for one in scans[row].ecosystems or ()))
        sums, updated_at = store.image_findings.counts_of_images(tx, live), image_findings.updated_at(tx)
        for image in looked:
            scan = scans[image.id]
            counts = scan.counts
            if scan.is_live:
                counts = sums.get(image.id, {})
                if counts is not None and scan.counts:  # of another scanner
                    counts = {one: counts.get(one, 0) + scan.counts.get(one, 0) for one in {*counts, *scan.counts}}
                scan = replace(scan, source_updated_at=updated_at)
                scan = _now(on, image, scan, covered, has_packages=image.id in sums)
                # It is wanted, a set was not counted, or something is suppressed.
                if is_exact or counts is None or image.id in exactly:
                    packages = store.image_findings.packages(tx, image.id)
                    kept = _kept(tx, image)
                    found = image_findings.of_image_and(tx, packages, scan.type, judges[image.id], kept)
                    counts = counted(one.severity for one in found)
            elif not judges[image.id].is_idle:
                counting = image_findings.without(tx, _kept(tx, image), judges[image.id])
                counts = counted(one.severity for one in counting)
            scans[image.id] = replace(scan, counts=counts)
    return scans


def _now(on: Backends, image: Image, kept: Scan, covered: set[str], *, has_packages: bool) -> Scan:
    """How a scan stands at this moment, which for one that is live nobody has to write down."""
    if not kept.is_live or not kept.has_findings:
        return kept
    missing = set(kept.ecosystems or ()) - covered
    if image.status != ACTIVE:
        status = Status.IMAGE_ARCHIVED
    elif not scanning.is_watched(image, on.clock(), on.limits.scan_watch):
        status = Status.SCAN_ELIGIBILITY_EXPIRED
    elif not has_packages:
        status = Status.FINDINGS_UNAVAILABLE
    elif scanning.is_blind(kept.ecosystems or (), missing):
        return replace(kept, status=Status.FINDINGS_UNAVAILABLE, description=f"{scanning.lacking(missing)}.")
    else:
        return replace(kept, description=f"{kept.description} {scanning.lacking(missing)}.") if missing else kept
    return replace(kept, status=status, description=DESCRIPTIONS[status])


def pushed(on: Backends, tx: Transaction, repository: Repository, image: Image, now: datetime) -> None:
    """Ask for a scan of an image that was pushed, or came back from the archive, where that is wanted."""
    wanted = effective(tx, repository).is_on_push
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


def catch_up(on: Backends, tx: Transaction, repository: Repository, images: Sequence[Image], now: datetime) -> None:
    """Ask for scans of images that were not scanned as their registry is set now, and that anybody still uses."""
    set_, wanted = _configured(tx, repository), effective(tx, repository)
    is_live = wanted.frequency is Frequency.CONTINUOUS_SCAN
    if set_.type is not ScanType.ENHANCED or not wanted.is_on_push:
        return
    scans = store.scans.of_images(tx, [image.id for image in images])
    for image in images:
        before = scans.get(image.id)
        is_done = before is not None and before.was_begun and (before.type, before.is_live) == (set_.type, is_live)
        if is_done or not scanning.is_scannable(image) or not scanning.is_watched(image, now, on.limits.scan_watch):
            continue
        if _is_full(on, tx, repository, now):
            _skip(tx, repository, image, Status.LIMIT_EXCEEDED, now)
        else:
            _request(tx, repository, image, now)


def count_if_any_left(on: Backends, tx: Transaction, repository: Repository, now: datetime) -> bool:
    """Count another scan of a registry; False if it has had as many as it may in a day."""
    if _is_full(on, tx, repository, now):
        return False
    store.counters.count_scan(tx, repository.registry_id, now)
    return True


def renew(tx: Transaction, repository: Repository, image: Image, now: datetime) -> None:
    """Ask once more for a scan that is under way, or goes on for ever, since something else is in the image."""
    before = store.scans.find(tx, image.id)
    if before is not None and (before.is_live or before.status in UNDER_WAY) and image.status == ACTIVE:
        _request(tx, repository, image, now)


def _get(tx: Transaction, at: RepositoryRef, id_: ImageId) -> tuple[Repository, Image]:
    repository = store.repositories.get(tx, at)
    return repository, store.images.get(tx, repository, id_)


def effective(tx: Transaction, repository: Repository) -> Effective:
    """What is done with a repository."""
    return scanning.effective(_configured(tx, repository), repository.name, repository.scan_on_push)


def _configured(tx: Transaction, repository: Repository) -> Configuration:
    return scanning.read(store.registry_settings.find_by_id(tx, repository.registry_id, SETTING))


def _is_recent(scan_: Scan | None, now: datetime, interval: timedelta) -> bool:
    return scan_ is not None and scan_.was_begun and scan_.requested_at > now - interval


def _is_full(on: Backends, tx: Transaction, repository: Repository, now: datetime) -> bool:
    return store.counters.scans_of_a_day(tx, repository.registry_id, now) >= on.limits.scans_per_day


def _request(tx: Transaction, repository: Repository, image: Image, now: datetime) -> Scan:
    set_ = _configured(tx, repository)
    frequency = scanning.effective(set_, repository.name, repository.scan_on_push).frequency
    is_live = frequency is Frequency.CONTINUOUS_SCAN
    scan_ = Scan(Status.PENDING, DESCRIPTIONS[Status.PENDING], now, type=set_.type, is_live=is_live)
    store.scans.put(tx, repository.registry_id, image.id, scan_)
    store.counters.count_scan(tx, repository.registry_id, now)
    store.work.add(tx, ScanImage(image.id), now)
    return scan_


def _skip(tx: Transaction, repository: Repository, image: Image, status: Status, now: datetime) -> None:
    store.scans.put(tx, repository.registry_id, image.id, Scan(status, DESCRIPTIONS[status], now))
