"""Which findings do not count, by registry and by repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, delete, func, or_, select

from holdfast.model.severities import Severity
from holdfast.model.suppressions import Suppression
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import finding_suppressions, repositories

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction
    from holdfast.store.statements import Row

_table = finding_suppressions
_registry_id: Any = bindparam("registry_id")
_here = _table.c.repository_id == bindparam("repository_id")
_of_registry = and_(_table.c.registry_id == _registry_id, _table.c.repository_id.is_(None))
_named = select(_table, repositories.c.name.label("repository")).outerjoin(
    repositories, repositories.c.id == _table.c.repository_id
)
_INSERT = insertion(_table)
_ACTIVE = Statement(
    _named.where(or_(_here, _of_registry), _table.c.expires_at > bindparam("now")).order_by(_table.c.id)
)
_rest = (_table.c.id > bindparam("after"),)
_PAGE = Statement(_named.where(_here, *_rest).order_by(_table.c.id).limit(bindparam("limit")))
_PAGE_OF_ALL = Statement(
    _named.where(
        or_(_of_registry, and_(repositories.c.registry_id == _registry_id, repositories.c.deleted_at.is_(None))), *_rest
    )
    .order_by(_table.c.id)
    .limit(bindparam("limit"))
)
_COUNT = Statement(select(func.count()).select_from(_table).where(_here))
_COUNT_OF_REGISTRY = Statement(select(func.count()).select_from(_table).where(_of_registry))
_DELETE = Statement(delete(_table).where(_here, _table.c.id == bindparam("which")))
_DELETE_OF_REGISTRY = Statement(delete(_table).where(_of_registry, _table.c.id == bindparam("which")))
_OWN = [name for name in Suppression.__slots__ if name not in {"id", "repository"}]


def add(tx: Transaction, where: Repository | int, wanted: Suppression) -> int:
    """Keep a suppression of a repository, or of a registry by its row; its number."""
    row = {name: getattr(wanted, name) for name in _OWN}
    row["maximum"] = wanted.maximum.value if wanted.maximum else None
    place = {"registry_id": where, "repository_id": None} if isinstance(where, int) else _place(where, registry_id=None)
    return int(tx.value(_INSERT, **place, **row))


def active(tx: Transaction, repository: Repository, now: datetime) -> list[Suppression]:
    """Those of a repository, and of all of its registry, that hold at a moment."""
    rows = tx.all(_ACTIVE, **_place(repository, registry_id=repository.registry_id), now=now)
    return [_suppression(row) for row in rows]


def page(tx: Transaction, where: Repository | int, after: int, limit: int) -> list[Suppression]:
    """Up to `limit` of a repository, or of a registry with all its repositories, in their order, beginning after one.

    Those that are over are among them.
    """
    if isinstance(where, int):
        rows = tx.all(_PAGE_OF_ALL, registry_id=where, after=after, limit=limit)
    else:
        rows = tx.all(_PAGE, repository_id=where.id, after=after, limit=limit)
    return [_suppression(row) for row in rows]


def count(tx: Transaction, where: Repository | int) -> int:
    """How many a repository has, or a registry by itself."""
    if isinstance(where, int):
        return int(tx.value(_COUNT_OF_REGISTRY, registry_id=where))
    return int(tx.value(_COUNT, repository_id=where.id))


def forget(tx: Transaction, where: Repository | int, number: int) -> bool:
    """Forget one of a repository, or of a registry by itself; False if it is not there."""
    if isinstance(where, int):
        return tx.run(_DELETE_OF_REGISTRY, registry_id=where, which=number) == 1
    return tx.run(_DELETE, repository_id=where.id, which=number) == 1


def _place(repository: Repository, **more: int | None) -> dict[str, int | None]:
    return {"repository_id": repository.id, **more}


def _suppression(row: Row) -> Suppression:
    maximum = row["maximum"]
    told = {name: row[name] for name in ("id", "repository", *_OWN)}
    return Suppression(**{**told, "maximum": Severity(str(maximum)) if maximum else None})
