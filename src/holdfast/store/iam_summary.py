"""How much an account has of everything that IAM keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select

from holdfast.store.statements import Statement
from holdfast.store.tables import (
    iam_groups,
    iam_instance_profiles,
    iam_oidc_providers,
    iam_policies,
    iam_policy_versions,
    iam_roles,
    iam_users,
)

if TYPE_CHECKING:
    from holdfast.store.database import Transaction

_TABLES = {
    "Groups": iam_groups,
    "InstanceProfiles": iam_instance_profiles,
    "Policies": iam_policies,
    "Providers": iam_oidc_providers,
    "Roles": iam_roles,
    "Users": iam_users,
}
_COUNTS = {
    name: Statement(select(func.count()).select_from(table).where(table.c.account_id == bindparam("account")))
    for name, table in _TABLES.items()
}
_VERSIONS = Statement(
    select(func.count())
    .select_from(iam_policy_versions)
    .join(iam_policies, iam_policies.c.id == iam_policy_versions.c.policy_id)
    .where(iam_policies.c.account_id == bindparam("account"))
)


def counts(tx: Transaction, account_id: str) -> dict[str, int]:
    """How many of each kind there are, by AWS's names."""
    found = {name: int(tx.value(statement, account=account_id)) for name, statement in _COUNTS.items()}
    return found | {"PolicyVersionsInUse": int(tx.value(_VERSIONS, account=account_id))}
