"""Which findings do not count, by repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, select

from holdfast.model.severities import Severity
from holdfast.model.suppressions import Suppression
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import finding_suppressions

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction

_table = finding_suppressions
_here = _table.c.repository_id == bindparam("repository_id")
_INSERT = insertion(_table)
_ACTIVE = Statement(select(_table).where(_here, _table.c.expires_at > bindparam("now")).order_by(_table.c.id))
_PAGE = Statement(
    select(_table).where(_here, _table.c.id > bindparam("after")).order_by(_table.c.id).limit(bindparam("limit"))
)
_COUNT = Statement(select(func.count()).select_from(_table).where(_here))
_DELETE = Statement(delete(_table).where(_here, _table.c.id == bindparam("which")))


def add(tx: Transaction, repository: Repository, wanted: Suppression) -> int:
    """Keep a suppression; its number, whatever number it has."""
    row = {name: getattr(wanted, name) for name in Suppression.__slots__ if name != "id"}
    row["maximum"] = wanted.maximum.value if wanted.maximum else None
    return int(tx.value(_INSERT, repository_id=repository.id, **row))


def active(tx: Transaction, repository: Repository, now: datetime) -> list[Suppression]:
    """Those of a repository that hold at a moment."""
    return [_suppression(row) for row in tx.all(_ACTIVE, repository_id=repository.id, now=now)]


def page(tx: Transaction, repository: Repository, after: int, limit: int) -> list[Suppression]:
    """Up to `limit` of a repository in their order, beginning after one; those that are over among them."""
    return [_suppression(row) for row in tx.all(_PAGE, repository_id=repository.id, after=after, limit=limit)]


def count(tx: Transaction, repository: Repository) -> int:
    """How many a repository has."""
    return int(tx.value(_COUNT, repository_id=repository.id))


def forget(tx: Transaction, repository: Repository, number: int) -> bool:
    """Forget one; False if it is not there."""
    return tx.run(_DELETE, repository_id=repository.id, which=number) == 1


def _suppression(row: dict[str, object]) -> Suppression:
    del row["repository_id"]
    maximum = row["maximum"]
    return Suppression(**{**row, "maximum": Severity(str(maximum)) if maximum else None})  # type: ignore[arg-type]
