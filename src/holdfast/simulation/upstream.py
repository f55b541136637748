"""An upstream registry in the simulation: it has everything, and at times it lies, breaks off, dawdles or is gone."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from holdfast.outbound.distribution import (
    Described,
    Lied,
    Manifest,
    NotThere,
    Puller,
    Referrer,
    TooManyRequests,
    Unreachable,
)
from holdfast.registry.pull_through import Upstreams
from holdfast.simulation.things import REMOTE_BLOBS, REMOTE_THINGS, TAGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.model.caching import CacheRule
    from holdfast.registry import Backends
    from holdfast.simulation.machine import Machine
    from holdfast.simulation.things import Thing

TROUBLE = 0.15  # of all requests
LONGEST_SECONDS = 30.0  # of a dawdle, which outlasts leases
URL = "upstream.example"


class SimulatedUpstream(Puller):
    """What one process or the other asks; it remembers nothing but where its tags are."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        one, two, *_ = REMOTE_THINGS.values()
        self._tags = dict(zip(TAGS, (one, two), strict=True))

    def _asked(self) -> None:
        """A request comes; it may be answered with a fault."""
        machine, chance = self._machine, self._machine.chance
        machine.point("upstream")
        if not self._is_in_trouble():
            return
        fault = chance.choice([Unreachable("it is gone"), TooManyRequests("it wants a rest", 5.0), Lied("it lies"),
                               NotThere("it has lost it"), None])  # fmt: skip
        if fault is None:
            machine.sleep(chance.random() * LONGEST_SECONDS)
            return
        machine.history.incident(f"the upstream fails: {fault!r}")
        raise fault

    def _is_in_trouble(self) -> bool:
        machine = self._machine
        return not (machine.is_quiet or machine.is_closing) and machine.chance.random() < TROUBLE

    def _thing(self, reference: str) -> Thing:
        if reference in self._tags:
            if self._is_in_trouble():
                self._tags[reference] = self._machine.chance.choice(list(REMOTE_THINGS.values()))
            return self._tags[reference]
        if reference not in REMOTE_THINGS:
            raise NotThere(reference)
        return REMOTE_THINGS[reference]

    def manifest(self, _name: str, reference: str) -> Manifest:
        """A manifest; who lies about one is found out by the real one."""
        self._asked()
        thing = self._thing(reference)
        return Manifest(thing.digest, thing.media_type, thing.body)

    def stat_manifest(self, _name: str, reference: str) -> Described:
        """A manifest without its bytes."""
        self._asked()
        thing = self._thing(reference)
        return Described(thing.digest, thing.media_type, len(thing.body))

    def stat_blob(self, _name: str, digest: str) -> int:
        """How many bytes a blob has."""
        self._asked()
        return len(REMOTE_BLOBS[digest])

    def read_blob(
        self,
        _name: str,
        digest: str,
        start: int = 0,
        size_bytes: int | None = None,
        *,
        opened: Callable[[int], None] = lambda _: None,
        is_proved_elsewhere: bool = False,
        pause: Callable[[float], None] = time.sleep,
    ) -> Iterator[bytes]:
        """A blob in three pieces, which need not all come, nor be right."""
        assert is_proved_elsewhere, "the one who asks proves it"
        assert (start, size_bytes, pause) == (0, None, time.sleep), "nobody goes on with one"
        self._asked()
        data = REMOTE_BLOBS[digest]
        opened(len(data))
        is_bad, is_wrong = self._is_in_trouble(), self._machine.chance.random() < 0.5
        if is_bad and is_wrong:
            self._machine.history.incident(f"the upstream sends other bytes as {digest[:16]}")
            data = bytes([data[0] ^ 1]) + data[1:]
        third = len(data) // 3
        for piece in (data[:third], data[third : 2 * third]):
            yield piece
            self._machine.point("upstream")
        if is_bad and not is_wrong:
            self._machine.history.incident(f"the upstream breaks off {digest[:16]}")
            raise Unreachable("it broke off")
        yield data[2 * third :]

    def referrers(self, _name: str, digest: str, _artifact_type: str | None = None) -> list[Referrer]:
        """What refers to a manifest."""
        self._asked()
        return [
            Referrer(thing.digest, thing.media_type, len(thing.body), None)
            for thing in REMOTE_THINGS.values()
            if thing.subject == digest
        ]


class SimulatedUpstreams(Upstreams):
    """What a process of the simulation knows of upstreams: one thread does it all, and chance gives the turn on."""

    def __init__(self, machine: Machine, owner: str) -> None:
        super().__init__()
        self.ahead = threading.BoundedSemaphore(1)
        self.ahead.acquire()  # ahead of whoever asks nothing is fetched: he would have to wait for it here
        self._machine = machine
        self._name = owner

    @property
    def owner(self) -> str:
        """The name of this process."""
        return self._name

    def puller(self, _on: Backends, _rule: CacheRule) -> Puller:
        """The only upstream that there is."""
        return self._machine.upstream

    def begin(self, call: Callable[[], None]) -> None:
        """Do at once what a thread would do."""
        call()

    def wait(self, event: threading.Event, _seconds: float | None = None) -> None:
        """Let others go on until something has happened."""
        if not self._machine.is_quiet:
            self._machine.scheduler.wait(event.is_set)
