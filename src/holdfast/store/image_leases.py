"""Which images are said to be in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, case, delete, func, select

from holdfast.model.leases import Lease
from holdfast.store.statements import Statement, batches, upsert
from holdfast.store.tables import image_leases, manifest_references, manifests

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction

_table, _references = image_leases, manifest_references
_here = _table.c.repository_id == bindparam("repository_id")
_active = _table.c.expires_at > bindparam("now", type_=_table.c.expires_at.type)
_columns = [column for column in _table.c if column.name != "repository_id"]
_put = upsert(_table)
_PUT = Statement(
    _put.on_conflict_do_update(
        index_elements=["repository_id", "digest", "holder"],
        set_={
            **{name: _put.excluded[name] for name in ("kind", "detail", "owner", "renewed_at", "expires_at")},
            # One that was over begins anew.
            "created_at": case(
                (_table.c.expires_at > _put.excluded.renewed_at, _table.c.created_at),
                else_=_put.excluded.created_at,
            ),
        },
    ),
    [column.name for column in _table.c if column.name != "id"],
)
_ANY = Statement(select(_table.c.id).where(_here, _active).limit(1))
_COUNT = Statement(select(func.count()).select_from(_table).where(_here, _active))
_ALL = Statement(select(*_columns).where(_here, _active).order_by(_table.c.id))
_OF_DIGESTS = Statement(
    select(*_columns).where(
        _here,
        _active,
        _table.c.holder == bindparam("held_by"),
        _table.c.digest.in_(bindparam("digests", expanding=True)),
    )
)
_FIRST_OF = Statement(
    select(*_columns)
    .where(_here, _active, _table.c.digest.in_(bindparam("digests", expanding=True)))
    .order_by(_table.c.id)
    .limit(1)
)
_page = select(*_columns).where(_here, _active, _table.c.id > bindparam("after"))
_PAGES: dict[tuple[str, ...], Statement] = {
    names: Statement(
        _page.where(*(_table.c[name] == bindparam(f"the_{name}") for name in names))
        .order_by(_table.c.id)
        .limit(bindparam("limit"))
    )
    for names in ((), ("digest",), ("holder",), ("digest", "holder"))
}
_of_holder = (_here, _table.c.holder == bindparam("held_by"))
_RELEASE_ALL = Statement(delete(_table).where(*_of_holder))
_RELEASE = Statement(delete(_table).where(*_of_holder, _table.c.digest.in_(bindparam("digests", expanding=True))))
_some_images = manifests.c.id.in_(bindparam("ids", expanding=True))
_OF_IMAGES = Statement(
    select(*_columns, manifests.c.id.label("image_id"))
    .join(manifests, manifests.c.repository_id == _table.c.repository_id)
    .where(manifests.c.digest == _table.c.digest, _some_images, _active)
    .order_by(_table.c.id)
)
_indexes = manifests.alias()
_OF_INDEXES = Statement(
    select(*_columns, manifests.c.id.label("image_id"))
    .select_from(manifests)
    .join(
        _references,
        and_(_references.c.repository_id == manifests.c.repository_id, _references.c.digest == manifests.c.digest),
    )
    .join(_indexes, _indexes.c.id == _references.c.manifest_id)
    .join(_table, and_(_table.c.repository_id == manifests.c.repository_id, _table.c.digest == _indexes.c.digest))
    .where(_some_images, _references.c.is_manifest, _active)
    .order_by(_table.c.id)
)
_FORGET = Statement(
    delete(_table).where(
        _table.c.id.in_(select(_table.c.id).where(~_active).order_by(_table.c.expires_at).limit(bindparam("limit")))
    )
)
_linked = manifests.join(_references, _references.c.manifest_id == manifests.c.id)
_LISTED = Statement(
    select(_references.c.digest, manifests.c.digest.label("by"))
    .select_from(_linked)
    .where(manifests.c.repository_id == bindparam("repository_id"), _references.c.is_manifest)
    .where(manifests.c.digest.in_(bindparam("digests", expanding=True)))
)
_LISTING = Statement(
    select(manifests.c.digest, _references.c.digest.label("by"))
    .select_from(_linked)
    .where(_references.c.repository_id == bindparam("repository_id"), _references.c.is_manifest)
    .where(_references.c.digest.in_(bindparam("digests", expanding=True)))
)


def put(tx: Transaction, repository: Repository, leases: Sequence[Lease]) -> None:
    """Keep leases, each in the place of that of the same image and holder."""
    rows = [{name: getattr(one, name) for name in Lease.__slots__ if name != "id"} for one in leases]
    if rows:
        tx.run_each(_PUT, [{**row, "repository_id": repository.id} for row in rows])


def any_in(tx: Transaction, repository_id: int, now: datetime) -> bool:
    """Whether anything of a repository is in use."""
    return tx.first(_ANY, repository_id=repository_id, now=now) is not None


def count(tx: Transaction, repository: Repository, now: datetime) -> int:
    """How many leases of a repository hold."""
    return int(tx.value(_COUNT, repository_id=repository.id, now=now))


def active(tx: Transaction, repository_id: int, now: datetime) -> list[Lease]:
    """Every lease of a repository that holds, the oldest first."""
    return [Lease(**row) for row in tx.all(_ALL, repository_id=repository_id, now=now)]


def of(tx: Transaction, repository: Repository, holder: str, digests: Collection[str], now: datetime) -> list[Lease]:
    """The leases of a holder on some images."""
    return [
        Lease(**row)
        for some in batches(list(digests))
        for row in tx.all(_OF_DIGESTS, repository_id=repository.id, held_by=holder, digests=some, now=now)
    ]


def first_of(tx: Transaction, repository_id: int, digests: Collection[str], now: datetime) -> Lease | None:
    """A lease on any of some images."""
    for some in batches(list(digests)):
        row = tx.first(_FIRST_OF, repository_id=repository_id, digests=some, now=now)
        if row is not None:
            return Lease(**row)
    return None


def page(
    tx: Transaction,
    repository: Repository,
    after: int,
    limit: int,
    now: datetime,
    *,
    digest: str | None = None,
    holder: str | None = None,
) -> list[Lease]:
    """Up to `limit` leases of a repository that hold, beginning after one; of an image, of a holder, or of all."""
    wanted = {name: value for name, value in (("digest", digest), ("holder", holder)) if value is not None}
    named = {f"the_{name}": value for name, value in wanted.items()}
    rows = tx.all(_PAGES[tuple(wanted)], repository_id=repository.id, after=after, limit=limit, now=now, **named)
    return [Lease(**row) for row in rows]


def release(tx: Transaction, repository: Repository, holder: str, digests: Sequence[str] | None) -> int:
    """Let a holder's leases on some images end, or all of a repository; how many did."""
    if digests is None:
        return tx.run(_RELEASE_ALL, repository_id=repository.id, held_by=holder)
    some = batches(digests)
    return sum(tx.run(_RELEASE, repository_id=repository.id, held_by=holder, digests=list(one)) for one in some)


