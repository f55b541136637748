"""A client: sends a request to some process through the front door, and tells what came back."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

from holdfast.http import Later, ReadBody, Receive, Request, Response, Stream
from holdfast.model import digests
from holdfast.model.errors import Refusal, Unavailable
from holdfast.simulation.history import Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.registry import Backends
    from holdfast.simulation.history import Deed
    from holdfast.simulation.machine import Machine
    from holdfast.simulation.nodes import Node

T = TypeVar("T")
LOOK_SECONDS = 1.0  # between two looks of who waits for others, at least


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the status of HTTP, the registry's word for a refusal, and the body. Status 0: nothing came."""

    status: int
    code: str = ""
    headers: dict[str, str] | None = None
    body: bytes = b""

    @property
    def is_known(self) -> bool:
        """Whether the client knows what became of its request."""
        return 0 < self.status < 500

    def header(self, name: str) -> str:
        """A header of the answer."""
        return (self.headers or {})[name]

    def __str__(self) -> str:
        return f"{self.status} {self.code}".strip() if self.status else "no answer"


NOTHING = Reply(0)


class Client:
    """Somebody with a login."""

    def __init__(self, machine: Machine, name: str, login: str) -> None:
        self.machine = machine
        self.name = name
        self.chance = random.Random(machine.chance.random())  # noqa: S311 - it is to be repeated
        self._login = login

    def node(self) -> Node:
        """Some process that runs; waits for one."""
        nodes = self.machine.nodes
        if not self.machine.is_quiet:
            self.machine.scheduler.wait(lambda: any(node.is_up for node in nodes))
        return self.chance.choice([node for node in nodes if node.is_up])

    def ask(
        self,
        what: str,
        method: str,
        path: str,
        query: str = "",
        pieces: Sequence[bytes] = (),
        *,
        headers: Sequence[tuple[str, str]] = (),
        login: str | None = None,
        hangs_up: bool = False,
        may_fail: bool = False,
    ) -> tuple[Deed, Reply]:
        """Send a request; `hangs_up` stops before its last piece is sent. One that asks an upstream `may_fail`."""
        length = ("content-length", str(sum(map(len, pieces))))
        every = [("authorization", login or self._login), ("host", "registry"), length, *headers]
        node = self.node()
        with self.machine.history.deed(self.name, f"{what} on {node.name}") as deed:
            request = Request(method, path, query, every, peer="127.0.0.1", is_secure=False)
            reply = self._run(node, lambda: _exchange(node, request, pieces, hangs_up), may_fail=may_fail) or NOTHING
            deed.outcome, deed.is_known = str(reply), reply.is_known
        return deed, reply

    def call(self, what: str, act: Callable[[Backends], T]) -> tuple[Deed, T | Refusal | None]:
        """Call the registry as the door for SDKs does; None if nobody knows what came of it."""
        node = self.node()

        def run() -> tuple[T | Refusal] | None:
            try:
                return (act(node.on),)
            except Refusal as refusal:
                return None if isinstance(refusal, Unavailable) else (refusal,)
            except Exception as fault:
                if self.machine.scheduler.current.faults:
                    return None
                raise Violation(f"{what} fails for no reason: {fault!r}") from fault

        with self.machine.history.deed(self.name, f"{what} on {node.name}") as deed:
            result = self._run(node, run)
            deed.is_known = result is not None
            if result is not None:
                deed.outcome = type(result[0]).__name__ if isinstance(result[0], Refusal) else "done"
        return deed, result[0] if result else None

    def _run(self, node: Node, act: Callable[[], T], *, may_fail: bool = False) -> T | None:
        result = self.machine.run_on(node, act)
        may_fail = may_fail or bool(self.machine.scheduler.current.faults)
        if isinstance(result, Reply) and result.status >= 500 and not may_fail:
            raise Violation(f"a request fails for no reason: {result} {result.body[:300]!r}")
        return result


def _exchange(node: Node, request: Request, pieces: Sequence[bytes], hangs_up: bool) -> Reply:
    """One request and its answer, as the server on the HTTP floor goes about it."""
    door = node.door
    try:
        answer = door(request)
        if isinstance(answer, ReadBody):
            answer = answer.then(b"".join(pieces))
        while isinstance(answer, Later):
            node.on.sleep(max(answer.seconds, LOOK_SECONDS) if answer.seconds else 0)
            answer = answer.then()
    except Exception as fault:  # noqa: BLE001 - the door words it
        answer = door.failed(request, fault)
    try:
        if isinstance(answer, Receive):
            sink = answer.sink
            try:
                for piece in pieces[:-1] if hangs_up else pieces:
                    sink.write([piece])
                if hangs_up:
                    sink.interrupted()
                    return NOTHING
                answer = sink.finish()
            except Exception as fault:  # noqa: BLE001 - the sink words it
                answer = sink.refuse(fault)
        assert isinstance(answer, Response)
        return _reply(node, answer)
    except Exception as fault:  # noqa: BLE001 - the server cuts the connection
        return Reply(599, "CUT", body=repr(fault).encode())


def _reply(node: Node, answer: Response) -> Reply:
    body = _read(node, answer.body) if isinstance(answer.body, Stream) else answer.body
    code = ""
    if answer.status >= 400 and body.startswith(b"{"):
        code = msgspec.json.decode(body)["errors"][0]["code"]
    return Reply(answer.status, code, {name.lower(): value for name, value in answer.headers}, body)


def _read(node: Node, stream: Stream) -> bytes:
    data = bytearray()
    try:
        while len(data) < stream.length:
            is_there = threading.Event()
            if stream.growing is not None and not stream.growing.has(stream.start + len(data), is_there.set):
                node.on.upstreams.wait(is_there)
            data += stream.body.read(stream.start + len(data))
    finally:
        stream.body.close()
    return bytes(data)


def check_bytes(digest: str, body: bytes) -> None:
    """Whoever gets bytes gets the right ones."""
    if digests.digest_of(body) != digest:
        raise Violation(f"{digest} is answered with other bytes")
