"""A cache in this process: a rule for an upstream, both doors in front, and a clock that the test moves."""

from __future__ import annotations

import json
import os
import threading
import time
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from itertools import count
from typing import TYPE_CHECKING, Any

from holdfast import oci, registry
from holdfast.aws import ecr, own
from holdfast.aws.door import Door
from holdfast.aws.operations import Call
from holdfast.aws.service_models import load
from holdfast.http import Later, ReadBody, Request, Stream
from holdfast.model.caching import Upstream
from holdfast.model.callers import holder
from holdfast.model.errors import Refusal
from holdfast.model.names import RepositoryRef
from holdfast.model.work import Lane
from holdfast.registry import pull_through
from holdfast.registry.accounts import Tokens
from holdfast.registry.pull_through import Leave, Upstreams
from holdfast.worker import Runner
from tests import builders
from tests.callers import Answer
from tests.grants import policy
from tests.registry.ground import HOME, Clock, open_ground, push_blob, work_off

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.model.callers import Caller
    from holdfast.registry import Backends
    from holdfast.registry.pull_through import Reader, Standing
    from tests.hostile import Hostile

NAME = "some/where"
_numbers = count(1)
LARGE = os.urandom(3_000_000)
LOOPBACK = ip_network("127.0.0.0/8")
OPERATIONS = {"ecr": ecr.OPERATIONS, "holdfast": own.OPERATIONS}


def with_large_layer(upstream: Hostile, *tags: str, data: bytes = LARGE) -> builders.Document:
    """Let an upstream have an image of one large layer."""
    config = b"{}"
    upstream.add_blob(config)
    upstream.add_blob(data)
    return upstream.add(
        NAME,
        builders.document(
            builders.OCI_MANIFEST,
            config=builders.descriptor(builders.OCI_CONFIG, config),
            layers=[builders.descriptor(builders.OCI_LAYER, data)],
        ),
        *tags,
    )


def open_cached(folder: Path) -> Backends:
    """A registry that may reach upstreams on this machine."""
    return replace(open_ground(folder, Clock()), upstreams=Upstreams([LOOPBACK], folder / "spool"))


