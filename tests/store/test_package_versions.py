"""A version of a package is one row, however often and in whatever spelling images have it."""

import pytest

from holdfast import store
from tests import databases


@pytest.fixture
def database(tmp_path):
    opened = databases.open_fresh(tmp_path)
    yield opened
    databases.forget(opened)


def ensure(database, *packages):
    with database.transaction() as tx:
        return store.package_versions.ensure(tx, packages)


def test_each_version_has_one_number(database):
    first = ensure(database, ("npm", "a", "1.0.0"), ("Debian:12", "a", "1.0.0"), ("npm", "a", "1.0.0"))

    again = ensure(database, ("npm", "b", "1"), ("npm", "a", "1.0.0"), ("Debian:12", "a", "1.0.0"))

    assert first[0] == first[2] != first[1]
    assert again[1:] == first[:2]
    assert again[0] not in first


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("PyPI", "Zope.Interface", "1"), ("PyPI", "zope-interface", "1")),
        (("NuGet", "Newtonsoft.Json", "1"), ("NuGet", "newtonsoft.json", "1")),
        (("Ubuntu:22.04:LTS", "bash", "1"), ("Ubuntu:22.04", "bash", "1")),
        (("Alpine:3.19.4", "zlib", "1-r0"), ("Alpine:v3.19", "zlib", "1-r0")),
    ],
)
def test_spellings_of_one_package_are_one(database, one, other):
    assert ensure(database, one) == ensure(database, other)


def test_what_an_image_says_fits_whatever_it_says(database):
    name = "a\0" + "\ud800" + "\N{SNOWMAN}" * 5000

    assert ensure(database, ("npm", name, name)) == ensure(database, ("npm", name, name))


def test_many_are_found_at_once(database):
    packages = [("npm", f"package{number}", "1.0.0") for number in range(1200)]

    assert len(set(ensure(database, *packages))) == 1200
    assert ensure(database, *packages[::-1]) == ensure(database, *packages)[::-1]


def test_nothing_needs_nothing(database):
    assert ensure(database) == []
