"""The application: every door behind one port."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import aws, harbor, oci, registry
from holdfast.http import Response
from holdfast.store import WouldWait

if TYPE_CHECKING:
    from holdfast.http import Answer, Follow, Request, metrics
    from holdfast.settings import Settings


class Application:
    """Every door behind one port."""

    def __init__(self, settings: Settings, on: registry.Backends, numbers: metrics.Metrics | None) -> None:
        tokens = registry.accounts.Tokens(on)
        self._on = on
        self._numbers = numbers
        self._oci = oci.Door(on, tokens)
        self._harbor = harbor.Door(on) if on.harbors is not None else None
        self._aws = aws.Door(on, tokens, window=timedelta(seconds=settings.signature_window))

    def is_hot(self, request: Request) -> bool:
        """Whether a request is answered in microseconds."""
        return request.path in {"/healthz", "/readyz"} or (
            request.path.startswith("/v2/") and self._oci.is_hot(request)
        )

    def at_once(self, request: Request) -> Answer | Follow | None:
        """The answer to a hot request, unless it would take a wait."""
        try:
            with self._on.database.without_waiting():
                return self(request)
        except WouldWait:
            return None

    def __call__(self, request: Request) -> Answer | Follow:
        """Hand a request to its door."""
        path = request.path
        if path.startswith(("/v2/", "/layers/")) or path == "/v2":
            return self._oci(request)
        if path == "/":
            return self._aws(request)
        if path == "/events":
            return self._aws.follow(request)
        if self._harbor is not None and path.startswith(harbor.PREFIX):
            return self._harbor(request)
        return self._machines(request)

    def failed(self, request: Request, fault: Exception) -> Response:
        """The answer to a fault that no door expected."""
        if request.path.startswith(("/v2", "/layers/")):
            return self._oci.failed(request, fault)
        if self._harbor is not None and request.path.startswith(harbor.PREFIX):
            return self._harbor.failed(request, fault)
        return self._aws.failed(request, fault)

    def _machines(self, request: Request) -> Response:
        """What machines ask of the server itself."""
        kind = "text/plain; charset=utf-8"
        if request.method not in {"GET", "HEAD"}:
            return Response(
                405, [("Content-Type", kind), ("Allow", "GET, HEAD")], b"Only GET and HEAD are allowed here\n"
            )
        if request.path == "/healthz":
            return Response(200, [("Content-Type", kind)], b"alive\n")
        if request.path == "/readyz":
            self._on.database.hot.holder_of_key("")
            return Response(200, [("Content-Type", kind)], b"ready\n")
        if request.path == "/metrics" and self._numbers is not None:
            replication = (registry.replication, registry.replication_status)
            parts = (registry.scrub, registry.garbage, registry.events, *replication)
            figures = {name: value for part in parts for name, value in part.figures(self._on).items()}
            kind, text = self._numbers.exposition(figures)
            return Response(200, [("Content-Type", kind)], text)
        return Response(
            404, [("Content-Type", kind)], b"There is nothing here. ECR's API is POST /, the registry is /v2/\n"
        )
