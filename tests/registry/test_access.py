"""Decisions over what the store has: what they depend on, what is remembered of them, and that it stays small."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast import registry, store
from holdfast.http import Request
from holdfast.model.errors import AccessDenied
from holdfast.model.names import RepositoryRef
from holdfast.registry import access, parties
from holdfast.registry.access import Access
from tests.aws.furnished import nobody_waits_for_the_disk
from tests.grants import allow, deny, grant, policy
from tests.registry.any_policy import (
    ACTIONS,
    FACTS,
    OF_RESOURCES,
    PLACES,
    REQUESTS,
    WHERE,
    People,
    policies_at,
    statements,
)  # fmt: skip
from tests.registry.ground import AT, HOME, Clock, open_ground, work_off

PULL = "ecr:BatchGetImage"


def a_request(peer="10.1.2.3", is_secure=False, **headers):
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Request("GET", "/", "", named, peer=peer, is_secure=is_secure)


@pytest.fixture
def people(on):
    return People(on)


def asked(on, caller, request=None, facts=None, at=AT):
    return on.access.decide(on, caller, PULL, at, request or a_request(), facts or {})


# ---- What differs from one request to the next


@pytest.mark.parametrize(
    ("condition", "met", "unmet"),
    [
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {}, {"peer": "192.0.2.1"}),
        ({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"peer": "192.0.2.1"}, {"peer": "::ffff:10.0.0.1"}),
        ({"Bool": {"aws:SecureTransport": "true"}}, {"is_secure": True}, {}),
        ({"StringLike": {"aws:UserAgent": "docker/*"}}, {"user_agent": "docker/28"}, {"user_agent": "podman"}),
        ({"Null": {"aws:Referer": "true"}}, {}, {"referer": "x"}),
        ({"StringEquals": {"aws:UserAgent": "${aws:Referer}"}}, {"user_agent": "x", "referer": "x"},
         {"user_agent": "x"}),
        ({"StringLike": {"ecr:ImageTag": "dev-*"}}, {"facts": {"ecr:imagetag": "dev-1"}}, {"facts": {}}),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": "a"}}, {"facts": {"aws:tagkeys": ("a",)}},
         {"facts": {"aws:tagkeys": ("a", "b")}}),
        ({"StringEquals": {"aws:RequestTag/a": "1"}}, {"facts": {"aws:requesttag/a": "1"}},
         {"facts": {"aws:requesttag/a": ("1", "2")}}),
        ({"DateLessThan": {"aws:CurrentTime": "2030-01-01T12:00:00Z"}}, {"hour": 11}, {"hour": 12}),
        ({"NumericLessThan": {"aws:EpochTime": "1893499200"}}, {"hour": 11}, {"hour": 12}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_repositorys", [True, False])
def test_a_decision_is_not_taken_for_one_in_other_circumstances(
    on, clock, people, condition, met, unmet, is_repositorys
):
    if is_repositorys:
        people.say("repository", [{"Effect": "Allow", "Principal": "*", "Action": PULL, "Condition": condition}])
    else:
        people.say("alice", [allow(PULL, Condition=condition)])

    def decided(facts=None, hour=0, **circumstances):
        clock.now = datetime(2030, 1, 1, hour, tzinfo=UTC)
        return asked(on, people.callers["alice"], a_request(**circumstances), facts).is_allowed

    circumstances = [met, unmet, met, met, unmet, unmet, met]
    assert [decided(**one) for one in circumstances] == [one is met for one in circumstances]


def test_an_action_has_its_own_decision_and_so_have_a_caller_and_a_resource(on, people):
    people.say("alice", [allow(PULL, AT.arn)])
    alice, other = people.callers["alice"], people.callers["run"]
    put = (on, alice, "ecr:PutImage", AT, a_request(), {})

    for _ in range(2):
        assert asked(on, alice).is_allowed
        assert not on.access.decide(*put).is_allowed
        assert not asked(on, other).is_allowed
        assert not asked(on, alice, at=RepositoryRef(HOME, "red/app")).is_allowed


# ---- What is remembered


def test_what_is_remembered_takes_no_more_than_a_look_whether_anything_was_changed(on, people, monkeypatch):
    people.say("alice", [allow(PULL, Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})])
    first = asked(on, people.callers["alice"]), asked(on, people.callers["nobody"])
    monkeypatch.setattr(type(on.database), "snapshot", None)
    monkeypatch.setattr(access.iam, "evaluate", None)

    again = asked(on, people.callers["alice"]), asked(on, people.callers["nobody"])

    assert [one.outcome for one in again] == [one.outcome for one in first] == ["allow", "implicit_deny"]


def test_a_refusal_that_is_remembered_tells_of_the_request_at_hand(on, clock, people):
    requests = [a_request(peer, user_agent=agent) for peer, agent in (("10.1.2.3", "one"), ("192.0.2.1", "two"))]
    for request in requests:
        with pytest.raises(AccessDenied):
            access.require(on, people.callers["alice"], PULL, AT, request)
        clock.pass_(hours=1)

    registry.refusals.record(on)

    told = [registry.refusals.get(on, request.id).explanation["context"] for request in requests]
    keys = ("aws:sourceip", "aws:useragent", "aws:currenttime", "aws:username")
    assert [tuple(one[key] for key in keys) for one in told] == [
        ("10.1.2.3", "one", "2030-01-01T00:00:00Z", "alice"),
        ("192.0.2.1", "two", "2030-01-01T01:00:00Z", "alice"),
    ]


def test_who_is_refused_without_end_leaves_room_for_the_refusals_of_others(on, clock, people, monkeypatch):
    """And for what else is on the disk."""
    monkeypatch.setattr(registry.refusals, "MOST_OF_ONE", 3)
    on = replace(on, limits=replace(on.limits, refusals=5))
    another = replace(people.callers["alice"], account_id="999999999999", entity_id=None, kind="root", own_arn="")
    known = []

    for caller in [*[people.callers["alice"]] * 20, another]:
        request = a_request()
        with pytest.raises(AccessDenied):
            access.require(on, caller, PULL, AT, request)
        known.append(request.id)
    registry.refusals.record(on)
    of_the_first_minute = [is_explained(on, one) for one in known]
    for _ in range(2):
        clock.pass_(minutes=1)
        for _ in range(3):
            known.append((request := a_request()).id)
            with pytest.raises(AccessDenied):
                access.require(on, people.callers["alice"], PULL, AT, request)
    registry.refusals.record(on)
    work_off(on)

    assert of_the_first_minute == [*[True] * 3, *[False] * 17, True]
    assert [is_explained(on, one) for one in known[-3:]] == [True] * 3
    assert sum(is_explained(on, one) for one in known[-6:]) == 5  # which of those of one moment goes is all the same
    assert sum(is_explained(on, one) for one in known) == 5


def is_explained(on, request_id):
    try:
        return bool(registry.refusals.get(on, request_id))
    except registry.refusals.NoSuchRefusal:
        return False


def test_a_change_by_another_process_holds_at_once(on, people):
    other = replace(on, access=Access())
    people.say("alice", [allow(PULL)])
    before = asked(on, people.callers["alice"]), asked(other, people.callers["alice"])

    people.say("alice", [deny(PULL)])

    assert [one.is_allowed for one in before] == [True, True]
    assert [asked(one, people.callers["alice"]).outcome for one in (on, other)] == ["explicit_deny"] * 2


def test_a_change_in_another_account_empties_nothing(on, people, monkeypatch):
    people.say("repository", [grant("*", PULL)])
    callers = people.callers["alice"], people.callers["bob"]
    before = [asked(on, caller).is_allowed for caller in callers]
    registry.iam.users.create(on, "444455556666", "carol")

    with monkeypatch.context() as without:
        without.setattr(type(on.database), "snapshot", None)
        assert [before, asked(on, callers[0]).is_allowed] == [[True, True], True]
    assert asked(on, callers[1]).is_allowed  # his own account was changed: all is read again


@pytest.mark.parametrize("whose", ["the caller's account", "the owner's account", "all accounts"])
def test_across_accounts_a_change_of_either_side_holds_at_once(on, people, whose):
    other, bob = replace(on, access=Access()), people.callers["bob"]
    people.say("repository", [grant("*", PULL)])
    before = asked(on, bob), asked(other, bob)

    match whose:
        case "the caller's account":
            registry.iam.attachments.put_inline(on, "user", bob.account_id, "bob", "own", policy(deny(PULL)))
        case "the owner's account":
            people.say("repository", [{**grant("*", PULL), "Effect": "Deny"}])
        case "all accounts":
            registry.guardrails.put(on, "all", "no-pulls", policy(deny(PULL)))

    assert [one.is_allowed for one in before] == [True, True]
    assert [asked(one, bob).outcome for one in (on, other)] == ["explicit_deny"] * 2


def test_a_session_is_worth_nothing_when_its_row_is_gone(on, people):
    for name in ("ci", "alice"):
        people.say(name, [allow("*")])
    callers = [people.callers[name] for name in ("run", "alice for a while", "guest")]
    before = [asked(on, caller).is_allowed for caller in callers]

    with on.database.transaction() as tx:
        store.iam_sessions.forget(tx, datetime(2040, 1, 1, tzinfo=UTC), 100)
        store.counters.bump_access(tx, HOME.account_id)

    assert before == [True, True, True]
    assert [asked(on, caller).is_allowed for caller in callers] == [False, False, False]


# ---- What clients choose does not grow


def remembered(on):
    memories = on.access._memories.values()
    decisions = sum(len(one.by_values) for memory in memories for one in memory.decisions.values())
    counts = [(len(memory.callers), len(memory.places), len(memory.decisions)) for memory in memories]
    return *map(sum, zip(*counts, strict=True)), decisions


@pytest.mark.parametrize("key", ["aws:UserAgent", "aws:CurrentTime", "aws:SourceIp"])
def test_whatever_is_asked_for_no_more_is_remembered_than_fits(on, people, monkeypatch, key):
    monkeypatch.setattr(access, "REMEMBERED", 50)
    operator = {"aws:UserAgent": "StringLike", "aws:CurrentTime": "DateGreaterThan", "aws:SourceIp": "IpAddress"}[key]
    value = {"aws:UserAgent": "*", "aws:CurrentTime": "2020-01-01T00:00:00Z", "aws:SourceIp": "0.0.0.0/0"}[key]
    people.say("alice", [allow(PULL, Condition={operator: {key: value}})])
    alice, most = people.callers["alice"], 0

    for number in range(200):
        request = a_request(f"10.0.0.{number}", user_agent=f"agent {number}")
        assert asked(on, alice, request, at=RepositoryRef(HOME, f"any/r{number % 100}")).is_allowed
        most = max(most, sum(remembered(on)))

    assert most <= 3 * 51


def test_a_decision_has_so_many_variants_and_no_long_ones(on, people):
    people.say("alice", [allow(PULL, Condition={"StringLike": {"aws:UserAgent": "*"}})])

    for number in range(2 * access.VARIANTS):
        assert asked(on, people.callers["alice"], a_request(user_agent=f"agent {number}")).is_allowed
    short = remembered(on)
    people.say("alice", [allow(PULL, Condition={"StringLike": {"aws:UserAgent": "*"}})])
    assert asked(on, people.callers["alice"], a_request(user_agent="x" * 60_000)).is_allowed

    assert short == (1, 1, 1, access.VARIANTS)
    assert remembered(on) == (1, 1, 1, 0)


def test_a_remembered_decision_keeps_nothing_of_what_the_client_sent(on, people):
    people.say("alice", [allow(PULL)])

    asked(on, people.callers["alice"], a_request(user_agent="x" * 60_000))

    [memory] = on.access._memories.values()
    [entry] = memory.decisions.values()
    assert [one.request.context for one in entry.by_values.values()] == [{}]


def test_policies_that_are_gone_are_not_kept_ready_for_ever(on, people, monkeypatch):
    monkeypatch.setattr(parties, "COMPILED_CHARACTERS", 10_000)

    for number in range(100):
        people.say("alice", [allow(PULL, *(f"arn:aws:ecr:*:*:repository/{number}/{n}" for n in range(20)))])
        asked(on, people.callers["alice"])

    assert sum(len(text) for _, text in on.access._parties._compiled) < 12_000


# ---- A law


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """People of a ground whose policies anybody may change."""
    with nobody_waits_for_the_disk():
        on = open_ground(tmp_path_factory.mktemp("law"), Clock())
        yield People(on)
        on.database.close()


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), is_bound=st.booleans(), action=st.sampled_from(ACTIONS), at=st.sampled_from(PLACES),
       request=REQUESTS, facts=FACTS, public=st.booleans())  # fmt: skip
def test_one_more_deny_anywhere_lets_nobody_in(crowd, data, is_bound, action, at, request, facts, public):
    said = {place: data.draw(policies_at(place)) for place in WHERE}
    for place, listed in said.items():
        crowd.say(place, listed)
    crowd.bound(is_bound=is_bound)
    on = replace(crowd.on, public_repositories=public)
    question = (action, at, request, facts)
    before = {name: on.access.decide(on, caller, *question).outcome for name, caller in crowd.callers.items()}

    place = data.draw(st.sampled_from(WHERE))
    added = data.draw(statements(effect="Deny", of_resource=place in OF_RESOURCES))
    crowd.say(place, [*said[place], added])
    after = {name: on.access.decide(on, caller, *question).outcome for name, caller in crowd.callers.items()}

    rank = ["explicit_deny", "implicit_deny", "allow"]
    assert all(rank.index(after[name]) <= rank.index(before[name]) for name in before), (before, after)
