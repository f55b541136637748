"""What policies would say to requests that nobody made: those of a user, group or role, or any that are given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import iam_policies, iam_principals, iam_simulation
from holdfast.model.errors import InvalidInput, NoSuchEntity, Validation
from holdfast.model.iam import Kind, Principal
from holdfast.model.iam.patterns import matches
from holdfast.model.iam_simulation import Answers, Scene, Written, ask_all, given, kept
from holdfast.registry.iam.principals import policies_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.model.iam_principals import EntityArn
    from holdfast.model.iam_simulation_wishes import Wish
    from holdfast.registry.backends import Backends
    from holdfast.registry.iam.principals import Found, Grant
    from holdfast.store import Transaction

SESSION = "simulation"
EFFORT = 20_000_000  # characters of policies, as often as they are asked for one page of answers: about a second
MINIMUM = 10_000  # characters of policies: an answer takes its time even if there are none
Context = dict[str, "str | tuple[str, ...]"]


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Policies of an entity that are to be left out: those for which everything that is given is so."""

    type: str | None = None
    arn: str | None = None
    inline: tuple[str, str, str] | None = None  # the name, and whose it is: kind and name

    def __post_init__(self) -> None:
        if self.arn is not None:
            if self.arn.count("*") > 1:
                raise InvalidInput(f"The policy identifier {self.arn} has more than one *")
            iam_policies.read_arn(self.arn.replace("*", "x").replace("?", "x"))

    def covers(self, grant: Grant) -> bool:
        """Whether a policy is left out."""
        if grant.holder is None:
            type_ = "aws-managed" if iam_policies.read_arn(grant.name).is_amazons else "user-managed"
            return self.inline is None and self._is(type_) and (self.arn is None or matches(self.arn, grant.name))
        if self.arn is not None or not self._is("inline"):
            return False
        if self.inline is None:
            return True
        return self.inline == (grant.name, *grant.holder)

    def _is(self, type_: str) -> bool:
        return self.type is None or self.type == type_


def entity_arn(text: str) -> EntityArn:
    """The user, group or role whose policies are asked for; refused in IAM's words if it is none."""
    named = iam_principals.read_arn(text)
    if named is not None:
        return named
    if not text.startswith("arn:"):
        raise Validation("Invalid ARN:  Could not be parsed!")
    raise InvalidInput(f"Invalid Entity Arn: {text} does not clearly define entity type and name.")


def of_entity(
    on: Backends, source: EntityArn, wish: Wish, exclusions: Sequence[Exclusion], first: int, limit: int
) -> tuple[list[Answers], int | None]:
    """Ask on behalf of a user, group or role with all policies it has; the answers, and which action is next."""
    with on.database.snapshot() as tx:
        entity = store.iam_entities.get(tx, source.kind, source.account_id, source.name)
        found = policies_of(tx, entity.kind, entity.id) if source.is_of(entity) else None
        if found is None:
            raise NoSuchEntity(source.kind, source.name)
        principal, context = _caller(on, tx, wish.caller_arn or found.arn, found)
        levels = store.guardrails.for_account(tx, found.account_id)
    policies = [kept(_id(grant), grant.document) for grant in found.grants if not _is_excluded(grant, exclusions)]
    boundary = None
    if found.boundary is not None and not any(one.type == "permission-boundary" for one in exclusions):
        boundary = kept(iam_policies.read_arn(found.boundary[0]).name, found.boundary[1])
    scene = _scene(wish, principal, context, policies, boundary)
    if scene.levels is None and levels:
        scene = replace(scene, levels=tuple(tuple(kept(one.name, one.document) for one in level) for level in levels))
    return _answers(scene, wish, first, limit)


def of_texts(on: Backends, account_id: str, wish: Wish, first: int, limit: int) -> tuple[list[Answers], int | None]:
    """Ask with the policies that are given, on behalf of somebody who has no others."""
    if wish.resource_policy is not None and wish.caller_arn is None:
        raise InvalidInput("CallerArn is required if you include a ResourcePolicy")
    principal, context = Principal("user", f"arn:aws:iam::{account_id}:user/{SESSION}", account_id), Context()
    if wish.caller_arn is not None:
        with on.database.snapshot() as tx:
            principal, context = _caller(on, tx, wish.caller_arn, None)
    return _answers(_scene(wish, principal, context, [], None), wish, first, limit)


