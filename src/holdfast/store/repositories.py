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


NOT_READ = {"policy", "image_count", "departures", "deleted_at"}
# A policy may have ten thousand characters, and only who asks for it needs it.
_columns = [column for column in repositories.c if column.name not in NOT_READ]
_HERE = (registries.c.account_id == bindparam("account_id"), registries.c.region == bindparam("region"))
_FIND = Statement(select(*_columns).join(registries).where(*_HERE, repositories.c.name == bindparam("name")))
_FIND_BY_ID = Statement(
    select(*_columns, registries.c.account_id, registries.c.region)
    .join(registries)
    .where(repositories.c.id == bindparam("which"), repositories.c.deleted_at.is_(None))
)
_AFTER = (*_HERE, repositories.c.name > bindparam("after"), repositories.c.deleted_at.is_(None))
_PAGE = Statement(
    select(*_columns).join(registries).where(*_AFTER).order_by(repositories.c.name).limit(bindparam("limit"))
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
_SET_SCAN_ON_PUSH = Statement(
    update(repositories).where(repositories.c.id == bindparam("which")).values(scan_on_push=bindparam("setting"))
)
_COUNT = Statement(
    update(registries)
    .where(registries.c.id == bindparam("which"))
    .values(repository_count=registries.c.repository_count + bindparam("more"))
    .returning(registries.c.repository_count)
)
_POLICY = Statement(select(repositories.c.policy).where(repositories.c.id == bindparam("which")))
_SET_POLICY = Statement(
    update(repositories).where(repositories.c.id == bindparam("which")).values(policy=bindparam("text"))
)
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


def find_by_id(tx: Transaction, repository_id: int) -> Repository | None:
    """A repository by its row; None for a deleted one as well."""
    row = tx.first(_FIND_BY_ID, which=repository_id)
    if row is None:
        return None
    registry = Registry(row.pop("account_id"), row.pop("region"))
    return _repository(row, RepositoryRef(registry, row["name"]))


def get_by_id(tx: Transaction, repository_id: int) -> Repository:
    """The repository of a row that something refers to, so that it must be there."""
    repository = find_by_id(tx, repository_id)
    assert repository is not None, "references are rows, and go with what they refer to"
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
        policy=None,
        image_count=0,
        departures=0,
        deleted_at=None,
    )
    return find(tx, at)


def set_mutability(tx: Transaction, repository: Repository, mutability: TagMutability) -> None:
    """Change which tags may be moved from now on."""
    filters = list(mutability.filters)
    tx.run(_SET_MUTABILITY, which=repository.id, setting=mutability.setting.value, filters=filters)


def policy(tx: Transaction, repository: Repository) -> str | None:
    """The policy of a repository, as it was given."""
    text: str | None = tx.value(_POLICY, which=repository.id)
    return text


def set_policy(tx: Transaction, repository: Repository, text: str | None) -> None:
    """Give a repository a policy, whatever it had before; or take it away."""
    tx.run(_SET_POLICY, which=repository.id, text=text)


def set_scan_on_push(tx: Transaction, repository: Repository, is_on_push: bool) -> None:
    """Say whether images are scanned when they come, where the registry has no rules."""
    tx.run(_SET_SCAN_ON_PUSH, which=repository.id, setting=is_on_push)


def count(tx: Transaction, registry_id: int, more: int) -> int:
    """Count repositories that came, or with a negative number went; how many the registry has now."""
    return int(tx.value(_COUNT, which=registry_id, more=more))


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