def of_images(tx: Transaction, image_ids: Sequence[int], now: datetime) -> dict[int, list[Lease]]:
    """The leases on some images, or on an index that lists them: what runtimes say that they run."""
    found: dict[int, dict[int, Lease]] = {}
    for some in batches(image_ids):
        for statement in (_OF_IMAGES, _OF_INDEXES):
            for row in tx.all(statement, ids=list(some), now=now):
                image_id = row.pop("image_id")
                found.setdefault(image_id, {})[row["id"]] = Lease(**row)
    return {image_id: list(leases.values()) for image_id, leases in found.items()}


def forget(tx: Transaction, now: datetime, limit: int) -> int:
    """Forget some leases that are over; how many."""
    return tx.run(_FORGET, now=now, limit=limit)


def listed(tx: Transaction, repository_id: int, digests: Collection[str]) -> dict[str, str]:
    """The images that some indexes list, each with one of these."""
    return _pairs(tx, _LISTED, repository_id, digests)


def listing(tx: Transaction, repository_id: int, digests: Collection[str]) -> dict[str, str]:
    """The indexes that list some images, each with one of these."""
    return _pairs(tx, _LISTING, repository_id, digests)


def _pairs(tx: Transaction, statement: Statement, repository_id: int, digests: Collection[str]) -> dict[str, str]:
    rows = [
        row for some in batches(list(digests)) for row in tx.all(statement, repository_id=repository_id, digests=some)
    ]
    return {row["digest"]: row["by"] for row in rows}
