"""Bring a database to the schema of this program, or say why not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import alembic.command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from holdfast.store.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from holdfast.store.database import Database


class SchemaTooNew(Exception):
    """The database was migrated by a newer program."""


class NotEmpty(Exception):
    """The database has a schema already."""


def migrate(database: Database) -> list[str]:
    """Run every migration that the database lacks; the names of those that ran.

    Several programs may start at once: the write lock lets one migrate, and the others find it done.
    """
    scripts = ScriptDirectory.from_config(_config())
    with database.migration() as tx:
        current = MigrationContext.configure(tx).get_current_heads()
        known = {script.revision: script for script in scripts.walk_revisions()}
        unknown = [revision for revision in current if revision not in known]
        if unknown:
            raise SchemaTooNew(
                f"The database has the schema '{unknown[0]}', which this program does not know: it was used by a newer "
                "Holdfast. Start that version or a later one; nothing was changed."
            )
        missing = [script.revision for script in scripts.iterate_revisions("head", current or "base")]
        if missing:
            config = _config()
            config.attributes["connection"] = tx
            alembic.command.upgrade(config, "head")
        return missing[::-1]


def fill(database: Database, schema: str, load: Callable[[Connection], object]) -> None:
    """Give an empty database a schema, let it be filled, and bring it up to date: all of it happens, or nothing.

    Raises `SchemaTooNew` and `NotEmpty`.
    """
    scripts = ScriptDirectory.from_config(_config())
    if schema not in {script.revision for script in scripts.walk_revisions()}:
        raise SchemaTooNew(f"The schema '{schema}' is that of a newer Holdfast: use that version or a later one")
    with database.migration() as tx:
        if MigrationContext.configure(tx).get_current_heads():
            raise NotEmpty
        config = _config()
        config.attributes["connection"] = tx
        alembic.command.upgrade(config, schema)
        load(tx)
        alembic.command.upgrade(config, "head")


def head() -> str:
    """The schema of this program."""
    [found] = ScriptDirectory.from_config(_config()).get_heads()
    return found


def is_empty(database: Database) -> bool:
    """Whether a database has no schema yet."""
    with database.migration() as tx:
        return not MigrationContext.configure(tx).get_current_heads()


def is_current(database: Database) -> bool:
    """Whether the database has this program's schema."""
    with database.migration() as tx:
        return set(MigrationContext.configure(tx).get_current_heads()) == set(
            ScriptDirectory.from_config(_config()).get_heads()
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["target_metadata"] = metadata
    return config
