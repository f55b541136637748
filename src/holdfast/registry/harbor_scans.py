"""Scan images of other registries for whoever may ask, by our own engine; nothing of them is kept but the report.

    asked ── sealed in a row ── a worker pulls and reads each layer ── findings of this moment ── report, for an hour

A scan that could not look says why, and has no report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from holdfast import store
from holdfast.inventory import ChildDied, LayerRefused
from holdfast.model import inventory, manifests, scanning
from holdfast.model.errors import LimitExceeded, ManifestInvalid, ManifestTooLarge, Unsupported
from holdfast.model.harbor import Request
from holdfast.model.image_findings import MOST, PackageVersion, Vulnerable, pack
from holdfast.model.inventory import State
from holdfast.model.packages import osv
from holdfast.model.scanning import ScanType
from holdfast.model.work import ScanForHarbor
from holdfast.outbound.distribution import RemoteFault
from holdfast.registry import image_findings, inventories, layering
from holdfast.registry.layering import NotTaken
from holdfast.store.harbor_scans import HarborScan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from holdfast.model.image_findings import ImageFinding
    from holdfast.model.inventory import Installed, Inventory
    from holdfast.model.manifests import Descriptor
    from holdfast.outbound.distribution import Puller
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job
    from holdfast.store import Transaction

TRIES = 3
REASON_CHARACTERS = 1000


def begin(on: Backends, request: Request) -> str:
    """Ask for a scan; its id. `LimitExceeded` while too many are waiting."""
    number, now = on.new_id(), on.clock()
    sealed = on.keys.wrap(msgspec.json.encode(request), _context(number))
    with on.database.transaction() as tx:
        if store.harbor_scans.waiting(tx) >= on.limits.harbor_scans:
            raise LimitExceeded(f"{on.limits.harbor_scans} scans are waiting already; ask again later")
        scan = HarborScan(number, request.repository, request.digest, request.media_type, sealed, now)
        store.harbor_scans.add(tx, scan)
        store.work.add(tx, ScanForHarbor(number), now)
    return number


def find(on: Backends, number: str) -> HarborScan | None:
    """How a scan stands; None if it was never asked for, or too long ago."""
    with on.database.snapshot() as tx:
        found = store.harbor_scans.find(tx, number)
    if found is None or found.created_at < on.clock() - on.limits.harbor_scan_lifetime:
        return None
    return found


def updated_at(on: Backends) -> datetime | None:
    """Of when the newest advisories are."""
    with on.database.snapshot() as tx:
        return image_findings.updated_at(tx)


def scan(on: Backends, job: Job) -> None:
    """Do a scan that was asked for."""
    number = job.item.payload["scan_id"]
    with on.database.snapshot() as tx:
        asked = store.harbor_scans.find(tx, number)
    if asked is None or asked.ended_at is not None or asked.sealed is None:
        return
    found, reason = None, None
    if job.item.attempts > TRIES:
        reason = f"it was tried {TRIES} times, the last time with: {job.item.error or 'its process ended'}"
    elif on.harbors is None:
        reason = "this registry does not scan for others any more"
    else:
        try:
            request = msgspec.json.decode(on.keys.unwrap(asked.sealed, _context(number)), type=Request)
            found = pack(_look(on, on.harbors.puller(request), request, inventories.watching(on, job)))
        except NotTaken as fault:
            reason = fault.taken.reason
        except (RemoteFault, LayerRefused, ChildDied) as fault:
            reason = str(fault)
        except (ManifestInvalid, ManifestTooLarge, Unsupported) as fault:
            reason = fault.message
    with on.database.transaction() as tx:
        job.step(tx)
        told = reason and reason[:REASON_CHARACTERS].replace("\0", " ")
        store.harbor_scans.end(tx, number, on.clock(), told, found)


def _look(on: Backends, puller: Puller, request: Request, watch: Callable[[], None]) -> Sequence[ImageFinding]:
    told = puller.manifest(request.repository, request.digest)
    manifest = manifests.parse(told.body, told.media_type or request.media_type or None)
    if manifest.is_index or (manifest.config_media_type or "") not in scanning.CONFIG_TYPES:
        raise NotTaken(State.UNSUPPORTED, layering.NO_FILES)

    def pieces(one: Descriptor) -> Iterator[bytes]:
        return puller.read_blob(request.repository, one.digest, size_bytes=one.size)

    def read(one: Descriptor) -> bytes:
        coming = pieces(one)
        record = on.layer_reader.read(coming, watch)
        for _ in coming:  # to its end, where the digest is proved
            watch()
        return inventory.pack(record)

    descriptors, config = layering.parts(manifest.body, manifest.media_type, pieces)
    held = layering.merged(tuple(layering.records(descriptors, config, read, watch, on.limits.scan_image_bytes)))
    return _judged(on, held, [one.digest for one in descriptors])


def _judged(on: Backends, held: Inventory, layer_digests: Sequence[str]) -> Sequence[ImageFinding]:
    """What is wrong with packages, by the advisories of this moment."""
    if not held.packages:
        raise NotTaken(State.UNSUPPORTED, "No packages were found in it.")
    sets = {held.set_digest(members): members for members in held.sets().values()}
    while True:
        for digest, members in sets.items():
            with on.database.transaction(durable=False) as tx:
                store.inventories.ensure_set(tx, digest, held.os, members, on.clock())
        with on.database.snapshot() as tx:
            found = {digest: store.inventories.versions_of_set(tx, digest) for digest in sets}
            if all(found.values()):  # else sets that no image has were forgotten in between
                return _found(tx, held, {digest: rows or [] for digest, rows in found.items()}, sets, layer_digests)


def _found(
    tx: Transaction,
    held: Inventory,
    rows: Mapping[str, Sequence[int]],
    sets: Mapping[str, Sequence[Installed]],
    layer_digests: Sequence[str],
) -> Sequence[ImageFinding]:
    packages: dict[int, PackageVersion] = {}
    places: dict[int, list[Vulnerable]] = {}
    for digest, members in sets.items():
        for row, one in zip(rows[digest], members, strict=True):
            package = one.package
            packages[row] = PackageVersion(row, *osv(held.os, package))
            place = Vulnerable(package.type, package.name, package.version, package.architecture, one.file_path,
                               layer_digests[one.layer])  # fmt: skip
            places.setdefault(row, []).append(place)
    ecosystems = {package.ecosystem for package in packages.values()}
    missing = ecosystems - store.image_findings.covered(tx, ecosystems)
    if scanning.is_blind(ecosystems, missing):
        raise NotTaken(State.FAILED, f"{scanning.lacking(missing)}.")
    bare = image_findings.of_image(tx, packages, ScanType.BASIC)
    if len(bare) > MOST:
        raise NotTaken(State.FAILED, f"limit: it has more than {MOST} findings")
    return image_findings.whole_at(tx, bare, places)


def _context(number: str) -> str:
    """What a request is sealed for."""
    return f"harbor-scan/{number}"
