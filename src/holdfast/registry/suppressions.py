"""Decide that a finding does not count, say so, and take it back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.errors import InvalidParameter, LimitExceeded, SuppressionNotFound

if TYPE_CHECKING:
    from holdfast.model.names import RepositoryRef
    from holdfast.model.suppressions import Suppression
    from holdfast.registry.backends import Backends


def put(on: Backends, at: RepositoryRef, wanted: Suppression) -> Suppression:
    """Keep a suppression; it with its number."""
    if wanted.expires_at <= wanted.created_at:
        raise InvalidParameter("expiresAt", "It must be later than now")
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        if store.suppressions.count(tx, repository) >= on.limits.suppressions:
            raise LimitExceeded(f"The repository cannot have more than {on.limits.suppressions} suppressions")
        return replace(wanted, id=store.suppressions.add(tx, repository, wanted))


def page(on: Backends, at: RepositoryRef, after: int, limit: int) -> tuple[list[Suppression], bool]:
    """Suppressions of a repository in their order, beginning after one, and whether there are more."""
    with on.database.snapshot() as tx:
        found = store.suppressions.page(tx, store.repositories.get(tx, at), after, limit + 1)
    return found[:limit], len(found) > limit


def delete(on: Backends, at: RepositoryRef, number: int) -> None:
    """Let what was suppressed count again."""
    with on.database.transaction() as tx:
        if not store.suppressions.forget(tx, store.repositories.get(tx, at), number):
            raise SuppressionNotFound(number, at)
