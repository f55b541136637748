"""Guardrails: those of one level, and those that hold for an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select

from holdfast.model.guardrails import ALL, Guardrail
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import guardrails

if TYPE_CHECKING:
    from holdfast.store.database import Transaction

_the_one = (guardrails.c.level == bindparam("which"), guardrails.c.name == bindparam("called"))
_LIST = Statement(select(guardrails).order_by(guardrails.c.level, guardrails.c.name))
_OF_LEVEL = Statement(select(guardrails).where(guardrails.c.level == bindparam("which")).order_by(guardrails.c.name))
_INSERT = insertion(guardrails)
_DELETE = Statement(delete(guardrails).where(*_the_one))


def list_all(tx: Transaction) -> list[Guardrail]:
    """Every guardrail of every level."""
    return [Guardrail(**row) for row in tx.all(_LIST)]


def of_level(tx: Transaction, level: str) -> list[Guardrail]:
    """The guardrails of a level; none if nothing was ever said of it."""
    return [Guardrail(**row) for row in tx.all(_OF_LEVEL, which=level)]


def for_account(tx: Transaction, account_id: str) -> tuple[tuple[Guardrail, ...], ...]:
    """The guardrails of an account, level by level; levels without any are left out."""
    return tuple(tuple(found) for level in (ALL, account_id) if (found := of_level(tx, level)))


def put(tx: Transaction, one: Guardrail) -> None:
    """Keep a guardrail, in the place of the one of that name."""
    remove(tx, one.level, one.name)
    tx.run(_INSERT, level=one.level, name=one.name, document=one.document, created_at=one.created_at)


def remove(tx: Transaction, level: str, name: str) -> bool:
    """Take a guardrail away; False if there is none of that name."""
    return tx.run(_DELETE, which=level, called=name) == 1