class Cache:
    """A rule of a registry, and the repository that it fills from an upstream."""

    def __init__(self, on: Backends, upstream: Hostile) -> None:
        self.on = on
        self.clock: Any = on.clock
        self.prefix = f"p{next(_numbers)}"
        self.at = RepositoryRef(HOME, f"{self.prefix}/{NAME}")
        self._tokens = Tokens(on)
        self._oci = oci.Door(on, self._tokens)
        self._aws = Door(on, self._tokens, window=timedelta(minutes=15))
        key, _ = registry.accounts.create_key(on, HOME.account_id)
        self.root = holder(key.id, HOME.account_id, None, None, None)
        registry.caching.create(on, HOME, self.prefix, Upstream("", upstream.address))
        self.options(is_plain=True)

    def options(self, **members: Any) -> None:
        """Say of the rule what ECR's cannot."""
        registry.caching.set_options(self.on, HOME, self.prefix, lambda before: replace(before, **members))

    def user(self, name: str, *statements: dict[str, Any]) -> Caller:
        """Somebody with these rights and no others."""
        name = f"{self.prefix}-{name}"
        user = registry.iam.users.create(self.on, HOME.account_id, name)
        registry.iam.attachments.put_inline(self.on, "user", HOME.account_id, name, "it", policy(*statements))
        _, key, _ = registry.iam.access_keys.create(self.on, HOME.account_id, name)
        return holder(key.id, HOME.account_id, user.id, user.path, user.name)

    # ---- What is asked

    def pull(self, path: str, method: str = "GET", *, who: Caller | None = None, name: str | None = None,
             **headers: str) -> Answer:  # fmt: skip
        """Ask at the registry's door, as docker does below the prefix, and read the whole answer."""
        return self.ask(f"/v2/{name or self.at.name}{path}", method, who=who, **headers)

    def push(self, reference: str, document: builders.Document) -> Answer:
        """Push a manifest at the registry's door."""
        return self.ask(f"/v2/{self.at.name}/manifests/{reference}", "PUT", body=document.body)

    def upload(self, data: bytes) -> None:
        """Push a layer."""
        push_blob(self.on, self.at, data)

    def ask(
        self, path: str, method: str = "GET", *, who: Caller | None = None, body: bytes = b"", **headers: str
    ) -> Answer:
        """Ask at the registry's door."""
        password, _ = self._tokens.issue(who or self.root, HOME)
        login = "Basic " + b64encode(f"AWS:{password}".encode()).decode()
        head = [("host", "localhost"), ("authorization", login), *headers.items()]
        path, _, query = path.partition("?")
        request = Request(method, path, query, head, peer="127.0.0.1", is_secure=False)
        try:
            answer: Any = self._oci(request)
            if isinstance(answer, ReadBody):
                answer = answer.then(body)
            while isinstance(answer, Later):
                time.sleep(min(answer.seconds, 0.01))
                answer = answer.then()
        except Refusal as refusal:
            answer = self._oci.refuse(request, refusal)
        came = read(answer.body) if isinstance(answer.body, Stream) else answer.body
        return Answer(answer.status, {name.lower(): value for name, value in answer.headers}, came)

    def call(self, operation: str, who: Caller | None = None, service: str = "ecr", **members: Any) -> dict[str, Any]:
        """What an operation of the API answers; a refusal is its `__type` and its message."""
        head = Request("POST", "/", "", [("host", "localhost")], peer="127.0.0.1", is_secure=False)
        call = Call(self.on, self._tokens, head, who or self.root, HOME.region)
        body = json.dumps(members).encode()
        try:
            answer: Any = self._aws._run(call, OPERATIONS[service][operation], load(service).find(operation), body)
            while isinstance(answer, Later):
                answer = answer.then()
        except Refusal as refusal:
            answer = self._aws.refuse(head, refusal)
        return json.loads(answer.body)

    # ---- What comes of it

    def settle(self) -> None:
        """Let all come that is on its way, as far as it does."""
        for _ in range(20):
            for flight in list(self.on.upstreams.flights.values()):
                assert flight.ended.wait(30)
            self.work(seconds=3)
            if not self.on.upstreams.flights and not self.under_way():
                return
        raise AssertionError(f"it is still on its way: {self.under_way()}")

    def work(self, **time: float) -> None:
        """Let time pass, and do what is due then."""
        self.clock.pass_(**time)
        work_off(self.on)
        Runner(self.on, lane=Lane.DELIVERY).tick()

    def under_way(self) -> list[dict[str, Any]]:
        """Images that come."""
        imports = registry.pull_through.status(self.on, HOME).imports
        return [one for one in imports if one["name"] == self.at.name and one["failure"] is None]

    def standing(self) -> Standing:
        """How the rule stands."""
        return next(one for one in registry.pull_through.status(self.on, HOME).rules if one.rule.prefix == self.prefix)

    def images(self) -> dict[str, list[str]]:
        """What is cached: tags by digest."""
        found = self.call("DescribeImages", repositoryName=self.at.name).get("imageDetails", [])
        return {one["imageDigest"]: one.get("imageTags", []) for one in found}

    def cached(self, reference: str) -> Answer:
        """Pull an image and let it come."""
        answer = self.pull(f"/manifests/{reference}")
        self.settle()
        return answer


def opened(on: Backends, at: RepositoryRef, layer: str) -> Reader:
    """A reader of a layer, as soon as something of it is there."""
    for _ in range(3000):
        found = pull_through.blob(on, at, layer, Leave(lambda: True, lambda: True))
        if isinstance(found, pull_through.Reader):
            return found
        threading.Event().wait(0.01)
    raise AssertionError("nothing of it comes")


def read(stream: Stream) -> bytes:
    """All of a stream, as the server sends it: what is not there yet is waited for."""
    data = bytearray()
    try:
        while len(data) < stream.length:
            position = stream.start + len(data)
            is_there = threading.Event()
            while stream.growing is not None and not stream.growing.has(position, is_there.set):
                assert is_there.wait(30)
                is_there.clear()
            data += stream.body.read(position)[: stream.length - len(data)]
    finally:
        stream.body.close()
    return bytes(data)