def keys_of_entity(on: Backends, source: EntityArn, texts: Sequence[str]) -> list[str]:
    """The context keys that the policies of a user, group or role ask for, and others that are given."""
    with on.database.snapshot() as tx:
        entity = store.iam_entities.get(tx, source.kind, source.account_id, source.name)
        found = policies_of(tx, entity.kind, entity.id) if source.is_of(entity) else None
    if found is None:
        raise NoSuchEntity(source.kind, source.name)
    return iam_simulation.keys_of([*(grant.document for grant in found.grants), *texts])


def _answers(scene: Scene, wish: Wish, first: int, limit: int) -> tuple[list[Answers], int | None]:
    """A page of answers, which has fewer actions the more resources there are and the longer the policies."""
    most = EFFORT // (len(wish.resources) * max(scene.characters, MINIMUM))
    if not most:
        raise InvalidInput("The policies are too long for so many resources; ask for fewer at a time")
    end = first + min(limit, most)
    answers = [ask_all(scene, action, wish.resources) for action in wish.actions[first:end]]
    return answers, end if end < len(wish.actions) else None


def _scene(
    wish: Wish, principal: Principal, context: Context, policies: Sequence[Written], boundary: Written | None
) -> Scene:
    identity = [given("PolicyInputList", n, text, Kind.IDENTITY) for n, text in enumerate(wish.policies, 1)]
    for n, text in enumerate(wish.boundaries, 1):
        boundary = given("PermissionsBoundaryPolicyInputList", n, text, Kind.BOUNDARY)
    levels = None
    if wish.levels is not None:
        member = "OrderedOrganizationPolicyInputList"
        levels = tuple(
            tuple(given(member, n, text, Kind.GUARDRAIL) for text in level) for n, level in enumerate(wish.levels, 1)
        )
    owner = wish.owner or principal.account_id or ""
    resource = None
    if wish.resource_policy is not None:
        resource = given("ResourcePolicy", 1, wish.resource_policy, None)
    return Scene(
        principal,
        owner,
        {"aws:resourceaccount": owner, **context, **wish.context},
        (*policies, *identity),
        boundary,
        resource,
        levels,
    )


def _caller(on: Backends, tx: Transaction, arn: str, found: Found | None) -> tuple[Principal, Context]:
    """Who asks, and what the context would say of him; of who is not there it says what his ARN does."""
    named = iam_principals.read_arn(arn)
    if named is None:
        raise InvalidInput(f"CallerArn {arn} is not valid: it must be the ARN of a user, group or role")
    entity = store.iam_entities.find(tx, named.kind, named.account_id, named.name)
    id_ = entity.id if entity is not None and named.is_of(entity) else None
    if found is None or found.arn != arn:
        found = policies_of(tx, named.kind, id_) if id_ else None
    now = on.clock()
    context: Context = {
        "aws:currenttime": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "aws:epochtime": str(int(now.timestamp())),
        "aws:principalaccount": named.account_id,
        "aws:principalarn": arn,
        "aws:principaltype": "AssumedRole" if named.kind == "role" else "User",
        **{f"aws:principaltag/{key.lower()}": value for key, value in (found.tags if found else {}).items()},
    }
    if named.kind == "role":
        session_id = f"{id_}:{SESSION}" if id_ else None
        context |= {"aws:userid": session_id} if session_id else {}
        session = f"arn:aws:sts::{named.account_id}:assumed-role/{named.name}/{SESSION}"
        return Principal("session", session, named.account_id, session_id, role_arn=arn), context
    if named.kind == "user":
        context |= {"aws:username": named.name} | ({"aws:userid": id_} if id_ else {})
    return Principal("user", arn, named.account_id, id_), context


def _is_excluded(grant: Grant, exclusions: Sequence[Exclusion]) -> bool:
    return any(one.covers(grant) for one in exclusions)


def _id(grant: Grant) -> str:
    """How answers refer to a policy of an entity."""
    if grant.holder is None:
        return iam_policies.read_arn(grant.name).name
    return "_".join([*grant.holder, grant.name])
