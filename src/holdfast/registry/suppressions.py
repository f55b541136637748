"""Decide that a finding does not count, say so, and take it back: in a repository, or in a whole registry."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.errors import InvalidParameter, LimitExceeded, SuppressionNotFound
from holdfast.model.names import Registry, RepositoryRef

if TYPE_CHECKING:
    from holdfast.model.repositories import Repository
    from holdfast.model.suppressions import Suppression
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

Where = Registry | RepositoryRef


def put(on: Backends, where: Where, wanted: Suppression) -> Suppression:
    """Keep a suppression; it with its number."""
    if wanted.expires_at <= wanted.created_at:
        raise InvalidParameter("expiresAt", "It must be later than now")
    if wanted.version is not None and wanted.package is None:
        raise InvalidParameter("packageVersion", "Which package it is the version of must be said")
    if wanted.digest is not None and isinstance(where, Registry):
        raise InvalidParameter("imageDigest", "Which repository the image is in must be said")
    with on.database.transaction() as tx:
        found = store.accounts.registry_id(tx, where, on.clock()) if isinstance(where, Registry) else place(tx, where)
        if store.suppressions.count(tx, found) >= on.limits.suppressions:
            kind = "registry" if isinstance(where, Registry) else "repository"
            raise LimitExceeded(f"The {kind} cannot have more than {on.limits.suppressions} suppressions")
        return replace(wanted, id=store.suppressions.add(tx, found, wanted), repository=told(where)[1])


def page(on: Backends, where: Where, after: int, limit: int) -> tuple[list[Suppression], bool]:
    """Suppressions of a repository, or of a registry with all its repositories, and whether there are more.

    They are in their order, beginning after one.
    """
    with on.database.snapshot() as tx:
        found = store.suppressions.page(tx, place(tx, where), after, limit + 1)
    return found[:limit], len(found) > limit


def delete(on: Backends, where: Where, number: int) -> None:
    """Let what was suppressed count again."""
    with on.database.transaction() as tx:
        if not store.suppressions.forget(tx, place(tx, where), number):
            raise SuppressionNotFound(number, *told(where))


def place(tx: Transaction, where: Where) -> Repository | int:
    """A repository, or the row of a registry; 0 if that has none yet."""
    if isinstance(where, Registry):
        return store.accounts.find_registry(tx, where) or 0
    return store.repositories.get(tx, where)


def told(where: Where) -> tuple[str, str | None]:
    """The account and the repository of a place."""
    return (where.account_id, None) if isinstance(where, Registry) else (where.registry.account_id, where.name)
