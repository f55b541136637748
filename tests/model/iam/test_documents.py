"""The grammar that all policies have in common."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.model import iam
from holdfast.model.errors import InvalidParameter, MalformedPolicyDocument
from holdfast.model.iam import documents
from tests.model.iam.builders import USER, document, statement

SYNTAX = "Syntax errors in policy."


def refusal_of(text):
    try:
        iam.read(text)
    except MalformedPolicyDocument as refusal:
        return refusal.message
    return None


def test_a_document_says_what_its_text_says():
    text = document(
        statement("Deny", ["a:b", "c:*"], Sid="x", Condition={"Bool": {"a:b": [True, 1, 1.50, "z"]}}),
        {
            "Effect": "Allow",
            "NotPrincipal": {"AWS": [USER, "*"], "Service": "s"},
            "NotAction": "x:y",
            "NotResource": [],
        },
    )

    first, second = iam.read(text).statements

    assert (first.sid, first.effect, first.actions.listed, first.resources.listed) == (
        "x",
        "Deny",
        ("a:b", "c:*"),
        ("*",),
    )
    assert first.conditions == (documents.Condition("Bool", (("a:b", ("true", "1", "1.5", "z")),)),)
    assert second.principals == documents.Principals((("AWS", USER), ("AWS", "*"), ("Service", "s")), True)
    assert second.actions == documents.Choice(("x:y",), True)
    assert second.resources == documents.Choice((), True)


def test_one_statement_needs_no_list():
    text = json.dumps({"Version": "2012-10-17", "Id": "i", "Statement": statement()})

    assert iam.read(text) == documents.Document("2012-10-17", "i", iam.read(document(statement())).statements)


@pytest.mark.parametrize(("version", "has"), [("2012-10-17", True), ("2008-10-17", False), (None, False)])
def test_variables_came_with_the_newer_version(version, has):
    assert iam.read(document(statement(), version=version)).has_variables is has


def test_a_number_means_its_own_text():
    text = document(statement(Condition={"NumericEquals": {"a:b": 0}})).replace('"a:b": 0', '"a:b": [1.0, 1e400, 007]')

    assert refusal_of(text) == SYNTAX
    [condition] = iam.read(text.replace("007", "-7")).statements[0].conditions
    assert condition.tests == (("a:b", ("1.0", "1e400", "-7")),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "This is not a json document",
        "null",
        "[]",
        '"Statement"',
        "{}",
        document(statement()) + "x",
        "\ufeff" + document(statement()),
        document(statement()).replace('"*"', "'*'"),
        document(statement(Condition={"Bool": {"a:b": float("nan")}})),
        json.dumps({"Version": "2013-10-17", "Statement": statement()}),
        json.dumps({"Version": 20121017, "Statement": statement()}),
        json.dumps({"Version": ["2012-10-17"], "Statement": statement()}),
        json.dumps({"Version": None, "Statement": statement()}),
        json.dumps({"version": "2012-10-17", "Statement": statement()}),
        json.dumps({"Version": "2012-10-17"}),
        json.dumps({"Id": ["x"], "Statement": statement()}),
        json.dumps({"Id": None, "Statement": statement()}),
        json.dumps({"Statement": []}),
        json.dumps({"Statement": ["afd"]}),
        json.dumps({"Statement": [[statement()]]}),
        json.dumps({"Statement": statement(), "Comment": "why"}),
        '{"Statement":{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}}',
        '{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"a:b":"1","a:b":"2"}}}}',
        '{"Statement":[],' + document(statement())[1:],
        "[" * 100_000,
        '{"Statement":' * 10_000,
        '{"Statement":' + "1" * 5_000 + "}",
        '"' * 131_072,
        '"' + '\\"' * 65_000,
        " " * 131_073,
    ],
)  # fmt: skip
def test_what_is_no_policy_is_refused(text):
    assert refusal_of(text) == SYNTAX


@pytest.mark.parametrize(
    "members",
    [
        {"Effect": None},
        {"Effect": "invalid"},
        {"Effect": ["Allow"]},
        {"effect": "Allow"},
        {"Sid": {}},
        {"Sid": 1},
        {"Comment": "why"},
        {"Action": {}},
        {"Action": [[]]},
        {"Action": 1},
        {"Action": [None]},
        {"NotAction": "a:b"},
        {"NotAction": []},
        {"Resource": {"a": "*"}},
        {"Resource": ["*", {}]},
        {"NotResource": "*"},
        {"Principal": "someone"},
        {"Principal": []},
        {"Principal": {}},
        {"Principal": ["*"]},
        {"Principal": {"AWS": []}},
        {"Principal": {"AWS": [1]}},
        {"Principal": {"aws": "*"}},
        {"Principal": "*", "NotPrincipal": "*"},
        {"Condition": []},
        {"Condition": "a"},
        {"Condition": {"a": "b"}},
        {"Condition": {"Bool": []}},
        {"Condition": {"Bool": {"a:b": {}}}},
        {"Condition": {"Bool": {"a:b": None}}},
        {"Condition": {"Bool": {"a:b": [["x"]]}}},
        {"Condition": [{"Bool": {"a:b": "true"}}]},
    ],
)
def test_a_statement_may_not_say_this(members):
    assert refusal_of(document(statement() | members)) == SYNTAX


def test_white_space_does_not_count_against_a_quota():
    assert iam.size(' {\n\t"Sid": "a b" }\r\n') == len('{"Sid":"ab"}')


# ---- Whatever is read, it is a policy or refused

NAMES = ["Version", "Statement", "Effect", "Action", "NotAction", "Resource", "Principal", "AWS", "Condition",
         "StringEquals", "Null", "IpAddress", "a:b", "Sid", "Id"]  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(
    ["Allow", "Deny", "2012-10-17", "*", "ecr:*", USER, "${aws:username}", "10.0.0.0/8", statement()]
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


def is_accepted_or_refused(text):
    """Whether every kind of policy takes a text, or refuses it in words that a door can write."""
    return all((words_of(text, kind) or "").encode() is not None for kind in iam.Kind)


def words_of(text, kind):
    try:
        iam.parse(text, kind)
    except (MalformedPolicyDocument, InvalidParameter) as refusal:
        return refusal.message
    return None


@given(VALUES)
def test_any_json_is_a_policy_or_refused(value):
    assert is_accepted_or_refused(json.dumps(value))
    assert is_accepted_or_refused(json.dumps({"Version": "2012-10-17", "Statement": value}))


@given(st.sampled_from([name for name in NAMES if name[0].isupper()]), VALUES)
def test_any_element_of_a_statement_is_accepted_or_refused(name, value):
    assert is_accepted_or_refused(document(statement() | {name: value}))


@given(st.text(max_size=40) | st.text('{}[]":,\\ *', max_size=40))
def test_any_text_is_a_policy_or_refused(text):
    assert is_accepted_or_refused(text)


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_policy_is_a_policy_or_refused(data):
    whole = document(statement(Sid="a", Principal={"AWS": USER}, Condition={"Bool": {"aws:x": "true"}}))
    at = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, 5))

    assert is_accepted_or_refused(whole[:at] + data.draw(st.text(max_size=3)) + whole[at + length :])
