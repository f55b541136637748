"""What a policy document must say."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model import policies
from holdfast.model.errors import InvalidParameter
from holdfast.model.iam import Principal

ACCOUNT = "111122223333"
ROOT = Principal("root", f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
ARN = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/team/app"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/path/to/role"
GOOD = {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}
REPOSITORY = "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'"
REGISTRY = "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid registry policy provided'"


def document(*statements, **members):
    """A policy of statements, each a good one with some members changed; None leaves one out."""
    merged = [GOOD | statement for statement in statements or ({},)]
    kept = [{key: value for key, value in statement.items() if value is not None} for statement in merged]
    return json.dumps({"Version": "2012-10-17", "Statement": kept} | members)


def accepts(text):
    return refusal_of(policies.parse_repository_policy, text) is None


def refusal_of(parse, *arguments):
    """The words in which a document is refused, if it is."""
    try:
        parse(*arguments)
    except InvalidParameter as refusal:
        return refusal.message
    return None


@pytest.mark.parametrize(
    "text",
    [
        document(),
        json.dumps({"Statement": GOOD}),
        document({}, Version="2008-10-17"),
        document({}, Id="some id"),
        document({"Sid": "a sid, with spaces"}, {"Sid": "another"}, {}, {"Sid": ""}, {"Sid": ""}),
        document({"Effect": "Deny"}),
        "  " + document() + "\n",
    ],
)
def test_a_document_that_is_a_policy_is_one(text):
    assert accepts(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not JSON",
        "null",
        "[]",
        '"Statement"',
        "{}",
        document({}, Version="2015-01-01"),
        document({}, Version=None),
        document({}, Version=["2012-10-17"]),
        document({}, Version=20121017),
        document({}, Id=1),
        document({}, Statement=[]),
        document({}, Statement=None),
        document({}, Statement="all"),
        document({}, Statement=[GOOD, "more"]),
        document({}, statement=[]),
        document({}, Comment="why"),
        document({"Sid": "twice"}, {"Sid": "twice"}),
        document({"Sid": 1}),
        document({"Comment": "why"}),
        '{"Statement":[{"Effect":"Deny","Effect":"Allow","Principal":"*","Action":"ecr:*"}]}',
        '{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Condition":{"Bool":{"a:b":NaN}}}}',
        "[" * 10_000,
        '{"Statement":' * 700,
        '{"Statement":' + "1" * 5_000 + "}",
        document() + "x",
        "\ufeff" + document(),
    ],
)
def test_a_document_that_is_no_policy_is_refused(text):
    assert refusal_of(policies.parse_repository_policy, text) == REPOSITORY


@pytest.mark.parametrize(
    "members",
    [
        {"Action": "*"},
        {"Action": "ecr:*"},
        {"Action": "ECR:batch*"},
        {"Action": "*:*"},
        {"Action": ["ecr:Get?ownloadUrlForLayer", "ecr:PutImage"]},
        {"Action": None, "NotAction": "ecr:DeleteRepository"},
        {"Principal": {"AWS": "*"}},
        {"Principal": {"AWS": ACCOUNT}},
        {"Principal": {"AWS": [f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:user/a.b@c"]}},
        {"Principal": {"AWS": ROLE}},
        {"Principal": {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/role/session"}},
        {"Principal": {"AWS": f"arn:aws-cn:sts::{ACCOUNT}:federated-user/name"}},
        {"Principal": {"Service": "codebuild.amazonaws.com"}},
        {"Principal": {"Service": ["a.amazonaws.com"], "AWS": ACCOUNT, "Federated": "f", "CanonicalUser": "c"}},
        {"Principal": None, "NotPrincipal": {"AWS": ROLE}},
        {"Resource": "*"},
        {"Resource": ["arn:aws:ecr:*:*:repository/*", ARN]},
        {"NotResource": "arn:aws:ecr:us-east-1:1111????3333:repository/${aws:PrincipalTag/team}/*"},
        {"Condition": {}},
        {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}, "Bool": {"aws:SecureTransport": False}}},
        {"Condition": {"ForAnyValue:StringLikeIfExists": {"aws:TagKeys": ["a*", "b"]}}},
        {"Condition": {"NumericLessThanEquals": {"aws:MultiFactorAuthAge": 3600}}},
        {"Condition": {"Null": {"aws:TokenIssueTime": "true"}}},
    ],
)
def test_a_statement_may_say_this(members):
    assert accepts(document(members))


@pytest.mark.parametrize(
    "members",
    [
        {"Effect": None},
        {"Effect": "allow"},
        {"Effect": ["Allow"]},
        {"Principal": None},
        {"NotPrincipal": "*"},
        {"Principal": "someone"},
        {"Principal": []},
        {"Principal": {}},
        {"Principal": {"AWS": []}},
        {"Principal": {"AWS": ""}},
        {"Principal": {"AWS": [1]}},
        {"Principal": {"AWS": "11112222333"}},
        {"Principal": {"AWS": "arn:aws:iam::*:root"}},
        {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:group/admins"}},
        {"Principal": {"AWS": f"arn:aws:ecr::{ACCOUNT}:root"}},
        {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/a*"}},
        {"Principal": {"aws": ACCOUNT}},
        {"Principal": {"Service": None}},
        {"Action": None},
        {"NotAction": "ecr:PutImage"},
        {"Action": []},
        {"Action": ""},
        {"Action": "PutImage"},
        {"Action": "ecr:"},
        {"Action": "ecr:Put:Image"},
        {"Action": "s3:GetObject"},
        {"Action": ["ecr:PutImage", "ecr-public:PutImage"]},
        {"Action": {"ecr": "PutImage"}},
        {"Resource": "*", "NotResource": "*"},
        {"Resource": []},
        {"Resource": "repository/app"},
        {"Resource": "arn:aws:s3:::bucket/*"},
        {"Resource": "arn:aws:ecr:us-east-1"},
        {"Condition": []},
        {"Condition": {"StringEquals": {}}},
        {"Condition": {"StringEquals": "a"}},
        {"Condition": {"StringIs": {"aws:username": "a"}}},
        {"Condition": {"NullIfExists": {"aws:username": "true"}}},
        {"Condition": {"StringEquals": {"username": "a"}}},
        {"Condition": {"StringEquals": {"aws:username": []}}},
        {"Condition": {"StringEquals": {"aws:username": None}}},
        {"Condition": {"StringEquals": {"aws:username": ["a", {"b": 1}]}}},
    ],
)
def test_a_statement_may_not_say_this(members):
    assert refusal_of(policies.parse_repository_policy, document(members)) == REPOSITORY


@pytest.mark.parametrize("resource", [{"Resource": "*"}, {"NotResource": ARN}])
def test_a_policy_of_a_registry_says_of_which_repositories_it_speaks(resource):
    policy = policies.parse_registry_policy(document(resource), "V2")

    assert len(policy.statements) == 1


@pytest.mark.parametrize("text", [document(), "{}", document({"Resource": "*"}, {})])
def test_a_policy_of_a_registry_that_does_not_is_refused(text):
    assert refusal_of(policies.parse_registry_policy, text, "V2") == REGISTRY


@pytest.mark.parametrize(
    ("action", "is_allowed"),
    [
        ("ecr:ReplicateImage", True),
        (["ecr:CreateRepository", "ECR:batchimportupstreamimage"], True),
        ("ecr:Replicate*", False),
        ("ecr:*", False),
        ("*", False),
        (["ecr:ReplicateImage", "ecr:PutImage"], False),
    ],
)
def test_the_older_scope_leaves_three_actions_to_the_policy_of_a_registry(action, is_allowed):
    text = document({"Resource": "*", "Action": action})

    assert refusal_of(policies.parse_registry_policy, text, "V1") == (None if is_allowed else REGISTRY)
    assert refusal_of(policies.parse_registry_policy, text, "V2") is None


def test_the_older_scope_has_no_room_for_everything_but_an_action():
    text = document({"Resource": "*", "Action": None, "NotAction": "ecr:PutImage"})

    assert refusal_of(policies.parse_registry_policy, text, "V1") == REGISTRY


@pytest.mark.parametrize(
    ("members", "is_denied"),
    [
        ({}, True),
        ({"Effect": "Allow"}, False),
        ({"Action": "ecr:Set*Policy"}, True),
        ({"Action": "ECR:setrepositorypolic?"}, True),
        ({"Action": ["ecr:GetRepositoryPolicy", "ecr:PutImage"]}, False),
        ({"Action": None, "NotAction": "ecr:PutImage"}, True),
        ({"Action": None, "NotAction": "ecr:SetRepository*"}, False),
        ({"Principal": {"AWS": ACCOUNT}}, True),
        ({"Principal": {"AWS": f"arn:aws-cn:iam::{ACCOUNT}:root"}}, True),
        ({"Principal": {"AWS": "444455556666"}}, False),
        ({"Principal": {"AWS": ["444455556666", "*"]}}, True),
        ({"Principal": {"Service": "codebuild.amazonaws.com"}}, False),
        ({"Principal": None, "NotPrincipal": {"AWS": "444455556666"}}, True),
        ({"Principal": None, "NotPrincipal": {"AWS": ACCOUNT}}, False),
        ({"Resource": ARN}, True),
        ({"Resource": "arn:aws:ecr:*:*:repository/team/*"}, True),
        ({"Resource": "arn:aws:ecr:*:*:repository/other/*"}, False),
        ({"NotResource": ARN}, False),
        ({"Condition": {"Bool": {"aws:SecureTransport": "false"}}}, False),
        ({"Condition": {}}, True),
    ],
)
def test_who_is_always_denied_what_is_told(members, is_denied):
    deny = {"Effect": "Deny", "Action": "*"}
    policy = policies.parse_repository_policy(document({}, deny | members))

    assert policy.always_denies(ROOT, "ecr:SetRepositoryPolicy", ARN) is is_denied


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([GOOD, "Allow"]),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["Statement", "Effect", "Principal", "Action", "AWS", "Condition", "x"]),
                        inner, max_size=3)))  # fmt: skip
def test_whatever_a_document_is_it_is_a_policy_or_refused(value):
    for text in (json.dumps(value), document({"Condition": value}), document({"Principal": value})):
        accepts(text)
