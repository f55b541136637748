"""A request's life at this door: find its row, prove who asks, settle the registry, ask leave, do it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from holdfast import registry
from holdfast.model.callers import ANONYMOUS
from holdfast.model.circumstances import IMAGE_DIGEST_KEY, IMAGE_TAG_KEY, NOTHING
from holdfast.model.errors import AccessDenied, Refusal, TokenExpired, Unauthenticated
from holdfast.model.names import RepositoryRef, registry_of_host
from holdfast.model.profiles import Profile
from holdfast.model.repositories import repository_of_arn
from holdfast.oci import audited, errors, routes
from holdfast.oci.call import Call
from holdfast.oci.manifests import AT
from holdfast.registry.accounts import Login

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.http import Answer, Request, Response
    from holdfast.model.names import Registry
    from holdfast.oci.routes import Route
    from holdfast.registry import Backends
    from holdfast.registry.accounts import Tokens

log = logging.getLogger(__name__)


class Door:
    """Everything under `/v2/`, and the signed addresses of layers under `/layers/`."""

    def __init__(self, on: Backends, tokens: Tokens) -> None:
        self._on = on
        self._tokens = tokens
        self._strict = on.profile is Profile.ECR_STRICT

    def is_hot(self, request: Request) -> bool:
        """Whether a request is answered from one read of the database; ECR's conversions take longer."""
        if self._strict or request.method not in {"GET", "HEAD"} or AT in request.path:
            return False
        found = routes.match(request.path)
        row = found[0].get(request.method) if found else None
        return row is not None and row.is_hot

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        try:
            if request.path.startswith("/layers/"):
                return self._answer_signed(request)
            return self._answer(request)
        except Refusal as refusal:
            return self.refuse(request, refusal)

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        """The answer to a refusal."""
        if isinstance(refusal, Unauthenticated | TokenExpired) and request.header("authorization"):
            log.info("request %s: the login of %s is refused: %s", request.id, request.peer, type(refusal).__name__)
        return errors.refuse(request, refusal, strict=self._strict)

    def failed(self, request: Request, fault: Exception) -> Response:
        """The answer to what was expected by nobody, or was refused late."""
        if isinstance(fault, Refusal):
            return self.refuse(request, fault)
        log.error("request %s failed: %s %s", request.id, request.method, request.path, exc_info=fault)
        return errors.error(request, 500, "UNKNOWN", "The registry failed to answer; its log has the request id")

    def _answer_signed(self, request: Request) -> Answer:
        """Serve what a signed address names; nobody is asked for credentials there."""
        row = routes.SIGNED.get(request.method)
        if row is None:
            return _not_allowed(request, routes.SIGNED)
        try:
            caller, arn, digest = self._tokens.read_layer(request.path.removeprefix("/layers/"))
        except (Unauthenticated, TokenExpired) as refusal:
            audited.login_refused(self._on, request, row, "", refusal)
            return errors.error(request, 403, "DENIED", "The address is not one that was given, or it has expired")
        at = repository_of_arn(arn)
        call = Call(self._on, self._tokens, request, caller, at.registry, at, digest)
        with audited.refusals(call, row):
            answer = row.handler(call)
        return audited.watched(call, row, answer)

    def _answer(self, request: Request) -> Answer:
        found = routes.match(request.path)
        row = found[0].get(request.method) if found else None
        try:
            login = self._login(request, row)
        except Refusal as refusal:
            if found is not None and row is not None and row.needs and request.header("authorization"):
                audited.login_refused(self._on, request, row, found[1], refusal)
            raise
        if found is None:
            return errors.error(request, 404, "UNSUPPORTED", "There is no such endpoint")
        rows, name, reference = found
        if row is None:
            return _not_allowed(request, rows)
        home = registry_of(request, login)
        call = Call(self._on, self._tokens, request, login.caller, home, None, reference)
        if row.needs is None:
            return row.handler(call)
        with audited.refusals(call, row):
            call.repository = RepositoryRef(home, _mirrored(self._on, request, home, name)) if name else None
            self._ask_leave(call, row)
            if row.outlives_login and login.expires_at <= self._on.clock():
                _require_upload(call)
            answer = row.handler(call)
        return audited.watched(call, row, answer)

    def _login(self, request: Request, row: Route | None) -> Login:
        """Who asks; a stranger is somebody only where strangers may be let in."""
        authorization = request.header("authorization")
        if authorization is None and self._on.public_repositories and row is not None and row.is_public:
            return Login(ANONYMOUS, self._on.home, self._on.clock())
        return self._tokens.login(authorization, even_if_over=row is not None and row.outlives_login)

    def _ask_leave(self, call: Call, row: Route) -> None:
        """Refuse a caller who may not do what a row is for."""
        assert row.needs is not None
        if self._on.throttle is not None:
            self._on.throttle.take(call.caller.account_id, call.registry.region, row.needs.removeprefix("ecr:"))
        facts = NOTHING
        if row.path.endswith("/manifests/{reference}"):
            facts = {IMAGE_DIGEST_KEY if ":" in call.reference else IMAGE_TAG_KEY: call.reference}
        if row.or_needs is not None and call.may(row.or_needs):
            return
        try:
            call.require(row.needs, facts)
        except AccessDenied:
            if call.caller.kind == "anonymous":
                raise Unauthenticated from None  # whoever he is, he may try to say so
            raise


def _mirrored(on: Backends, request: Request, home: Registry, name: str) -> str:
    """The repository that a request means: one of the host in containerd's `ns`, if a cache rule is for that host."""
    if "ns=" not in request.query:
        return name
    host = (parse_qs(request.query).get("ns") or [""])[0].lower()
    return registry.pull_through.rewritten(on, home, host, name)


def _not_allowed(request: Request, methods: Iterable[str]) -> Response:
    response = errors.error(request, 405, "UNSUPPORTED", f"The method {request.method} is not allowed here")
    response.headers.append(("Allow", ", ".join(methods)))
    return response


def _require_upload(call: Call) -> None:
    """Refuse a login that is over, but for a push that goes on: it must not tell what else there is."""
    try:
        registry.uploads.get(call.on, call.at, call.reference)
    except Refusal:
        raise TokenExpired from None


def registry_of(request: Request, login: Login) -> Registry:
    """Which registry a request speaks of: host name, else containerd's `ns`, else the login token's."""
    host = (request.header("host") or "").lower()
    named = registry_of_host(host.rpartition(":")[0] if ":" in host else host)
    if named is None and "ns=" in request.query:
        named = registry_of_host((parse_qs(request.query).get("ns") or [""])[0].lower())
    return named or login.registry
