"""How repositories agreed with their copies when they were compared last."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select

from holdfast.model.names import Registry, RepositoryRef
from holdfast.model.verification import Check, Counts, State
from holdfast.store.statements import Statement, replacement
from holdfast.store.tables import registries, replication_checks, repositories

if TYPE_CHECKING:
    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction
    from holdfast.store.statements import Row

_KNOWN = {field.name for field in fields(Counts)}
Place = tuple[str, str, str]  # of a check in a list: the repository's name, and the destination

_PUT = replacement(replication_checks)
_home = (registries.c.account_id.label("owner"), registries.c.region.label("home"))
_checks = (
    select(replication_checks, repositories.c.name, *_home)
    .join(repositories, repositories.c.id == replication_checks.c.repository_id)
    .join(registries, registries.c.id == repositories.c.registry_id)
    .where(repositories.c.deleted_at.is_(None))
)
_FIND = Statement(
    _checks.where(
        replication_checks.c.repository_id == bindparam("which"),
        replication_checks.c.region == bindparam("to_region"),
        replication_checks.c.account_id == bindparam("to_account"),
    )
)
_OF_REGISTRY = Statement(
    _checks.where(registries.c.account_id == bindparam("owner"), registries.c.region == bindparam("home"))
    .where(repositories.c.name > bindparam("after"))
    .order_by(repositories.c.name, replication_checks.c.region, replication_checks.c.account_id)
    .limit(bindparam("limit"))
)
_COUNT = Statement(select(func.count()).where(replication_checks.c.state.in_(bindparam("states", expanding=True))))


def put(tx: Transaction, repository: Repository, check: Check) -> None:
    """Keep the outcome of a comparison, in place of the one before."""
    tx.run(
        _PUT,
        repository_id=repository.id,
        region=check.destination.region,
        account_id=check.destination.account_id,
        checked_at=check.checked_at,
        state=check.state.value,
        failure=check.failure,
        counts={name: count for name, count in check.counts.document.items() if count},  # older versions know fewer
        digest=check.digest,
    )


def find(tx: Transaction, repository: Repository, destination: Registry) -> Check | None:
    """The latest comparison with a destination."""
    to = {"to_region": destination.region, "to_account": destination.account_id}
    row = tx.first(_FIND, which=repository.id, **to)
    return _check(row) if row else None


def page(tx: Transaction, registry: Registry, after: str, limit: int) -> list[Check]:
    """The latest comparisons of a registry by the names of repositories, beginning after one; `limit` rows."""
    home = {"owner": registry.account_id, "home": registry.region}
    return [_check(row) for row in tx.all(_OF_REGISTRY, **home, after=after, limit=limit)]


def count_drifted(tx: Transaction) -> int:
    """How many copies, of all registries, had drifted when they were compared last."""
    return int(tx.value(_COUNT, states=[State.DRIFTED.value, State.REPAIRING.value, State.FAILED.value]))


def _check(row: Row) -> Check:
    return Check(
        RepositoryRef(Registry(row["owner"], row["home"]), row["name"]),
        Registry(row["account_id"], row["region"]),
        row["checked_at"],
        State(row["state"]),
        Counts(**{name: count for name, count in row["counts"].items() if name in _KNOWN}),  # newer ones know more
        row["digest"],
        row["failure"],
    )
