"""Which database a URL names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.store.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from holdfast.store.database import Database


def open_database(url: str) -> Database:
    """The database of a URL `postgresql://…` or `sqlite:///PATH`; nothing is connected yet."""
    if url.startswith("sqlite:///"):
        return SqliteDatabase(Path(url.removeprefix("sqlite:///")))
    from holdfast.store.postgresql import PostgresDatabase  # only where it is the database

    return PostgresDatabase(url)
