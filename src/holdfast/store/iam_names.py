"""Statements that are the same for all that IAM knows by name: users, groups, roles, policies, instance profiles.

Their tables have an `account_id`, an `id`, a `path` and a `name`; what finds and orders them is its `name_key`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, select

from holdfast.store.statements import Statement

if TYPE_CHECKING:
    from sqlalchemy import Column, ColumnElement, Table


def columns(table: Table) -> list[Column[Any]]:
    """What is read of a row: all but the key of its name."""
    return [column for column in table.c if column is not table.c.name_key]


def find(table: Table) -> Statement:
    """The row of an `account` whose name has a `key`."""
    return Statement(
        select(*columns(table)).where(table.c.account_id == bindparam("account"), table.c.name_key == bindparam("key"))
    )


def page(table: Table, *wanted: ColumnElement[bool]) -> Statement:
    """Up to `limit` rows of an `account` whose paths begin with a `prefix`, by name, `after` the key of one."""
    return Statement(
        select(*columns(table))
        .where(table.c.account_id == bindparam("account"), table.c.name_key > bindparam("after"), *wanted)
        .where(has_prefix(table))
        .order_by(table.c.name_key)
        .limit(bindparam("limit"))
    )


def has_prefix(table: Table) -> ColumnElement[bool]:
    """Whether a path begins with a `prefix`, in which nothing is a wildcard."""
    return func.substr(table.c.path, 1, func.length(bindparam("prefix"))) == bindparam("prefix")


def count(table: Table) -> Statement:
    """How many rows an `account` has."""
    return Statement(select(func.count()).select_from(table).where(table.c.account_id == bindparam("account")))
