"""Policies on repositories and registries: what a document must say, and what can be told from it.

    policy      Version?, Id?, Statement: one or a list
    statement   Sid?, Effect, (Principal | NotPrincipal), (Action | NotAction), (Resource | NotResource), Condition?

The text that a client gave is what is kept and given back; this is what it means (IAM user guide, "Grammar of the IAM
JSON policy language").
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from holdfast.model.errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from holdfast.model.callers import Caller

SETTING = "policy"  # among those of a registry
VERSIONS = ("2008-10-17", "2012-10-17")
PRINCIPAL_KINDS = {"AWS", "Service", "Federated", "CanonicalUser"}
POLICY_MEMBERS = {"Version", "Id", "Statement"}
STATEMENT_MEMBERS = {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource",
                     "Condition"}  # fmt: skip
# The account setting REGISTRY_POLICY_SCOPE=V1 leaves these to registry policies.
V1_ACTIONS = {"ecr:replicateimage", "ecr:batchimportupstreamimage", "ecr:createrepository"}

ACTION = re.compile(r"\*|(ecr|\*):[a-z*?]+", re.ASCII | re.IGNORECASE)
RESOURCE = re.compile(r"\*|arn:[a-z*?-]+:ecr:[a-z0-9*?-]*:[0-9*?]*:.+", re.ASCII)
AWS_PRINCIPAL = re.compile(
    r"\*|[0-9]{12}|arn:aws(-[a-z]+)*:(iam::[0-9]{12}:(root|(user|role)/[\w+=,.@/-]+)"
    r"|sts::[0-9]{12}:(assumed-role|federated-user)/[\w+=,.@/-]+)",
    re.ASCII,
)
ROOT = re.compile(r"(arn:aws(-[a-z]+)*:iam::)?(?P<account>[0-9]{12})(?(1):root)", re.ASCII)
OPERATOR = re.compile(
    r"(ForAllValues:|ForAnyValue:)?(Null|(String(Not)?(Equals(IgnoreCase)?|Like)|Arn(Not)?(Equals|Like)|(Not)?IpAddress"
    r"|(Numeric|Date)((Not)?Equals|(Less|Greater)Than(Equals)?)|Bool|BinaryEquals)(IfExists)?)",
    re.ASCII | re.IGNORECASE,
)


class _Malformed(ValueError):
    """A document that is no policy; what is wrong with it is not told, because ECR does not."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What an element of a statement lists; or, with `Not…`, everything but that."""

    listed: tuple[str, ...]
    is_negated: bool = False

    def covers(self, matches: Callable[[str], bool]) -> bool:
        """Whether something is chosen that a listed entry may match."""
        return any(map(matches, self.listed)) != self.is_negated


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy."""

    effect: str
    principals: Choice  # of the kind AWS; no service and no stranger calls this registry
    actions: Choice
    resources: Choice | None  # None: the repository that has the policy
    condition: dict[str, dict[str, Any]] = field(default_factory=dict)

    def speaks_of(self, caller: Caller, action: str, arn: str) -> bool:
        """Whether it is about a caller who does something to a resource, its condition aside."""
        return (
            self.principals.covers(lambda principal: _is(caller, principal))
            and self.actions.covers(lambda pattern: matches(pattern.lower(), action.lower()))
            and (self.resources is None or self.resources.covers(lambda pattern: matches(pattern, arn)))
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """A checked policy."""

    statements: tuple[Statement, ...]

    def always_denies(self, caller: Caller, action: str, arn: str) -> bool:
        """Whether a caller may not do something under any circumstances."""
        return any(
            statement.effect == "Deny" and not statement.condition and statement.speaks_of(caller, action, arn)
            for statement in self.statements
        )

    @property
    def keeps_to_v1(self) -> bool:
        """Whether it speaks only of what the older scope of registry policies lets it."""
        return all(
            not statement.actions.is_negated and V1_ACTIONS.issuperset(map(str.lower, statement.actions.listed))
            for statement in self.statements
        )


def parse_repository_policy(text: str) -> Policy:
    """Read the policy of a repository, or refuse it."""
    try:
        return _policy(text, needs_resource=False)
    except (ValueError, RecursionError):
        raise InvalidParameter("PolicyText", "Invalid repository policy provided") from None


def parse_registry_policy(text: str, scope: str) -> Policy:
    """Read the policy of a registry, or refuse it; the scope is V1 or V2."""
    try:
        policy = _policy(text, needs_resource=True)
        if scope == "V1" and not policy.keeps_to_v1:
            raise _Malformed
    except (ValueError, RecursionError):
        raise InvalidParameter("PolicyText", "Invalid registry policy provided") from None
    return policy


def matches(pattern: str, text: str) -> bool:
    """Whether the whole of a text is what a pattern with `*` and `?` describes, in time that no pattern can blow up."""
    at, star, resume, place = 0, -1, 0, 0
    while place < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, resume, at = at, place, at + 1
        elif at < len(pattern) and pattern[at] in {"?", text[place]}:
            at, place = at + 1, place + 1
        elif star >= 0:  # let the last star take one letter more
            resume += 1
            at, place = star + 1, resume
        else:
            return False
    return not pattern[at:].strip("*")


def _is(caller: Caller, principal: str) -> bool:
    root = ROOT.fullmatch(principal)
    return principal in {"*", caller.arn} or (root is not None and root["account"] == caller.account_id)


# ---- The grammar


def _policy(text: str, *, needs_resource: bool) -> Policy:
    document = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    _check_members(document, POLICY_MEMBERS)
    if document.get("Version", "2008-10-17") not in VERSIONS or not isinstance(document.get("Id", ""), str):
        raise _Malformed
    items = document.get("Statement")
    items = [items] if isinstance(items, dict) else items
    if not isinstance(items, list) or not items:
        raise _Malformed
    statements = tuple(_statement(item, needs_resource=needs_resource) for item in items)
    sids = [item["Sid"] for item in items if item.get("Sid")]
    if len(set(sids)) != len(sids):
        raise _Malformed
    return Policy(statements)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):  # the second would be read and the first overlooked
        raise _Malformed
    return found


def _refuse_constant(_name: str) -> None:
    raise _Malformed  # NaN and Infinity are not JSON


def _check_members(item: object, known: Collection[str]) -> None:
    if not isinstance(item, dict) or not item.keys() <= set(known):
        raise _Malformed


def _statement(item: object, *, needs_resource: bool) -> Statement:
    _check_members(item, STATEMENT_MEMBERS)
    assert isinstance(item, dict)
    if item.get("Effect") not in ("Allow", "Deny") or not isinstance(item.get("Sid", ""), str):
        raise _Malformed
    who, is_not = _one_of(item, "Principal", "NotPrincipal")
    resources = None
    if needs_resource or "Resource" in item or "NotResource" in item:
        resources = _choice(item, "Resource", "NotResource", RESOURCE)
    return Statement(
        effect=item["Effect"],
        principals=Choice(_principals(who), is_not),
        actions=_choice(item, "Action", "NotAction", ACTION),
        resources=resources,
        condition=_condition(item.get("Condition", {})),
    )


def _one_of(item: dict[str, Any], name: str, opposite: str) -> tuple[Any, bool]:
    if (name in item) == (opposite in item):
        raise _Malformed
    return (item[name], False) if name in item else (item[opposite], True)


def _choice(item: dict[str, Any], name: str, opposite: str, form: re.Pattern[str]) -> Choice:
    value, is_negated = _one_of(item, name, opposite)
    listed = _texts(value)
    if not all(form.fullmatch(text) for text in listed):
        raise _Malformed
    return Choice(listed, is_negated)


def _texts(value: object) -> tuple[str, ...]:
    """One or more texts."""
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise _Malformed
    return tuple(texts)


def _principals(value: object) -> tuple[str, ...]:
    """Those of the kind AWS."""
    if value == "*":
        return ("*",)
    _check_members(value, PRINCIPAL_KINDS)
    assert isinstance(value, dict)
    by_kind = {kind: _texts(texts) for kind, texts in value.items()}
    ours = by_kind.get("AWS", ())
    if not by_kind or not all(AWS_PRINCIPAL.fullmatch(text) for text in ours):
        raise _Malformed
    return ours


def _condition(value: object) -> dict[str, dict[str, Any]]:
    if not isinstance(value, dict):
        raise _Malformed
    for operator, tests in value.items():
        if not OPERATOR.fullmatch(operator) or not isinstance(tests, dict) or not tests:
            raise _Malformed
        for key, wanted in tests.items():
            values = wanted if isinstance(wanted, list) else [wanted]
            if ":" not in key or not values or not all(isinstance(one, str | bool | int | float) for one in values):
                raise _Malformed
    return value
