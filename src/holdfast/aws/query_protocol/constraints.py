"""What a request's members must be; unlike JSON services, these say of every member what is wrong with it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from holdfast.aws.json_protocol import broken_rules, demand
from holdfast.model.errors import Validation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.model import OperationModel, Shape

FAULTS = 10  # no refusal names more of them
SHOWN = 1024  # characters of a value
NESTED = {"structure", "list", "map"}
RULES = ("max", "min", "pattern", "enum")  # in the order in which AWS lists those of a list's items


def validate(operation: OperationModel, parameters: Mapping[str, Any]) -> None:
    """Refuse members that break the constraints of the description, in the words of IAM and STS."""
    if operation.input_shape is None:
        return
    faults = list(islice(_faults(operation.input_shape, parameters, ""), FAULTS))
    if faults:
        errors = "1 validation error" if len(faults) == 1 else f"{len(faults)} validation errors"
        raise Validation(f"{errors} detected: {'; '.join(faults)}")


def _faults(shape: Shape, value: Any, at: str) -> Iterator[str]:
    for rule in broken_rules(shape, value):
        yield _fault(shape, value, at, demand(shape, rule))
    match shape.type_name:
        case "structure":
            yield from _faults_of_members(shape, value, at)
        case "list":
            yield from _faults_of_items(shape, value, at)
        case "map":
            yield from _faults_of_entries(shape, value, at)


def _faults_of_members(shape: Shape, value: Mapping[str, Any], at: str) -> Iterator[str]:
    for name, member in shape.members.items():
        field = name[:1].lower() + name[1:]
        inner = f"{at}.{field}" if at else field
        if name in value:
            yield from _faults(member, value[name], inner)
        elif name in shape.required_members:
            yield f"Value null at '{inner}' failed to satisfy constraint: Member must not be null"


def _faults_of_items(shape: Shape, value: list[Any], at: str) -> Iterator[str]:
    if shape.member.type_name in NESTED:
        for n, item in enumerate(value, 1):
            yield from _faults(shape.member, item, f"{at}.{n}.member")
    elif _breaks(shape.member, value):
        yield _fault(shape, value, at, f"Member must satisfy constraint: {_demands(shape.member)}")


def _faults_of_entries(shape: Shape, value: Mapping[str, Any], at: str) -> Iterator[str]:
    if _breaks(shape.key, value):
        yield _fault(shape, value, at, f"Map keys must satisfy constraint: {_demands(shape.key)}")
    if shape.value.type_name in NESTED:
        for key, item in value.items():
            yield from _faults(shape.value, item, f"{at}.{key[:SHOWN]}.member")
    elif _breaks(shape.value, value.values()):
        yield _fault(shape, value, at, f"Map value must satisfy constraint: {_demands(shape.value)}")


def _breaks(shape: Shape, values: Any) -> bool:
    return any(True for value in values for _ in broken_rules(shape, value))


def _demands(shape: Shape) -> str:
    return f"[{', '.join(demand(shape, rule) for rule in RULES if rule in shape.metadata)}]"


def _fault(shape: Shape, value: Any, at: str, constraint: str) -> str:
    shown = _shown(shape, value)
    return f"Value {shown}at '{at}' failed to satisfy constraint: {constraint}"


def _shown(shape: Shape, value: Any) -> str:
    """A value in quotes; nothing of a secret, nor of what AWS itself does not show in a legible way."""
    if shape.metadata.get("sensitive"):
        return ""
    match shape.type_name:
        case "structure" | "map" | "blob":
            return ""
        case "list":
            if shape.member.type_name in NESTED or shape.member.metadata.get("sensitive"):
                return ""
            text = f"[{', '.join(map(str, value[:SHOWN]))}]"
        case _:
            text = str(value)
    return f"'{text if len(text) <= SHOWN else text[:SHOWN] + '...'}' "
