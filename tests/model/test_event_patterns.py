"""EventBridge's patterns, case by case (EventBridge user guide, "Comparison operators")."""

from __future__ import annotations

import json

import pytest

from holdfast.model.errors import InvalidParameter
from holdfast.model.event_patterns import compiled

EVENT = {
    "version": "0", "id": "1", "detail-type": "ECR Image Action", "source": "aws.ecr", "account": "000000000000",
    "region": "us-east-1", "resources": ["arn:one", "arn:two"],
    "detail": {
        "result": "SUCCESS", "repository-name": "team/App", "image-tag": "v1.4", "action-type": "PUSH", "count": 3,
        "nothing": None, "yes": True, "finding-severity-counts": {"HIGH": 2},
        "repositories": [{"a": 1}, {"a": 2, "b": 3}],
    },
}  # fmt: skip

MATCHES = [
    {"source": ["aws.ecr"]},
    {"source": ["aws.ec2", "aws.ecr"], "detail-type": ["ECR Image Action"]},
    {
        "source": ["aws.ecr"],
        "detail": {"action-type": ["PUSH"], "image-tag": ["latest", "v1.4"], "result": ["SUCCESS"]},
    },
    {"resources": ["arn:two"]},
    {"resources": [{"suffix": ":one"}]},
    {"detail": {"image-tag": [{"prefix": "v"}]}},
    {"detail": {"image-tag": [{"suffix": ".4"}]}},
    {"detail": {"repository-name": [{"prefix": {"equals-ignore-case": "TEAM/"}}]}},
    {"detail": {"repository-name": [{"suffix": {"equals-ignore-case": "app"}}]}},
    {"detail": {"repository-name": [{"equals-ignore-case": "TEAM/app"}]}},
    {"detail": {"repository-name": [{"wildcard": "te*/A*p"}]}},
    {"detail": {"image-tag": [{"anything-but": "latest"}]}},
    {"detail": {"image-tag": [{"anything-but": ["latest", "dev"]}]}},
    {"detail": {"image-tag": [{"anything-but": {"prefix": "dev-"}}]}},
    {"detail": {"image-tag": [{"anything-but": {"suffix": ["-rc", "-dev"]}}]}},
    {"detail": {"image-tag": [{"anything-but": {"wildcard": "*-rc*"}}]}},
    {"detail": {"count": [{"numeric": [">", 2, "<=", 3]}]}},
    {"detail": {"count": [3.0]}},
    {"detail": {"count": [{"anything-but": [1, 2]}]}},
    {"detail": {"nothing": [None], "yes": [True]}},
    {"detail": {"image-tag": [{"exists": True}], "other": [{"exists": False}]}},
    {"detail": {"finding-severity-counts": {"HIGH": [{"numeric": [">", 0]}]}}},
    {"detail": {"repositories": {"a": [2], "b": [3]}}},
    {"detail": {"$or": [{"image-tag": ["x"]}, {"count": [3]}]}},
    {"$or": [{"source": ["x"]}, {"detail": {"yes": [True]}}], "region": ["us-east-1"]},
]
DOES_NOT_MATCH = [
    {"source": ["aws.ec2"]},
    {"source": ["aws.ecr"], "region": ["eu-west-1"]},
    {"detail": {"image-tag": [{"prefix": "V"}]}},
    {"detail": {"other": ["x"]}},
    {"detail": {"other": [{"anything-but": "x"}]}},
    {"detail": {"image-tag": [{"anything-but": {"prefix": "v"}}]}},
    {"detail": {"image-tag": [{"exists": False}]}},
    {"detail": {"other": [{"exists": True}]}},
    {"detail": {"finding-severity-counts": [{"exists": True}]}},  # it is no leaf
    {"detail": {"count": ["3"]}},
    {"detail": {"yes": [1]}},
    {"detail": {"count": [True]}},
    {"detail": {"count": [{"numeric": ["<", 3]}]}},
    {"detail": {"image-tag": [{"numeric": ["=", 3]}]}},
    {"detail": {"image-tag": {"deeper": ["x"]}}},
    {"detail": {"repositories": {"a": [1], "b": [3]}}},  # of different ones
    {"detail": {"$or": [{"image-tag": ["x"]}, {"count": [4]}]}},
    {"detail": {"repository-name": [{"wildcard": "team"}]}},
]
WRONG = [
    "", "[]", "{}", "3", '{"a": "b"}', '{"a": []}', '{"a": [["b"]]}', '{"a": [{"no-rule": "b"}]}', '{"a": [{}]}',
    '{"a": [{"exists": "yes"}]}', '{"a": [{"numeric": [">"]}]}', '{"a": [{"numeric": [">", "x"]}]}',
    '{"a": [{"prefix": 1}]}', '{"$or": [{"a": ["b"]}]}', '{"a": [{"anything-but": []}]}', '{"a": [{"wildcard": "**"}]}',
    '{"a": [{"prefix": "a", "suffix": "b"}]}', '{"a":' * 40 + "[1]" + "}" * 40, '{"a": ["' + "x" * 5000 + '"]}',
    '{"a": [' + ",".join(["1"] * 301) + "]}", '{"a": [{"numeric": [[], 1]}]}', "[" * 4000,
]  # fmt: skip


@pytest.mark.parametrize("pattern", MATCHES, ids=json.dumps)
def test_a_pattern_matches(pattern):
    assert compiled(json.dumps(pattern))(EVENT)


@pytest.mark.parametrize("pattern", DOES_NOT_MATCH, ids=json.dumps)
def test_a_pattern_does_not_match(pattern):
    assert not compiled(json.dumps(pattern))(EVENT)


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_pattern_is_refused(text):
    with pytest.raises(InvalidParameter, match="Event pattern is not valid"):
        compiled(text)
