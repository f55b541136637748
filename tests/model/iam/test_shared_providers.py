"""Trust in identity providers that strangers have accounts at, too."""

import pytest

from holdfast.model import iam
from holdfast.model.errors import MalformedPolicyDocument
from tests.model.iam.builders import HOME, document, statement

GITHUB, GITLAB = "token.actions.githubusercontent.com", "gitlab.com"
SUB, WORKFLOW = f"{GITHUB}:sub", f"{GITHUB}:job_workflow_ref"
ACME = {"StringLike": {SUB: "repo:acme/*"}}


def trust(conditions, provider=GITHUB, **members):
    federated = provider if provider.startswith("cognito") else f"arn:aws:iam::{HOME}:oidc-provider/{provider}"
    return statement(action="sts:AssumeRoleWithWebIdentity", resource=None,
                     **{"Principal": {"Federated": federated}, "Condition": conditions} | members)  # fmt: skip


@pytest.mark.parametrize(
    "statements",
    [
        [trust(ACME)],
        [trust({"StringEquals": {SUB: ["repo:acme/api:ref:refs/heads/main", "repo:acme/web:pull_request"]}})],
        [trust({"StringEqualsIgnoreCase": {SUB.upper(): "repo:acme/api:*"}})],
        [trust({"ForAnyValue:StringLike": {SUB: "repo:acme/api:*"}})],
        [trust({"StringLike": {WORKFLOW: "acme/flows/.github/workflows/deploy.yml@*"}})],
        [trust({"StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com", SUB: "*"}, "StringLike": {SUB: "repo:a/*"}})],
        [trust({"StringLike": {f"{GITLAB}:sub": "project_path:acme/*"}}, GITLAB)],
        [trust({"StringEquals": {"api.pulumi.com/oidc:aud": "acme"}}, "api.pulumi.com/oidc")],
        [trust({}, "oidc.acme.example")],
        [trust({}, f"{GITHUB}/acme")],
        [trust({}, Effect="Deny")],
        [trust({}, Action="sts:TagSession"), trust(ACME)],
    ],
)
def test_a_shared_provider_is_trusted_for_some_of_its_customers(statements):
    iam.parse(document(*statements), iam.Kind.TRUST)


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com"}},
        {"StringEquals": {f"{GITHUB}:repository": "acme/api"}},
        {"StringEquals": {f"{GITLAB}:sub": "repo:acme/api"}},
        {"StringEquals": {SUB: []}},
        {"StringLike": {SUB: "*"}},
        {"StringLike": {SUB: "repo:*"}},
        {"StringLike": {SUB: "repo:*/*:*"}},
        {"StringLike": {SUB: ["repo:acme/api:*", "?*"]}},
        {"StringEquals": {SUB: "${token.actions.githubusercontent.com:sub}"}},
        {"StringNotLike": {SUB: "repo:acme/*"}},
        {"StringLikeIfExists": {SUB: "repo:acme/*"}},
        {"ForAllValues:StringLike": {SUB: "repo:acme/*"}},
        {"Null": {SUB: "false"}},
    ],
)
def test_a_shared_provider_is_not_trusted_for_everybody(conditions):
    with pytest.raises(MalformedPolicyDocument) as refusal:
        iam.parse(document(trust(ACME), trust(conditions)), iam.Kind.TRUST)

    assert refusal.value.message == (
        f"Trust policy with trusted principal arn:aws:iam::{HOME}:oidc-provider/{GITHUB} must evaluate, using "
        f"StringEquals, StringLike or StringEqualsIgnoreCase, {SUB} or {WORKFLOW} which is not scoped to all."
    )


@pytest.mark.parametrize(
    ("provider", "claim"),
    [
        (GITLAB, "gitlab.com:sub"),
        ("app.terraform.io", "app.terraform.io:sub"),
        ("oidc.vercel.com", "oidc.vercel.com:aud"),
        ("cognito-identity.amazonaws.com", "cognito-identity.amazonaws.com:aud"),
    ],
)
def test_each_shared_provider_has_a_claim_of_its_own(provider, claim):
    with pytest.raises(MalformedPolicyDocument, match=f"IgnoreCase, {claim} which is not scoped to all"):
        iam.parse(document(trust(ACME, provider)), iam.Kind.TRUST)
