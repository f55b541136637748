"""Repositories that were deleted: renamed to what nobody can ask for, and otherwise as they were.

So a deletion costs the same however much a repository holds, its name is free at once, and no read by name can find it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select, update

from holdfast.model.deleted import DeletedRepository
from holdfast.model.names import Registry, RepositoryRef
from holdfast.store import repositories as living
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import EPOCH, deleted_repositories, manifests, registries, repositories

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction
    from holdfast.store.statements import Row

_it = deleted_repositories.c.repository_id == bindparam("which")
_BURY = Statement(
    update(repositories)
    .where(repositories.c.id == bindparam("which"))
    .values(name=bindparam("to"), deleted_at=bindparam("now"))
)
_INSERT = insertion(deleted_repositories)
_REMOVE = Statement(delete(deleted_repositories).where(_it))
_deleted = (
    select(deleted_repositories, repositories.c.image_count, registries.c.account_id, registries.c.region)
    .join(repositories, repositories.c.id == deleted_repositories.c.repository_id)
    .join(registries, registries.c.id == deleted_repositories.c.registry_id)
)
_here = (registries.c.account_id == bindparam("account_id"), registries.c.region == bindparam("region"))
_PAGE = Statement(
    _deleted.where(*_here, deleted_repositories.c.repository_id > bindparam("after"))
    .order_by(deleted_repositories.c.repository_id)
    .limit(bindparam("limit"))
)
_OF_NAME = Statement(
    _deleted.where(*_here, deleted_repositories.c.name == bindparam("name"))
    .order_by(deleted_repositories.c.repository_id.desc())
    .limit(1)
)
_BY_ID = Statement(_deleted.where(*_here, _it))
_DUE = Statement(
    _deleted.where(deleted_repositories.c.deleted_at <= bindparam("before"))
    .order_by(deleted_repositories.c.deleted_at)
    .limit(1)
)
_BEGIN_PURGE = Statement(update(deleted_repositories).where(_it).values(is_purging=True, deleted_at=EPOCH))
_ERASE = Statement(delete(repositories).where(repositories.c.id == bindparam("which")))
_OF_IMAGE = Statement(
    select(deleted_repositories.c.is_purging)
    .join(manifests, manifests.c.repository_id == deleted_repositories.c.repository_id)
    .where(manifests.c.id == bindparam("image_id"))
)
_IS_DELETED = Statement(select(deleted_repositories.c.is_purging).where(_it))


def bury(tx: Transaction, repository: Repository, now: datetime) -> None:
    """Delete a repository so that it can come back."""
    tx.outdate(repository.ref)
    tx.run(
        _INSERT, repository_id=repository.id, registry_id=repository.registry_id, name=repository.name, deleted_at=now,
        is_purging=False,
    )  # fmt: skip
    tx.run(_BURY, which=repository.id, to=f"~{repository.id}", now=now)
    living.count(tx, repository.registry_id, -1)


def restore(tx: Transaction, deleted: DeletedRepository, at: RepositoryRef) -> Repository:
    """Give a deleted repository a name again, which must be free."""
    tx.run(_BURY, which=deleted.id, to=at.name, now=None)
    tx.run(_REMOVE, which=deleted.id)
    return living.get(tx, at)


def page(tx: Transaction, registry: Registry, after: int, limit: int) -> list[DeletedRepository]:
    """Up to `limit` deleted repositories of a registry in the order of their making, beginning after one."""
    rows = tx.all(_PAGE, account_id=registry.account_id, region=registry.region, after=after, limit=limit)
    return [_value(row) for row in rows]


def find(tx: Transaction, at: RepositoryRef, repository_id: int | None = None) -> DeletedRepository | None:
    """The deleted repository of a name that was made last, or the one of an id."""
    home = {"account_id": at.registry.account_id, "region": at.registry.region}
    row = tx.first(_OF_NAME, **home, name=at.name) if repository_id is None else tx.first(
        _BY_ID, **home, which=repository_id
    )  # fmt: skip
    found = _value(row) if row else None
    return found if found is not None and found.ref == at else None


def is_kept(tx: Transaction, repository_id: int) -> bool:
    """Whether a repository was deleted and may still be restored."""
    return tx.value(_IS_DELETED, which=repository_id) is False


def keeps_image(tx: Transaction, image_id: int) -> bool:
    """Whether an image is in a repository that was deleted and may still be restored."""
    return tx.value(_OF_IMAGE, image_id=image_id) is False


def due(tx: Transaction, before: datetime) -> DeletedRepository | None:
    """A repository that was deleted by then, the first one first."""
    row = tx.first(_DUE, before=before)
    return _value(row) if row else None


def begin_purge(tx: Transaction, deleted: DeletedRepository) -> None:
    """From now on it cannot be restored, and it is the first that is due."""
    tx.run(_BEGIN_PURGE, which=deleted.id)


def erase(tx: Transaction, deleted: DeletedRepository) -> None:
    """Remove the row of a repository, and what little still hangs on it."""
    tx.run(_ERASE, which=deleted.id)


def _value(row: Row) -> DeletedRepository:
    ref = RepositoryRef(Registry(row["account_id"], row["region"]), row["name"])
    return DeletedRepository(row["repository_id"], ref, row["image_count"], row["deleted_at"], row["is_purging"])
