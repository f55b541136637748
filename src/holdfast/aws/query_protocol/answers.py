"""Answers and faults in XML, or in JSON for a caller who accepts that."""

from __future__ import annotations

import base64
import re
from datetime import UTC
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import msgspec

from holdfast.aws import json_protocol
from holdfast.aws.signature import SignatureFault
from holdfast.http import Response
from holdfast.model import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.model import OperationModel, Shape

    from holdfast.aws.service_models import Service
    from holdfast.http import Request
    from holdfast.model.errors import Refusal

JSON = "application/json"
XML = "text/xml"
# Not even escaped may these stand in XML 1.0; section 2.2.
UNSPEAKABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
REPLACEMENT = "\ufffd"

# Refusals that no description lists, or not by these names, and all kinds of them: status and code.
WORDS_QUERY: dict[type[Refusal], tuple[int, str]] = {
    errors.AccessDenied: (403, "AccessDenied"),
    errors.DatabaseUnavailable: (503, "ServiceUnavailable"),
    errors.InvalidParameter: (400, "ValidationError"),
    errors.KeysUnavailable: (503, "ServiceUnavailable"),
    errors.RequestTooLarge: (413, "RequestEntityTooLarge"),
    errors.ServerBusy: (503, "ServiceUnavailable"),
    errors.SessionTokenExpired: (403, "ExpiredToken"),
    errors.StorageFull: (503, "ServiceUnavailable"),
    errors.StorageUnavailable: (503, "ServiceUnavailable"),
    errors.Throttling: (400, "Throttling"),
    errors.TokenExpired: (403, "ExpiredToken"),
    errors.UnrecognizedClient: (403, "InvalidClientTokenId"),
    errors.Validation: (400, "ValidationError"),
}


def words(service: Service, refusal: Refusal) -> tuple[int, str, str]:
    """Status, code and message of a refusal: as the description has them for an error of its name, or as we do."""
    if isinstance(refusal, SignatureFault):
        return refusal.query_status, refusal.query_code, refusal.query_message
    kind, *ancestors = type(refusal).__mro__
    inherited = (WORDS_QUERY[ancestor] for ancestor in ancestors if ancestor in WORDS_QUERY)
    known = WORDS_QUERY.get(kind) or service.faults.get(refusal.code) or next(inherited, None)
    status, code = known or (400, refusal.code.removesuffix("Exception"))
    return status, code, refusal.message


def answer(request: Request, operation: OperationModel, value: Mapping[str, Any]) -> Response:
    """Write a result; a member that the description does not have is a mistake of ours and raises KeyError."""
    shape = operation.output_shape
    if shape is None and value:
        raise KeyError(*value)
    if _accepts_json(request):
        result = {} if shape is None else {f"{operation.name}Result": json_protocol.document(shape, value)}
        document = {f"{operation.name}Response": {**result, "ResponseMetadata": {"RequestId": request.id}}}
        return _response(request, 200, JSON, msgspec.json.encode(document))
    body = "" if shape is None else _element(f"{operation.name}Result", shape, value)
    body += f"<ResponseMetadata><RequestId>{request.id}</RequestId></ResponseMetadata>"
    namespace = operation.metadata["xmlNamespace"]
    return _response(request, 200, XML, _root(f"{operation.name}Response", namespace, body))


def fault(request: Request, service: Service, status: int, code: str, message: str) -> Response:
    """Write a refusal, or a failure."""
    blamed = "Sender" if status < 500 else "Receiver"
    if _accepts_json(request):
        error = {"Code": code, "Message": message, "Type": blamed}
        return _response(request, status, JSON, msgspec.json.encode({"Error": error, "RequestId": request.id}))
    body = (
        f"<Error><Type>{blamed}</Type><Code>{_escaped(code)}</Code><Message>{_escaped(message)}</Message></Error>"
        f"<RequestId>{request.id}</RequestId>"
    )
    return _response(request, status, XML, _root("ErrorResponse", service.xml_namespace, body))


def failure(request: Request, service: Service, message: str) -> Response:
    """Write that what was asked failed, though it may have been right."""
    _, code = service.faults.get("ServiceFailureException", (500, "InternalFailure"))
    return fault(request, service, 500, code, message)


def _accepts_json(request: Request) -> bool:
    wanted = (request.header("accept") or "").lower().split(",")
    return any(kind.partition(";")[0].strip() == JSON for kind in wanted)


def _response(request: Request, status: int, content_type: str, body: bytes) -> Response:
    return Response(status, [("x-amzn-RequestId", request.id), ("Content-Type", content_type)], body)


def _root(name: str, namespace: str | None, body: str) -> bytes:
    return f'<{name} xmlns="{namespace}">{body}</{name}>'.encode()


def _element(name: str, shape: Shape, value: Any) -> str:
    content = _content(shape, value)
    return f"<{name}>{content}</{name}>" if content else f"<{name}/>"


def _content(shape: Shape, value: Any) -> str:
    match shape.type_name:
        case "structure":
            members = shape.members
            return "".join(_element(name, members[name], item) for name, item in value.items() if item is not None)
        case "list":
            member = shape.member
            return "".join(_element("member", member, item) for item in value)
        case "map":
            pairs = ((_element("key", shape.key, key), _element("value", shape.value, value[key])) for key in value)
            return "".join(f"<entry>{key}{item}</entry>" for key, item in pairs)
        case "boolean":
            return "true" if value else "false"
        case "integer" | "long":
            return str(int(value))
        case "timestamp":
            assert value.tzinfo is not None, "a time without a zone is a time unknown"
            return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        case "blob":
            return base64.b64encode(value).decode()
        case _:
            return _escaped(value)


def _escaped(text: str) -> str:
    # A bare carriage return is a line feed to every reader of XML.
    return escape(UNSPEAKABLE.sub(REPLACEMENT, text), {"\r": "&#13;"})
