"""Names, paths, ids and tags of users and groups."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model import iam_entities
from holdfast.model.errors import InvalidInput, LimitExceeded, Validation
from holdfast.model.iam_entities import Group, User, tagged, tags_of, untagged

NOW = datetime(2030, 1, 1, tzinfo=UTC)
KEYS = st.text(min_size=1, max_size=5).filter(lambda key: not key.lower().startswith("aws:"))


@given(st.binary(min_size=iam_entities.ID_BYTES, max_size=iam_entities.ID_BYTES))
def test_an_id_has_a_prefix_and_seventeen_characters(chance):
    assert re.fullmatch("AIDA[A-Z2-7]{17}", iam_entities.new_id(iam_entities.USER, chance))


@pytest.mark.parametrize(
    ("path", "arn"),
    [
        ("/", "arn:aws:iam::000000000000:{}/a.b"),
        ("/x/", "arn:aws:iam::000000000000:{}/x/a.b"),
        ("/x//y!~/", "arn:aws:iam::000000000000:{}/x//y!~/a.b"),
        (f"/{'x' * 510}/", "arn:aws:iam::000000000000:{}/" + "x" * 510 + "/a.b"),
    ],
)
def test_an_arn_has_the_path_in_it(path, arn):
    assert User("AIDA", "000000000000", "a.b", path, NOW).arn == arn.format("user")
    assert Group("AGPA", "000000000000", "a.b", path, NOW).arn == arn.format("group")


@pytest.mark.parametrize("path", ["", "x", "/x", "x/", "//", "/a b/", "/ä/", "/\x7f/", f"/{'x' * 511}/", "/x/\n"])
def test_what_is_no_path_makes_no_entity(path):
    for kind in (User, Group):
        with pytest.raises(Validation):
            kind("id", "000000000000", "name", path, NOW)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a:b", "ä", "a\n", "*"])
def test_what_is_no_name_makes_no_entity(name):
    for kind in (User, Group):
        with pytest.raises(Validation):
            kind("id", "000000000000", name, "/", NOW)


def test_groups_have_longer_names_than_users():
    User("AIDA", "000000000000", "x" * 64, "/", NOW)
    Group("AGPA", "000000000000", "x" * 128, "/", NOW)

    with pytest.raises(Validation):
        User("AIDA", "000000000000", "x" * 65, "/", NOW)
    with pytest.raises(Validation):
        Group("AGPA", "000000000000", "x" * 129, "/", NOW)


# ---- Tags


def test_a_key_is_given_once_in_whatever_case():
    assert tags_of([("a", "1"), ("b", "")]) == {"a": "1", "b": ""}

    for other in ("a", "A"):
        with pytest.raises(InvalidInput):
            tags_of([("a", "1"), (other, "2")])


@pytest.mark.parametrize("key", ["aws:a", "AWS:", "aWs:createdBy"])
def test_keys_of_aws_are_reserved(key):
    with pytest.raises(InvalidInput):
        tags_of([(key, "")])


def test_a_tag_takes_the_place_of_the_one_with_its_key():
    tags = {"a": "1", "B": "2", "c": "3"}

    assert list(tagged(tags, {"b": "4", "d": "5"}).items()) == [("a", "1"), ("b", "4"), ("c", "3"), ("d", "5")]
    assert tags == {"a": "1", "B": "2", "c": "3"}


def test_fifty_tags_are_enough():
    fifty = {str(number): "" for number in range(50)}

    assert len(tagged(fifty, {"0": "again"})) == 50
    with pytest.raises(LimitExceeded):
        tagged(fifty, {"50": ""})


@given(st.dictionaries(KEYS, st.text(max_size=3), max_size=5), st.lists(KEYS, max_size=5))
def test_tags_that_are_taken_away_are_gone(tags, keys):
    left = untagged(tags, keys)

    assert left == {key: value for key, value in tags.items() if key.lower() not in {gone.lower() for gone in keys}}
