"""Numbers that say that something changed, so that caches know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, update

from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import counters

if TYPE_CHECKING:
    from holdfast.store.database import Transaction

ACCESS = "access"  # whatever decides who may do what

_it = counters.c.name == bindparam("which")
_GET = Statement(select(counters.c.value).where(_it))
_BUMP = Statement(update(counters).where(_it).values(value=counters.c.value + 1))
_INSERT = insertion(counters)


def bump(tx: Transaction, name: str) -> None:
    """Count a change, in its transaction."""
    if tx.run(_BUMP, which=name) == 0:
        tx.run(_INSERT, name=name, value=1)


def get(tx: Transaction, name: str) -> int:
    """How often it was bumped."""
    return int(tx.value(_GET, which=name) or 0)
