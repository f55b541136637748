"""A PostgreSQL for whoever is about it, whatever database the suite runs on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.registry.access import Access
from holdfast.store import open_database
from holdfast.store.migrations import migrate
from tests import databases
from tests.postgres import Postgres
from tests.registry import ground


@pytest.fixture(scope="session")
def postgres():
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(scope="session")
def migrated(postgres):
    """The name of a database of this program's schema, to make others of."""
    name = postgres.create()
    database = open_database(postgres.url(name))
    migrate(database)
    database.close()
    return name


@pytest.fixture
def url(postgres, migrated):
    return postgres.url(postgres.create(migrated))


@pytest.fixture
def one(tmp_path, url, monkeypatch):
    """A node in this process."""
    monkeypatch.setattr(databases, "open_fresh", lambda _: open_database(url))
    node = ground.open_ground(tmp_path, ground.Clock())
    yield node
    node.database.close()


@pytest.fixture
def two(one, url):
    """Another node, with memories of its own."""
    node = replace(one, database=open_database(url), access=Access())
    yield node
    node.database.close()
