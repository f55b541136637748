"""The latest scan of each image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, or_, select, update

from holdfast.model.scanning import Scan, ScanType, Status
from holdfast.model.severities import Severity
from holdfast.store import image_findings
from holdfast.store.statements import Statement, batches, insertion
from holdfast.store.tables import image_scans, manifests

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from holdfast.store.database import Transaction
    from holdfast.store.statements import Row

_it = image_scans.c.manifest_id == bindparam("which")
_FIND = Statement(select(image_scans).where(_it))
_OF_MANY = Statement(select(image_scans).where(image_scans.c.manifest_id.in_(bindparam("ids", expanding=True))))
_INSERT = insertion(image_scans)
_DELETE = Statement(delete(image_scans).where(_it))
_WATCHED = Statement(
    select(manifests.c.id)
    .join(image_scans, image_scans.c.manifest_id == manifests.c.id)
    .where(
        image_scans.c.scan_type == ScanType.ENHANCED.value, image_scans.c.status == Status.ACTIVE.value,
        image_scans.c.completed_at < bindparam("ended"), manifests.c.status == "ACTIVE",
        or_(manifests.c.pushed_at > bindparam("since"), manifests.c.pulled_at > bindparam("since")),
        manifests.c.id > bindparam("after"),
    )
    .order_by(manifests.c.id)
    .limit(bindparam("limit"))
)  # fmt: skip
_VALUES = ["status", "description", "completed_at", "scan_type", "is_live", "counts", "ecosystems", "source_updated_at"]
_CHANGE = Statement(
    update(image_scans)
    .where(_it)
    .values({name: bindparam(f"to_{name}", type_=image_scans.c[name].type) for name in _VALUES})
)


def find(tx: Transaction, image_id: int) -> Scan | None:
    """The latest scan of an image."""
    row = tx.first(_FIND, which=image_id)
    return _scan(row) if row else None


def of_images(tx: Transaction, image_ids: Iterable[int]) -> dict[int, Scan]:
    """The latest scan of each image that was ever scanned, by the image's row."""
    chosen = batches(list(image_ids))
    return {row["manifest_id"]: _scan(row) for ids in chosen for row in tx.all(_OF_MANY, ids=ids)}


def watched_before(tx: Transaction, ended: datetime, since: datetime, after: int, limit: int) -> list[int]:
    """Images whose enhanced scan ended before an instant, and that were pushed or pulled since another one."""
    return tx.column(_WATCHED, ended=ended, since=since, after=after, limit=limit)


def put(tx: Transaction, registry_id: int, image_id: int, scan: Scan) -> None:
    """Keep a scan in place of the one before, and of what that one found."""
    forget(tx, image_id)
    tx.run(
        _INSERT, manifest_id=image_id, registry_id=registry_id, requested_at=scan.requested_at,
        **_values(scan),
    )  # fmt: skip


def change(tx: Transaction, image_id: int, scan: Scan) -> bool:
    """Say how a scan stands now; False if it went with its image."""
    return tx.run(_CHANGE, which=image_id, **{f"to_{name}": value for name, value in _values(scan).items()}) == 1


def forget(tx: Transaction, image_id: int) -> None:
    """Forget the scan of an image, and what it found."""
    image_findings.forget(tx, image_id)
    tx.run(_DELETE, which=image_id)


def _values(scan: Scan) -> Row:
    return {
        "status": scan.status.value,
        "description": scan.description,
        "completed_at": scan.completed_at,
        "scan_type": scan.type.value,
        "is_live": scan.is_live,
        "counts": None if scan.counts is None else dict(scan.counts),
        "ecosystems": None if scan.ecosystems is None else list(scan.ecosystems),
        "source_updated_at": scan.source_updated_at,
    }


def _scan(row: Row) -> Scan:
    counts, ecosystems = row["counts"], row["ecosystems"]
    return Scan(
        Status(row["status"]),
        row["description"],
        row["requested_at"],
        row["completed_at"],
        ScanType(row["scan_type"]),
        row["is_live"],
        None if counts is None else {Severity(severity): number for severity, number in counts.items()},
        None if ecosystems is None else tuple(ecosystems),
        row["source_updated_at"],
    )
