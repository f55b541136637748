"""Which principals' pulls are not recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, select

from holdfast.store import accounts
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import pull_exclusions, registries

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.names import Registry
    from holdfast.store.database import Transaction

_arns = (
    select(pull_exclusions.c.principal_arn)
    .join(registries)
    .where(registries.c.account_id == bindparam("account_id"), registries.c.region == bindparam("region"))
)
_ALL = Statement(_arns)
_FIND = Statement(_arns.where(pull_exclusions.c.principal_arn == bindparam("principal_arn")))
_PAGE = Statement(
    _arns.where(pull_exclusions.c.principal_arn > bindparam("after"))
    .order_by(pull_exclusions.c.principal_arn)
    .limit(bindparam("limit"))
)
_COUNT = Statement(select(func.count()).where(pull_exclusions.c.registry_id == bindparam("registry_id")))
_INSERT = insertion(pull_exclusions)
_DELETE = Statement(
    delete(pull_exclusions).where(
        pull_exclusions.c.registry_id == bindparam("registry_id"),
        pull_exclusions.c.principal_arn == bindparam("principal_arn"),
    )
)


def arns(tx: Transaction, registry: Registry) -> set[str]:
    """Every principal that is excluded; a quota bounds them."""
    return set(tx.column(_ALL, account_id=registry.account_id, region=registry.region))


def is_known(tx: Transaction, registry: Registry, principal_arn: str) -> bool:
    """Whether a principal is excluded."""
    place = {"account_id": registry.account_id, "region": registry.region}
    return tx.first(_FIND, **place, principal_arn=principal_arn) is not None


def page(tx: Transaction, registry: Registry, after: str, limit: int) -> list[str]:
    """Up to `limit` excluded principals in the order of their ARNs, beginning after one."""
    return tx.column(_PAGE, account_id=registry.account_id, region=registry.region, after=after, limit=limit)


def add(tx: Transaction, registry: Registry, principal_arn: str, now: datetime) -> int:
    """Exclude a principal; how many are now."""
    registry_id = accounts.registry_id(tx, registry, now)
    tx.run(_INSERT, registry_id=registry_id, principal_arn=principal_arn, created_at=now)
    return int(tx.value(_COUNT, registry_id=registry_id))


def remove(tx: Transaction, registry: Registry, principal_arn: str, now: datetime) -> bool:
    """Count a principal's pulls again; False if they were counted."""
    return tx.run(_DELETE, registry_id=accounts.registry_id(tx, registry, now), principal_arn=principal_arn) == 1
