"""The latest scan of each image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select, update

from holdfast.model.scanning import Scan, Status
from holdfast.store.statements import Statement, batches, insertion
from holdfast.store.tables import image_scans

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
_CHANGE = Statement(
    update(image_scans)
    .where(_it)
    .values(status=bindparam("to"), description=bindparam("text"), completed_at=bindparam("ended"))
)


def find(tx: Transaction, image_id: int) -> Scan | None:
    """The latest scan of an image."""
    row = tx.first(_FIND, which=image_id)
    return _scan(row) if row else None


def of_images(tx: Transaction, image_ids: Iterable[int]) -> dict[int, Scan]:
    """The latest scan of each image that was ever scanned, by the image's row."""
    chosen = batches(list(image_ids))
    return {row["manifest_id"]: _scan(row) for ids in chosen for row in tx.all(_OF_MANY, ids=ids)}


def put(tx: Transaction, registry_id: int, image_id: int, scan: Scan) -> None:
    """Keep a scan in place of the one before."""
    forget(tx, image_id)
    tx.run(
        _INSERT,
        manifest_id=image_id,
        registry_id=registry_id,
        status=scan.status.value,
        description=scan.description,
        requested_at=scan.requested_at,
        completed_at=scan.completed_at,
    )


def change(tx: Transaction, image_id: int, status: Status, description: str, completed_at: datetime | None) -> bool:
    """Say how a scan stands now; False if it went with its image."""
    return tx.run(_CHANGE, which=image_id, to=status.value, text=description, ended=completed_at) == 1


def forget(tx: Transaction, image_id: int) -> None:
    """Forget the scan of an image."""
    tx.run(_DELETE, which=image_id)


def _scan(row: Row) -> Scan:
    return Scan(Status(row["status"]), row["description"], row["requested_at"], row["completed_at"])
