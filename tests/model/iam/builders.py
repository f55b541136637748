"""Principals, policies and requests, shortly written."""

import json

from holdfast.model import iam

HOME = "111122223333"
OTHER = "444455556666"
REPOSITORY = f"arn:aws:ecr:us-east-1:{HOME}:repository/app/api"
USER = f"arn:aws:iam::{HOME}:user/alice"
ROLE = f"arn:aws:iam::{HOME}:role/ci"
SESSION = f"arn:aws:sts::{HOME}:assumed-role/ci/r1"
FEDERATED = f"arn:aws:sts::{HOME}:federated-user/alice"
ROOT = f"arn:aws:iam::{HOME}:root"
PULL = "ecr:BatchGetImage"


def principal_of(arn, account=HOME, **members):
    """A principal by its ARN, or a service by its name."""
    kinds = {":root": "root", ":user/": "user", ":assumed-role/": "session", ":federated-user/": "federated-user",
             ":oidc-provider/": "web-identity"}  # fmt: skip
    kind = next((kind for mark, kind in kinds.items() if mark in arn), "service" if arn else "anonymous")
    return iam.Principal(kind, arn, account, **members)


def statement(effect="Allow", action="ecr:*", resource="*", **members):
    """A statement; None leaves an element out."""
    merged = {"Effect": effect, "Action": action, "Resource": resource} | members
    return {name: value for name, value in merged.items() if value is not None}


def document(*statements, version="2012-10-17"):
    head = {"Version": version} if version else {}
    return json.dumps(head | {"Statement": list(statements)})


def policy(*statements, source="a policy", version="2012-10-17"):
    return iam.compile_policy(iam.read(document(*statements, version=version)), source)


def allow(action="ecr:*", resource="*", **members):
    return policy(statement("Allow", action, resource, **members))


def grant(principal, action="ecr:*", effect="Allow", resource=None, **members):
    """A policy of a resource that names a principal: "*", an ARN, or a mapping."""
    named = principal if principal == "*" or isinstance(principal, dict) else {"AWS": principal}
    return policy(statement(effect, action, resource, Principal=named, **members))


def a_request(principal=USER, action=PULL, resource=REPOSITORY, *, account=HOME, owner=HOME, context=None, **members):
    who = principal_of(principal, account, **members) if isinstance(principal, str) else principal
    given = {key.lower(): value for key, value in (context or {}).items()}
    return iam.Request(who, action, resource, owner, given)


def decide(request=None, *, public=False, **policies):
    """A decision; identity and session policies may be given alone."""
    for name in ("identity", "session"):
        if isinstance(policies.get(name), iam.CompiledPolicy):
            policies[name] = (policies[name],)
    return iam.evaluate(request or a_request(), iam.Policies(**policies), public=public)


def outcome(*arguments, **policies):
    return decide(*arguments, **policies).outcome
