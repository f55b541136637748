"""The database of a test: SQLite's in a folder of its own, or one of PostgreSQL's on a server for the whole run."""

from __future__ import annotations

import os
import re
import sqlite3
import uuid
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import psycopg
from psycopg import sql

from holdfast.store import SqliteDatabase, open_database
from holdfast.store.migrations import migrate
from tests.postgres import Postgres

if TYPE_CHECKING:
    from holdfast.store import Database
    from holdfast.store.statements import Statement

FILE = "holdfast.db"
PLACE = re.compile(r":(\w+)")
SERVER = "TESTS_ON_POSTGRESQL"  # the variable that says to every process of the run where PostgreSQL is
MIGRATED = "migrated"  # a database of this program's schema, that others are made from
EMPTY = "template0"

HEEDLESS = "-c session_replication_role=replica"
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
COUNTED = """
SELECT format('public.%I', sequencename) AS name, last_value AS value FROM pg_sequences WHERE schemaname = 'public'
"""

OTHERS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
AGAIN = """
SELECT setval(format('public.%I', sequencename), 1, false) FROM pg_sequences
  WHERE schemaname = 'public' AND last_value IS NOT NULL
"""

_spare: list[str] = []  # databases of PostgreSQL that are as new
_reusable: set[str] = set()
_opened: WeakSet[Database] = WeakSet()  # of PostgreSQL
_beside: dict[Path, str] = {}  # by the data folder that it belongs to


def serve() -> Postgres:
    """Start PostgreSQL for the tests of this run."""
    server = Postgres()
    with server.admin() as admin:
        admin.execute(f"CREATE DATABASE {MIGRATED} TEMPLATE template0")
    database = open_database(server.url(MIGRATED))
    migrate(database)
    database.close()
    os.environ[SERVER] = server.url("")
    return server


def on_postgresql() -> bool:
    """Whether tests use PostgreSQL."""
    return SERVER in os.environ


def make(template: str = MIGRATED) -> str:
    """Make a database of PostgreSQL; its URL."""
    name = f"t{uuid.uuid4().hex}"
    with _admin() as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template.rpartition('/')[2]}")
    return f"{os.environ[SERVER]}{name}"


def beside(data: Path, template: str = MIGRATED) -> dict[str, str]:
    """What a product with a data folder must be told of its database, which is made if there is none yet."""
    if not on_postgresql():
        return {}
    if data not in _beside:
        _beside[data] = make(template)
    return {"HOLDFAST_DATABASE": _beside[data]}


def drop(url: str) -> None:
    """Remove a database of PostgreSQL, whoever is connected to it."""
    with _admin() as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")


def open_fresh(folder: Path) -> Database:
    """A database of this program's schema with nothing in it."""
    if on_postgresql():
        url = _spare.pop() if _spare else make()
        _reusable.add(url)
        return _open(url)
    (folder / FILE).write_bytes(_migrated())
    return _file(folder / FILE)


def _file(path: Path) -> SqliteDatabase:
    """A file that nobody waits for: what is on disk, and when, is the business of the simulation."""
    return SqliteDatabase(path, sync=os.fstat)


@cache
def _migrated() -> bytes:
    """A file of this program's schema: every migration takes a fifth of a second."""
    with TemporaryDirectory() as folder:
        database = SqliteDatabase(Path(folder) / FILE)
        migrate(database)
        database.close()
        return (Path(folder) / FILE).read_bytes()


def copied(database: Database, folder: Path) -> Database:
    """Another database with the same rows; nobody may be connected to the first."""
    if on_postgresql():
        with look(database) as connection:
            connection.execute(_keep(connection))
        database.close()
        _reusable.discard(database._url)
        return _open(make(database._url))
    with closing(sqlite3.connect(database._path)) as whole, closing(sqlite3.connect(folder / FILE)) as copy:
        copy.execute("PRAGMA synchronous=OFF")
        whole.backup(copy)
    return _file(folder / FILE)


def restore(database: Database, whole: Database) -> None:
    """Let a copy be again what it was copied from."""
    if on_postgresql():
        with look(database) as connection:
            connection.execute(_put_back(connection))
        return
    with closing(sqlite3.connect(whole._path)) as source, closing(sqlite3.connect(database._path)) as copy:
        copy.execute("PRAGMA synchronous=OFF")
        source.backup(copy)


def again(database: Database) -> Database:
    """The same database, as another process opens it."""
    return _open(database._url) if on_postgresql() else _file(database._path)


def forget(database: Database) -> None:
    """Close a database that no test needs any more."""
    database.close()
    if on_postgresql() and database._url in _reusable:
        _empty(database._url)
        _spare.append(database._url)
    elif on_postgresql():
        drop(database._url)


def _empty(url: str) -> None:
    """Let a database be as it was made; to make another takes ten times as long."""
    with psycopg.connect(url, autocommit=True, options=HEEDLESS) as connection:
        connection.execute(OTHERS)
        connection.execute(_emptying())


