"""A registry that answers as Amazon ECR does, or not quite."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from holdfast.outbound import AwsEcr, EcrLogin, EcrRefused
from holdfast.outbound.distribution import Wire
from holdfast.outbound.ecr_images import EcrImages
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


class Logins:
    """An ECR that gives logins for some address."""

    def __init__(self, url):
        self.url, self.count = url, 0

    def login(self):
        self.count += 1
        return EcrLogin(self.url, "AWS", "password", datetime(2030, 1, 1, tzinfo=UTC))


def test_a_login_is_renewed_while_somebody_follows(monkeypatch):
    ecr = Logins("https://registry.example")
    images = EcrImages(ecr, Wire(()), None)

    for _ in range(2):
        images.log_in()
    assert ecr.count == 1
    monkeypatch.setattr("holdfast.outbound.ecr_images.LOGIN_SECONDS", -1.0)
    images = EcrImages(ecr, Wire(()), None)
    for _ in range(2):
        images.log_in()

    assert ecr.count == 3


@pytest.mark.parametrize(
    "url", ["", "registry.example", "https://me:secret@registry.example", "https://[", "https://a b"]
)
def test_a_login_for_what_is_no_registry_is_refused(url):
    with pytest.raises(EcrRefused, match="is no registry"):
        EcrImages(Logins(url), Wire(()), None).log_in()
