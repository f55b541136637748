"""Identity providers that many organisations share, and what a role that trusts one has to ask of a token.

Whoever has an account there gets tokens of the same issuer. So only a claim tells one's own from a stranger's, and a
trust policy that asks for none is refused when it is written; one that was written before stays as it is
(IAM user guide, "Identity-provider controls for shared OIDC providers").
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from holdfast.model.errors import MalformedPolicyDocument

if TYPE_CHECKING:
    from holdfast.model.iam.documents import Document, Statement

_BY_SUBJECT = (
    "agent.buildkite.com", "app.terraform.io", "gitlab.com", "oidc-configuration.audit-log.githubusercontent.com",
    "oidc.codefresh.io", "oidc.op1.openshiftapps.com/2f785sojlpb85i7402pk3qogugim5nfb", "proidc.upbound.io",
    "scalr.io", "studio.datachain.ai/api", "tokens.cloud.shisho.dev", "vstoken.actions.githubusercontent.com",
)  # fmt: skip
_BY_AUDIENCE = ("api.pulumi.com/oidc", "cognito-identity.amazonaws.com", "oidc.vercel.com", "sandboxes.cloud")
_GITHUB = "token.actions.githubusercontent.com"
CLAIMS: dict[str, tuple[str, ...]] = {  # one of these condition keys, by the provider's URL without https://
    _GITHUB: (f"{_GITHUB}:sub", f"{_GITHUB}:job_workflow_ref"),
    **{provider: (f"{provider}:sub",) for provider in _BY_SUBJECT},
    **{provider: (f"{provider}:aud",) for provider in _BY_AUDIENCE},
    "sts.windows.net/33e01921-4d64-4f8c-a055-5bdaffd5e33d": ("sts:RoleSessionName",),
}
ASSUME = "sts:assumerolewithwebidentity"

_OPERATORS = {"stringequals", "stringlike", "stringequalsignorecase"}
_PROVIDER = re.compile(r"arn:[^:]+:iam::\d{12}:oidc-provider/(?P<url>.+)", re.ASCII)
# AWS takes `repo:*`, which is everybody on GitHub; here it is as good as nothing.
_ALL = re.compile(r"(?:[a-z_]+:)?(?:[*?:/]|\$\{[^}]*\})*", re.ASCII)


def check(document: Document) -> None:
    """Refuse, in AWS's words, a trust policy that lets every customer of a shared provider in."""
    for statement in document.statements:
        actions = statement.actions.listed if statement.actions else ()
        if statement.effect != "Allow" or ASSUME not in map(str.lower, actions):
            continue
        for kind, principal in statement.principals.listed if statement.principals else ():
            found = _PROVIDER.fullmatch(principal)
            claims = CLAIMS.get((found["url"] if found else principal).lower())
            if kind == "Federated" and claims and not _asks_for(statement, claims):
                raise MalformedPolicyDocument(
                    f"Trust policy with trusted principal {principal} must evaluate, using StringEquals, StringLike "
                    f"or StringEqualsIgnoreCase, {' or '.join(claims)} which is not scoped to all."
                )


def _asks_for(statement: Statement, claims: tuple[str, ...]) -> bool:
    """Whether the statement applies only to some values of one of the claims."""
    keys = {claim.lower() for claim in claims}
    return any(
        key.lower() in keys and wanted and not any(map(_ALL.fullmatch, wanted))
        for condition in statement.conditions
        if condition.operator.lower().removeprefix("foranyvalue:") in _OPERATORS
        for key, wanted in condition.tests
    )
