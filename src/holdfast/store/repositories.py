"""Find, insert, list, change and delete repositories and their resource tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, update
from sqlalchemy import delete as delete_from

from holdfast.model.errors import RepositoryNotFound
from holdfast.model.names import Registry, RepositoryRef
from holdfast.model.repositories import Encryption, Mutability, Repository, TagMutability
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import registries, repositories, repository_tags

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from holdfast.store.database import Transaction
    from holdfast.store.statements import Row


_HERE = (registries.c.account_id == bindparam("account_id"), registries.c.region == bindparam("region"))
_FIND = Statement(select(repositories).join(registries).where(*_HERE, repositories.c.name == bindparam("name")))
_AFTER = (*_HERE, repositories.c.name > bindparam("after"))
_PAGE = Statement(
    select(repositories).join(registries).where(*_AFTER).order_by(repositories.c.name).limit(bindparam("limit"))
)
_NAMES = Statement(
    select(repositories.c.name).join(registries).where(*_AFTER).order_by(repositories.c.name).limit(bindparam("limit"))
)

_INSERT = insertion(repositories)
_SET_MUTABILITY = Statement(
    update(repositories)
    .where(repositories.c.id == bindparam("which"))
    .values(mutability=bindparam("setting"), mutability_filters=bindparam("filters"))
)
_DELETE = Statement(delete_from(repositories).where(repositories.c.id == bindparam("which")))
_of_repository = repository_tags.c.repository_id == bindparam("which")
_TAGS = Statement(
    select(repository_tags.c.key, repository_tags.c.value).where(_of_repository).order_by(repository_tags.c.key)
)
_INSERT_TAG = insertion(repository_tags)
_DELETE_TAG = Statement(delete_from(repository_tags).where(_of_repository, repository_tags.c.key == bindparam("key")))


def find(tx: Transaction, at: RepositoryRef) -> Repository | None:
    """A repository by name."""
    row = tx.first(_FIND, account_id=at.registry.account_id, region=at.registry.region, name=at.name)
    return _repository(row, at) if row else None


def get(tx: Transaction, at: RepositoryRef) -> Repository:
    """A repository by name, or `RepositoryNotFound`."""
    repository = find(tx, at)
    if repository is None:
        raise RepositoryNotFound(at)
    return repository


def page(tx: Transaction, registry: Registry, after: str, limit: int) -> list[Repository]:
    """Up to `limit` repositories in the order of their names, beginning after one."""
    rows = tx.all(_PAGE, **_place(registry, after, limit))
    return [_repository(row, RepositoryRef(registry, row["name"])) for row in rows]


def names(tx: Transaction, registry: Registry, after: str, limit: int) -> list[str]:
    """Up to `limit` repository names in order, beginning after one."""
    return tx.column(_NAMES, **_place(registry, after, limit))


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
    if find(tx, at) is not None:
        return None
    tx.run(
        _INSERT,
        registry_id=registry_id,
        name=at.name,
        created_at=now,
        mutability=mutability.setting.value,
        mutability_filters=list(mutability.filters),
        scan_on_push=scan_on_push,
        encryption_type=encryption.type,
        kms_key=encryption.kms_key,
    )
    return find(tx, at)


def set_mutability(tx: Transaction, repository: Repository, mutability: TagMutability) -> None:
    """Change which tags may be moved from now on."""
    filters = list(mutability.filters)
    tx.run(_SET_MUTABILITY, which=repository.id, setting=mutability.setting.value, filters=filters)


def delete(tx: Transaction, repository: Repository) -> None:
    """Remove a repository's row and all that hangs on it."""
    tx.run(_DELETE, which=repository.id)


def resource_tags(tx: Transaction, repository: Repository) -> dict[str, str]:
    """The resource tags of a repository, by key."""
    return {row["key"]: row["value"] for row in tx.all(_TAGS, which=repository.id)}


def set_resource_tags(tx: Transaction, repository: Repository, tags: Mapping[str, str]) -> None:
    """Add resource tags or overwrite those of the same keys."""
    if tags:
        remove_resource_tags(tx, repository, tags.keys())
        rows = [{"repository_id": repository.id, "key": key, "value": value} for key, value in tags.items()]
        tx.run_each(_INSERT_TAG, rows)


def remove_resource_tags(tx: Transaction, repository: Repository, keys: Collection[str]) -> None:
    """Remove resource tags; an absent key is no fault."""
    for key in keys:
        tx.run(_DELETE_TAG, which=repository.id, key=key)


def _place(registry: Registry, after: str, limit: int) -> dict[str, object]:
    return {"account_id": registry.account_id, "region": registry.region, "after": after, "limit": limit}


def _repository(row: Row, ref: RepositoryRef) -> Repository:
    return Repository(
        id=row["id"],
        registry_id=row["registry_id"],
        ref=ref,
        created_at=row["created_at"],
        mutability=TagMutability(Mutability(row["mutability"]), tuple(row["mutability_filters"])),
        scan_on_push=row["scan_on_push"],
        encryption=Encryption(row["encryption_type"], row["kms_key"]),
    )
