"""The API as its door answers it, below the check of signatures: no server, no network, and nothing hidden."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.aws.door import Door
from holdfast.aws.ecr import OPERATIONS
from holdfast.aws.operations import Call
from holdfast.aws.service_models import load
from holdfast.http import Later, Request
from holdfast.model.callers import Caller
from holdfast.registry.accounts import Tokens
from tests import databases
from tests.registry.ground import HOME

if TYPE_CHECKING:
    from holdfast.registry import Backends

ECR = load("ecr")
CALLER = Caller(HOME.account_id, "AKIAIOSFODNN7EXAMPLE")


@dataclass(frozen=True)
class Answer:
    """What a client is told."""

    status: int
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a refusal."""
        return self.document["__type"]


class Desk:
    """Where requests are handed in."""

    def __init__(self, on: Backends, tokens: Tokens | None = None) -> None:
        self.on = on
        self.tokens = tokens or Tokens(on)
        self._door = Door(on, self.tokens, window=timedelta(minutes=15))

    def ask(self, name: str, request: dict[str, Any] | bytes, region: str = HOME.region) -> Answer:
        """Ask for an operation with members, or with the bytes of a body."""
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        head = Request("POST", "/", "", [("host", "localhost")], peer="127.0.0.1", is_secure=False)
        call = Call(self.on, self.tokens, head, CALLER, region)
        try:
            answer = self._door._run(call, OPERATIONS[name], ECR.find(name), body)
            while isinstance(answer, Later):
                answer = answer.then()
        except Exception as fault:  # noqa: BLE001 - as the server does; a refusal is one of them
            answer = self._door.failed(head, fault)
        return Answer(answer.status, answer.body)

    def dump(self) -> dict[str, Any]:
        """All that is kept: every table, and the names of all objects."""
        return databases.dump(self.on.database) | self.files()

    def files(self) -> dict[str, Any]:
        """The names of all objects, as a dump has them."""
        objects = Path(self.on.blobs._store._folder)
        return {"files": sorted(str(file.relative_to(objects)) for file in objects.rglob("*") if file.is_file())}


def codes(name: str) -> set[str]:
    """The refusals that are documented for an operation."""
    return {shape.name for shape in ECR.find(name).error_shapes}