@cache
def _emptying() -> str:
    """What removes all rows but those of a new database."""
    with psycopg.connect(f"{os.environ[SERVER]}{MIGRATED}") as migrated:
        names = tables(migrated)
        rows = {name: migrated.execute(f"SELECT * FROM {name}").fetchall() for name in names}
        assert migrated.execute("SELECT count(last_value) FROM pg_sequences").fetchone() == (0,)
    kept = [
        sql.SQL("INSERT INTO {} VALUES ({})").format(sql.Identifier(name), sql.SQL(", ").join(map(sql.Literal, row)))
        for name in names
        for row in rows[name]
    ]
    gone = [sql.SQL("DELETE FROM {}").format(sql.Identifier(name)) for name in names]
    return sql.SQL("; ").join([sql.SQL("BEGIN"), *gone, *kept, sql.SQL(AGAIN), sql.SQL("COMMIT")]).as_string()


def _open(url: str) -> Database:
    database = open_database(url)
    _opened.add(database)
    return database


def rest() -> None:
    """Close the connections that nobody uses at the moment; SQLite's end with their threads."""
    for database in _opened:
        database.close()


def look(database: Database) -> Any:
    """A connection past the program; `execute` commits by itself, and may leave what refers to nothing."""
    if on_postgresql():
        return psycopg.connect(database._url, autocommit=True, options=HEEDLESS)
    return sqlite3.connect(database._path, isolation_level=None)


def look_of(product) -> Any:
    """The same for a started product."""
    if on_postgresql():
        return psycopg.connect(product.environment["HOLDFAST_DATABASE"], autocommit=True, options=HEEDLESS)
    return sqlite3.connect(product.data / FILE, isolation_level=None)


def run(connection: Any, text: str, **values: Any) -> Any:
    """Run a statement with values at places such as `:name`."""
    return connection.execute(PLACE.sub(r"%(\1)s", text) if on_postgresql() else text, values)


def scans(database: Database, statement: Statement, **values: Any) -> list[str]:
    """Where the database would read a whole table, though it would rather not, to run a statement."""
    with database.transaction() as tx:
        text, bound = tx._worded(statement).bound(values)
        if on_postgresql():
            tx._driver.execute("SET LOCAL enable_seqscan = off")
            plan = [line for (line,) in tx._driver.execute(f"EXPLAIN {text}", bound).fetchall()]
            return [line for line in plan if "Seq Scan" in line]
        plan = [row[3] for row in tx._driver.execute(f"EXPLAIN QUERY PLAN {text}", bound).fetchall()]
        return [step for step in plan if step.startswith("SCAN") and "CONSTANT" not in step]


def kept_bytes(database: Database) -> bytes:
    """All that is kept, in one piece."""
    if not on_postgresql():
        return b"".join(path.read_bytes() for path in database._path.parent.glob(f"{FILE}*"))
    with look(database) as connection:
        rows = [row for name in tables(connection) for row in connection.execute(f"SELECT * FROM {name}").fetchall()]
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row)


def tables(connection: Any) -> list[str]:
    """The names of all tables."""
    text = TABLES if on_postgresql() else "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    return [name for (name,) in connection.execute(text).fetchall()]


def columns(connection: Any) -> list[tuple[str, str]]:
    """Table and name of every column."""
    if on_postgresql():
        text = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    else:
        text = "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table'"
    return connection.execute(text).fetchall()


def dangling(connection: Any) -> list[Any]:
    """Rows that refer to others that are not there, which PostgreSQL never lets be."""
    return [] if on_postgresql() else connection.execute("PRAGMA foreign_key_check").fetchall()


def dump(database: Database) -> dict[str, Any]:
    """All rows of each table, in an order of their own."""
    with database.snapshot() as tx:
        names = tables(tx._driver)
        if on_postgresql():
            whole = [f"ARRAY(SELECT t::text FROM {name} t ORDER BY 1)" for name in names]
            return dict(zip(names, tx._driver.execute("SELECT " + ", ".join(whole)).fetchone(), strict=True))
        return {name: sorted(tx._driver.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in names}


def tick(connection: Any) -> Any:
    """What is another after each commit of somebody else that changes something, and perhaps after others."""
    text = "SELECT pg_snapshot_xmax(pg_current_snapshot())" if on_postgresql() else "PRAGMA data_version"
    return connection.execute(text).fetchone()


def state(connection: Any) -> Any:
    """What is another after each commit of somebody else that changes something."""
    if not on_postgresql():
        return tick(connection)
    sums = [f"(SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} t)" for name in tables(connection)]
    return connection.execute("SELECT " + ", ".join(sums)).fetchone()


def _keep(connection: Any) -> str:
    """Remember every row and sequence beside the tables: to make another database takes several times as long."""
    kept = [f"CREATE TABLE IF NOT EXISTS kept.{name} AS TABLE public.{name}" for name in tables(connection)]
    counted = f"CREATE TABLE IF NOT EXISTS kept.counted AS {COUNTED}"
    return "; ".join(["SET client_min_messages = error", "CREATE SCHEMA IF NOT EXISTS kept", *kept, counted])


def _put_back(connection: Any) -> str:
    """Let everything be as it was remembered."""
    back = [f"DELETE FROM public.{name}; INSERT INTO public.{name} TABLE kept.{name}" for name in tables(connection)]
    counted = "SELECT setval(name, coalesce(value, 1), value IS NOT NULL) FROM kept.counted"
    return "; ".join(["BEGIN", "SET LOCAL session_replication_role = replica", *back, counted, "COMMIT"])


def _admin() -> psycopg.Connection:
    return psycopg.connect(f"{os.environ[SERVER]}postgres", autocommit=True)
