"""AWS JSON 1.1 as a server speaks it: requests in, results and refusals out, all by Amazon's own description."""

from __future__ import annotations

import base64
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.aws import service_models
from holdfast.http import Response
from holdfast.model.errors import Invalid, InvalidParameter, Validation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from botocore.model import OperationModel, Shape

    from holdfast.http import Request

CONTENT_TYPE = "application/x-amz-json-1.1"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VALUE_BITS = {"integer": 31, "long": 63}  # besides the sign
NUMBERS = {"integer", "long", "float", "double"}
SIZED = {"string", "blob", "list", "map"}
MOST_ITEMS = 1000  # of a list that the description leaves without a bound; no operation has use for so many


class Serialization(Invalid):
    """A body that is not JSON, or not of the types that the operation takes."""


# ---- Requests


def parse(operation: OperationModel, body: bytes) -> dict[str, Any]:
    """Read a request's members into Python's types; whether they keep their constraints is for `validate` to say."""
    try:
        document = msgspec.json.decode(body)
    except (ValueError, RecursionError) as fault:  # not JSON, not UTF-8 or nested without end
        raise Serialization("The request body is not valid JSON.") from fault
    if not isinstance(document, dict):
        raise Serialization("The request body must be a JSON object.")
    return _read_structure(operation.input_shape, document, "") if operation.input_shape else {}


def _read(shape: Shape, value: Any, at: str) -> Any:
    return _READERS[shape.type_name](shape, value, at)


