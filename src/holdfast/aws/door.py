"""A request's life at this door: name the operation, check the claim, read, prove, parse, ask leave, answer."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast import registry
from holdfast.aws import ecr, event_stream, iam, json_protocol, own, query_protocol, secretsmanager, signature, sts
from holdfast.aws.audited import Trail
from holdfast.aws.operations import GLOBAL_REGION, Again, Call, ask_leave
from holdfast.aws.service_models import load
from holdfast.http import Later, ReadBody, Response
from holdfast.model import errors
from holdfast.model.callers import ANONYMOUS
from holdfast.model.errors import Refusal
from holdfast.model.names import Registry
from holdfast.model.profiles import Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import timedelta

    from botocore.model import OperationModel

    from holdfast.aws.operations import Operation, Shape
    from holdfast.aws.service_models import Service
    from holdfast.http import Answer, Follow, Request
    from holdfast.model.callers import Caller
    from holdfast.registry import Backends
    from holdfast.registry.accounts import Tokens

log = logging.getLogger(__name__)

BODY_BYTES = 32 * 1024 * 1024  # a part of 20 MiB in base64, and the largest manifest with every character escaped
EXPLANATION = "x-holdfast-explanation"  # for `aws sts decode-authorization-message`

OPERATIONS = {
    "ecr": ecr.OPERATIONS,
    "holdfast": own.OPERATIONS,
    "secretsmanager": secretsmanager.OPERATIONS,
    "iam": iam.OPERATIONS,
    "sts": sts.OPERATIONS,
}
SPOKEN_IN_JSON = ("ecr", "holdfast", "secretsmanager")
SPOKEN_IN_FORMS = ("iam", "sts")
PROTOCOLS: dict[str, Any] = {"json": json_protocol, "query": query_protocol}

# Refusals whose names are not AWS's: status and code of JSON services.
WORDS: dict[type[Refusal], tuple[int, str]] = {
    errors.BlobNotFound: (400, "LayersNotFoundException"),
    errors.BytesDamaged: (500, "ServerException"),
    errors.DatabaseUnavailable: (503, "ServiceUnavailableException"),
    errors.DigestInvalid: (400, "InvalidParameterException"),
    errors.KeysUnavailable: (503, "ServiceUnavailableException"),
    errors.ImageDamaged: (400, "ImageNotFoundException"),
    errors.LayerDamaged: (400, "LayerInaccessibleException"),
    errors.LayerReferenced: (400, "InvalidParameterException"),
    errors.LayerTooLarge: (400, "LimitExceededException"),
    errors.ManifestInvalid: (400, "InvalidParameterException"),
    errors.ManifestTooLarge: (400, "InvalidParameterException"),
    errors.NameInvalid: (400, "InvalidParameterException"),
    errors.RangeInvalid: (400, "InvalidLayerPartException"),
    errors.RequestTooLarge: (413, "RequestEntityTooLarge"),
    errors.ServerBusy: (503, "ServiceUnavailableException"),
    errors.SessionTokenExpired: (400, "ExpiredTokenException"),
    errors.SessionTokenInvalid: (400, "UnrecognizedClientException"),
    errors.SizeInvalid: (400, "InvalidLayerPartException"),
    errors.StorageFull: (503, "ServiceUnavailableException"),
    errors.StorageUnavailable: (503, "ServiceUnavailableException"),
    errors.TagInvalid: (400, "InvalidParameterException"),
    errors.TokenExpired: (400, "ExpiredTokenException"),
    errors.Unauthenticated: (400, "UnrecognizedClientException"),
    errors.Unsupported: (400, "InvalidParameterException"),
}


def read_descriptions(profile: Profile) -> dict[str, Service]:
    """Every service that a door speaks, by its name; a process and those that it forks read their files once."""
    is_extended = profile is not Profile.ECR_STRICT
    in_json = {name: load(name, is_extended=is_extended) for name in SPOKEN_IN_JSON}
    return in_json | {name: load(name) for name in SPOKEN_IN_FORMS}


class UnknownOperation(errors.Invalid):
    """A target that is no operation of the service."""


class Signer(NamedTuple):
    """Who is said to have signed a request, and what is needed to prove it."""

    head: signature.Head
    claim: signature.Claim
    caller: Caller
    secret: str

    @property
    def may_call_iam(self) -> bool:
        """Whether its credentials are for IAM: those of GetSessionToken without MFA and GetFederationToken are not."""
        return self.claim.session_token is None or self.caller.kind == "session"


class Door:
    """Everything that is sent to `/`."""

    def __init__(self, on: Backends, tokens: Tokens, *, window: timedelta) -> None:
        self._on = on
        self._tokens = tokens
        self._window = window
        services = read_descriptions(on.profile)
        self._ecr = services["ecr"]
        self._by_target = {services[name].target_prefix: (services[name], OPERATIONS[name]) for name in SPOKEN_IN_JSON}
        self._by_version = {services[name].api_version: services[name] for name in SPOKEN_IN_FORMS}

    def __call__(self, request: Request) -> Answer:
        """Answer a request, as far as its head allows; nothing of the body is read for a claim that cannot hold."""
        if query_protocol.is_spoken(request):
            return self._hear_query(request)
        if request.method == "POST":
            return self._hear_json(request)
        text = b"This is Holdfast. ECR's API is POST /, the registry is /v2/\n"
        status = 200 if request.method in {"GET", "HEAD"} else 405
        return Response(status, [("Content-Type", "text/plain"), ("Allow", "GET, HEAD, POST")], text)

    def follow(self, request: Request) -> Answer | Follow:
        """Answer a request for what happens; it shows a login token, or is signed."""
        service = self._ecr.signing_name
        trail = Trail(self._on, request, service, self._on.home.region)
        trail.names(service, event_stream.OPERATION)
        try:
            if request.method != "GET":
                return Response(405, [("Allow", "GET"), ("Content-Type", "text/plain")], b"Only GET is allowed here\n")
            authorization = request.header("authorization") or ""
            if authorization.lower().startswith("basic "):
                login = self._tokens.login(authorization)
                caller, home, until = login.caller, login.registry, login.expires_at
                trail.is_of(caller)
            elif authorization:
                call = self._prove(request, self._read(request, {service}, trail), b"", trail)
                caller, home = call.caller, Registry(call.caller.account_id, call.region)
                until = self._on.clock() + self._on.limits.token_lifetime
            else:
                raise errors.Unauthenticated
            answer = event_stream.follow(self._on, request, caller, home, until)
        except Refusal as refusal:
            return event_stream.refuse(request, refusal, self._refuse(request, refusal, trail))
        trail.answered({})
        return answer

    def _hear_json(self, request: Request) -> Answer:
        """Hear a call that names its operation in its head."""
        trail = Trail(self._on, request, self._ecr.signing_name, self._on.home.region)
        try:
            operation, model = self._find_target(request)
            signing_name = model.service_model.signing_name
            trail.names(signing_name, operation.name)
            signer = self._read(request, {signing_name}, trail)
        except Refusal as refusal:
            return self._refuse(request, refusal, trail)

        def run(body: bytes) -> Response | Later:
            return self._run(self._prove(request, signer, body, trail), operation, model, body, trail)

        return self._read_body(request, BODY_BYTES, run, trail)

    def _hear_query(self, request: Request) -> Answer:
        """Hear a call that names its operation in a form: only when that is read is it known who may call."""
        signer = None
        trail = Trail(self._on, request, query_protocol.service_of(request).signing_name, GLOBAL_REGION)
        try:
            signer = self._read(request, {service.signing_name for service in self._by_version.values()}, trail)
        except signature.MissingAuthenticationToken:
            trail.is_of(ANONYMOUS)  # there are operations that need none
        except Refusal as refusal:
            return self._refuse(request, refusal, trail)

        def run(body: bytes) -> Response | Later:
            anybody = self._call(request, ANONYMOUS, GLOBAL_REGION)
            call = self._prove(request, signer, body, trail) if signer else anybody
            form = query_protocol.read_form(request, body)
            operation, model = self._find_action(form, signer)
            trail.names(model.service_model.signing_name, operation.name)
            if signer is None and not operation.unsigned:
                raise signature.MissingAuthenticationToken
            return self._run(call, operation, model, form, trail)

        return self._read_body(request, query_protocol.FORM_BYTES, run, trail)

    def _read_body(
        self, request: Request, limit: int, run: Callable[[bytes], Response | Later], trail: Trail
    ) -> ReadBody:
        """Wish for the body, and then do what the call asks for."""

        def then(body: bytes) -> Response | Later:
            return self._watched(request, lambda: run(body), trail)

        return ReadBody(limit, then, lambda: self._refuse(request, errors.RequestTooLarge(limit), trail))

    def _watched(self, request: Request, run: Callable[[], Response | Later], trail: Trail) -> Response | Later:
        """What comes of a call; whatever is refused on the way is worded and noted."""
        try:
            answer = run()
        except Refusal as refusal:
            return self._refuse(request, refusal, trail)
        except Exception:
            trail.failed()
            raise
        if isinstance(answer, Later):
            return Later(lambda: self._watched(request, answer.then, trail), answer.seconds)
        return answer

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        """The answer to a refusal."""
        status, code, message = _words(request, refusal)
        if query_protocol.is_spoken(request):
            return query_protocol.fault(request, query_protocol.service_of(request), status, code, message)
        return json_protocol.fault(request, status, code, message, refusal.details)

    def _refuse(self, request: Request, refusal: Refusal, trail: Trail) -> Response:
        """The answer to a refusal, which is noted; who may not do something is told why in a sealed text."""
        response = self.refuse(request, refusal)
        _, code, message = _words(request, refusal)
        trail.refused(code, message)
        if isinstance(refusal, errors.AccessDenied) and refusal.decision is not None:
            explanation = registry.refusals.sealed(self._on, refusal.decision)
            if explanation is not None:
                response.headers.append((EXPLANATION, explanation))
        return response

    def failed(self, request: Request, fault: Exception) -> Response:
        """The answer to what nobody expected."""
        if isinstance(fault, Refusal):
            return self.refuse(request, fault)
        log.error("request %s failed: %s %s", request.id, request.method, request.path, exc_info=fault)
        text = f"The registry failed to answer. Its log has the request id {request.id}"
        if query_protocol.is_spoken(request):
            return query_protocol.failure(request, query_protocol.service_of(request), text)
        return json_protocol.fault(request, 500, "ServerException", text, {})

    # ---- Which operation

    def _find_target(self, request: Request) -> tuple[Operation, OperationModel]:
        prefix, _, name = (request.header("x-amz-target") or "").rpartition(".")
        service, operations = self._by_target.get(prefix, (self._ecr, {}))
        operation, model = operations.get(name), service.find(name)
        if prefix not in self._by_target or model is None:
            raise UnknownOperation(f"The operation '{name[:100]}' is not one of this service")
        if operation is None:
            raise UnknownOperation(f"This version of Holdfast does not answer the operation '{name}' yet")
        return operation, model

    def _find_action(self, form: Mapping[str, str], signer: Signer | None) -> tuple[Operation, OperationModel]:
        name, version = form.get("Action"), form.get("Version", "NO_VERSION_SPECIFIED")
        if not name:
            raise query_protocol.MissingAction
        service = self._by_version.get(version)
        if service and signer and signer.claim.service != service.signing_name:
            right = f"Credential should be scoped to correct service: '{service.signing_name}'."
            raise signature.SignatureDoesNotMatch(right)
        if service and signer and service.signing_name == "iam" and not signer.may_call_iam:
            raise errors.SessionTokenInvalid
        model = service and service.find(name)
        if service is None or model is None:
            raise query_protocol.InvalidAction(f"Could not find operation {name[:100]} for version {version[:100]}")
        operation = OPERATIONS[service.signing_name].get(name)
        if operation is None:
            raise query_protocol.InvalidAction(f"This version of Holdfast does not answer the action {name} yet")
        return operation, model

    # ---- Who calls, and what is done

    def _read(self, request: Request, services: Collection[str], trail: Trail) -> Signer:
        """Look up whose key a request names."""
        head = signature.Head(request.method, request.path, request.query, request.headers)
        claim = signature.read(head, self._on.clock(), services=services, window=self._window)
        trail.claims(claim)
        if claim.session_token is None:
            return Signer(head, claim, *registry.accounts.secret_of(self._on, claim.access_key_id))
        sessions, key = registry.iam.sessions, (claim.access_key_id, claim.session_token)
        return Signer(head, claim, *sessions.secret_of(self._on, *key, self._on.clock()))

    def _prove(self, request: Request, signer: Signer, body: bytes, trail: Trail) -> Call:
        """The call of him who signed this very request."""
        body_sha256 = hashlib.sha256(body).hexdigest()
        claim, now = signer.claim, self._on.clock()
        signature.prove(signer.head, claim, signer.secret, body_sha256, now)
        trail.is_of(signer.caller)
        self._on.key_uses.note(claim.access_key_id, claim.service, claim.region, now)
        return self._call(request, signer.caller, claim.region)

    def _call(self, request: Request, caller: Caller, region: str) -> Call:
        return Call(self._on, self._tokens, request, caller, region)

    @staticmethod
    def _run(
        call: Call,
        operation: Operation,
        model: OperationModel,
        sent: bytes | Mapping[str, str],
        trail: Trail | None = None,
    ) -> Response | Later:
        """Do an operation; what was sent is a body or a form, as its service's protocol has it."""
        if call.on.throttle is not None:
            call.on.throttle.take(call.caller.account_id, call.region, operation.name)
        protocol = PROTOCOLS[model.metadata["protocol"]]
        parameters = protocol.parse(model, sent)
        protocol.validate(model, parameters)
        if trail is not None:
            trail.asks(call, operation, parameters)
        ask_leave(call, model.service_model.signing_name, operation, parameters)
        return _answered(call, model, operation.function(call, parameters), trail)


def _answered(call: Call, model: OperationModel, result: Shape | Again, trail: Trail | None) -> Response | Later:
    """The answer that an operation's members are, or when they are to be asked for again."""
    if isinstance(result, Again):
        return Later(lambda: _answered(call, model, result.then(), trail), result.seconds)
    response: Response = PROTOCOLS[model.metadata["protocol"]].answer(call.http, model, result)
    if trail is not None:
        trail.answered(result)
    return response


def _words(request: Request, refusal: Refusal) -> tuple[int, str, str]:
    """Status, code and message of a refusal, in the words of the protocol that is spoken."""
    if query_protocol.is_spoken(request):
        return query_protocol.words(query_protocol.service_of(request), refusal)
    status, code = WORDS.get(type(refusal), (400, refusal.code))
    return status, code, refusal.message
