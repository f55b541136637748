"""Who may assume a role: what the role's trust policy and the policies of whoever asks say together.

A refusal is worded by what the caller's own policies say, and as if the role were not there: nobody learns from it
which roles there are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import iam, iam_principals
from holdfast.model.circumstances import surroundings, tag_keys
from holdfast.model.errors import StsAccessDenied, Validation
from holdfast.model.iam import Policies, Principal
from holdfast.model.iam_sessions import TRANSITIVE_KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.model.callers import Caller
    from holdfast.model.circumstances import Circumstances
    from holdfast.model.iam import Decision
    from holdfast.model.iam_roles import Role
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

ASSUME = "sts:AssumeRole"
ASSUME_BY_TOKEN = "sts:AssumeRoleWithWebIdentity"  # noqa: S105 - an action
TAG = "sts:TagSession"
SET_SOURCE_IDENTITY = "sts:SetSourceIdentity"

Context = dict[str, "str | tuple[str, ...]"]


@dataclass(frozen=True, slots=True)
class RolePlace:
    """Where a role is said to be, and the role if it is there."""

    account_id: str
    arn: str
    role: Role | None


@dataclass(frozen=True, slots=True)
class Asker:
    """Whoever asks for a session, with the policies that are his own."""

    principal: Principal
    policies: Policies
    context: Mapping[str, str | tuple[str, ...]]


def find_role(tx: Transaction, arn: str) -> RolePlace:
    """The role that an ARN names, whether or not it is there."""
    named = iam_principals.read_arn(arn)
    if named is None or named.kind != "role":
        raise Validation(f"{arn} is invalid")
    role = store.iam_roles.find(tx, named.account_id, named.name)
    return RolePlace(named.account_id, arn, role if role is not None and role.arn == arn else None)


def of_caller(on: Backends, caller: Caller) -> Asker | None:
    """A caller as trust policies see him; None if he is gone."""
    known = on.access.known(on, caller)
    if known is None:
        return None
    policies = Policies(known.identity, known.boundary, known.session, guardrails=known.guardrails)
    return Asker(known.principal, policies, known.context)


def of_provider(provider_arn: str, context: Mapping[str, str | tuple[str, ...]]) -> Asker:
    """The holder of an identity provider's token: he has no policies."""
    return Asker(Principal("web-identity", provider_arn), Policies(), context)


def may_assume(
    asker: Asker, action: str, place: RolePlace, now: Mapping[str, str], facts: Mapping[str, str | tuple[str, ...]]
) -> Decision:
    """Whether somebody may become a role, or do with the session what the action says."""
    own = {key: value for key, value in asker.context.items() if key != TRANSITIVE_KEYS}  # here those of the request
    context: Context = {**now, **own, "aws:resourceaccount": place.account_id, **facts}
    role, trust = place.role, None
    if role is not None:
        trust = iam.stored(role.trust_policy, "the role trust policy")
        context |= tag_keys("aws:resourcetag", role.tags.items()) | tag_keys("iam:resourcetag", role.tags.items())
    request = iam.Request(asker.principal, action, place.arn, place.account_id, context)
    return iam.evaluate(request, replace(asker.policies, resource=trust))


def require(
    on: Backends,
    caller: Caller,
    actions: tuple[str, ...],
    place: RolePlace,
    request: Circumstances,
    facts: Mapping[str, str | tuple[str, ...]],
) -> Role:
    """The role, if a caller may do all of this to it; or `StsAccessDenied`."""
    asker = of_caller(on, caller)
    now = surroundings(request, on.clock())
    for action in actions:
        if asker is not None:
            decision = may_assume(asker, action, place, now, facts)
            if decision.is_allowed and place.role is not None:
                continue
            on.refusals.note(request.id, caller, decision, on.clock())
        told = f"User: {caller.arn} is not authorized to perform: {action} on resource: {place.arn}"
        refusal = StsAccessDenied(f"{told} {_reason(asker, action, place, now, facts)}")
        if asker is not None and place.account_id == caller.account_id:
            refusal.decision = decision
        raise refusal
    assert place.role is not None
    return place.role


def require_of_provider(
    on: Backends,
    asker: Asker,
    actions: tuple[str, ...],
    place: RolePlace,
    request: Circumstances,
    facts: Mapping[str, str | tuple[str, ...]],
) -> Role:
    """The role, if the holder of a token may do all of this to it; or `StsAccessDenied`."""
    now = surroundings(request, on.clock())
    for action in actions:
        if place.role is None or not may_assume(asker, action, place, now, facts).is_allowed:
            raise StsAccessDenied(f"Not authorized to perform {action}")
    assert place.role is not None
    return place.role


def _reason(
    asker: Asker | None,
    action: str,
    place: RolePlace,
    now: Mapping[str, str],
    facts: Mapping[str, str | tuple[str, ...]],
) -> str:
    """Why not, if there were no such role."""
    decision = may_assume(asker, action, replace(place, role=None), now, facts) if asker else None
    if decision is None or "identity" in decision.missing:
        return f"because no identity-based policy allows the {action} action"
    return decision.reason
