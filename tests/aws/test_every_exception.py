"""Every exception that AWS documents for an operation can be had, says what is wrong, and changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.store import SqliteDatabase
from tests import databases
from tests.aws import provocations
from tests.aws.desk import Desk, codes
from tests.aws.furnished import RIGHT, Furnished, nobody_waits_for_the_disk
from tests.aws.provocations import NOT_PROVOKED, SPECIFIC, SUFFIX, UNPROVOKED
from tests.registry.ground import HOME

PAIRS = provocations.every_pair()
REFUSALS = [pair for pair in PAIRS if pair[1] != "ServerException" and pair not in UNPROVOKED]
# An upload that can come to nothing any more is over, and its bytes go: all else stays.
ENDS_ITS_UPLOAD = {"CompleteLayerUpload.InvalidLayer", "CompleteLayerUpload.LayerAlreadyExists"}
OF_UPLOADS = {"uploads", "upload_parts", "objects"}


@pytest.fixture(scope="module")
def furnished(tmp_path_factory):
    with nobody_waits_for_the_disk():
        made = Furnished(tmp_path_factory.mktemp("furnished"))
        yield made
        made.close()


@pytest.fixture
def copy(furnished, tmp_path):
    """Makes a copy of the furnished registry, perhaps with other limits; its desk."""
    made = []

    def make(**limits):
        made.append(furnished.copy(tmp_path, **limits))
        return made[-1]

    yield make
    for desk in made:
        databases.forget(desk.on.database)


@pytest.mark.parametrize(("name", "code"), REFUSALS, ids=map(".".join, REFUSALS))
def test_a_documented_refusal_can_be_had_and_changes_nothing(copy, monkeypatch, name, code):
    wanted = provocations.provocation(name, code)
    assert wanted is not None, "say what provokes it, or why nothing does"
    desk = copy(**wanted.limits)
    for earlier, request in wanted.before:
        assert desk.ask(earlier, request).status == 200
    if wanted.patch is not None:
        monkeypatch.setattr(*wanted.patch)
    before = desk.dump()

    answer = desk.ask(name, RIGHT[name] | wanted.members, wanted.region or HOME.region)

    assert (answer.status, answer.code) == (400, code), answer
    assert answer.document["message"].strip()
    now = desk.dump()
    changed = {table for table in now if now[table] != before[table]}
    assert changed == (OF_UPLOADS if f"{name}.{code.removesuffix(SUFFIX)}" in ENDS_ITS_UPLOAD else set())


@pytest.mark.parametrize("name", [name for name, code in PAIRS if code == "ServerException"])
def test_a_fault_of_the_server_is_told_without_its_internals(copy, tmp_path, monkeypatch, name):
    whole = copy()
    before = whole.dump()
    desk = Desk(replace(whole.on, database=SqliteDatabase(tmp_path / "gone" / "holdfast.db")), whole.tokens)
    if name == "GetAuthorizationToken":  # which asks no database
        monkeypatch.setattr(desk.tokens, "_keys", None)

    answer = desk.ask(name, RIGHT[name])

    assert (answer.status, answer.code) == (500, "ServerException"), answer
    assert answer.document.keys() == {"__type", "message"}
    assert answer.document["message"].startswith("The registry failed to answer. Its log has the request id ")
    assert not any(word in answer.document["message"] for word in (str(tmp_path), "sqlite", "Error", "None"))
    assert whole.dump() == before


@pytest.mark.parametrize("name", sorted(RIGHT))
def test_the_request_that_each_provocation_begins_with_is_right(copy, name):
    answer = copy().ask(name, RIGHT[name])

    assert answer.status == 200, answer


def test_every_operation_can_fail():
    assert [name for name in RIGHT if "ServerException" not in codes(name)] == []


def test_what_is_not_provoked_is_documented_and_has_one_reason():
    assert [pair for pair in UNPROVOKED if pair not in PAIRS] == []
    assert sorted(UNPROVOKED) == sorted(set(UNPROVOKED))
    assert all(reason.endswith(".") for _, _, reason in NOT_PROVOKED)


def test_nothing_is_both_provoked_and_said_to_be_impossible():
    specific = {tuple(f"{name}{SUFFIX}".split(".")) for name in SPECIFIC}

    assert specific & set(UNPROVOKED) == set()
    assert specific - set(PAIRS) == set()
    assert {f"{name}{SUFFIX}" for name in ENDS_ITS_UPLOAD} <= {".".join(pair) for pair in PAIRS}


def test_what_takes_no_wrong_member_has_none_that_could_be_wrong():
    takes_none = [name for name, code in UNPROVOKED if code == "InvalidParameterException"]

    assert [name for name in takes_none if provocations.broken(name) is not None] == []
