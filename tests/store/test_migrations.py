"""The steps lead from nothing to exactly the tables of the program, on both databases."""

from __future__ import annotations

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, BigInteger, Boolean, Integer, LargeBinary, String, Text, inspect, text

from holdfast.store import SqliteDatabase, migrations, open_database
from holdfast.store.migrations import SCHEMAS, SchemaTooNew, is_current, migrate
from holdfast.store.tables import metadata

TABLES = {
    "sqlite": "SELECT count(*) FROM sqlite_master",
    "postgresql": "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'",
}

LET_ALL_REFERENCES_WAIT = {
    "sqlite": "PRAGMA defer_foreign_keys = ON",
    "postgresql": "SET LOCAL session_replication_role = replica",
}
VALUES = {Integer: 1, BigInteger: 1, Boolean: True, String: "a", Text: "a", LargeBinary: b"a", JSON: "{}"}


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request):
    return request.param


@pytest.fixture
def opened(kind, tmp_path, request):
    """How to open one database, as several programs do."""
    made = []
    if kind == "postgresql":
        postgres = request.getfixturevalue("postgres")
        url = postgres.url(postgres.create())

    def begin():
        made.append(SqliteDatabase(tmp_path / "holdfast.db") if kind == "sqlite" else open_database(url))
        return made[-1]

    yield begin
    for database in made:
        database.close()


@pytest.fixture
def database(opened):
    return opened()


def test_schemas_follow_each_other_in_the_order_of_their_names():
    config = Config()
    config.set_main_option("script_location", migrations.__path__[0])

    assert [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1] == SCHEMAS


def migrate_to(database, step):
    """Bring a database to the schema of an older program."""
    with database.migration() as tx:
        migrations._upgrade(tx, step)


def count_tables(database, kind):
    with database.migration() as tx:
        return tx.execute(text(TABLES[kind])).scalar_one()


def fill(database, kind):
    """Have a row in each table, of ones and the letter a, so that they refer to each other."""
    with database.migration() as tx:
        tx.execute(text(LET_ALL_REFERENCES_WAIT[kind]))
        inspector = inspect(tx)
        names = {*inspector.get_table_names()} - {"alembic_version"}
        for name in names:
            if tx.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() == 0:
                values = {
                    column["name"]: VALUES[type(column["type"].as_generic())] for column in inspector.get_columns(name)
                }
                places = ", ".join(f":{one}" for one in values)
                tx.execute(text(f"INSERT INTO {name} ({', '.join(values)}) VALUES ({places})"), values)


def test_the_steps_lead_to_the_tables(database):
    migrate(database)

    with database.migration() as tx:
        assert compare_metadata(MigrationContext.configure(tx), metadata) == []
    assert is_current(database)


def test_a_second_run_finds_nothing_to_do(database):
    assert migrate(database) == SCHEMAS
    assert migrate(database) == []


@pytest.mark.parametrize("step", [SCHEMAS[0], SCHEMAS[len(SCHEMAS) // 2], SCHEMAS[-2]])
def test_an_older_schema_is_brought_up_to_date(database, step):
    migrate_to(database, step)

    assert migrate(database) == SCHEMAS[SCHEMAS.index(step) + 1 :]

    with database.migration() as tx:
        assert compare_metadata(MigrationContext.configure(tx), metadata) == []


def test_every_older_schema_with_rows_is_brought_up_to_date_step_by_step(database, kind):
    """A row is in every table as soon as there is the table, and no step loses it or fails for it."""
    for step in SCHEMAS:
        migrate_to(database, step)
        fill(database, kind)

    with database.migration() as tx:
        assert compare_metadata(MigrationContext.configure(tx), metadata) == []
        counts = {name: tx.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in metadata.tables}
    assert counts == dict.fromkeys(counts, 1) | {"counters": 2}  # one of them that of the events' positions


def test_of_programs_that_start_at_once_one_migrates(opened):
    done, databases = [], [opened() for _ in range(3)]
    threads = [threading.Thread(target=lambda one=one: done.append(migrate(one))) for one in databases]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(done, key=len) == [[], [], SCHEMAS]


def test_an_older_program_refuses_a_newer_schema(database):
    migrate(database)
    with database.migration() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999_from_the_future'"))

    with pytest.raises(SchemaTooNew, match="9999_from_the_future"):
        migrate(database)


def test_a_failed_step_changes_nothing(database, kind, monkeypatch):
    import alembic.op

    monkeypatch.setattr(alembic.op, "create_index", lambda *_, **__: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        migrate(database)

    assert count_tables(database, kind) == 0


def test_ids_are_never_given_twice(tmp_path):
    database = SqliteDatabase(tmp_path / "holdfast.db")
    migrate(database)

    with database.migration() as tx:
        tables = tx.execute(text("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'")).scalars().all()

    assert set(tables) == {
        "repositories",
        "blobs",
        "manifests",
        "work",
        "events",
        "event_targets",
        "event_dead_letters",
        "cache_imports",
        "tag_history",
        "gc_runs",
        "package_versions",
        "package_sets",
        "advisories",
        "finding_suppressions",
        "account_secrets",
        "vex_documents",
    }
    database.close()


def test_names_are_sorted_by_their_bytes(postgres):
    database = open_database(postgres.url(postgres.create()))
    migrate(database)

    with database.migration() as tx:
        found = tx.execute(
            text(
                "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
                " AND data_type IN ('text', 'character varying') AND collation_name IS DISTINCT FROM 'C'"
            )
        ).all()

    assert found == []
    database.close()
