"""Managed policies of customers and their versions; and by how many entities any managed policy is used."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, exists, func, literal_column, or_, select, union_all, update
from sqlalchemy import delete as delete_from

from holdfast.model.iam_entities import key_of
from holdfast.model.iam_policies import ManagedPolicy, PolicyVersion, Usage
from holdfast.store import iam_names
from holdfast.store.iam_entities import TABLES
from holdfast.store.statements import Statement, batches, insertion
from holdfast.store.tables import iam_attachments, iam_policies, iam_policy_versions, iam_roles, iam_users

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from holdfast.store.database import Transaction

_account: Any = bindparam("account")
_in_account = iam_policies.c.account_id == _account
_the_policy = iam_policies.c.id == bindparam("which")
_own_arn: Any = (
    literal_column("'arn:aws:iam::'")
    + iam_policies.c.account_id
    + literal_column("':policy'")
    + iam_policies.c.path
    + iam_policies.c.name
)
_boundaries = union_all(
    *(
        select(table.c.boundary_arn).where(table.c.account_id == _account, table.c.boundary_arn.is_not(None))
        for table in (iam_users, iam_roles)
    )
).subquery()


def _page(*, is_attached: bool, is_boundary: bool) -> Statement:
    wanted: list[ColumnElement[bool]] = []
    if is_attached:
        wanted.append(exists().where(iam_attachments.c.policy_arn == _own_arn))
    if is_boundary:
        wanted.append(_own_arn.in_(select(_boundaries.c.boundary_arn)))
    return iam_names.page(iam_policies, *wanted)


_FIND = iam_names.find(iam_policies)
_PAGES = {key: _page(is_attached=key[0], is_boundary=key[1]) for key in product((False, True), (False, True))}
_COUNT = iam_names.count(iam_policies)
_INSERT = insertion(iam_policies)
_SET_VERSIONS = Statement(
    update(iam_policies)
    .where(_the_policy)
    .values(default_version=bindparam("shown"), latest_version=bindparam("last"), updated_at=bindparam("now"))
)
_SET_TAGS = Statement(update(iam_policies).where(_the_policy).values(tags=bindparam("all_tags")))
_DELETE = Statement(delete_from(iam_policies).where(_the_policy))
_VERSIONS = Statement(
    select(iam_policy_versions)
    .where(iam_policy_versions.c.policy_id == bindparam("which"))
    .order_by(iam_policy_versions.c.version.desc())
)
_INSERT_VERSION = insertion(iam_policy_versions)
_DELETE_VERSION = Statement(
    delete_from(iam_policy_versions).where(
        iam_policy_versions.c.policy_id == bindparam("which"), iam_policy_versions.c.version == bindparam("number")
    )
)
_DOCUMENTS = Statement(
    select(_own_arn.label("arn"), iam_policy_versions.c.document)
    .join(
        iam_policy_versions,
        (iam_policy_versions.c.policy_id == iam_policies.c.id)
        & (iam_policy_versions.c.version == iam_policies.c.default_version),
    )
    .where(_in_account, iam_policies.c.name_key.in_(bindparam("keys", expanding=True)))
)
_is_of_account = or_(
    *(
        exists().where(table.c.id == iam_attachments.c.entity_id, table.c.account_id == _account)
        for table in TABLES.values()
    )
)
_COUNT_ATTACHMENTS = Statement(
    select(iam_attachments.c.policy_arn, func.count().label("number"))
    .where(iam_attachments.c.policy_arn.in_(bindparam("arns", expanding=True)), _is_of_account)
    .group_by(iam_attachments.c.policy_arn)
)
_COUNT_BOUNDARIES = Statement(
    select(_boundaries.c.boundary_arn, func.count().label("number"))
    .where(_boundaries.c.boundary_arn.in_(bindparam("arns", expanding=True)))
    .group_by(_boundaries.c.boundary_arn)
)


def find(tx: Transaction, account_id: str, name: str) -> ManagedPolicy | None:
    """A policy of a customer by name, in whatever case."""
    row = tx.first(_FIND, account=account_id, key=key_of(name))
    return ManagedPolicy(**row) if row else None


def page(
    tx: Transaction,
    account_id: str,
    after: str,
    limit: int,
    path_prefix: str = "/",
    *,
    is_attached: bool = False,
    is_boundary: bool = False,
) -> list[ManagedPolicy]:
    """Up to `limit` policies of a customer, in the order of their names' keys, beginning after one.

    Their paths begin alike; if it is asked for, they are attached to some entity, or bound one.
    """
    rows = tx.all(_PAGES[is_attached, is_boundary], account=account_id, after=after, prefix=path_prefix, limit=limit)
    return [ManagedPolicy(**row) for row in rows]


def count(tx: Transaction, account_id: str) -> int:
    """How many policies an account has of its own."""
    return int(tx.value(_COUNT, account=account_id))


def insert_new(tx: Transaction, policy: ManagedPolicy, document: str) -> bool:
    """Make a policy with its first version; False if the name is taken."""
    if find(tx, policy.account_id, policy.name) is not None:
        return False
    tx.run(
        _INSERT,
        id=policy.id,
        account_id=policy.account_id,
        name=policy.name,
        name_key=key_of(policy.name),
        path=policy.path,
        description=policy.description,
        default_version=policy.default_version,
        latest_version=policy.latest_version,
        tags=dict(policy.tags),
        created_at=policy.created_at,
        updated_at=policy.updated_at,
    )
    _insert_version(tx, policy, policy.latest_version, document, policy.created_at)
    return True


def set_tags(tx: Transaction, policy: ManagedPolicy, tags: Mapping[str, str]) -> None:
    """Let these be a policy's tags."""
    tx.run(_SET_TAGS, which=policy.id, all_tags=dict(tags))


