"""The steps lead from nothing to exactly the tables of the program."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from holdfast.store import SqliteDatabase, migrations
from holdfast.store.migrations import SchemaTooNew, is_current, migrate
from holdfast.store.tables import metadata

STEPS = Path(migrations.__file__).parent / "versions"


@pytest.fixture
def database(tmp_path):
    opened = SqliteDatabase(tmp_path / "holdfast.db")
    yield opened
    opened.close()


def test_the_steps_lead_to_the_tables(database):
    migrate(database)

    with database.migration() as tx:
        assert compare_metadata(MigrationContext.configure(tx), metadata) == []
    assert is_current(database)


def test_a_second_run_finds_nothing_to_do(database):
    assert migrate(database) == sorted(path.stem for path in STEPS.glob("0*.py"))
    assert migrate(database) == []


def test_an_older_program_refuses_a_newer_schema(database):
    migrate(database)
    with database.migration() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999_from_the_future'"))

    with pytest.raises(SchemaTooNew, match="9999_from_the_future"):
        migrate(database)


def test_a_failed_step_changes_nothing(database, monkeypatch):
    import alembic.op

    monkeypatch.setattr(alembic.op, "create_index", lambda *_, **__: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        migrate(database)

    with database.migration() as tx:
        assert tx.execute(text("SELECT count(*) FROM sqlite_master")).scalar_one() == 0


def test_ids_are_never_given_twice(database):
    migrate(database)

    with database.migration() as tx:
        tables = tx.execute(text("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'")).scalars().all()

    assert set(tables) == {"repositories", "blobs", "manifests", "work", "events", "tag_history", "gc_runs"}
