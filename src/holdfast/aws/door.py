"""A request's life at this door: name the operation, check the claim, read, prove, parse, ask leave, answer."""

from __future__ import annotations

import hashlib
import logging
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from holdfast import registry
from holdfast.aws import json_protocol, signature
from holdfast.aws.ecr import OPERATIONS
from holdfast.aws.operations import Call
from holdfast.aws.service_models import load
from holdfast.http import ReadBody, Response
from holdfast.model import errors
from holdfast.model.errors import Refusal

if TYPE_CHECKING:
    from datetime import timedelta

    from botocore.model import OperationModel

    from holdfast.aws.operations import Operation
    from holdfast.http import Answer, Request
    from holdfast.registry import Backends
    from holdfast.registry.accounts import Tokens

log = logging.getLogger(__name__)

JSON = "application/x-amz-json-1.1"
FORM_BYTES = 8 * 1024
BODY_BYTES = 32 * 1024 * 1024  # a part of 20 MiB in base64, and the largest manifest with every character escaped

# Refusals whose names are not AWS's: status and code on this door.
WORDS: dict[type[Refusal], tuple[int, str]] = {
    errors.BlobNotFound: (400, "LayersNotFoundException"),
    errors.BytesDamaged: (500, "ServerException"),
    errors.DigestInvalid: (400, "InvalidParameterException"),
    errors.LayerReferenced: (400, "InvalidParameterException"),
    errors.LayerTooLarge: (400, "LimitExceededException"),
    errors.ManifestInvalid: (400, "InvalidParameterException"),
    errors.ManifestTooLarge: (400, "InvalidParameterException"),
    errors.NameInvalid: (400, "InvalidParameterException"),
    errors.RangeInvalid: (400, "InvalidLayerPartException"),
    errors.RequestTooLarge: (413, "RequestEntityTooLarge"),
    errors.SizeInvalid: (400, "InvalidLayerPartException"),
    errors.StorageFull: (503, "ServiceUnavailableException"),
    errors.TagInvalid: (400, "InvalidParameterException"),
    errors.TokenExpired: (400, "ExpiredTokenException"),
    errors.Unauthenticated: (400, "UnrecognizedClientException"),
    errors.Unsupported: (400, "InvalidParameterException"),
}


class UnknownOperation(errors.Invalid):
    """A target that is no operation of the service."""


class Door:
    """Everything that is POSTed to `/`."""

    def __init__(self, on: Backends, tokens: Tokens, *, window: timedelta) -> None:
        self._on = on
        self._tokens = tokens
        self._window = window
        self._service = load("ecr")

    def __call__(self, request: Request) -> Answer:
        """Answer a request, as far as its head allows; nothing of the body is read for a claim that cannot hold."""
        if request.method != "POST":
            text = b"This is Holdfast. ECR's API is POST /, the registry is /v2/\n"
            status = 200 if request.method in {"GET", "HEAD"} else 405
            return Response(status, [("Content-Type", "text/plain"), ("Allow", "GET, HEAD, POST")], text)
        if (request.header("content-type") or "").startswith("application/x-www-form-urlencoded"):
            return ReadBody(FORM_BYTES, partial(_refuse_action, request), lambda: _refuse_action(request, b""))
        try:
            operation, model = self._find(request)
            head = signature.Head(request.method, request.path, request.query, request.headers)
            claim = signature.read(head, self._on.clock(), services={self._service.signing_name}, window=self._window)
            if claim.session_token is not None:
                raise signature.SessionTokenInvalid
            caller, secret = registry.accounts.secret_of(self._on, claim.access_key_id)
        except Refusal as refusal:
            return self.refuse(request, refusal)

        def run(body: bytes) -> Response:
            try:
                signature.prove(head, claim, secret, hashlib.sha256(body).hexdigest(), self._on.clock())
                call = Call(self._on, self._tokens, request, caller, claim.region)
                return self._run(call, operation, model, body)
            except Refusal as refusal:
                return self.refuse(request, refusal)

        return ReadBody(BODY_BYTES, run, lambda: self.refuse(request, errors.RequestTooLarge(BODY_BYTES)))

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        """The answer to a refusal."""
        status, code = WORDS.get(type(refusal), (400, refusal.code))
        return self._fault(request, status, code, refusal.message, refusal.details)

    def failed(self, request: Request, fault: Exception) -> Response:
        """The answer to what nobody expected."""
        if isinstance(fault, Refusal):
            return self.refuse(request, fault)
        log.error("request %s failed: %s %s", request.id, request.method, request.path, exc_info=fault)
        text = f"The registry failed to answer. Its log has the request id {request.id}"
        return self._fault(request, 500, "ServerException", text, {})

    def _find(self, request: Request) -> tuple[Operation, OperationModel]:
        prefix, _, name = (request.header("x-amz-target") or "").rpartition(".")
        operation = OPERATIONS.get(name)
        model = self._service.find(name)
        if prefix != self._service.target_prefix or model is None:
            raise UnknownOperation(f"The operation '{name[:100]}' is not one of this service")
        if operation is None:
            raise UnknownOperation(f"This version of Holdfast does not answer the operation '{name}' yet")
        return operation, model

    @staticmethod
    def _run(call: Call, operation: Operation, model: OperationModel, body: bytes) -> Response:
        if call.on.throttle is not None:
            call.on.throttle.take(call.caller.account_id, call.region, operation.name)
        parameters = json_protocol.parse(model, body)
        json_protocol.validate(model, parameters)
        resource = operation.resource(call, parameters)
        registry.access.require(call.caller, f"ecr:{operation.name}", resource)
        answer = operation.function(call, parameters)
        return Response(200, _headers(call.http), json_protocol.render(model.output_shape, answer))

    @staticmethod
    def _fault(request: Request, status: int, code: str, message: str, details: dict[str, object]) -> Response:
        headers = [*_headers(request), ("x-amzn-ErrorType", code)]
        return Response(status, headers, json_protocol.render_fault(code, message, details))


def _refuse_action(request: Request, form: bytes) -> Response:
    """Say in the words of the Query protocol that IAM and STS are not answered."""
    actions = parse_qs(form.decode("latin-1")).get("Action", ["unknown"])
    action = escape("".join(letter for letter in actions[0][:100] if letter.isalnum()))
    text = (
        "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidAction</Code>"
        f"<Message>This version of Holdfast does not answer the action {action} yet</Message></Error>"
        f"<RequestId>{request.id}</RequestId></ErrorResponse>"
    )
    return Response(400, [("x-amzn-RequestId", request.id), ("Content-Type", "text/xml")], text.encode())


def _headers(request: Request) -> list[tuple[str, str]]:
    return [("x-amzn-RequestId", request.id), ("Content-Type", JSON)]
