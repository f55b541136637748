"""Scans of images of other registries, until somebody fetched their reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, select, update

from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import harbor_scans

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.store.database import Transaction

_it = harbor_scans.c.id == bindparam("which")
_FIND = Statement(select(harbor_scans).where(_it))
_INSERT = insertion(harbor_scans)
_WAITING = Statement(select(func.count()).select_from(harbor_scans).where(harbor_scans.c.ended_at.is_(None)))
_VALUES = ["ended_at", "reason", "findings", "sealed"]
_END = Statement(
    update(harbor_scans)
    .where(_it, harbor_scans.c.ended_at.is_(None))
    .values({name: bindparam(f"to_{name}", type_=harbor_scans.c[name].type) for name in _VALUES})
)
_OLD = select(harbor_scans.c.id).where(harbor_scans.c.created_at < bindparam("before")).limit(bindparam("limit"))
_FORGET = Statement(delete(harbor_scans).where(harbor_scans.c.id.in_(_OLD)))


@dataclass(frozen=True, slots=True)
class HarborScan:
    """A scan that was asked for."""

    id: str
    repository: str
    digest: str
    media_type: str
    sealed: bytes | None  # the request with its password, until it ended
    created_at: datetime
    ended_at: datetime | None = None
    reason: str | None = None  # why it found nothing out
    findings: bytes | None = None


def add(tx: Transaction, scan: HarborScan) -> None:
    """Keep a scan that was asked for."""
    tx.run(_INSERT, **{name: getattr(scan, name) for name in HarborScan.__slots__})


def find(tx: Transaction, which: str) -> HarborScan | None:
    """A scan, if it was asked for lately."""
    row = tx.first(_FIND, which=which)
    return HarborScan(**row) if row else None


def waiting(tx: Transaction) -> int:
    """How many did not end."""
    return int(tx.value(_WAITING))


def end(tx: Transaction, which: str, now: datetime, reason: str | None, findings: bytes | None) -> None:
    """Keep how a scan ended, and forget the password."""
    tx.run(_END, which=which, to_ended_at=now, to_reason=reason, to_findings=findings, to_sealed=None)


def forget(tx: Transaction, before: datetime, limit: int) -> int:
    """Forget scans that were asked for before an instant; how many went."""
    return tx.run(_FORGET, before=before, limit=limit)
