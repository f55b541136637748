"""Bring a database to the schema of this program, or say why not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from holdfast.store.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from holdfast.store.database import Database

# Each is named after its revision, and follows the one before; Alembic, which takes a tenth of the time of a start to
# load, is needed only where one is to be run.
SCHEMAS = sorted(path.stem for path in Path(__file__).parent.glob("versions/[0-9]*.py"))


class SchemaTooNew(Exception):
    """The database was migrated by a newer program."""


class NotEmpty(Exception):
    """The database has a schema already."""


def migrate(database: Database) -> list[str]:
    """Run every migration that the database lacks; the names of those that ran.

    Several programs may start at once: the write lock lets one migrate, and the others find it done.
    Raises `SchemaTooNew`.
    """
    with database.migration() as tx:
        current = _current(tx)
        missing = SCHEMAS[SCHEMAS.index(current) + 1 :] if current else SCHEMAS
        if missing:
            _upgrade(tx, "head")
        return missing


def fill(database: Database, schema: str, load: Callable[[Connection], object]) -> None:
    """Give an empty database a schema, let it be filled, and bring it up to date: all of it happens, or nothing.

    Raises `SchemaTooNew` and `NotEmpty`.
    """
    if schema not in SCHEMAS:
        raise SchemaTooNew(f"The schema '{schema}' is that of a newer Holdfast: use that version or a later one")
    with database.migration() as tx:
        if _current(tx):
            raise NotEmpty
        _upgrade(tx, schema)
        load(tx)
        _upgrade(tx, "head")


def head() -> str:
    """The schema of this program."""
    return SCHEMAS[-1]


def is_empty(database: Database) -> bool:
    """Whether a database has no schema yet."""
    with database.migration() as tx:
        return _current(tx) is None


def is_current(database: Database) -> bool:
    """Whether the database has this program's schema, and not that of an older one. Raises `SchemaTooNew`."""
    with database.migration() as tx:
        return _current(tx) == head()


def _current(tx: Connection) -> str | None:
    """The schema that a database has, as Alembic writes it down. Raises `SchemaTooNew`."""
    if not sa.inspect(tx).has_table("alembic_version"):
        return None
    schema: str | None = tx.scalar(sa.text("SELECT version_num FROM alembic_version"))
    if schema is not None and schema not in SCHEMAS:
        raise SchemaTooNew(
            f"The database has the schema '{schema}', which this program does not know: it was used by a newer "
            "Holdfast. Start that version or a later one; nothing was changed."
        )
    return schema


def _upgrade(tx: Connection, schema: str) -> None:
    import alembic.command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes |= {"connection": tx, "target_metadata": metadata}
    alembic.command.upgrade(config, schema)
