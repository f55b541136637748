"""Policies ready to be asked."""

import json

import pytest

from holdfast.model import iam
from holdfast.model.iam import compiled
from tests.model.iam.builders import (
    HOME,
    OTHER,
    PULL,
    REPOSITORY,
    SESSION,
    USER,
    a_request,
    allow,
    decide,
    document,
    grant,
    outcome,
    policy,
    principal_of,
    statement,
)


@pytest.mark.parametrize(
    ("members", "is_about"),
    [
        ({"action": PULL}, True),
        ({"action": PULL.upper()}, True),
        ({"action": ["ecr:PutImage", PULL]}, True),
        ({"action": "*"}, True),
        ({"action": "ecr:*"}, True),
        ({"action": "*:BatchGetImage"}, True),
        ({"action": "ECR:batchget?MAGE"}, True),
        ({"action": "ecr:batchget?"}, False),
        ({"action": "ecr-public:*"}, False),
        ({"action": "ecr:PutImage"}, False),
        ({"action": None, "NotAction": "ecr:PutImage"}, True),
        ({"action": None, "NotAction": ["iam:*", "ECR:batch*"]}, False),
        ({"action": None, "NotAction": "*"}, False),
    ],
)
def test_statements_are_found_by_action(members, is_about):
    found = policy(statement(**members)).about(PULL)

    assert bool(found) is is_about


def test_a_policy_remembers_no_more_actions_than_there_are(monkeypatch):
    monkeypatch.setattr(compiled, "KNOWN_ACTIONS", 2)
    asked = allow("ecr:*")

    for number in range(10):
        assert asked.about(f"ecr:Action{number}")

    assert len(asked._known) == 2


def test_a_policy_tells_which_keys_of_the_context_it_reads():
    asked = policy(
        statement(resource="arn:aws:ecr:*:*:repository/${aws:PrincipalTag/Team, 'x'}/*"),
        statement(resource=None, NotResource=["arn:aws:ecr:*:*:repository/${aws:username}"]),
        statement(
            Condition={"StringLike": {"AWS:RequestTag/A": ["${aws:userid}*"]}, "Null": {"aws:TokenIssueTime": True}}
        ),
        statement(Condition={"NumericLessThan": {"aws:MultiFactorAuthAge": "${aws:none}"}}),
    )

    assert asked.keys_used == {
        "aws:principaltag/team",
        "aws:username",
        "aws:requesttag/a",
        "aws:userid",
        "aws:tokenissuetime",
        "aws:multifactorauthage",
    }


def test_an_older_policy_reads_no_variables():
    text = "arn:aws:ecr:*:*:repository/${aws:username}"

    assert not policy(statement(resource=text), version="2008-10-17").keys_used
    assert not policy(statement(resource=text), version=None).keys_used


@pytest.mark.parametrize("text", ["", "not JSON", "{}", '{"Statement": []}'])
def test_a_stored_policy_that_cannot_be_read_denies_everything(text):
    broken = iam.stored(text, "a damaged policy")

    decision = decide(identity=(allow("*"), broken))

    assert decision.outcome == "explicit_deny"
    assert decision.statements == (iam.MatchedStatement("identity", "a damaged policy", "Unreadable", "Deny"),)
    assert (
        outcome(a_request(action="ecr:GetAuthorizationToken", resource="*"), identity=(allow(), broken))
        == "explicit_deny"
    )
    assert outcome(identity=allow(), resource=broken) == "explicit_deny"


def test_a_stored_policy_is_read_as_it_was_written():
    text = document(statement(action=PULL), version="2008-10-17")

    assert outcome(identity=iam.stored(text, "x")) == "allow"


@pytest.mark.parametrize(
    "members",
    [
        {"Condition": {"Sounds": {"aws:x": "a"}}},
        {"Resource": None},
        {"Action": None},
    ],
)
def test_what_should_have_been_refused_grants_nothing_and_denies(members):
    def identity(effect):
        kept = {name: value for name, value in (statement(effect) | members).items() if value is not None}
        return iam.stored(document(kept), "x")

    assert outcome(identity=identity("Allow")) == "implicit_deny"
    assert outcome(identity=(allow(), identity("Deny"))) == "explicit_deny"


def test_a_policy_of_a_resource_that_names_nobody_grants_nothing():
    assert outcome(resource=allow()) == "implicit_deny"
    assert outcome(identity=allow(), resource=policy(statement("Deny"))) == "explicit_deny"


@pytest.mark.parametrize(
    ("effect", "members", "is_denied"),
    [
        ("Deny", {}, True),
        ("Allow", {}, False),
        ("Deny", {"action": "ecr:PutImage"}, False),
        ("Deny", {"resource": REPOSITORY}, True),
        ("Deny", {"resource": REPOSITORY + "x"}, False),
        ("Deny", {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}, False),
        ("Deny", {"Condition": {}}, True),
    ],
)
def test_who_is_always_denied_is_told(effect, members, is_denied):
    asked = grant(USER, effect=effect, **members)

    assert asked.always_denies(principal_of(USER), PULL, REPOSITORY) is is_denied
    assert not asked.always_denies(principal_of(SESSION), PULL, REPOSITORY)


@pytest.mark.parametrize(
    ("listed", "principal", "is_denied"),
    [
        (USER, USER, False),
        ([USER, HOME], USER, False),
        ([USER.replace("alice", "bob"), HOME], USER, True),
        (HOME, USER, True),
        (HOME, f"arn:aws:iam::{HOME}:root", False),
        (OTHER, f"arn:aws:iam::{HOME}:root", True),
        (f"arn:aws:iam::{HOME}:role/ci", SESSION, False),
        (SESSION, SESSION, False),
        (SESSION.replace("r1", "r2"), SESSION, True),
        ("*", USER, False),
    ],
)
def test_not_principal_spares_whom_it_lists_and_not_the_neighbours_of_its_account(listed, principal, is_denied):
    text = json.dumps(
        {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "NotPrincipal": {"AWS": listed}, "Action": "ecr:*"}}
    )

    asked = iam.stored(text, "x")

    assert asked.always_denies(principal_of(principal), PULL, REPOSITORY) is is_denied
