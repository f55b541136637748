"""A registry in this process for the tests of a file, and an upstream with a rule for each of them."""

from __future__ import annotations

import pytest

from tests import databases
from tests.caches import Cache, open_cached
from tests.hostile import Hostile


@pytest.fixture(scope="module")
def on(tmp_path_factory):
    backends = open_cached(tmp_path_factory.mktemp("cached"))
    yield backends
    for known in backends.upstreams._known.values():
        known.puller._wire.close()
    databases.forget(backends.database)


@pytest.fixture
def upstream():
    with Hostile() as running:
        yield running


@pytest.fixture
def cache(on, upstream):
    return Cache(on, upstream)
