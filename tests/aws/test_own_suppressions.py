"""Findings that do not count, through boto3."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.aws.test_own_deleted import own  # noqa: F401 - a fixture
from tests.callers import refusal

LATER = datetime(2090, 1, 1, tzinfo=UTC)


def test_suppressions_are_put_listed_and_deleted(product, own, name):  # noqa: F811
    product.registry(name)
    wish = {"repositoryName": name, "vulnerabilityId": "CVE-2024-0727", "reason": "not loaded", "expiresAt": LATER}

    first = own.put_finding_suppression(**wish, packageName="openssl", maximumSeverity="MEDIUM")
    second = own.put_finding_suppression(**wish | {"vulnerabilityId": "CVE-2023-5678"})
    pages = own.list_finding_suppressions(repositoryName=name, maxResults=1)
    rest = own.list_finding_suppressions(repositoryName=name, nextToken=pages["nextToken"])
    own.delete_finding_suppression(repositoryName=name, suppressionId=first["suppressionId"])
    again = refusal(own.delete_finding_suppression, repositoryName=name, suppressionId=first["suppressionId"])

    [listed] = pages["suppressions"]
    assert listed == {key: first[key] for key in listed}
    assert (listed["owner"], listed["expiresAt"]) == ("arn:aws:iam::000000000000:root", LATER)
    assert [one["suppressionId"] for one in rest["suppressions"]] == [second["suppressionId"]]
    assert again[0] == "SuppressionNotFoundException"


def test_a_suppression_has_a_reason_and_an_end(product, own, name):  # noqa: F811
    product.registry(name)
    wish = {"repositoryName": name, "vulnerabilityId": "CVE-2024-0727", "reason": "not loaded"}
    past = datetime(2020, 1, 1, tzinfo=UTC)

    assert refusal(own.put_finding_suppression, **wish, expiresAt=past)[0] == "InvalidParameterException"
    assert own.list_finding_suppressions(repositoryName=name)["suppressions"] == []
