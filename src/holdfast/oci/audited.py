"""What the audit log learns of a request: it appears as the call of the ECR API that it stands for."""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from holdfast.http import Later, ReadBody, Receive, Response
from holdfast.model import audit
from holdfast.model.audit import REGISTRY_REQUEST, Note, Pull
from holdfast.model.audit_parameters import TEXT_CHARACTERS, cut
from holdfast.model.errors import AccessDenied, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.http import Answer, Request
    from holdfast.http.messages import Sink
    from holdfast.oci.call import Call
    from holdfast.oci.routes import Route
    from holdfast.registry import Backends

REFERENCE_CHARACTERS = 256  # a tag has 128, a digest at most 135
MESSAGE_CHARACTERS = 1000


def watched(call: Call, row: Route, answer: Answer) -> Answer:
    """An answer that is noted: at once, or when its body was heard."""
    if isinstance(answer, Response):
        if row.is_pull and answer.status < 400:
            _pulled(call, row)
        else:
            answered(call, row, answer)
        return answer
    if isinstance(answer, ReadBody):
        return _watched_body(call, row, answer)
    if isinstance(answer, Later):
        return Later(lambda: _watched_later(call, row, answer), answer.seconds)
    return Receive(_WatchedSink(call, row, answer.sink))


def _watched_later(call: Call, row: Route, wish: Later) -> Response | Later:
    with refusals(call, row):
        answer = wish.then()
    watched_answer = watched(call, row, answer)
    assert isinstance(watched_answer, Response | Later), "whoever waits needs no body"
    return watched_answer


def _pulled(call: Call, row: Route) -> None:
    """Note a pull that went well; it must take no more than a few microseconds."""
    on, request = call.on, call.request
    log = on.audit
    if not log.is_on or (log.pull_share < 1.0 and not log.wants_pull()):
        return
    # An id costs as much as all the rest: whoever reads a manifest is not told one.
    request_id = "" if row.is_hot else request.id
    pull = Pull(on.clock(), request_id, call.caller, call.at, row.event, row.title, call.reference, request.peer,
                *_client(request))  # fmt: skip
    log.note(on, pull, may_drop=True)


def answered(call: Call, row: Route, response: Response, **more: Any) -> None:
    """Note what was done."""
    status = more["status"] = response.status  # 201 and 202 tell a blob that was mounted from an upload that was begun
    _note(call, row, (_phrase(status), f"HTTP status {status}") if status >= 400 else None, more)


def refused(call: Call, row: Route, fault: Exception, **more: Any) -> None:
    """Note what was not done."""
    _note(call, row, error_of(fault), more)


@contextmanager
def refusals(call: Call, row: Route) -> Iterator[None]:
    """A block in which whatever is refused is noted."""
    try:
        yield
    except Exception as fault:
        refused(call, row, fault)
        raise


def login_refused(on: Backends, request: Request, row: Route, name: str, refusal: Refusal) -> None:
    """Note who came with a login that is none."""
    if not on.audit.is_on or not on.audit.wants_stranger():
        return
    home = on.home
    where = (home.region, home.account_id, request.id, request.peer, *_client(request), row.method in {"GET", "HEAD"})
    parameters = {"repositoryName": cut(name)} if name else None
    note = Note(on.clock(), audit.unproven(""), "ecr", row.event, *where, None, parameters, error_of(refusal),
                more={REGISTRY_REQUEST: row.title})  # fmt: skip
    on.audit.note(on, note)


def error_of(fault: Exception) -> tuple[str, str]:
    """Code and message of what went wrong, as CloudTrail has them."""
    if not isinstance(fault, Refusal):
        return "InternalFailure", "The registry failed to answer; its log has the request id"
    return "AccessDenied" if isinstance(fault, AccessDenied) else fault.code, cut(fault.message, MESSAGE_CHARACTERS)


def _note(call: Call, row: Route, error: tuple[str, str] | None, more: dict[str, Any]) -> None:
    on = call.on
    log = on.audit
    if not log.is_on or (error is not None and call.caller.kind == "anonymous" and not log.wants_stranger()):
        return
    request, home = call.request, call.registry
    more[REGISTRY_REQUEST] = row.title
    note = Note(on.clock(), call.caller, "ecr", row.event, home.region, home.account_id, request.id, request.peer,
                *_client(request), row.method in {"GET", "HEAD"}, call.repository, _parameters(call, row), error,
                None, more)  # fmt: skip
    log.note(on, note)


def _client(request: Request) -> tuple[str | None, str | None]:
    """What a client says it is, and for which host it spoke TLS."""
    agent = request.header("user-agent")
    host = request.header("host") if request.is_secure else None
    return agent and agent[:TEXT_CHARACTERS], host and host[:TEXT_CHARACTERS]


def _parameters(call: Call, row: Route) -> dict[str, Any]:
    """What was asked for."""
    if call.repository is None:
        return {"registryId": call.registry.account_id}
    shown = audit.asked(row.event, call.repository, call.reference[:REFERENCE_CHARACTERS])
    if row.event == "CompleteLayerUpload":
        shown["layerDigests"] = _query(call, "digest")
    elif row.method == "POST":
        shown |= {key: text for key in ("digest", "mount", "from") for text in _query(call, key)}
    return shown


def _query(call: Call, name: str) -> list[str]:
    try:
        return [cut(text) for text in call.query_all(name)[:1]]
    except Refusal:  # which is what the request was answered with
        return []


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase.title().replace(" ", "")


def _watched_body(call: Call, row: Route, answer: ReadBody) -> ReadBody:
    def then(body: bytes) -> Response | Later:
        try:
            response = answer.then(body)
        except Exception as fault:
            refused(call, row, fault, bodyBytes=len(body))
            raise
        if isinstance(response, Later):
            return Later(lambda: _watched_later(call, row, response), response.seconds)
        answered(call, row, response, bodyBytes=len(body))
        return response

    def too_long() -> Response:
        response = answer.too_long()
        answered(call, row, response)
        return response

    return ReadBody(answer.limit, then, too_long)


class _WatchedSink:
    """A sink that is noted when it answers, or when its client is gone."""

    def __init__(self, call: Call, row: Route, sink: Sink) -> None:
        self._call = call
        self._row = row
        self._sink = sink
        self._bytes = 0

    def write(self, pieces: list[bytes]) -> None:
        """Take more bytes."""
        self._bytes += sum(map(len, pieces))
        self._sink.write(pieces)

    def finish(self) -> Response:
        """The body is complete."""
        response = self._sink.finish()
        assert isinstance(response, Response), "whoever waits needs no body"
        answered(self._call, self._row, response, bodyBytes=self._bytes)
        return response

    def refuse(self, fault: Exception) -> Response:
        """The answer to a fault."""
        response = self._sink.refuse(fault)
        refused(self._call, self._row, fault, bodyBytes=self._bytes)
        return response

    def interrupted(self) -> None:
        """The client hung up, and what came may be kept."""
        self._sink.interrupted()
        gone = "The client hung up before its body was complete"
        _note(self._call, self._row, ("ClientDisconnected", gone), {"bodyBytes": self._bytes})
