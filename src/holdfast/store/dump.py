"""Every fact as lines of JSON, in no database's own words, so that any of them can be filled from it.

    {"table": "accounts", "columns": [["id", "text"], ["created_at", "instant"]], "counted": null}
    ["000000000000", 1794828245000000]
    {"table": "registries", …

An instant is microseconds since 1970, and bytes are base64. `counted` is the last number that a table gave to a row: it
is never given again. Tables come in an order in which each refers to earlier ones only. What is in progress is left
out: uploads with their parts, images on their way from upstreams, the objects that no blob is yet, holds on deletion,
and where files of the audit log end; and so are the bytes of small objects, which never change: they are told apart.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import sqlalchemy
from sqlalchemy import JSON, BigInteger, Boolean, Float, Integer, LargeBinary, String, Text, bindparam, func, select

from holdfast.store.statements import Statement
from holdfast.store.tables import (
    Instant,
    audit_heads,
    blobs,
    cache_fetches,
    cache_imports,
    cache_parts,
    damaged_objects,
    deletion_holds,
    metadata,
    microseconds,
    objects,
    peer_uploads,
    setting_leaders,
    upload_parts,
    uploads,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy import Column, Connection, Table

    from holdfast.store.database import Transaction

AT_ONCE = 32  # rows: a manifest may have four megabytes
IN_PROGRESS = {
    uploads, upload_parts, deletion_holds, damaged_objects, audit_heads, cache_imports, cache_fetches, cache_parts,
    peer_uploads, setting_leaders,
}  # fmt: skip

_KINDS: tuple[tuple[type[Any], str], ...] = (
    (Instant, "instant"), (Boolean, "bool"), (JSON, "json"), (LargeBinary, "bytes"), (Float, "float"),
    (Integer, "int"), (String, "text"),
)  # fmt: skip
_TYPES: dict[str, Any] = {
    "instant": BigInteger(), "bool": Boolean(), "json": JSON(none_as_null=True), "json!": JSON(),
    "bytes": LargeBinary(), "float": Float(), "int": BigInteger(), "text": Text(),
}  # fmt: skip


class BadDump(Exception):
    """Lines that no dump has."""


@dataclass(frozen=True, slots=True)
class Needed:
    """An object in the blob store that a blob is."""

    key: str
    is_damaged: bool


class Small(NamedTuple):
    """An object in the database that a blob is."""

    key: str
    size_bytes: int  # as it is sealed


def _kind(column: Column[Any]) -> str:
    if isinstance(column.type, JSON) and not column.nullable:
        return "json!"  # its null is a document
    for type_, kind in _KINDS:
        if isinstance(column.type, type_):
            return kind
    raise NotImplementedError(f"{column}: a dump has no word for {column.type!r}")


def _rows_of(table: Table) -> Statement:
    if table is not objects:
        return Statement(select(table))
    of_blobs = objects.c.key.in_(select(blobs.c.object_key))
    columns = [column for column in objects.c if column is not objects.c.sealed]
    return Statement(select(*columns).where(objects.c.expires_at.is_(None), of_blobs))


_TABLES = [table for table in metadata.sorted_tables if table not in IN_PROGRESS]
_COLUMNS = {
    str(table.name): [(str(column.name), _kind(column)) for column in table.c if column is not objects.c.sealed]
    for table in _TABLES
}
_ROWS = {str(table.name): _rows_of(table) for table in _TABLES}
_NEEDED = Statement(
    select(blobs.c.object_key, blobs.c.damaged_at)
    .join(objects, objects.c.key == blobs.c.object_key)
    .where(objects.c.sealed.is_(None))
    .order_by(blobs.c.object_key)
)
_SMALL = Statement(
    select(objects.c.key, func.length(objects.c.sealed).label("size_bytes"))
    .where(objects.c.sealed.is_not(None), objects.c.key.in_(select(blobs.c.object_key)))
    .order_by(objects.c.key)
)
_BYTES = Statement(select(objects.c.key, objects.c.sealed).where(objects.c.key.in_(bindparam("keys", expanding=True))))


def write(tx: Transaction, line: Callable[[bytes], object]) -> dict[str, int]:
    """Tell every fact, line by line, from one snapshot; how many rows of each table."""
    counted = tx.counted()
    counts = {}
    for name, columns in _COLUMNS.items():
        line(msgspec.json.encode({"table": name, "columns": columns, "counted": counted.get(name)}))
        counts[name] = 0
        for portion in tx.portions(_ROWS[name], AT_ONCE):
            for row in portion:
                line(msgspec.json.encode([_told(row[column], kind) for column, kind in columns]))
            counts[name] += len(portion)
    return counts


def needed(tx: Transaction) -> Iterator[Needed]:
    """The objects in the blob store that blobs are, in the order of their keys."""
    for portion in tx.portions(_NEEDED, 1000):
        for row in portion:
            yield Needed(row["object_key"], row["damaged_at"] is not None)


def small(tx: Transaction) -> Iterator[Small]:
    """The objects in the database that blobs are, in the order of their keys."""
    for portion in tx.portions(_SMALL, 1000):
        for row in portion:
            yield Small(**row)


def bytes_of(tx: Transaction, keys: Sequence[str]) -> dict[str, bytes]:
    """The bytes of objects in the database, sealed, by their keys."""
    return {row["key"]: bytes(row["sealed"]) for row in tx.all(_BYTES, keys=list(keys)) if row["sealed"] is not None}


def load_bytes(connection: Connection, records: Iterable[tuple[str, bytes]]) -> None:
    """Give objects of a loaded dump their bytes; those that it does not know are left out."""
    key: sqlalchemy.ColumnClause[str] = sqlalchemy.column("key")
    sealed = sqlalchemy.column("sealed", LargeBinary())
    fill = sqlalchemy.update(sqlalchemy.table("objects", key, sealed)).where(key == bindparam("which"))
    fill = fill.values(sealed=bindparam("data"))
    records = iter(records)
    while portion := [{"which": key, "data": data} for key, data in islice(records, AT_ONCE)]:
        connection.execute(fill, portion)


def count_bytes(connection: Connection) -> int:
    """How many objects have their bytes in the database."""
    sealed = sqlalchemy.column("sealed", LargeBinary())
    found = connection.execute(
        select(func.count()).select_from(sqlalchemy.table("objects", sealed)).where(sealed.is_not(None))
    ).scalar()
    return found or 0


def load(connection: Connection, lines: Iterable[bytes]) -> dict[str, int]:
    """Fill the tables of an empty database of the dump's schema; how many rows each was given. Raises `BadDump`."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
    counts: dict[str, int] = {}
    heads: list[dict[str, Any]] = []
    rows = iter(_parsed(lines))
    head = next(rows, None)
    while head is not None:
        if not isinstance(head, dict):
            raise BadDump("a row stands before the name of its table")
        heads.append(head)
        table = sqlalchemy.table(
            head["table"], *(sqlalchemy.column(name, _TYPES[kind]) for name, kind in head["columns"])
        )
        connection.execute(sqlalchemy.delete(table))  # what a migration put there
        counts[table.name] = 0
        following: list[dict[str, Any]] = []
        values = _values(rows, head["columns"], following)
        while portion := list(islice(values, AT_ONCE)):
            connection.execute(sqlalchemy.insert(table), portion)
            counts[table.name] += len(portion)
        head = following[0] if following else None
    for one in heads:
        if ["id", "int"] in one["columns"]:
            _count_on(connection, one["table"], one["counted"])
    return counts


