"""What to add to which policy, so that a request that was refused is allowed the next time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.model.iam.arns import account_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REMOVE_DENY = "A Deny wins over every Allow; change or remove the statement, or give it a condition that spares this"
LIMITS = {
    "boundary": "Allow it in the permissions boundary as well",
    "session": "Allow it in the session policy with which the session was begun, and begin a new one",
    "guardrail": "Allow it in the guardrails of the account, which `holdfast account list-guardrails` shows",
    "endpoint": "Allow it in the policy of the endpoint",
}


@dataclass(frozen=True, slots=True)
class Advice:
    """Where something is to be done, and the statement to paste there if there is one."""

    where: str
    statement: Mapping[str, Any] | None = None


def advice(explanation: Mapping[str, Any]) -> list[Advice]:
    """What would make the difference, in the order in which a refusal names what is missing."""
    if explanation["outcome"] == "explicit_deny":
        return [Advice(REMOVE_DENY)]
    return [one for kind in explanation["missing"] for one in _for(kind, explanation)]


def _for(kind: str, told: Mapping[str, Any]) -> Iterator[Advice]:
    action, resource, principal = told["action"], told["resource"], told["principal"]
    allow = {"Effect": "Allow", "Action": action, "Resource": resource}
    # The key holds the ARN of the role where the principal is a session of it.
    who = told["context"].get("aws:principalarn", principal)
    named = {"Effect": "Allow", "Principal": {"AWS": who}, "Action": action}
    is_one_repository = ":repository/" in resource and not resource.endswith("/*")
    if kind == "identity":
        yield Advice(f"Add to an identity-based policy of {who}", allow)
        if is_one_repository and told["missing"] == ["identity"] and account_of(who) == account_of(resource):
            yield Advice(f"Or add to the repository policy of {resource}", named)
    elif kind == "resource" and action.startswith("sts:"):
        yield Advice(f"Add to the trust policy of {resource}", named)
    elif kind == "resource" and is_one_repository:
        yield Advice(f"Add to the repository policy of {resource}", named)
        yield Advice("Or add to the registry policy", {**named, "Resource": resource})
    elif kind == "resource":
        yield Advice("Add to the registry policy", {**named, "Resource": resource})
    else:
        yield Advice(LIMITS.get(kind, f"Allow it in the {kind} policy as well"), allow)
