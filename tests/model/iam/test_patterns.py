"""Wildcards and policy variables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model.iam.patterns import Variable, keys_of, matches, template, tokenize

CONTEXT = {"aws:username": "alice", "aws:tagkeys": ("a", "b"), "aws:principaltag/team": "a*?b", "aws:userid": ""}


def describes(pattern, text, *, wildcards=True):
    return template(tokenize(pattern, wildcards=wildcards, variables=True))(text, CONTEXT)


@pytest.mark.parametrize(
    ("pattern", "text", "is_match"),
    [
        ("", "", True),
        ("*", "", True),
        ("*", "a\nb", True),
        ("?", "", False),
        ("?", "\n", True),
        ("a", "a", True),
        ("a", "ab", False),
        ("a*", "a", True),
        ("*a", "ba", True),
        ("a*c", "abbbc", True),
        ("a*c", "abbb", False),
        ("a*a", "a", False),
        ("*b*", "abc", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("a??", "abc", True),
        ("*?", "", False),
        ("?*?", "a", False),
        ("?*?", "ab", True),
        ("*a?c*", "xxabcyy", True),
        ("*a?c*", "xxabbc", False),
        ("**a**", "bab", True),
        ("a*b*c", "abcbc", True),
        ("ab*bc", "abc", False),
        ("[a]", "a", False),
        (".*", "aa", False),
        ("(a+)+$", "(a+)+$", True),
        ("a*", "A", False),
        ("*/api", "team/sub/api", True),
    ],
)
def test_a_pattern_describes_the_whole_of_a_text(pattern, text, is_match):
    assert matches(pattern, text) is is_match


def _plainly(pattern, text):
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_plainly(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in {"?", text[0]} and _plainly(pattern[1:], text[1:])


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_patterns_mean_what_they_mean_by_definition(pattern, text):
    assert matches(pattern, text) is _plainly(pattern, text)


@pytest.mark.parametrize("pattern", ["*a" * 5_000 + "b", "*a?" * 5_000 + "b", "?*" * 5_000 + "b", "*" * 100_000 + "b"])
def test_patterns_that_blow_up_other_matchers_are_read_to_the_end(pattern):
    assert not matches(pattern, "a" * 20_000)


@pytest.mark.parametrize(
    ("pattern", "text", "is_match"),
    [
        ("${aws:username}", "alice", True),
        ("${AWS:UserName}", "alice", True),
        ("x/${aws:username}/*", "x/alice/y", True),
        ("x/${aws:username}/*", "x/bob/y", False),
        ("${aws:username}${aws:username}", "alicealice", True),
        ("${aws:absent}", "", False),
        ("*${aws:absent}", "anything", False),
        ("${aws:absent, 'shared'}", "shared", True),
        ("${aws:absent,'shared'}", "shared", True),
        ("${aws:absent ,  'two words' }", "two words", True),
        ("${aws:absent, ''}", "", True),
        ("${aws:username, 'shared'}", "alice", True),
        ("${aws:username, 'shared'}", "shared", False),
        ("${aws:tagkeys}", "a", False),
        ("${aws:tagkeys, 'a'}", "a", False),
        ("${aws:userid}", "", True),
        ("${aws:PrincipalTag/team}", "a*?b", True),
        ("${aws:PrincipalTag/team}", "axxb", False),
        ("${aws:PrincipalTag/team}*", "a*?bc", True),
        ("?${aws:username}", "xalice", True),
        ("?${aws:absent}", "x", False),
        ("a${*}", "a*", True),
        ("a${*}", "abc", False),
        ("a${?}", "a?", True),
        ("a${?}", "ab", False),
        ("${$}{aws:username}", "${aws:username}", True),
        ("${*}*", "*abc", True),
        ("${aws:username", "${aws:username", True),
        ("${}", "${}", True),
        ("$aws:username", "$aws:username", True),
        ("${aws:user{name}}", "${aws:user{name}}", True),
        ("${aws:absent, shared}", "${aws:absent, shared}", True),
    ],
)
def test_a_variable_stands_for_what_the_request_has(pattern, text, is_match):
    assert describes(pattern, text) is is_match


def test_what_a_variable_stands_for_is_plain_text():
    found = tokenize("${aws:PrincipalTag/team}", wildcards=True, variables=True)

    assert found == (Variable("aws:principaltag/team"),)
    assert keys_of(found) == {"aws:principaltag/team"}


def test_without_wildcards_a_star_is_a_star():
    assert describes("a*", "a*", wildcards=False)
    assert not describes("a*", "ab", wildcards=False)


def test_without_variables_a_dollar_is_a_dollar_and_the_rest_may_be_wildcards():
    assert tokenize("${a:b}", wildcards=True, variables=False) == ("${a:b}",)
    assert matches("${*}", "${anything}")


@given(st.text("${}*?,' a:", max_size=12))
def test_any_text_is_a_pattern(text):
    assert describes(text, "a") in {True, False}
