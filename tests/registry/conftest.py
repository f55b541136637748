"""A registry in this process for every test here."""

from __future__ import annotations

import pytest

from tests import databases
from tests.registry.ground import Clock, open_ground


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def on(tmp_path, clock):
    backends = open_ground(tmp_path, clock)
    yield backends
    databases.forget(backends.database)
