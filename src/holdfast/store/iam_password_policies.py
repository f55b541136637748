"""What accounts ask of passwords."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select
from sqlalchemy import delete as delete_from

from holdfast.model.password_policies import PasswordPolicy
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import iam_password_policies

if TYPE_CHECKING:
    from holdfast.store.database import Transaction

_of_account = iam_password_policies.c.account_id == bindparam("account")
_FIND = Statement(select(iam_password_policies.c.policy).where(_of_account))
_INSERT = insertion(iam_password_policies)
_DELETE = Statement(delete_from(iam_password_policies).where(_of_account))


def find(tx: Transaction, account_id: str) -> PasswordPolicy | None:
    """The password policy of an account, if it has one."""
    row = tx.first(_FIND, account=account_id)
    return PasswordPolicy(**row["policy"]) if row else None


def put(tx: Transaction, account_id: str, policy: PasswordPolicy) -> None:
    """Let this be the password policy of an account."""
    delete(tx, account_id)
    tx.run(_INSERT, account_id=account_id, policy=asdict(policy))


def delete(tx: Transaction, account_id: str) -> bool:
    """Let an account have no password policy; False if it had none."""
    return tx.run(_DELETE, account=account_id) == 1
