"""Let a plugged scanner look at an image, by Harbor's scanner adapter API, and keep what it finds.

    ask for the scan ── come back after a pause ── ... ── report ── findings as of the scan
           └───────────── once more, if the scanner forgot it ─┘

Between two looks nothing waits here: the scanner's id of the scan is the progress of the work. Whatever the scanner
does wrong ends the scan as FAILED, with the reason.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.model.image_findings import counted, pack
from holdfast.model.scan_reports import BadReport, findings
from holdfast.model.scanning import ScanType, Status
from holdfast.outbound import ScannerRefused, Unreachable
from holdfast.registry import inventories
from holdfast.registry.accounts import Tokens

if TYPE_CHECKING:
    from holdfast.model.images import Image
    from holdfast.model.repositories import Repository
    from holdfast.model.scanning import Scan
    from holdfast.outbound import Scanner
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job

LONGEST = timedelta(minutes=30)  # of a scan; for so long the scanner may pull from the repository
FIRST_PAUSE = timedelta(seconds=1)
AWAY = timedelta(seconds=15)  # between two tries to reach the scanner
TIMES = 3  # that a scan is asked for which the scanner does not know any more

Ended = tuple["Scan", "bytes | None"]  # how a scan ends, and what it found


class _Progress(msgspec.Struct):
    """How far a scan has come, as it is kept with the work."""

    requested_at: float  # of the scan that it belongs to
    began_at: float
    times: int = 0
    id: str | None = None
    media_type: str = ""
    scanner: str = ""
    updated_at: float | None = None
    trouble: str = ""  # why it could not be reached the last time


@dataclass(frozen=True, slots=True)
class _Asking:
    on: Backends
    job: Job
    repository: Repository
    image: Image
    asked: Scan
    is_watched: bool


def look(
    on: Backends, job: Job, scanner: Scanner, repository: Repository, image: Image, asked: Scan
) -> Ended | datetime:
    """How a scan ends, or when to look again."""
    now = on.clock()
    asking = _Asking(on, job, repository, image, replace(asked, is_live=False, ecosystems=None), asked.is_live)
    kept = _progress(job.item.progress)
    if kept is None or kept.requested_at != asked.requested_at.timestamp():
        kept = _Progress(asked.requested_at.timestamp(), now.timestamp())
    if now.timestamp() - kept.began_at > LONGEST.total_seconds():
        return _failed(asking, kept.trouble or f"the scanner did not end within {LONGEST}")
    try:
        return _ask(asking, scanner, kept) if kept.id is None else _hear(asking, scanner, kept)
    except Unreachable as fault:
        if now.timestamp() + AWAY.total_seconds() - kept.began_at > LONGEST.total_seconds():
            return _failed(asking, str(fault))
        _keep(asking, msgspec.structs.replace(kept, trouble=str(fault)))
        return now + AWAY
    except (ScannerRefused, BadReport) as fault:
        return _failed(asking, str(fault))


def _ask(asking: _Asking, scanner: Scanner, kept: _Progress) -> Ended | datetime:
    """Ask for a scan; what else is in the image is found out here, so that it can be searched for."""
    on, image, at = asking.on, asking.image, asking.repository.ref
    inventories.take(on, asking.repository, image, inventories.watching(on, asking.job))
    metadata = scanner.metadata()
    media_type = metadata.report_type(image.media_type)
    if media_type is None:
        text = f"{metadata.name} does not scan what is of the type {image.media_type}."
        return asking.asked.not_done(text, Status.UNSUPPORTED_IMAGE), None
    password = Tokens(on).issue_for_scan(at, LONGEST)
    credentials = base64.b64encode(f"AWS:{password}".encode()).decode()
    request = {
        "registry": {"url": scanner.registry_url, "authorization": f"Basic {credentials}"},
        "artifact": {"repository": at.name, "digest": image.digest, "mime_type": image.media_type},
        "enabled_capabilities": [{"type": "vulnerability", "produces_mime_types": [media_type]}],
    }
    kept = msgspec.structs.replace(
        kept,
        id=scanner.begin(msgspec.json.encode(request)),
        times=kept.times + 1,
        media_type=media_type,
        scanner=metadata.name,
        updated_at=metadata.updated_at.timestamp() if metadata.updated_at else None,
    )
    _keep(asking, kept)
    return on.clock() + FIRST_PAUSE


def _hear(asking: _Asking, scanner: Scanner, kept: _Progress) -> Ended | datetime:
    """Ask how the scan stands."""
    on, image, asked = asking.on, asking.image, asking.asked
    assert kept.id is not None
    watch = inventories.watching(on, asking.job)
    answer = scanner.report(kept.id, kept.media_type, watch)
    if answer.pause_seconds is not None:
        _keep(asking, msgspec.structs.replace(kept, trouble=""))
        return on.clock() + timedelta(seconds=answer.pause_seconds)
    if answer.report is None:
        if kept.times >= TIMES:
            return _failed(asking, f"{kept.scanner} did not know the scan any more, {TIMES} times")
        _keep(asking, msgspec.structs.replace(kept, id=None))
        return on.clock() + AWAY
    taken = inventories.take(on, asking.repository, image, watch)
    with on.database.snapshot() as tx:
        layer_digests = inventories.origins(tx, image)
    feed = kept.scanner.partition(" ")[0]
    found = findings(answer.report, image.digest, asked.type, feed, taken.inventory, layer_digests)
    status = Status.COMPLETE if asked.type is ScanType.BASIC else Status.ACTIVE
    text = f"The image was scanned once, by {kept.scanner}."
    if asking.is_watched:
        text = f"The image was scanned by {kept.scanner}, and will be again when that has other advisories."
    if taken.inventory is None:
        text += f" Which packages it has cannot be searched for: {taken.reason}"
    updated_at = None if kept.updated_at is None else datetime.fromtimestamp(kept.updated_at, UTC)
    counts = counted(one.severity for one in found)
    return replace(asked, status=status, description=text, counts=counts, source_updated_at=updated_at), pack(found)


def _progress(kept: dict[str, Any] | None) -> _Progress | None:
    return msgspec.convert(kept, _Progress) if kept else None


def _keep(asking: _Asking, kept: _Progress) -> None:
    with asking.on.database.transaction(durable=False) as tx:
        asking.job.step(tx, msgspec.to_builtins(kept))


def _failed(asking: _Asking, why: str) -> Ended:
    """A scan that the scanner did not do; it does not count as the day's."""
    return replace(asking.asked.not_done(why), ecosystems=()), None
