"""Find, insert, list, change and delete repositories and their resource tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy.exc import IntegrityError

from holdfast.model.errors import RepositoryNotFound
from holdfast.model.names import Registry, RepositoryRef
from holdfast.model.repositories import Encryption, Mutability, Repository, TagMutability
from holdfast.store.tables import registries, repositories, repository_tags

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy import RowMapping

    from holdfast.store.database import Transaction


_HERE = (registries.c.account_id == bindparam("account_id"), registries.c.region == bindparam("region"))
_FIND = select(repositories).join(registries).where(*_HERE, repositories.c.name == bindparam("name"))
_AFTER = (*_HERE, repositories.c.name > bindparam("after"))
_PAGE = select(repositories).join(registries).where(*_AFTER).order_by(repositories.c.name).limit(bindparam("limit"))
_NAMES = (
    select(repositories.c.name).join(registries).where(*_AFTER).order_by(repositories.c.name).limit(bindparam("limit"))
)


def find(tx: Transaction, at: RepositoryRef) -> Repository | None:
    """A repository by name."""
    place = {"account_id": at.registry.account_id, "region": at.registry.region, "name": at.name}
    row = tx.execute(_FIND, place).mappings().first()
    return _repository(row, at.registry) if row else None


def get(tx: Transaction, at: RepositoryRef) -> Repository:
    """A repository by name, or `RepositoryNotFound`."""
    repository = find(tx, at)
    if repository is None:
        raise RepositoryNotFound(at)
    return repository


def page(tx: Transaction, registry: Registry, after: str, limit: int) -> list[Repository]:
    """Up to `limit` repositories in the order of their names, beginning after one."""
    rows = tx.execute(_PAGE, _place(registry, after, limit)).mappings()
    return [_repository(row, registry) for row in rows]


def names(tx: Transaction, registry: Registry, after: str, limit: int) -> list[str]:
    """Up to `limit` repository names in order, beginning after one."""
    return list(tx.execute(_NAMES, _place(registry, after, limit)).scalars())


def insert_new(
    tx: Transaction,
    registry_id: int,
    at: RepositoryRef,
    *,
    mutability: TagMutability,
    scan_on_push: bool,
    encryption: Encryption,
    now: datetime,
) -> Repository | None:
    """Make a repository; None if the name is taken."""
    values = {
        "registry_id": registry_id,
        "name": at.name,
        "created_at": now,
        "mutability": mutability.setting.value,
        "mutability_filters": list(mutability.filters),
        "scan_on_push": scan_on_push,
        "encryption_type": encryption.type,
        "kms_key": encryption.kms_key,
    }
    try:
        with tx.begin_nested():
            tx.execute(insert(repositories).values(values))
    except IntegrityError:
        return None
    return find(tx, at)


def set_mutability(tx: Transaction, repository: Repository, mutability: TagMutability) -> None:
    """Change which tags may be moved from now on."""
    values = {"mutability": mutability.setting.value, "mutability_filters": list(mutability.filters)}
    tx.execute(update(repositories).where(repositories.c.id == repository.id).values(values))


def delete(tx: Transaction, repository: Repository) -> None:
    """Remove a repository's row and all that hangs on it."""
    tx.execute(delete_from(repositories).where(repositories.c.id == repository.id))


def resource_tags(tx: Transaction, repository: Repository) -> dict[str, str]:
    """The resource tags of a repository, by key."""
    statement = (
        select(repository_tags.c.key, repository_tags.c.value)
        .where(repository_tags.c.repository_id == repository.id)
        .order_by(repository_tags.c.key)
    )
    return dict(tx.execute(statement).all())


def set_resource_tags(tx: Transaction, repository: Repository, tags: Mapping[str, str]) -> None:
    """Add resource tags or overwrite those of the same keys."""
    remove_resource_tags(tx, repository, tags.keys())
    if tags:
        rows = [{"repository_id": repository.id, "key": key, "value": value} for key, value in tags.items()]
        tx.execute(insert(repository_tags), rows)


def remove_resource_tags(tx: Transaction, repository: Repository, keys: Collection[str]) -> None:
    """Remove resource tags; an absent key is no fault."""
    tx.execute(
        delete_from(repository_tags).where(
            repository_tags.c.repository_id == repository.id, repository_tags.c.key.in_(keys)
        )
    )


def _place(registry: Registry, after: str, limit: int) -> dict[str, object]:
    return {"account_id": registry.account_id, "region": registry.region, "after": after, "limit": limit}


def _repository(row: RowMapping, registry: Registry) -> Repository:
    return Repository(
        id=row["id"],
        registry_id=row["registry_id"],
        ref=RepositoryRef(registry, row["name"]),
        created_at=row["created_at"],
        mutability=TagMutability(Mutability(row["mutability"]), tuple(row["mutability_filters"])),
        scan_on_push=row["scan_on_push"],
        encryption=Encryption(row["encryption_type"], row["kms_key"]),
    )
