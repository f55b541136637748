"""ARNs by segments."""

import pytest

from holdfast.model.iam.arns import account_of, arn_test, resource_tokens, split
from holdfast.model.iam.patterns import tokenize
from tests.model.iam.builders import HOME, OTHER, REPOSITORY

CONTEXT = {"aws:username": "alice", "aws:sourcearn": REPOSITORY, "aws:principalaccount": HOME}


def is_resource(pattern, arn, *, variables=True):
    return arn_test(resource_tokens(pattern, variables=variables))(arn, CONTEXT)


def is_like(pattern, arn):
    return arn_test(tokenize(pattern, wildcards=True, variables=True))(arn, CONTEXT)


BOTH = [
    (REPOSITORY, REPOSITORY, True),
    (REPOSITORY, REPOSITORY + "x", False),
    (REPOSITORY, REPOSITORY.upper(), False),
    (f"arn:aws:ecr:us-east-1:{HOME}:repository/*", REPOSITORY, True),
    (f"arn:aws:ecr:us-east-1:{HOME}:*", REPOSITORY, True),
    (f"arn:aws:ecr:*:{HOME}:repository/app/*", REPOSITORY, True),
    (f"arn:aws:ecr:us-*:{HOME}:repository/app/*", REPOSITORY, True),
    (f"arn:aws:ecr:us-*-2:{HOME}:repository/app/*", REPOSITORY, False),
    (f"arn:aws:ecr:us-east-?:{HOME}:repository/app/*", REPOSITORY, True),
    (f"arn:*:ecr:*:{HOME}:repository/app/api", REPOSITORY, True),
    (f"arn:aws:e*r:*:{HOME}:repository/app/api", REPOSITORY, True),
    (f"arn:aws:e*x:*:{HOME}:repository/app/api", REPOSITORY, False),
    ("arn:aws:ecr:*:1111????3333:repository/app/api", REPOSITORY, True),
    (f"arn:aws:ecr:*:{OTHER}:repository/app/api", REPOSITORY, False),
    ("arn:aws:ecr:*:*:repository/*/api", REPOSITORY, True),
    ("arn:aws:ecr:*:*:repository/app", REPOSITORY, False),
    ("*:*:*:*:*:*", REPOSITORY, True),
    ("arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket/a:b:c", True),
    ("arn:aws:s3:::bucket/a:*", "arn:aws:s3:::bucket/a:b:c", True),
    ("arn:aws:iam::*:role/x", f"arn:aws:iam::{HOME}:role/x", True),
    ("arn:aws:ecr:*:repository/app/api", REPOSITORY, False),  # no wildcard takes a colon
    (f"arn:*:{HOME}:repository/app/api", REPOSITORY, False),
    (REPOSITORY, "not an ARN", False),
    ("arn:aws:ecr:*:*:*", "arn:aws:ecr:us-east-1:1", False),
    ("arn:aws:ecr:*:*:repository/${aws:username}", f"arn:aws:ecr:x:{HOME}:repository/alice", True),
    ("arn:aws:ecr:*:*:repository/${aws:username}", f"arn:aws:ecr:x:{HOME}:repository/bob", False),
    ("arn:aws:ecr:*:*:repository/${aws:absent}", f"arn:aws:ecr:x:{HOME}:repository/", False),
    ("arn:aws:ecr:*:*:repository/${aws:absent, 'x'}", f"arn:aws:ecr:x:{HOME}:repository/x", True),
    (f"arn:aws:ecr:x:{HOME}:repository/${{aws:username}}/?", f"arn:aws:ecr:x:{HOME}:repository/alice/1", True),
]


@pytest.mark.parametrize(("pattern", "arn", "is_match"), BOTH)
def test_segments_are_compared_one_by_one(pattern, arn, is_match):
    assert is_resource(pattern, arn) is is_match
    assert is_like(pattern, arn) is is_match


@pytest.mark.parametrize(
    ("pattern", "is_match"),
    [("arn:aws:ecr", True), ("arn:aws:ecr:*", True), ("arn:aws:s3", False), ("arn:aws:e?r", True)],
)
def test_an_incomplete_resource_is_completed_and_an_incomplete_value_is_not(pattern, is_match):
    assert is_resource(pattern, REPOSITORY) is is_match
    assert not is_like(pattern, REPOSITORY)


def test_a_resource_has_variables_in_its_last_segment_only():
    arn = f"arn:aws:ecr:alice:{HOME}:repository/x"
    pattern = arn.replace("alice", "${aws:username}")

    assert not is_resource(pattern, arn)
    assert is_like(pattern, arn)


def test_an_older_resource_has_no_variables():
    pattern = "arn:aws:ecr:*:*:repository/${aws:username}"

    assert not is_resource(pattern, f"arn:aws:ecr:x:{HOME}:repository/alice", variables=False)
    assert is_resource(pattern, f"arn:aws:ecr:x:{HOME}:repository/${{aws:username}}", variables=False)


@pytest.mark.parametrize(
    ("pattern", "is_match"),
    [("${aws:SourceArn}", True), ("${aws:absent}", False), ("arn:aws:ecr:us-east-1:${aws:PrincipalAccount}:*", True)],
)
def test_a_variable_may_stand_for_a_whole_arn(pattern, is_match):
    assert is_like(pattern, REPOSITORY) is is_match


def test_an_arn_has_six_segments():
    assert split("arn:aws:iam::111122223333:role/a:b") == ("arn", "aws", "iam", "", HOME, "role/a:b")
    assert split("arn:aws:iam") is None
    assert account_of(REPOSITORY) == HOME
    assert account_of("an inline policy") is None
