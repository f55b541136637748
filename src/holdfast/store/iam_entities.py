"""Users, groups and roles, as far as they are the same: found by name or id, and by the policies they have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, false, literal_column, null, or_, select, union_all

from holdfast.model.errors import NoSuchEntity
from holdfast.model.iam_entities import key_of
from holdfast.model.iam_principals import KINDS, Entity
from holdfast.store import iam_names
from holdfast.store.statements import Statement, batches
from holdfast.store.tables import iam_attachments, iam_groups, iam_roles, iam_users

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import ColumnElement, Select, Table

    from holdfast.store.database import Transaction

TABLES = {"user": iam_users, "group": iam_groups, "role": iam_roles}
ATTACHED, BOUNDARY = "PermissionsPolicy", "PermissionsBoundary"  # what an entity has a policy for


def _boundary(table: Table) -> ColumnElement[Any]:
    return table.c.boundary_arn if "boundary_arn" in table.c else null()


def _select(kind: str) -> Select[Any]:
    table = TABLES[kind]
    return select(
        literal_column(f"'{kind}'").label("kind"),
        *(table.c[name] for name in ("id", "account_id", "name", "path")),
        _boundary(table).label("boundary_arn"),
    )


def _by_name(kind: str) -> Statement:
    table = TABLES[kind]
    return Statement(
        _select(kind).where(table.c.account_id == bindparam("account"), table.c.name_key == bindparam("key"))
    )


def _with_policy(kind: str, purposes: Iterable[str]) -> Select[Any]:
    """Entities that have a policy for any of some purposes."""
    table = TABLES[kind]
    wanted: dict[str, ColumnElement[bool]] = {
        ATTACHED: table.c.id.in_(
            select(iam_attachments.c.entity_id).where(iam_attachments.c.policy_arn == bindparam("arn"))
        ),
        BOUNDARY: table.c.boundary_arn == bindparam("arn") if "boundary_arn" in table.c else false(),
    }
    return (
        _select(kind)
        .add_columns(literal_column(str(KINDS.index(kind))).label("rank"), table.c.name_key)
        .where(table.c.account_id == bindparam("account"), or_(*(wanted[purpose] for purpose in purposes)))
        .where(iam_names.has_prefix(table))
    )


def _page(purposes: Iterable[str]) -> Statement:
    found = union_all(*(_with_policy(kind, purposes) for kind in KINDS)).subquery()
    is_after = or_(
        found.c.rank > bindparam("rank"), (found.c.rank == bindparam("rank")) & (found.c.name_key > bindparam("key"))
    )
    columns = [found.c[name] for name in ("kind", "id", "account_id", "name", "path", "boundary_arn")]
    return Statement(
        select(*columns)
        .where(found.c.kind.in_(bindparam("kinds", expanding=True)), is_after)
        .order_by(found.c.rank, found.c.name_key)
        .limit(bindparam("limit"))
    )


_FIND = {kind: _by_name(kind) for kind in KINDS}
_FIND_BY_IDS = Statement(
    union_all(*(_select(kind).where(TABLES[kind].c.id.in_(bindparam("ids", expanding=True))) for kind in KINDS))
)
_PAGES = {frozenset(some): _page(some) for some in ((ATTACHED,), (BOUNDARY,), (ATTACHED, BOUNDARY))}


def find(tx: Transaction, kind: str, account_id: str, name: str) -> Entity | None:
    """A user, group or role by name, in whatever case."""
    row = tx.first(_FIND[kind], account=account_id, key=key_of(name))
    return Entity(**row) if row else None


def get(tx: Transaction, kind: str, account_id: str, name: str) -> Entity:
    """A user, group or role by name, in whatever case; or `NoSuchEntity`."""
    entity = find(tx, kind, account_id, name)
    if entity is None:
        raise NoSuchEntity(kind, name)
    return entity


def find_by_ids(tx: Transaction, ids: Collection[str]) -> dict[str, Entity]:
    """Entities by their ids; those that are gone are left out."""
    rows = (row for chosen in batches(list(ids)) for row in tx.all(_FIND_BY_IDS, ids=chosen))
    return {row["id"]: Entity(**row) for row in rows}


def page_with_policy(
    tx: Transaction,
    account_id: str,
    policy_arn: str,
    after: tuple[int, str],
    limit: int,
    path_prefix: str,
    *,
    purposes: Collection[str],
    kinds: Collection[str],
) -> list[Entity]:
    """Up to `limit` entities of some kinds that have a policy for any of some purposes, beginning after one.

    Their paths begin alike, and they are in the order of their kinds and names' keys.
    """
    place: dict[str, Any] = {
        "account": account_id, "arn": policy_arn, "prefix": path_prefix, "rank": after[0], "key": after[1]
    }  # fmt: skip
    statement = _PAGES[frozenset(purposes)]
    return [Entity(**row) for row in tx.all(statement, **place, kinds=list(kinds), limit=limit)]
