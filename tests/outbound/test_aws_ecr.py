"""A registry that answers as Amazon ECR does, or not quite."""

from __future__ import annotations

import json

import pytest

from holdfast.outbound import AwsEcr, EcrRefused
from tests.clusters import Fake


class OddEcr(Fake):
    """Answers each operation with some document, or bytes."""

    def __init__(self, answers):
        super().__init__()
        self.answers = answers

    def answer(self, handler, _body):
        said = self.answers.get(handler.headers["x-amz-target"].rpartition(".")[2], {})
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(said if isinstance(said, bytes) else json.dumps(said).encode())


ENDLESS = {"imageDetails": [], "nextToken": "more"}
NAMED = {"repositories": [{"repositoryName": "a", "repositoryArn": "arn"}]}


@pytest.mark.parametrize(
    ("ask", "answers"),
    [
        (lambda ecr: ecr.account_id(), {}),
        (lambda ecr: ecr.account_id(), {"DescribeRegistry": b"<html>"}),
        (lambda ecr: ecr.account_id(), {"DescribeRegistry": b"[]"}),
        (lambda ecr: ecr.login(), {"GetAuthorizationToken": {"authorizationData": []}}),
        (lambda ecr: ecr.login(), {"GetAuthorizationToken": {"authorizationData": [{"authorizationToken": "?"}]}}),
        (lambda ecr: list(ecr.names()), {"DescribeRepositories": {"repositories": [{}]}}),
        (lambda ecr: ecr.repository("a"), {"DescribeRepositories": {"repositories": []}}),
        (lambda ecr: ecr.repository("a"), {"DescribeRepositories": NAMED, "ListTagsForResource": {"tags": [{}]}}),
        (lambda ecr: list(ecr.images("a")), {"DescribeImages": ENDLESS}),
        (lambda ecr: list(ecr.images("a")), {"DescribeImages": {"imageDetails": [{"imageDigest": "latest"}]}}),
        (lambda ecr: list(ecr.images("a")), {"DescribeImages": {"imageDetails": [{"imagePushedAt": "yesterday"}]}}),
    ],
)
def test_what_ecr_would_not_say_is_a_refusal(monkeypatch, ask, answers):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEEXAMPLE22")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr("holdfast.outbound.aws_ecr.PAGES", 3)
    fake = OddEcr(answers)

    with pytest.raises(EcrRefused):
        ask(AwsEcr("us-east-1", fake.url))
    fake.close()
