"""The text of a lifecycle policy: what it says, and every way in which it can be wrong.

ECR holds a text against a JSON schema and answers in the words of a Java validator, so the shape is a table here too:

    _check          members, types, values and bounds, each alone
    _check_tags     what tagStatus asks of the tag lists
    _check_variant  what countType asks of its neighbours
    _check_rules    what the rules ask of each other

The first fault found is the one that is told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.model.errors import InvalidParameter
from holdfast.model.lifecycle import Policy, Rule, Selection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAXIMUM_NUMBER = 2**31 - 1
MAXIMUM_WILDCARDS = 4
MAXIMUM_ECHO = 200  # characters of a text that its refusal repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class _Schema:
    """What a JSON value must be; the bounds are those of a number, of an array's size or of a string's length."""

    type: str
    members: Mapping[str, _Schema] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    items: _Schema | None = None
    values: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int = MAXIMUM_NUMBER
    is_nullable: bool = False  # null is then refused by the variant, as ECR does


@dataclass(frozen=True, slots=True)
class _Variant:
    """What goes with a countType."""

    unit: str  # empty: no countUnit
    storage_class: str
    actions: tuple[str, ...]
    minimum: int


_TYPES = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
_VARIANTS = {
    "imageCountMoreThan": _Variant("", "standard", ("expire", "transition"), 1),
    "sinceImagePulled": _Variant("days", "standard", ("transition",), 1),
    "sinceImagePushed": _Variant("days", "standard", ("expire", "transition"), 1),
    "sinceImageTransitioned": _Variant("days", "archive", ("expire",), 90),
}
_TARGETS = {"expire": "", "transition": "archive"}  # empty: no targetStorageClass

# ECR tells no number; thousands of entries would take a processor's minutes for a repository's images.
_TAG_LIST = _Schema(type="array", items=_Schema(type="string", minimum=1), minimum=1, maximum=100)
_SELECTION = _Schema(
    type="object",
    required=("countNumber", "countType", "tagStatus"),
    members={
        "tagStatus": _Schema(type="string", values=("any", "tagged", "untagged")),
        "tagPatternList": _TAG_LIST,
        "tagPrefixList": _TAG_LIST,
        "storageClass": _Schema(type="string", values=("archive", "standard"), is_nullable=True),
        "countType": _Schema(type="string", values=tuple(_VARIANTS)),
        "countUnit": _Schema(type="string", values=("days",), is_nullable=True),
        "countNumber": _Schema(type="integer", minimum=1),
    },
)
_ACTION = _Schema(
    type="object",
    required=("type",),
    members={
        "type": _Schema(type="string", values=tuple(_TARGETS)),
        "targetStorageClass": _Schema(type="string", values=("archive",), is_nullable=True),
    },
)
_RULE = _Schema(
    type="object",
    required=("action", "rulePriority", "selection"),
    members={
        "rulePriority": _Schema(type="integer", minimum=1),
        "description": _Schema(type="string"),
        "selection": _SELECTION,
        "action": _ACTION,
    },
)


def parse(text: str, maximum_rules: int = 50) -> Policy:
    """The policy that a text describes, or `InvalidParameter`; what is returned needs no further check."""
    document = _decode(text)
    rules = _Schema(type="array", items=_RULE, minimum=1, maximum=maximum_rules)
    _check(document, _Schema(type="object", required=("rules",), members={"rules": rules}))
    policy = Policy(tuple(sorted((_rule(rule) for rule in document["rules"]), key=lambda rule: rule.priority)))
    _check_rules(policy.rules)
    return policy


def compact(text: str) -> str:
    """A text that `parse` accepts as ECR gives it back: without white space, its members in their order."""
    return _json(_decode(text))


def _decode(text: str) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as fault:
        raise _fault("Could not map policyString into LifecyclePolicy.") from fault
    if not isinstance(document, dict):
        raise _fault("Could not map policyString into LifecyclePolicy.")
    return document


def _check(value: Any, schema: _Schema) -> None:
    """Refuse a value that is not of the schema, or has anything inside that is not."""
    kind = _TYPES[type(value)]
    if value is None and schema.is_nullable:
        return
    if kind != schema.type:
        raise _fault(
            f"instance type ({kind}) does not match any allowed primitive type (allowed: {_json([schema.type])})"
        )
    if isinstance(value, dict):
        _check_members(value, schema)
    elif isinstance(value, list):
        _check_size(value, schema)
    elif isinstance(value, int):
        _check_number(value, schema)
    elif schema.values and value not in schema.values:
        raise _fault(f"instance value ({_echo(value)}) not found in enum :(possible values: {_json(schema.values)})")
    elif len(value) < schema.minimum:
        raise _fault(f"string {_echo(value)} is too short (length: {len(value)}, required minimum: {schema.minimum})")


def _check_members(value: dict[str, Any], schema: _Schema) -> None:
    if missing := [name for name in schema.required if name not in value]:
        raise _fault(f"object has missing required properties ({_json(missing)})")
    if unknown := sorted(value.keys() - schema.members.keys()):
        raise _fault(f"object instance has properties which are not allowed by the schema: ({_echo(unknown)})")
    for name, member in value.items():
        _check(member, schema.members[name])


def _check_size(value: list[Any], schema: _Schema) -> None:
    size = len(value)
    if size < schema.minimum:
        raise _fault(
            f"array is too short: must have at least {schema.minimum} elements but instance has {size} elements"
        )
    if size > schema.maximum:
        raise _fault(f"array is too long: must have at most {schema.maximum} elements but instance has {size} elements")
    for item in value:
        assert schema.items is not None
        _check(item, schema.items)


def _check_number(value: int, schema: _Schema) -> None:
    if value < schema.minimum:
        bound = f"(minimum: {schema.minimum}, found: {_echo(value)})"
        raise _fault(f"numeric instance is lower than the required minimum {bound}")
    if value > schema.maximum:
        bound = f"(maximum: {schema.maximum}, found: {_echo(value)})"
        raise _fault(f"numeric instance is greater than the required maximum {bound}")


# ---- What members ask of each other


def _rule(rule: dict[str, Any]) -> Rule:
    selection, action = rule["selection"], rule["action"]
    _check_tags(selection)
    _check_variant(selection, action)
    return Rule(
        priority=rule["rulePriority"],
        description=rule.get("description"),
        selection=Selection(
            tag_status=selection["tagStatus"],
            tag_patterns=tuple(selection.get("tagPatternList", ())),
            tag_prefixes=tuple(selection.get("tagPrefixList", ())),
            storage_class=selection.get("storageClass", "standard"),
            count_type=selection["countType"],
            count_number=selection["countNumber"],
        ),
        action=action["type"],
    )


def _check_tags(selection: dict[str, Any]) -> None:
    status, lists = selection["tagStatus"], selection.keys() & {"tagPatternList", "tagPrefixList"}
    if status != "tagged" and lists:
        raise _fault(f"Must not specify tagPrefixList or tagPatternList when tagStatus={status.upper()}.")
    if status == "tagged" and not lists:
        raise _fault("Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED.")
    if len(lists) == 2:
        raise _fault("Must specify only one of tagPrefixList and tagPatternList.")
    for pattern in selection.get("tagPatternList", ()):
        if pattern.count("*") > MAXIMUM_WILDCARDS:
            raise _fault(f"A tag pattern can contain a maximum of {MAXIMUM_WILDCARDS} wildcards (*): {_echo(pattern)}")


def _check_variant(selection: dict[str, Any], action: dict[str, Any]) -> None:
    """Refuse members that ECR's schema has no variant for: one variant for each countType, one for each action."""
    variant, kind = _VARIANTS[selection["countType"]], action["type"]
    if (
        selection.get("countUnit", "") != variant.unit
        or selection.get("storageClass", "standard") != variant.storage_class
        or kind not in variant.actions
    ):
        raise _fault(f"instance failed to match exactly one schema (matched 0 out of {len(_VARIANTS)})")
    if action.get("targetStorageClass", "") != _TARGETS[kind]:
        raise _fault(f"instance failed to match exactly one schema (matched 0 out of {len(_TARGETS)})")
    _check_number(selection["countNumber"], _Schema(type="integer", minimum=variant.minimum))


