"""What policies would say to requests that nobody made, and which statements would say it.

A `Scene` is who asks, with which policies and in which context; `ask_all` asks it for one action on several resources.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from holdfast.model.errors import InvalidInput, MalformedPolicyDocument
from holdfast.model.iam import Policies, Request, compile_policy, documents, evaluate, kinds, stored
from holdfast.model.iam.arns import account_of
from holdfast.model.iam_policies import NOTHING_GOES
from holdfast.model.json_places import line_and_column, places

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from holdfast.model.iam import CompiledPolicy, Kind, Principal
    from holdfast.model.json_places import Path

ALLOWED, IMPLICIT, EXPLICIT = DECISIONS = ("allowed", "implicitDeny", "explicitDeny")  # the hardest last
IDENTITY, RESOURCE, BOUNDARY = "IAM Policy", "Resource Policy", "Permissions Boundary Policy"
MOST_MATCHED = 50  # statements of one answer; nobody reads on

_OUTCOMES = {"allow": ALLOWED, "implicit_deny": IMPLICIT, "explicit_deny": EXPLICIT}
_VARIABLE = re.compile(r"\$\{\s*([^{}$,'*?]+?)\s*(?:,[^{}]*)?\}")
_REPOSITORY = "arn:${Partition}:ecr:${Region}:${Account}:repository/${RepositoryName}"
# Actions on the whole registry, for which every policy names the resource `*` (service authorization reference).
ON_THE_REGISTRY = {
    f"ecr:{name}".lower()
    for name in (
        "CreatePullThroughCacheRule", "CreateRepositoryCreationTemplate", "DeletePullThroughCacheRule",
        "DeleteRegistryPolicy", "DeleteRepositoryCreationTemplate", "DeleteSigningConfiguration",
        "DeregisterPullTimeUpdateExclusion", "DescribePullThroughCacheRules", "DescribeRegistry",
        "DescribeReplicationBackfillResults", "DescribeRepositoryCreationTemplates", "GetAccountSetting",
        "GetAuthorizationToken", "GetRegistryPolicy", "GetRegistryScanningConfiguration", "GetSigningConfiguration",
        "ListPullTimeUpdateExclusions", "ListReplicationBackfills", "PutAccountSetting", "PutRegistryPolicy",
        "PutRegistryScanningConfiguration", "PutReplicationConfiguration", "PutSigningConfiguration",
        "RegisterPullTimeUpdateExclusion", "StartReplicationBackfill", "StopReplicationBackfill",
        "UpdatePullThroughCacheRule", "UpdateRepositoryCreationTemplate", "ValidatePullThroughCacheRule",
    )
}  # fmt: skip
_ANYTHING = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'


@dataclass(frozen=True, slots=True)
class Place:
    """Where a statement begins and ends in its policy: lines and columns, from 1."""

    start: tuple[int, int]
    end: tuple[int, int]


class Written:
    """A policy that takes part, with the name by which answers refer to it, and the places of its statements."""

    def __init__(self, id_: str, type_: str, text: str, policy: CompiledPolicy, document: documents.Document) -> None:
        self.id = id_
        self.type = type_
        self.characters = len(text)
        self.policy = policy
        self._text = text
        self._document = document
        self._places: list[Place] | None = None

    def place(self, index: int) -> Place:
        """Where a statement stands: between its braces, and behind the last one, as AWS counts."""
        if self._places is None:
            self._places = [
                Place(line_and_column(self._text, one.start + 1), line_and_column(self._text, one.end))
                for one in places(self._text)
                if _is_statement(one.path) and self._text[one.start] == "{"
            ]
        return self._places[index]

    def keys_about(self, action: str) -> Iterator[str]:
        """The keys of the context that its statements about an action ask for, as they are spelled there."""
        about = {id(statement) for statement in self.policy.about(action)}
        for compiled, statement in zip(self.policy.statements, self._document.statements, strict=True):
            if id(compiled) in about:
                yield from _keys(statement, has_variables=self._document.has_variables)


def _is_statement(path: Path) -> bool:
    return path == ("Statement",) or (len(path) == 2 and path[0] == "Statement" and isinstance(path[1], int))


def _keys(statement: documents.Statement, *, has_variables: bool) -> Iterator[str]:
    texts = list(statement.resources.listed) if statement.resources else []
    for condition in statement.conditions:
        for key, wanted in condition.tests:
            yield key
            texts += wanted
    if has_variables:
        yield from (key for text in texts for key in _VARIABLE.findall(text))


def keys_of(texts: Sequence[str]) -> list[str]:
    """The context keys that policies ask for, as they are spelled where they come first."""
    found: dict[str, str] = {}
    for number, text in enumerate(texts, 1):
        try:
            document = documents.read(text)
        except MalformedPolicyDocument as fault:
            raise InvalidInput(f"Invalid policy document {number}: {fault.message}") from None
        for statement in document.statements:
            for key in _keys(statement, has_variables=document.has_variables):
                found.setdefault(key.lower(), key)
    return list(found.values())


def given(member: str, number: int, text: str, kind: Kind | None) -> Written:
    """A policy that a request brings; one of any resource has no kind of which its service alone knows the rules."""
    id_ = member if kind is None else f"{member}.{number}"
    try:
        document = documents.read(text) if kind is None else kinds.parse(text, kind)
    except MalformedPolicyDocument as fault:
        raise InvalidInput(f"Invalid policy document {id_}: {fault.message}") from None
    return Written(id_, "resource" if kind is None else IDENTITY, text, compile_policy(document, id_), document)


def kept(id_: str, text: str) -> Written:
    """A policy of an entity; one that cannot be read any more denies everything."""
    try:
        document = documents.read(text)
    except MalformedPolicyDocument:
        return kept(id_, NOTHING_GOES)
    return Written(id_, IDENTITY, text, compile_policy(document, id_), document)


@dataclass(frozen=True)
class Scene:
    """Who asks, with which policies and in which context, whose keys are in lower case."""

    principal: Principal
    owner: str  # the account of resources whose ARNs tell none
    context: Mapping[str, str | tuple[str, ...]]
    identity: tuple[Written, ...]
    boundary: Written | None = None
    resource: Written | None = None
    levels: tuple[tuple[Written, ...], ...] | None = None  # of an organisation

    @cached_property
    def policies(self) -> Policies:
        """The policies as they are asked."""
        levels = self.levels
        return Policies(
            identity=tuple(one.policy for one in self.identity),
            boundary=self.boundary.policy if self.boundary else None,
            resource=self.resource.policy if self.resource else None,
            guardrails=None if levels is None else tuple(tuple(one.policy for one in level) for level in levels),
        )

    @property
    def characters(self) -> int:
        """How long all policies are together."""
        others = [one for one in (self.boundary, self.resource) if one]
        return sum(one.characters for level in (self.identity, others, *(self.levels or ())) for one in level)

    @cached_property
    def statements(self) -> Mapping[int, tuple[Written, int]]:
        """Where the statements are from that answers tell, by their identities: not those of bounds."""
        told = [*self.identity, *([self.resource] if self.resource else [])]
        return {id(statement): (one, n) for one in told for n, statement in enumerate(one.policy.statements)}

    def missing_for(self, action: str) -> tuple[str, ...]:
        """The context keys that the policies ask for about an action, and that the context does not have."""
        asking = [*self.identity, *(one for one in (self.resource, self.boundary) if one)]
        keys = {key.lower(): key for one in asking for key in one.keys_about(action)}
        return tuple(key for folded, key in keys.items() if folded not in self.context)


@dataclass(frozen=True, slots=True)
class Answer:
    """What would be said to one action on one resource."""

    resource: str
    decision: str
    matched: tuple[tuple[Written, int], ...]
    missing: tuple[str, ...]
    by_type: Mapping[str, str] | None = None  # where accounts meet; empty where they do not
    in_bounds: bool | None = None
    in_organization: bool | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """What would be said to one action, on all resources together and on each."""

    action: str
    whole: Answer
    each: tuple[Answer, ...]


def ask_all(scene: Scene, action: str, resources: Sequence[str]) -> Answers:
    """Ask for one action on several resources, or on `*`."""
    missing = scene.missing_for(action)
    each = tuple(ask(scene, action, resource, missing) for resource in resources)
    decision = max((answer.decision for answer in each), key=DECISIONS.index)
    deciding = [answer for answer in each if answer.decision == decision]
    matched = {(id(one), index): (one, index) for answer in deciding for one, index in answer.matched}
    name = "*"
    if list(resources) != ["*"] and action.lower().startswith("ecr:") and action.lower() not in ON_THE_REGISTRY:
        name = _REPOSITORY
    whole = Answer(
        name,
        decision,
        tuple(matched.values())[:MOST_MATCHED],
        missing,
        _hardest([answer.by_type for answer in each if answer.by_type is not None]),
        _every([answer.in_bounds for answer in each]),
        _every([answer.in_organization for answer in each]),
    )
    return Answers(action, whole, () if list(resources) == ["*"] else each)


def ask(scene: Scene, action: str, resource: str, missing: tuple[str, ...]) -> Answer:
    """Ask for one action on one resource; the context keys that are missing do not depend on it."""
    on = "*" if action.lower() in ON_THE_REGISTRY else resource
    request = Request(scene.principal, action, on, account_of(resource) or scene.owner, scene.context)
    policies = scene.policies
    decided = evaluate(request, policies)
    levels = policies.guardrails
    in_organization = None if levels is None else all(_alone(request, level) == ALLOWED for level in levels)
    return Answer(
        resource,
        _OUTCOMES[decided.outcome],
        tuple(scene.statements[id(one)] for _, one in decided.found if id(one) in scene.statements)[:MOST_MATCHED],
        missing,
        None if in_organization is False else _by_type(request, policies),
        None if policies.boundary is None else _alone(request, (policies.boundary,)) == ALLOWED,
        in_organization,
    )


def _by_type(request: Request, policies: Policies) -> Mapping[str, str] | None:
    """What each type of policies says where the caller is of another account than the resource."""
    if request.resource_account == request.principal.account_id:
        return None if request.resource == "*" else {}
    anything = stored(_ANYTHING, "anything")
    told = {
        IDENTITY: _alone(request, policies.identity),
        RESOURCE: _OUTCOMES[evaluate(request, Policies((anything,), resource=policies.resource)).outcome],
    }
    if policies.boundary is not None:
        told[BOUNDARY] = _alone(request, (policies.boundary,))
    return told


def _alone(request: Request, policies: Iterable[CompiledPolicy]) -> str:
    """What some policies would decide if there were no others."""
    at_home = Request(
        request.principal, request.action, request.resource, request.principal.account_id or "", request.context
    )
    return _OUTCOMES[evaluate(at_home, Policies(tuple(policies))).outcome]


def _hardest(several: Sequence[Mapping[str, str]]) -> Mapping[str, str] | None:
    if not several:
        return None
    types = dict.fromkeys(type_ for one in several for type_ in one)
    return {type_: max((one[type_] for one in several if type_ in one), key=DECISIONS.index) for type_ in types}


def _every(facts: Sequence[bool | None]) -> bool | None:
    return None if None in facts else all(facts)
