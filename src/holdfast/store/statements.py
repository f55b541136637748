"""SQL that SQLAlchemy writes once and the database's driver runs.

SQLAlchemy knows the tables, the types and the dialects; but building a statement costs 80 µs and running a built one
20 µs, against 3 µs in the driver, and a push runs a dozen of them. So each is worded once for the database in use, with
the conversions of its parameters and results, and is then handed to the driver as it is.
"""

from __future__ import annotations

import re
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import Insert

from holdfast.model.errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import Dialect, Table
    from sqlalchemy.sql import ClauseElement

_EXPANDING = re.compile(r"\(__\[POSTCOMPILE_(\w+)\]\)")
# PostgreSQL takes a list as one value, so a statement is prepared once for all lengths, and none is no fault.
_IN = re.compile(r" IN " + _EXPANDING.pattern)
_NOT_IN = re.compile(r" NOT IN " + _EXPANDING.pattern)

Row = dict[str, Any]
T = TypeVar("T")
BATCH = 500  # bound parameters of one statement


class Statement:
    """A statement with named parameters; a parameter of an `in_` takes a list, an insert names its columns."""

    def __init__(self, clause: ClauseElement, columns: Sequence[str] | None = None) -> None:
        self._clause = clause
        self._named = columns

    @cached_property
    def for_sqlite(self) -> Worded:
        """It in SQLite's words."""
        return Worded(self._clause, self._named, _sqlite())

    @cached_property
    def for_postgresql(self) -> Worded:
        """It in PostgreSQL's words."""
        return Worded(self._clause, self._named, _postgresql(), takes_lists=True)


@cache
def _sqlite() -> Dialect:
    return sqlite.dialect(paramstyle="named")


@cache
def _postgresql() -> Dialect:
    import psycopg  # only where it is the database
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

    return PGDialect_psycopg(dbapi=psycopg)  # type: ignore[no-untyped-call]


class Worded:
    """A statement in the words of one database."""

    def __init__(
        self, clause: ClauseElement, columns: Sequence[str] | None, dialect: Dialect, *, takes_lists: bool = False
    ) -> None:
        compiled: Any = clause.compile(dialect=dialect, column_keys=columns)
        self._takes_lists = takes_lists
        self._template = str(compiled)
        self._lists = tuple(dict.fromkeys(_EXPANDING.findall(self._template)))  # a union has one several times
        if takes_lists:
            self._template = _IN.sub(r" = ANY(%(\1)s)", _NOT_IN.sub(r" <> ALL(%(\1)s)", self._template))
        self._fixed = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        self._binders = tuple(compiled._bind_processors.items())  # noqa: SLF001 - there is no public way to these
        results = [(entry.keyname, entry.type) for entry in compiled._result_columns]  # noqa: SLF001 - likewise
        self._columns = tuple(name for name, _ in results)
        readers = ((name, kind.dialect_impl(dialect).result_processor(dialect, None)) for name, kind in results)
        self._readers: tuple[tuple[str, Callable[[Any], Any]], ...] = tuple((n, read) for n, read in readers if read)

    def bound(self, parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The text and the values for the driver; PostgreSQL has no zero character, so no database of ours has one."""
        values = {**self._fixed, **parameters}
        for name, bind in self._binders:
            if name in values and name not in self._lists:
                values[name] = bind(values[name])
        for name, value in values.items():
            if type(value) is str and "\0" in value:
                raise _unspeakable(name)
        text = self._template
        for name in self._lists:
            items = values.pop(name)
            if any(type(item) is str and "\0" in item for item in items):
                raise _unspeakable(name)
            if self._takes_lists:
                values[name] = list(items)
                continue
            names = [f"{name}_{number}" for number in range(len(items))]
            values.update(zip(names, items, strict=True))
            places = ", ".join(f":{item}" for item in names)
            text = text.replace(f"__[POSTCOMPILE_{name}]", places)
        return text, values

    def rows(self, found: Iterable[tuple[Any, ...]]) -> list[Row]:
        """What the driver found, by column and in the program's types."""
        rows = [dict(zip(self._columns, values, strict=True)) for values in found]
        for name, read in self._readers:
            for row in rows:
                row[name] = read(row[name])
        return rows

    def column(self, found: Iterable[tuple[Any, ...]]) -> list[Any]:
        """The first column of what the driver found."""
        values = [one[0] for one in found]
        for name, read in self._readers:
            if name == self._columns[0]:
                return [read(value) for value in values]
        return values


def _unspeakable(name: str) -> InvalidParameter:
    return InvalidParameter(name, "Member must not contain a zero character")


def insertion(table: Table) -> Statement:
    """Insert a row into a table; a key that the database counts is returned instead of given."""
    counted = table.autoincrement_column
    clause = sqlalchemy.insert(table)
    names = [column.name for column in table.c if column is not counted]
    return Statement(clause if counted is None else clause.returning(counted), names)


def upsert(table: Table) -> Insert:
    """An insertion that may say what happens on a conflict; SQLite's dialect words it too, but not the other way."""
    return Insert(table)


def replacement(table: Table) -> Statement:
    """Insert a row, in place of the one of the same key."""
    clause = upsert(table)
    changed = {column.name: clause.excluded[column.name] for column in table.c if not column.primary_key}
    return Statement(
        clause.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed),
        [column.name for column in table.c],
    )


def batches(items: Sequence[T]) -> Iterable[Sequence[T]]:
    """Items in portions of which each fits into one statement."""
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
