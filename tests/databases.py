"""The database of a test: SQLite's in a folder of its own, or one of PostgreSQL's on a server for the whole run."""

from __future__ import annotations

import os
import sqlite3
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg

from holdfast.store import SqliteDatabase, open_database
from holdfast.store.migrations import migrate
from tests.postgres import Postgres

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.store import Database

FILE = "holdfast.db"
SERVER = "HOLDFAST_TESTS_ON"  # the variable that says to every process of the run where PostgreSQL is
MIGRATED = "migrated"  # a database of this program's schema, that others are made from

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"


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


def drop(url: str) -> None:
    """Remove a database of PostgreSQL, whoever is connected to it."""
    with _admin() as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")


def open_fresh(folder: Path) -> Database:
    """A database of this program's schema with nothing in it."""
    if on_postgresql():
        return open_database(make())
    database = SqliteDatabase(folder / FILE)
    migrate(database)
    return database


def copied(database: Database, folder: Path) -> Database:
    """Another database with the same rows; nobody may be connected to the first."""
    if on_postgresql():
        database.close()
        return open_database(make(database._url))
    with closing(sqlite3.connect(database._path)) as whole, closing(sqlite3.connect(folder / FILE)) as copy:
        copy.execute("PRAGMA synchronous=OFF")
        whole.backup(copy)
    return SqliteDatabase(folder / FILE)


def restore(database: Database, whole: Database) -> None:
    """Let a copy be again what it was copied from."""
    if on_postgresql():
        whole.close()
        old, database._url = database._url, make(whole._url)
        database.close()
        drop(old)
        return
    with closing(sqlite3.connect(whole._path)) as source, closing(sqlite3.connect(database._path)) as copy:
        copy.execute("PRAGMA synchronous=OFF")
        source.backup(copy)


def again(database: Database) -> Database:
    """The same database, as another process opens it."""
    return open_database(database._url) if on_postgresql() else SqliteDatabase(database._path)


def forget(database: Database) -> None:
    """Close a database that no test needs any more."""
    database.close()
    if on_postgresql():
        drop(database._url)


def look(database: Database) -> Any:
    """A connection past the program; `execute` commits by itself."""
    if on_postgresql():
        return psycopg.connect(database._url, autocommit=True)
    return sqlite3.connect(database._path, isolation_level=None)


def look_of(product) -> Any:
    """The same for a started product."""
    if on_postgresql():
        return psycopg.connect(product.environment["HOLDFAST_DATABASE"], autocommit=True)
    return sqlite3.connect(product.data / FILE, isolation_level=None)


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


def state(connection: Any) -> Any:
    """What is another after each commit of somebody else that changes something."""
    if not on_postgresql():
        return connection.execute("PRAGMA data_version").fetchone()
    sums = [f"(SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} t)" for name in tables(connection)]
    return connection.execute("SELECT " + ", ".join(sums)).fetchone()


def _admin() -> psycopg.Connection:
    return psycopg.connect(f"{os.environ[SERVER]}postgres", autocommit=True)