def _parsed(lines: Iterable[bytes]) -> Iterator[Any]:
    for line in lines:
        try:
            yield msgspec.json.decode(line)
        except msgspec.DecodeError as fault:
            raise BadDump(f"a line is no JSON: {fault}") from None


def _values(
    rows: Iterator[Any], columns: list[tuple[str, str]], following: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """The rows of a table; the head of the next one is left in `following`."""
    for row in rows:
        if isinstance(row, dict):
            following.append(row)
            return
        if len(row) != len(columns):
            raise BadDump("a row has other columns than its table")
        yield {name: _meant(value, kind) for (name, kind), value in zip(columns, row, strict=True)}


def _count_on(connection: Connection, table: str, counted: int | None) -> None:
    """Let a table go on counting where it was, or after its last row if that was not told."""
    if connection.dialect.name != "sqlite":
        id_: sqlalchemy.ColumnClause[int] = sqlalchemy.column("id")
        last = connection.execute(select(sqlalchemy.func.max(id_)).select_from(sqlalchemy.table(table, id_))).scalar()
        sequence = sqlalchemy.text("SELECT setval(pg_get_serial_sequence(:table, 'id'), :counted)")
        connection.execute(sequence, {"table": table, "counted": max(counted or 0, last or 0, 1)})
    elif counted is not None:
        connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
        connection.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, counted))


def _told(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "instant":
        assert isinstance(value, datetime)
        return microseconds(value)
    return bytes(value) if kind == "bytes" else value


def _meant(value: Any, kind: str) -> Any:
    return base64.b64decode(value, validate=True) if kind == "bytes" and value is not None else value
