"""May this principal do this to that? IAM's decision, from the policies that apply, with what decided it.

    1. A Deny anywhere wins.
    2. Guardrails, level by level, and the policy of the endpoint must allow.
    3. Then, of R the Allows of the resource's side, I those of the identity, B boundary and S session policies:

       service, web identity    R by its name or *
       same account             root · R by name or * · R by the role, B, S · I, B, S
       … to assume a role       R by the account, I, B, S instead of the last
       another account          R of any class, and unless root I, B, S

(IAM user guide, "Policy evaluation logic".)
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from holdfast.model.iam.arns import account_of
from holdfast.model.iam.compiled import ANYBODY
from holdfast.model.iam.principals import DIRECT, NOBODY, ROLE, STAR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.model.iam.compiled import CompiledPolicy, CompiledStatement, Request

Outcome: TypeAlias = Literal["allow", "implicit_deny", "explicit_deny"]
PolicyType: TypeAlias = Literal["guardrail", "endpoint", "resource", "identity", "boundary", "session"]
Found: TypeAlias = "list[tuple[PolicyType, CompiledStatement]]"

_UNDENIABLE = {"sts:getcalleridentity", "sts:getsessiontoken"}
_ASSUME = "sts:assumerole"
_WITH_ASSUME = {"sts:setsourceidentity", "sts:tagsession"}  # asked of a role's trust policy if it is a role's session
_OF_THE_CALLER_ALONE = "ecr:getauthorizationtoken"
# The root of the owning account may always mend these, so that no policy locks everybody out.
_MENDABLE = {
    f"ecr:{verb}{what}policy"
    for what, verbs in {"repository": ("get", "set", "delete"), "registry": ("get", "put", "delete")}.items()
    for verb in verbs
}
_NAMES: dict[PolicyType, str] = {
    "guardrail": "a service control policy",
    "endpoint": "a VPC endpoint policy",
    "resource": "a resource-based policy",
    "identity": "an identity-based policy",
    "boundary": "a permissions boundary",
    "session": "a session policy",
}
# What must allow, in the order in which AWS names what does not.
_ROOT: tuple[PolicyType, ...] = ("guardrail", "endpoint")
_RESOURCE: tuple[PolicyType, ...] = (*_ROOT, "resource")
_RESOURCE_IN_BOUNDS: tuple[PolicyType, ...] = (*_RESOURCE, "boundary", "session")
_OWN: tuple[PolicyType, ...] = (*_ROOT, "identity", "boundary", "session")
_BOTH: tuple[PolicyType, ...] = (*_RESOURCE, "identity", "boundary", "session")
_OUTSIDERS = {"service", "web-identity", "anonymous"}
_OF_THE_CALLER = {"guardrail", "identity", "boundary", "session"}  # AWS names these policies in a refusal

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Policies:
    """What applies to a request; None is a type that is not in force, where an empty tuple allows nothing."""

    identity: tuple[CompiledPolicy, ...] = ()  # of a user and its groups, or of a role
    boundary: CompiledPolicy | None = None
    session: tuple[CompiledPolicy, ...] | None = None
    resource: CompiledPolicy | None = None  # of the repository, or the trust policy of the role
    registry: CompiledPolicy | None = None
    guardrails: tuple[tuple[CompiledPolicy, ...], ...] | None = None  # level by level
    endpoint: CompiledPolicy | None = None


@dataclass(frozen=True, slots=True)
class MatchedStatement:
    """A statement that had its part in a decision."""

    type: PolicyType
    source: str
    sid: str
    effect: Literal["Allow", "Deny"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, by which statements, and for want of which Allows."""

    outcome: Outcome
    request: Request
    found: tuple[tuple[PolicyType, CompiledStatement], ...] = ()
    missing: tuple[PolicyType, ...] = ()

    @property
    def is_allowed(self) -> bool:
        """Whether the principal may."""
        return self.outcome == "allow"

    @property
    def statements(self) -> tuple[MatchedStatement, ...]:
        """What decided: the Denies, or the Allows that were there."""
        return tuple(
            MatchedStatement(kind, one.source, one.sid, "Deny" if one.is_deny else "Allow") for kind, one in self.found
        )

    @property
    def reason(self) -> str:
        """Why not, as AWS ends its refusals; empty for an Allow."""
        action = self.request.action
        is_trust = _asks_trust(self.request, action.lower())
        if self.outcome == "allow":
            return ""
        if self.outcome == "implicit_deny":
            kind = self.missing[0] if self.missing else "identity"
            name = "role trust policy" if is_trust and kind == "resource" else _NAMES[kind].partition(" ")[2]
            return f"because no {name} allows the {action} action"
        kind, statement = self.found[0]
        name = "the role trust policy" if is_trust and kind == "resource" else _NAMES[kind]
        arn = statement.source
        is_own = arn.startswith("arn:aws:organizations:") or account_of(arn) == self._account
        is_told = kind in _OF_THE_CALLER and arn.startswith("arn:") and is_own
        return f"with an explicit deny in {name}" + (f": {arn}" if is_told else "")

    @property
    def _account(self) -> str | None:
        return self.request.principal.account_id