def _read_structure(shape: Shape, value: Any, at: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong_type(shape, at)
    return {
        name: _read(member, value[name], f"{at}.{name}" if at else name)
        for name, member in shape.members.items()
        if value.get(name) is not None
    }


def _read_list(shape: Shape, value: Any, at: str) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong_type(shape, at)
    member, enough = shape.member, _most(shape) + 1  # to see that there are too many
    return [_read(member, item, f"{at}[{index}]") for index, item in enumerate(value[:enough])]


def _read_map(shape: Shape, value: Any, at: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong_type(shape, at)
    member = shape.value
    return {key: _read(member, item, at) for key, item in value.items()}


def _read_string(shape: Shape, value: Any, at: str) -> str:
    if not isinstance(value, str):
        raise _wrong_type(shape, at)
    return value


def _read_boolean(shape: Shape, value: Any, at: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(shape, at)
    return value


def _read_integer(shape: Shape, value: Any, at: str) -> int:
    limit = 1 << VALUE_BITS[shape.type_name]
    if not isinstance(value, int) or isinstance(value, bool) or not -limit <= value < limit:
        raise _wrong_type(shape, at)
    return value


def _read_double(shape: Shape, value: Any, at: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) > sys.float_info.max:
        raise _wrong_type(shape, at)
    return float(value)


def _read_timestamp(shape: Shape, value: Any, at: str) -> datetime:
    try:
        return EPOCH + timedelta(seconds=_read_double(shape, value, at))
    except OverflowError as fault:
        raise _wrong_type(shape, at) from fault


def _read_blob(shape: Shape, value: Any, at: str) -> bytes:
    try:
        return base64.b64decode(_read_string(shape, value, at), validate=True)
    except ValueError as fault:
        raise Serialization(f"The value of '{at}' is not valid base64.") from fault


def _wrong_type(shape: Shape, at: str) -> Serialization:
    return Serialization(f"The value of '{at}' must be of type {shape.type_name}.")


_READERS: dict[str, Callable[[Shape, Any, str], Any]] = {
    "structure": _read_structure,
    "list": _read_list,
    "map": _read_map,
    "string": _read_string,
    "boolean": _read_boolean,
    "integer": _read_integer,
    "long": _read_integer,
    "double": _read_double,
    "float": _read_double,
    "timestamp": _read_timestamp,
    "blob": _read_blob,
}


# ---- Constraints


def validate(operation: OperationModel, parameters: Mapping[str, Any]) -> None:
    """Refuse the first member that breaks a constraint of the description; clients check only some of them."""
    if operation.input_shape is None:
        return
    broken = next(broken_constraints(operation.input_shape, parameters), None)
    if broken is None:
        return
    refusal = InvalidParameter(*broken)
    codes = {shape.name for shape in operation.error_shapes}
    if refusal.code not in codes and "ValidationException" in codes:
        raise Validation(refusal.message)
    raise refusal


def broken_constraints(shape: Shape, value: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Each innermost named member that is at fault, and what AWS says that it had to be."""
    if constraint := _broken_constraint(shape, value):
        yield field, constraint
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if name in value:
                yield from broken_constraints(member, value[name], name)
            elif name in shape.required_members:
                yield name, "Member must not be null"
    elif shape.type_name == "list":
        for item in value:
            yield from broken_constraints(shape.member, item, field)
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from broken_constraints(shape.key, key, field)
            yield from broken_constraints(shape.value, item, field)


def _broken_constraint(shape: Shape, value: Any) -> str | None:
    rule = next(broken_rules(shape, value), None)
    if rule == "pattern":
        return f"must satisfy regular expression '{shape.metadata[rule]}'"
    return demand(shape, rule) if rule else None


def broken_rules(shape: Shape, value: Any) -> Iterator[str]:
    """The rules of a shape that a value itself breaks, as the description names them."""
    rules = shape.metadata
    if shape.type_name in NUMBERS:
        size = value
    elif shape.type_name in SIZED:
        size = len(value)
    else:
        return
    if "min" in rules and size < rules["min"]:
        yield "min"
    most = _most(shape) if shape.type_name == "list" else rules.get("max")
    if most is not None and size > most:
        yield "max"
    if "pattern" in rules and not service_models.matches(rules["pattern"], value):
        yield "pattern"
    if "enum" in rules and value not in rules["enum"]:
        yield "enum"


def demand(shape: Shape, rule: str) -> str:
    """What a member must be by one rule of its shape."""
    rules, measure = shape.metadata, "value" if shape.type_name in NUMBERS else "length"
    match rule:
        case "min":
            return f"Member must have {measure} greater than or equal to {rules['min']}"
        case "max":
            return f"Member must have {measure} less than or equal to {rules.get('max', MOST_ITEMS)}"
        case "pattern":
            return f"Member must satisfy regular expression pattern: {rules['pattern']}"
        case _:
            return f"Member must satisfy enum value set: [{', '.join(rules['enum'])}]"


def _most(shape: Shape) -> int:
    """How many items a list may have."""
    most: int = shape.metadata.get("max", MOST_ITEMS)
    return most


# ---- Answers


def answer(request: Request, operation: OperationModel, value: Mapping[str, Any]) -> Response:
    """Answer a request with a result."""
    return Response(200, _headers(request), render(operation.output_shape, value))


def fault(request: Request, status: int, code: str, message: str, details: Mapping[str, Any]) -> Response:
    """Answer a request with a refusal or a failure."""
    return Response(status, [*_headers(request), ("x-amzn-ErrorType", code)], render_fault(code, message, details))


def _headers(request: Request) -> list[tuple[str, str]]:
    return [("x-amzn-RequestId", request.id), ("Content-Type", CONTENT_TYPE)]


def render(output_shape: Shape | None, value: Mapping[str, Any]) -> bytes:
    """Write a result; a member that the description does not have is a mistake of ours and raises KeyError."""
    return msgspec.json.encode(document(output_shape, value) if output_shape else {})


def render_fault(code: str, message: str, details: Mapping[str, Any]) -> bytes:
    """Write a refusal as every JSON service does."""
    body = {"__type": code, "message": message, **details}
    if code == "AccessDeniedException":
        body["Message"] = message  # real services write this one with a capital; some clients read only that
    return msgspec.json.encode(body)


def document(shape: Shape, value: Any) -> Any:
    """A result as JSON has it."""
    match shape.type_name:
        case "structure":
            members = shape.members
            return {name: document(members[name], item) for name, item in value.items() if item is not None}
        case "list":
            member = shape.member
            return [document(member, item) for item in value]
        case "map":
            member = shape.value
            return {key: document(member, item) for key, item in value.items()}
        case "timestamp":
            assert value.tzinfo is not None, "a time without a zone is a time unknown"
            return round(value.timestamp(), 3)
        case "blob":
            return base64.b64encode(value).decode()
        case _:
            return value