def _check_rules(rules: Sequence[Rule]) -> None:
    """Refuse rules, sorted by priority, that would contend for the same images."""
    ended: set[str] = set()  # storage classes that a rule for any image was met of
    taken: set[tuple[object, ...]] = set()
    priority = 0
    for rule in rules:
        chosen = rule.selection
        status, storage_class = chosen.tag_status, chosen.storage_class
        tags = (storage_class, status, frozenset(chosen.tag_patterns), frozenset(chosen.tag_prefixes))
        if rule.priority == priority:
            raise _fault(f"Rules must have unique rulePriority values: {priority} is used more than once.")
        if storage_class in ended:
            raise _fault("Rule for tagStatus=ANY must have the lowest priority per storage class")
        if tags in taken and status == "untagged":
            raise _fault("Only one rule can select Untagged images per storage class.")
        if tags in taken:
            raise _fault("Only one rule can select images by the same tag list per storage class.")
        priority = rule.priority
        taken.add(tags)
        if status == "any":
            ended.add(storage_class)


# ---- Words


def _fault(detail: str) -> InvalidParameter:
    return InvalidParameter("LifecyclePolicyText", f"Lifecycle policy validation failure: {detail}")


def _echo(value: object) -> str:
    return _json(value)[:MAXIMUM_ECHO]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
