"""A PostgreSQL for whoever is about it, whatever database the suite runs on."""

from __future__ import annotations

import pytest

from tests.postgres import Postgres


@pytest.fixture(scope="module")
def postgres():
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
def url(postgres):
    return postgres.url(postgres.create())
