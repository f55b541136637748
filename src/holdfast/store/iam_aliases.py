"""The name by which an account may be called instead of its number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select
from sqlalchemy import delete as delete_from

from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import iam_aliases

if TYPE_CHECKING:
    from holdfast.store.database import Transaction

_of_account = iam_aliases.c.account_id == bindparam("account")
_FIND = Statement(select(iam_aliases.c.alias).where(_of_account))
_ACCOUNT = Statement(select(iam_aliases.c.account_id).where(iam_aliases.c.alias == bindparam("which")))
_INSERT = insertion(iam_aliases)
_DELETE = Statement(delete_from(iam_aliases).where(_of_account))


def find(tx: Transaction, account_id: str) -> str | None:
    """The alias of an account."""
    alias: str | None = tx.value(_FIND, account=account_id)
    return alias


def account_of(tx: Transaction, alias: str) -> str | None:
    """The account that an alias is of."""
    account_id: str | None = tx.value(_ACCOUNT, which=alias)
    return account_id


def put(tx: Transaction, account_id: str, alias: str) -> None:
    """Give an account an alias that nobody has, whatever it had before."""
    delete(tx, account_id)
    tx.run(_INSERT, alias=alias, account_id=account_id)


def delete(tx: Transaction, account_id: str) -> None:
    """Take an account's alias away."""
    tx.run(_DELETE, account=account_id)
