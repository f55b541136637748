"""Requests: forms whose parameters spell the members of a shape, such as `Tags.member.1.Key=team`."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from holdfast.aws import service_models
from holdfast.aws.json_protocol import EPOCH, VALUE_BITS
from holdfast.aws.signature import parameters
from holdfast.model.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.model import OperationModel, Shape

    from holdfast.aws.service_models import Service
    from holdfast.http import Request

FORM = "application/x-www-form-urlencoded"
FORM_BYTES = 512 * 1024  # the largest policy, of 131,072 characters, with every one of them escaped
PARAMETERS = 5000
DEPTH = 10  # of names; the deepest member of any operation has seven parts
NAMES_ACTION = re.compile(r"(?:^|&)(?:Action|X-Amz-Algorithm)=")
BOOLEANS = {"true": True, "false": False}


class MissingAction(Invalid):
    """A form that does not say what is to be done."""

    def __init__(self) -> None:
        super().__init__("Missing Action")


class InvalidAction(Invalid):
    """An action that is none of the service's, or none of this version's."""


class MalformedInput(Invalid):
    """A form whose parameters do not spell what the operation takes."""


# ---- Which requests are forms


def is_spoken(request: Request) -> bool:
    """Whether a request is of this protocol: it posts a form, or names its action in the query."""
    if _posts_form(request):
        return True
    is_open = request.method == "GET" or (request.method == "POST" and request.header("x-amz-target") is None)
    return is_open and NAMES_ACTION.search(request.query) is not None


def service_of(request: Request) -> Service:
    """The service that a request says it is signed for; STS if for neither: it alone is asked without a signature."""
    signed = f"{request.header('authorization')} {unquote(request.query)}"
    return service_models.load("iam" if "/iam/aws4_request" in signed else "sts")


def read_form(request: Request, body: bytes) -> dict[str, str]:
    """The parameters of a request: those of its query, then those of its body; of equal names the last one wins."""
    # In a query `+` is a plus, as both sides of a signature read it; in a form it is a space.
    form = body.decode("latin-1").replace("+", " ") if _posts_form(request) else ""
    if request.query.count("&") + form.count("&") >= PARAMETERS:
        raise MalformedInput(f"The request must have at most {PARAMETERS} parameters.")
    try:
        return {_utf8(name): _utf8(value) for text in (request.query, form) for name, value in parameters(text)}
    except UnicodeDecodeError as fault:
        raise MalformedInput("The parameters of the request must be UTF-8.") from fault


def _posts_form(request: Request) -> bool:
    return request.method == "POST" and (request.header("content-type") or "").lower().startswith(FORM)


def _utf8(text: str) -> str:
    return text.encode("latin-1").decode()


# ---- What a form spells


class Field:
    """A parameter, and those whose names go on from its own."""

    __slots__ = ("members", "text")

    def __init__(self) -> None:
        self.text: str | None = None
        self.members: dict[str, Field] = {}


def parse(operation: OperationModel, form: Mapping[str, str]) -> dict[str, Any]:
    """Read a request's members into Python's types; whether they keep their constraints is for `validate` to say."""
    if operation.input_shape is None:
        return {}
    root = Field()
    for name, text in form.items():
        field = root
        for part in name.split(".", DEPTH):
            if part not in field.members:
                field.members[part] = Field()
            field = field.members[part]
        field.text = text
    return _read_structure(operation.input_shape, root, "")


def _read(shape: Shape, field: Field, at: str) -> Any:
    """The value of a field; None for a list or a map of which nothing is given but unknown parameters."""
    if shape.type_name in _NESTED:
        if field.text:
            raise _wrong_type(shape, at)
        return _NESTED[shape.type_name](shape, field, at)
    if field.text is None:
        raise _wrong_type(shape, at)
    return _SCALARS[shape.type_name](shape, field.text, at)


def _read_structure(shape: Shape, field: Field, at: str) -> dict[str, Any]:
    return {
        name: value
        for name, member in shape.members.items()
        if name in field.members
        and (value := _read(member, field.members[name], f"{at}.{name}" if at else name)) is not None
    }


def _read_list(shape: Shape, field: Field, at: str) -> list[Any] | None:
    if field.text is None and "member" not in field.members:
        return None
    member = shape.member
    return [_read(member, item, f"{at}.member.{n}") for n, item in enumerate(_numbered(field, "member", at), 1)]


def _read_map(shape: Shape, field: Field, at: str) -> dict[str, Any] | None:
    if field.text is None and "entry" not in field.members:
        return None
    found = {}
    for n, entry in enumerate(_numbered(field, "entry", at), 1):
        if not {"key", "value"} <= entry.members.keys():
            raise MalformedInput(f"The value of '{at}.entry.{n}' must have a key and a value.")
        key = _read(shape.key, entry.members["key"], f"{at}.entry.{n}.key")
        found[key] = _read(shape.value, entry.members["value"], f"{at}.entry.{n}.value")
    return found


def _numbered(field: Field, name: str, at: str) -> list[Field]:
    """What is numbered below a field; numbers that leave a gap make nothing longer than what was sent."""
    if name not in field.members:
        return []
    members = field.members[name].members
    found = [members[number] for number in map(str, range(1, len(members) + 1)) if number in members]
    if len(found) != len(members) or field.members[name].text:
        raise MalformedInput(f"The parameters '{at}.{name}' must be numbered from 1 without a gap.")
    return found


def _read_string(_shape: Shape, text: str, _at: str) -> str:
    return text


def _read_boolean(shape: Shape, text: str, at: str) -> bool:
    if text.lower() not in BOOLEANS:
        raise _wrong_type(shape, at)
    return BOOLEANS[text.lower()]


def _read_integer(shape: Shape, text: str, at: str) -> int:
    limit = 1 << VALUE_BITS[shape.type_name]
    if not re.fullmatch(r"[+-]?[0-9]{1,19}", text) or not -limit <= int(text) < limit:
        raise _wrong_type(shape, at)
    return int(text)


def _read_timestamp(shape: Shape, text: str, at: str) -> datetime:
    try:
        if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", text):
            return EPOCH + timedelta(seconds=float(text))
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as fault:
        raise _wrong_type(shape, at) from fault


def _read_blob(shape: Shape, text: str, at: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as fault:
        raise _wrong_type(shape, at) from fault


def _wrong_type(shape: Shape, at: str) -> MalformedInput:
    return MalformedInput(f"The value of '{at}' must be of type {shape.type_name}.")


_NESTED: dict[str, Callable[[Shape, Field, str], Any]] = {
    "structure": _read_structure,
    "list": _read_list,
    "map": _read_map,
}
_SCALARS: dict[str, Callable[[Shape, str, str], Any]] = {
    "string": _read_string,
    "boolean": _read_boolean,
    "integer": _read_integer,
    "long": _read_integer,
    "timestamp": _read_timestamp,
    "blob": _read_blob,
}
