"""Reports on the credentials of accounts, and what they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select
from sqlalchemy import delete as delete_from

from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import iam_credential_reports, iam_login_profiles, iam_users

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from holdfast.store.database import Transaction

_of_account = iam_credential_reports.c.account_id == bindparam("account")
_FIND = Statement(select(iam_credential_reports.c.content, iam_credential_reports.c.generated_at).where(_of_account))
_INSERT = insertion(iam_credential_reports)
_DELETE = Statement(delete_from(iam_credential_reports).where(_of_account))
_USERS = Statement(
    select(iam_users.c.id, iam_users.c.name, iam_users.c.path, iam_users.c.created_at, iam_users.c.password_used_at)
    .add_columns(iam_login_profiles.c.created_at.label("password_made_at"), iam_login_profiles.c.changed_at)
    .outerjoin(iam_login_profiles, iam_login_profiles.c.user_id == iam_users.c.id)
    .where(iam_users.c.account_id == bindparam("account"))
    .order_by(iam_users.c.name_key)
)


def find(tx: Transaction, account_id: str) -> tuple[bytes, datetime] | None:
    """The last report of an account, and when it was made."""
    row = tx.first(_FIND, account=account_id)
    return (row["content"], row["generated_at"]) if row else None


def put(tx: Transaction, account_id: str, content: bytes, now: datetime) -> None:
    """Keep the report of an account, in the place of the one before."""
    tx.run(_DELETE, account=account_id)
    tx.run(_INSERT, account_id=account_id, content=content, generated_at=now)


def users(tx: Transaction, account_id: str) -> list[Mapping[str, Any]]:
    """Every user of an account with what is known of his password, in the order of names."""
    return list(tx.all(_USERS, account=account_id))
