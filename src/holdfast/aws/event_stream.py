"""`GET /events`: what happens in a registry, as server-sent events; an extension.

    curl -N -u "AWS:$(aws ecr get-login-password)" https://registry.example/events

Whoever asks shows a login token as docker does, or signs as for any other call of ECR.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from holdfast.http import Follow, Response
from holdfast.model.errors import InvalidParameter, TokenExpired, Unauthenticated
from holdfast.registry.event_stream import MEDIA_TYPE, EventStream

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.http import Request
    from holdfast.model.callers import Caller
    from holdfast.model.errors import Refusal
    from holdfast.model.names import Registry
    from holdfast.registry import Backends

PATH = "/events"
OPERATION = "StreamEvents"
KNOWN = {"after", "pattern", "pulls"}


def follow(on: Backends, request: Request, caller: Caller, home: Registry, until: datetime) -> Follow:
    """Begin to tell a caller what happens in a registry, until his credentials are over."""
    if on.throttle is not None:
        on.throttle.take(caller.account_id, home.region, OPERATION)
    asked = parse_qs(request.query, keep_blank_values=True, max_num_fields=10)
    unknown = set(asked) - KNOWN
    if unknown:
        raise InvalidParameter(min(unknown)[:50], f"There are {', '.join(sorted(KNOWN))}")
    after = request.header("last-event-id") or asked.get("after", [""])[0]
    if after and not (after.isascii() and after.isdigit() and len(after) <= 18):
        raise InvalidParameter("after", "It must be the id of an event of this stream")
    pulls = asked.get("pulls", ["false"])[0]
    if pulls not in {"true", "false"}:
        raise InvalidParameter("pulls", "It must be true or false")
    stream = EventStream(
        on, caller, home, request, until=until, after=int(after) if after else None,
        pattern=asked.get("pattern", [None])[0], pulls=pulls == "true",
    )  # fmt: skip
    headers = [("Content-Type", MEDIA_TYPE), ("Cache-Control", "no-store"), ("X-Accel-Buffering", "no")]
    return Follow(Response(200, headers), stream)


def refuse(request: Request, refusal: Refusal, answer: Response) -> Response:
    """The answer to a refusal, which a client that has no credentials yet understands."""
    if isinstance(refusal, Unauthenticated | TokenExpired):
        challenge = ("WWW-Authenticate", f'Basic realm="{request.origin}{PATH}"')
        return Response(401, [*answer.headers, challenge], answer.body)
    return answer
