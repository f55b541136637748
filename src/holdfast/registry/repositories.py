"""Create, describe, change and delete repositories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.errors import Kms, RepositoryAlreadyExists, RepositoryNotEmpty, RepositoryNotFound
from holdfast.model.repositories import check_resource_tags

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from holdfast.model.names import Registry, RepositoryRef
    from holdfast.model.repositories import Encryption, Repository, TagMutability
    from holdfast.registry.backends import Backends


def create(
    on: Backends,
    at: RepositoryRef,
    *,
    mutability: TagMutability,
    scan_on_push: bool,
    encryption: Encryption,
    tags: Mapping[str, str],
) -> Repository:
    """Make a repository."""
    check_resource_tags(tags)
    if encryption.type != "AES256":
        raise Kms(
            f"No key service is configured for encryption type {encryption.type}; use AES256",
            "KMSNotConfiguredException",
        )
    now = on.clock()
    with on.database.transaction() as tx:
        repository = store.repositories.insert_new(
            tx,
            store.accounts.registry_id(tx, at.registry, now),
            at,
            mutability=mutability,
            scan_on_push=scan_on_push,
            encryption=encryption,
            now=now,
        )
        if repository is None:
            raise RepositoryAlreadyExists(at)
        store.repositories.set_resource_tags(tx, repository, tags)
    return repository


def get(on: Backends, at: RepositoryRef) -> Repository:
    """A repository, or `RepositoryNotFound`."""
    with on.database.snapshot() as tx:
        return store.repositories.get(tx, at)


def describe(on: Backends, names: Sequence[RepositoryRef]) -> list[Repository]:
    """Named repositories; one that is missing fails the whole call."""
    with on.database.snapshot() as tx:
        return [store.repositories.get(tx, at) for at in names]


def page(on: Backends, registry: Registry, after: str, limit: int) -> tuple[list[Repository], bool]:
    """Repositories by name, beginning after one, and whether there are more."""
    with on.database.snapshot() as tx:
        found = store.repositories.page(tx, registry, after, limit + 1)
    return found[:limit], len(found) > limit


def names(on: Backends, registry: Registry, after: str, limit: int) -> tuple[list[str], bool]:
    """Repository names in order, beginning after one, and whether there are more."""
    with on.database.snapshot() as tx:
        found = store.repositories.names(tx, registry, after, limit + 1)
    return found[:limit], len(found) > limit


def set_mutability(on: Backends, at: RepositoryRef, mutability: TagMutability) -> None:
    """Say which tags may be moved from now on."""
    with on.database.transaction() as tx:
        store.repositories.set_mutability(tx, store.repositories.get(tx, at), mutability)


def delete(on: Backends, at: RepositoryRef, *, force: bool = False) -> Repository:
    """Remove a repository; one that holds images only by force."""
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        if not force and store.images.any_in(tx, repository):
            raise RepositoryNotEmpty(at)
        store.images.remove_all(tx, repository)
        store.repositories.delete(tx, repository)
    return repository


def tags(on: Backends, at: RepositoryRef) -> dict[str, str]:
    """The resource tags of a repository."""
    with on.database.snapshot() as tx:
        return store.repositories.resource_tags(tx, store.repositories.get(tx, at))


def tag(on: Backends, at: RepositoryRef, tags_: Mapping[str, str]) -> None:
    """Add resource tags, or overwrite those of the same keys."""
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        check_resource_tags(tags_)
        check_resource_tags(store.repositories.resource_tags(tx, repository) | dict(tags_))
        store.repositories.set_resource_tags(tx, repository, tags_)


def untag(on: Backends, at: RepositoryRef, keys: Collection[str]) -> None:
    """Remove resource tags; absent ones are no fault."""
    with on.database.transaction() as tx:
        store.repositories.remove_resource_tags(tx, store.repositories.get(tx, at), keys)


def require(on: Backends, at: RepositoryRef) -> None:
    """Refuse with `RepositoryNotFound` if there is no such repository."""
    if not on.database.hot.has_repository(at):
        raise RepositoryNotFound(at)
