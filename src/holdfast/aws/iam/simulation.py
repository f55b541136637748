"""Ask what policies would say to requests that nobody made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws.iam import markers
from holdfast.aws.operations import Call, Shape, operation
from holdfast.model.errors import Validation
from holdfast.model.iam_simulation import keys_of
from holdfast.model.iam_simulation_wishes import Wish, context_value
from holdfast.model.names import Arn
from holdfast.registry.iam.simulation import Exclusion, entity_arn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.model.iam_simulation import Answer, Answers, Written

MOST_DIGITS = 6  # of a marker, which says how many actions came before


def _source(_call: Call, request: Shape) -> Arn:
    """The user, group or role whose policies are asked for."""
    return Arn(entity_arn(request["PolicySourceArn"]).account_id, request["PolicySourceArn"])


def _nothing(call: Call, _request: Shape) -> Arn:
    """Policies that are given are nobody's."""
    return Arn(call.caller.account_id, "*")


@operation(on=_source, lacks="ResourceHandlingOption, which is about machines")
def simulate_principal_policy(call: Call, request: Shape) -> Shape:
    """Ask what the policies of a user, group or role would say."""
    source = entity_arn(request["PolicySourceArn"])
    exclusions = [_exclusion(one) for one in request.get("PolicyExclusionList", [])]
    first, size = _first(request), markers.size(request)
    return _page(*registry.iam.simulation.of_entity(call.on, source, _wish(request), exclusions, first, size))


@operation(on=_nothing, lacks="ResourceHandlingOption, which is about machines")
def simulate_custom_policy(call: Call, request: Shape) -> Shape:
    """Ask what policies would say."""
    account_id, first, size = call.caller.account_id, _first(request), markers.size(request)
    return _page(*registry.iam.simulation.of_texts(call.on, account_id, _wish(request), first, size))


@operation(on=_source)
def get_context_keys_for_principal_policy(call: Call, request: Shape) -> Shape:
    """The context keys that the policies of a user, group or role ask for."""
    source = entity_arn(request["PolicySourceArn"])
    texts = request.get("PolicyInputList", [])
    return {"ContextKeyNames": registry.iam.simulation.keys_of_entity(call.on, source, texts)}


@operation(on=_nothing)
def get_context_keys_for_custom_policy(_call: Call, request: Shape) -> Shape:
    """The context keys that policies ask for."""
    return {"ContextKeyNames": keys_of(request["PolicyInputList"])}


def _wish(request: Shape) -> Wish:
    levels = request.get("OrderedOrganizationPolicyInputList")
    return Wish(
        actions=request["ActionNames"],
        resources=request.get("ResourceArns") or ["*"],
        policies=request.get("PolicyInputList", []),
        boundaries=request.get("PermissionsBoundaryPolicyInputList", []),
        resource_policy=request.get("ResourcePolicy"),
        resource_owner=request.get("ResourceOwner"),
        caller_arn=request.get("CallerArn"),
        context=dict(map(_entry, request.get("ContextEntries", []))),
        levels=None if levels is None else [level.get("ServiceControlPolicyInputList", []) for level in levels],
    )


def _entry(entry: Shape) -> tuple[str, str | tuple[str, ...]]:
    name = entry.get("ContextKeyName")
    if name is None:
        raise Validation("A context entry must have a ContextKeyName")
    return name.lower(), context_value(name, entry.get("ContextKeyType", "string"), entry.get("ContextKeyValues", []))


def _exclusion(identifier: Shape) -> Exclusion:
    inline = identifier.get("InlinePolicyIdentifier")
    named = (inline["PolicyName"], inline["AttachmentType"], inline["AttachmentName"]) if inline else None
    return Exclusion(identifier.get("PolicyType"), identifier.get("PolicyArn"), named)


def _first(request: Shape) -> int:
    """The number of the action with which the page begins."""
    text = markers.after(request) or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise Validation("Invalid Marker.")
    return int(text)


# ---- As answers show them


def _page(answers: Sequence[Answers], following: int | None) -> Shape:
    rest = markers.rest(None if following is None else str(following))
    return {"EvaluationResults": list(map(_rendered, answers)), **rest}


def _rendered(answers: Answers) -> Shape:
    whole = answers.whole
    organization = whole.in_organization
    return {
        "EvalActionName": answers.action,
        "EvalResourceName": whole.resource,
        "EvalDecision": whole.decision,
        **_details(whole),
        "OrganizationsDecisionDetail": None if organization is None else {"AllowedByOrganizations": organization},
        "ResourceSpecificResults": [_rendered_one(answer) for answer in answers.each] if answers.each else None,
    }


def _rendered_one(answer: Answer) -> Shape:
    return {"EvalResourceName": answer.resource, "EvalResourceDecision": answer.decision, **_details(answer)}


def _details(answer: Answer) -> Shape:
    in_bounds = answer.in_bounds
    return {
        "MatchedStatements": [_statement(*one) for one in answer.matched],
        "MissingContextValues": list(answer.missing),
        "EvalDecisionDetails": answer.by_type,
        "PermissionsBoundaryDecisionDetail": (
            None if in_bounds is None else {"AllowedByPermissionsBoundary": in_bounds}
        ),
    }


def _statement(written: Written, index: int) -> Shape:
    place = written.place(index)
    return {
        "SourcePolicyId": written.id,
        "SourcePolicyType": written.type,
        "StartPosition": _position(place.start),
        "EndPosition": _position(place.end),
    }


def _position(place: tuple[int, int]) -> Shape:
    return {"Line": place[0], "Column": place[1]}