def delete(tx: Transaction, policy: ManagedPolicy) -> None:
    """Remove a policy with its versions."""
    tx.run(_DELETE, which=policy.id)


# ---- Versions


def versions(tx: Transaction, policy: ManagedPolicy) -> list[PolicyVersion]:
    """Every version of a policy, the newest first."""
    return [
        PolicyVersion(row["version"], row["document"], row["created_at"], row["version"] == policy.default_version)
        for row in tx.all(_VERSIONS, which=policy.id)
    ]


def add_version(tx: Transaction, policy: ManagedPolicy, document: str, now: datetime, *, is_default: bool) -> int:
    """Add a version; its number, which no other version of the policy ever had."""
    number = policy.latest_version + 1
    _insert_version(tx, policy, number, document, now)
    tx.run(_SET_VERSIONS, which=policy.id, shown=number if is_default else policy.default_version, last=number, now=now)
    return number


def set_default_version(tx: Transaction, policy: ManagedPolicy, number: int, now: datetime) -> None:
    """Let another version be what the policy says."""
    tx.run(_SET_VERSIONS, which=policy.id, shown=number, last=policy.latest_version, now=now)


def delete_version(tx: Transaction, policy: ManagedPolicy, number: int) -> None:
    """Remove a version."""
    tx.run(_DELETE_VERSION, which=policy.id, number=number)


def default_documents(tx: Transaction, account_id: str, names: Collection[str]) -> dict[str, str]:
    """What policies of an account say, by their ARNs; of each name in whatever case."""
    keys = list(map(key_of, names))
    rows = (row for chosen in batches(keys) for row in tx.all(_DOCUMENTS, account=account_id, keys=chosen))
    return {row["arn"]: row["document"] for row in rows}


def _insert_version(tx: Transaction, policy: ManagedPolicy, number: int, document: str, now: datetime) -> None:
    tx.run(_INSERT_VERSION, policy_id=policy.id, version=number, document=document, created_at=now)


# ---- Use


def usage(tx: Transaction, account_id: str, arns: Collection[str]) -> dict[str, Usage]:
    """By how many entities of an account each of some policies is used, Amazon's among them."""
    attachments: dict[str, int] = {}
    boundaries: dict[str, int] = {}
    for chosen in batches(list(arns)):
        for row in tx.all(_COUNT_ATTACHMENTS, account=account_id, arns=chosen):
            attachments[row["policy_arn"]] = row["number"]
        for row in tx.all(_COUNT_BOUNDARIES, account=account_id, arns=chosen):
            boundaries[row["boundary_arn"]] = row["number"]
    return {arn: Usage(attachments.get(arn, 0), boundaries.get(arn, 0)) for arn in arns}