def evaluate(request: Request, policies: Policies, *, public: bool = False) -> Decision:
    """Decide; whatever goes wrong, it is not allowed. Strangers without credentials are let in if `public`."""
    try:
        return _decide(request, policies, public=public)
    except Exception:
        log.exception("A decision failed", extra={"action": request.action, "resource": request.resource})
        return Decision("implicit_deny", request, (), ("identity",))


class _Hearing:
    """The policies of one request are asked one after the other; what each said is kept."""

    __slots__ = ("_is_bounded", "_request", "allows", "denies")

    def __init__(self, request: Request, *, is_bounded: bool) -> None:
        self._request = request
        self._is_bounded = is_bounded
        self.allows: Found = []
        self.denies: Found = []

    def ask(self, kind: PolicyType, policies: Iterable[CompiledPolicy | None], *, may_deny: bool = True) -> int:
        """The classes by which policies allow."""
        request, is_bounded = self._request, self._is_bounded
        classes = NOBODY
        for policy in policies:
            for statement in policy.about(request.action) if policy else ():
                means = statement.applies_to(request, is_bounded)
                if not means:
                    continue
                if not statement.is_deny:
                    self.allows.append((kind, statement))
                    classes |= means
                elif may_deny:
                    self.denies.append((kind, statement))
        return classes


def _decide(request: Request, policies: Policies, *, public: bool) -> Decision:
    action = request.action.lower()
    if action in _UNDENIABLE:
        return Decision("allow", request)
    boundary, session = policies.boundary, policies.session
    hearing = _Hearing(request, is_bounded=boundary is not None)
    ask = hearing.ask

    # Every one is asked, in the order in which AWS names Denies, since there may be one in the last.
    owners = (policies.resource, policies.registry) if action != _OF_THE_CALLER_ALONE else ()
    granted: dict[PolicyType, int] = {
        "guardrail": _least([ask("guardrail", level) for level in policies.guardrails])
        if policies.guardrails
        else ANYBODY,
        "endpoint": ask("endpoint", (policies.endpoint,)) if policies.endpoint else ANYBODY,
        "identity": ask("identity", policies.identity),
        "resource": ask("resource", owners, may_deny=not _may_mend(request, action)) & ~ANYBODY,
        "boundary": ask("boundary", (boundary,)) if boundary else ANYBODY,
        "session": ask("session", session) if session is not None else ANYBODY,
    }
    if hearing.denies:
        return Decision("explicit_deny", request, tuple(hearing.denies))
    kind = request.principal.kind
    needs = _needs(request, action, granted["resource"])
    if kind == "anonymous" and not public:
        granted["resource"] = NOBODY
    if kind == "federated-user" and session is None and "identity" in needs:
        granted["session"] = NOBODY  # what the user behind it may do is handed down by a session policy only
    missing = [type_ for type_ in needs if not granted[type_]]
    if missing:
        return Decision("implicit_deny", request, (), tuple(missing))
    return Decision("allow", request, tuple([one for one in hearing.allows if one[0] in needs]))


def _least(levels: list[int]) -> int:
    return ANYBODY if all(levels) else NOBODY


def _needs(request: Request, action: str, resource: int) -> tuple[PolicyType, ...]:
    """The types of policies that must allow, given by which classes the resource's side does, in AWS's order."""
    principal = request.principal
    is_root = principal.kind == "root"
    if principal.kind in _OUTSIDERS:
        return _RESOURCE
    if principal.account_id != request.resource_account:
        return _RESOURCE if is_root else _BOTH
    if is_root:
        return _ROOT
    if resource & (DIRECT | STAR):
        return _RESOURCE
    if resource & ROLE:
        return _RESOURCE_IN_BOUNDS
    return _BOTH if _asks_trust(request, action) else _OWN


def _asks_trust(request: Request, action: str) -> bool:
    """Whether the resource's policy is the trust policy of a role."""
    return action.startswith(_ASSUME) or (action in _WITH_ASSUME and ":role/" in request.resource)


def _may_mend(request: Request, action: str) -> bool:
    principal = request.principal
    return principal.kind == "root" and action in _MENDABLE and principal.account_id == request.resource_account
