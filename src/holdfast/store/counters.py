"""Numbers that say that something changed, so that caches know."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, literal, select, true

from holdfast.model.guardrails import ALL
from holdfast.store.statements import Statement, upsert
from holdfast.store.tables import accounts, counters

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.store.database import Transaction

ACCESS = "access/"  # whatever decides who may do what in an account, or in every one
SCANS = "scans/"  # begun in each hour, by registry

_it = counters.c.name == bindparam("which")
_GET = Statement(select(counters.c.value).where(_it))
_BUMP = Statement(
    upsert(counters)
    .values(name=bindparam("which"), value=1)
    .on_conflict_do_update(index_elements=["name"], set_={"value": counters.c.value + 1})
)
_ADD = Statement(
    upsert(counters)
    .values(name=bindparam("which"), value=bindparam("more"))
    .on_conflict_do_update(index_elements=["name"], set_={"value": counters.c.value + bindparam("more")})
)
_BUMP_ACCOUNTS = Statement(
    upsert(counters)
    .from_select(["name", "value"], select(literal(ACCESS).concat(accounts.c.id), literal(1)).where(true()))
    .on_conflict_do_update(index_elements=["name"], set_={"value": counters.c.value + 1})
)
_TOTAL = Statement(select(func.sum(counters.c.value)).where(counters.c.name.in_(bindparam("names", expanding=True))))
_FORGET = Statement(delete(counters).where(counters.c.name >= bindparam("low"), counters.c.name < bindparam("high")))


def bump(tx: Transaction, name: str) -> None:
    """Count a change, in its transaction."""
    tx.run(_BUMP, which=name)


def bump_access(tx: Transaction, account_id: str) -> None:
    """Count a change of who may do what in an account, or with `ALL` in all of them."""
    if account_id == ALL:
        tx.run(_BUMP_ACCOUNTS)
    tx.outdate(account_id)
    bump(tx, ACCESS + account_id)


def add(tx: Transaction, name: str, more: int) -> None:
    """Count several at once."""
    if more:
        tx.run(_ADD, which=name, more=more)


def get(tx: Transaction, name: str) -> int:
    """How often it was bumped."""
    return int(tx.value(_GET, which=name) or 0)


def count_scan(tx: Transaction, registry_id: int, now: datetime) -> None:
    """Count a scan that is begun, in its hour."""
    bump(tx, _scans(registry_id, now))


def scans_of_a_day(tx: Transaction, registry_id: int, now: datetime) -> int:
    """How many scans of a registry were begun in the last 24 hours, to the hour."""
    names = [_scans(registry_id, now - timedelta(hours=hours)) for hours in range(24)]
    return int(tx.value(_TOTAL, names=names) or 0)


def forget_scans(tx: Transaction, before: datetime) -> None:
    """Forget the hours of before an instant."""
    tx.run(_FORGET, low=SCANS, high=f"{SCANS}{before:%Y-%m-%dT%H}")


def _scans(registry_id: int, at: datetime) -> str:
    return f"{SCANS}{at:%Y-%m-%dT%H}/{registry_id}"
