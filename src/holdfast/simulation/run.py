"""One seed: set up, let everybody act, let the dust settle, look at everything, delete everything, and judge."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.model import digests
from holdfast.model.caching import Options, Upstream
from holdfast.model.errors import RepositoryNotFound
from holdfast.model.images import ImageId
from holdfast.model.names import RepositoryRef
from holdfast.model.replication import Configuration, Rule
from holdfast.simulation import errands
from holdfast.simulation.client import Client
from holdfast.simulation.ground import folder, ground
from holdfast.simulation.history import Violation
from holdfast.simulation.machine import Machine
from holdfast.simulation.people import Crowd, Person
from holdfast.simulation.registers import becomes
from holdfast.simulation.things import (
    BLOBS,
    CACHED,
    COPIES,
    HOME,
    MOVING,
    REMOTE_BLOBS,
    REMOTE_THINGS,
    REPOSITORIES,
    TAGS,
    THINGS,
    name_of,
)
from holdfast.simulation.upstream import URL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from holdfast.model.images import Image
    from holdfast.registry import Backends
    from holdfast.simulation.history import History
    from holdfast.simulation.nodes import Node

PEOPLE = 4
REST = timedelta(seconds=1)  # between two ticks of a process's background work, at most
BOOT = timedelta(seconds=2)  # until a process that died begins anew, at most
UNTIL_ALL_IS_OLD = timedelta(days=8)
COPIED_EVERY = 3  # seeds: images are copied to another region as well
PREFIX = "hub"  # of what is pulled through
ROOM_BYTES = 40_000  # of the cache: for an image or two
GENERATIONS = 5  # in which a policy lets images expire: each one makes garbage of others


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a seed."""

    seed: int
    steps: int
    history: History
    violation: Violation | None
    switches: int


def run(seed: int, steps: int) -> Outcome:
    """Run one seed."""
    with folder() as path:
        machine = Machine(seed, ground(), path)
        violation = None
        try:
            with _listening(machine):
                _Run(machine, steps).all()
        except Violation as found:
            violation = found
        finally:
            machine.close()
    return Outcome(seed, steps, machine.history, violation, machine.scheduler.switches)


def shortened(outcome: Outcome) -> Outcome:
    """A run of the same seed with as few steps as are needed to see it fail: what happens up to there is the same."""
    enough, too_few = outcome, 0
    while enough.steps - too_few > 1:
        half = run(outcome.seed, (enough.steps + too_few) // 2)
        if half.violation is None:
            too_few = half.steps
        else:
            enough = half
    return enough


class _Run:
    """What happens in a run, in its order."""

    def __init__(self, machine: Machine, steps: int) -> None:
        self._machine = machine
        self._crowd = Crowd(steps)
        self._login = ground().login
        self._people_left = PEOPLE
        self._auditor = Client(machine, "auditor", self._login)
        self._is_copied = machine.seed % COPIED_EVERY == 0

    @property
    def _on(self) -> Backends:
        """The registry as the first process has it, for whoever looks at it from outside."""
        return self._machine.nodes[0].on

    def all(self) -> None:
        """From the first request to the verdict."""
        machine, scheduler = self._machine, self._machine.scheduler
        with machine.history.deed("operator", "create the repositories") as deed:
            deed.is_known = deed.is_kept = True
            for name in REPOSITORIES:
                deed.mark(("repository", name), becomes(True))
        with machine.quiet():
            for node in machine.nodes:
                node.boot()
            self._furnish()
        for number in range(1, PEOPLE + 1):
            person = Person(Client(machine, f"client-{number}", self._login), self._crowd)
            scheduler.add(f"client-{number}", partial(self._live, person))
        for node in machine.nodes:
            scheduler.add(f"{node.name}'s work", partial(self._work, node))
        scheduler.add("operator", self._operate)
        scheduler.when_idle = self._idle
        scheduler.run()
        with machine.quiet():
            self._audit()
            self._let_time_pass()
            self._audit()
            machine.history.judge()
            self._pull_all_through()
            self._compare_copies()
            self._wait_for_the_collector()
            self._delete_everything()

    def _furnish(self) -> None:
        """Begin with some images, so that there is something to lose."""
        first = Person(self._auditor, Crowd(0))
        one, two, _, _, index = THINGS.values()
        for repository in REPOSITORIES:
            first.push(repository, one, ["v1"])
            first.push(repository, two, [])
        first.push(MOVING, index, ["v2"])
        if self._is_copied:
            rule = Rule((COPIES,), deletes=True)
            registry.replication.configure(self._on, HOME, Configuration((rule,)))
        if self._machine.is_cached:
            room = Options(budget_bytes=ROOM_BYTES)
            registry.caching.create(self._on, HOME, PREFIX, Upstream("", URL))
            registry.caching.set_options(self._on, HOME, PREFIX, lambda _: room)

    def _live(self, person: Person) -> None:
        person.live()
        self._people_left -= 1
        if not self._people_left:
            self._machine.is_closing = True

    def _idle(self) -> bool:
        self._machine.now += timedelta(milliseconds=100)
        return True

    def _work(self, node: Node) -> None:
        """The background of a process, every now and then."""
        machine = self._machine
        is_last = False
        while not is_last:
            next_at = machine.now + machine.chance.random() * REST
            machine.scheduler.wait(partial(self._is_due, node, next_at))
            is_last = machine.is_closing

            def tick() -> None:
                for runner in node.runners:
                    runner.tick()
                try:
                    registry.pulls.record(node.on)
                except Exception:
                    if not machine.scheduler.current.faults:
                        raise

            machine.run_on(node, tick)

    def _is_due(self, node: Node, at: datetime) -> bool:
        return node.is_up and self._machine.is_past(at)

    def _operate(self) -> None:
        """Begin again whatever died; then look whether what was acknowledged is there."""
        machine = self._machine
        while True:
            machine.scheduler.wait(lambda: machine.is_closing or not all(node.is_up for node in machine.nodes))
            down = [node for node in machine.nodes if not node.is_up]
            if not down:
                return
            begin_at = machine.now + machine.chance.random() * BOOT
            machine.scheduler.wait(partial(machine.is_past, begin_at))
            for node in down:
                machine.scheduler.wait(lambda: True)
                machine.run_on(node, partial(self._boot, node))
            if any(node.is_up for node in machine.nodes):
                with machine.quiet():
                    self._audit()

    def _boot(self, node: Node) -> None:
        try:
            node.boot()
        except Exception:
            if not self._machine.scheduler.current.faults:
                raise
        else:
            self._machine.history.incident(f"{node.name} runs again")

    def _audit(self) -> None:
        """Read everything that there may be."""
        for repository in REPOSITORIES:
            for reference in (*TAGS, *THINGS):
                errands.images.get(self._auditor, repository, reference)
            for digest in BLOBS:
                errands.blobs.get(self._auditor, repository, digest)
            errands.access.come_in(self._auditor, repository)

    def _let_time_pass(self) -> None:
        """Until whatever waits for a time has had it, and was done."""
        self._let_days_pass()
        for repository in REPOSITORIES:  # what it needs may be in quarantine by now
            thing = self._machine.chance.choice([thing for thing in THINGS.values() if thing.blobs])
            errands.images.put(self._auditor, repository, thing, [])
        for _ in range(2):
            self._let_days_pass()

    def _let_days_pass(self) -> None:
        self._machine.now += UNTIL_ALL_IS_OLD
        for node in self._machine.nodes:
            for runner in node.runners:
                runner.tick()

    def _wait_for_the_collector(self) -> None:
        """What no image needs any more goes in time; an index, its images and their referrers one after the other."""
        for _ in range(GENERATIONS):
            if not self._machine.unneeded():
                return
            self._let_days_pass()
        raise Violation(f"{self._machine.unneeded()} blobs that no image needs are never collected")

    def _compare_copies(self) -> None:
        """Whatever is said to be copied is there, with its tags and the bytes that it needs."""
        if not self._is_copied:
            return
        for at in REPOSITORIES.values():
            there = RepositoryRef(COPIES, at.name)
            for image in self._images(at):
                _, copies = registry.replication.of_image(self._on, at, ImageId(image.digest))
                if any(copy.status == "COMPLETE" for copy in copies):
                    self._require_copy(image, there)

    def _pull_all_through(self) -> None:
        """With an upstream that does what it should, everything comes, and whatever came is whole."""
        if not self._machine.is_cached:
            return
        errands.cached.require_whole(self._on)
        for reference in (*TAGS, *REMOTE_THINGS):
            if errands.cached.pull(self._auditor, reference) is None:
                raise Violation(f"{name_of(reference)} does not come through the cache")
        for digest in REMOTE_BLOBS:
            if not errands.cached.pull_blob(self._auditor, digest):
                raise Violation(f"{name_of(digest)} does not come through the cache")
        self._let_days_pass()
        errands.cached.require_whole(self._on)

    def _images(self, at: RepositoryRef) -> list[Image]:
        try:
            return registry.images.page(self._on, at, 0, 1000)[0]
        except RepositoryNotFound:
            return []

    def _require_copy(self, image: Image, there: RepositoryRef) -> None:
        copy = next((one for one in self._images(there) if one.digest == image.digest), None)
        if copy is None or not set(image.tags) <= set(copy.tags):
            found = "nothing" if copy is None else f"the tags {', '.join(copy.tags) or 'none'}"
            raise Violation(f"{there.name} was copied with {name_of(image.digest)} and {', '.join(image.tags)}, "
                            f"and has {found} there")  # fmt: skip
        for digest in THINGS[image.digest].blobs:
            proof = digests.hasher("sha256")
            for piece in registry.layers.pieces(self._on, there, digest):
                proof.update(piece)
            if f"sha256:{proof.hexdigest()}" != digest:
                raise Violation(f"the copy of {name_of(image.digest)} has other bytes as {name_of(digest)}")

    def _delete_copies(self) -> None:
        for name in registry.repositories.names(self._on, COPIES, "", 100)[0]:
            registry.repositories.delete(self._on, RepositoryRef(COPIES, name), force=True)

    def _delete_everything(self) -> None:
        """When all is deleted and time has passed, nothing is left: neither rows nor objects."""
        machine = self._machine
        for repository in REPOSITORIES:
            errands.repositories.delete(self._auditor, repository, force=True)
        self._delete_copies()
        if machine.is_cached:
            registry.caching.delete(self._on, HOME, PREFIX)
            registry.repositories.delete(self._on, CACHED, force=True)
        for _ in range(3):
            self._let_days_pass()
        left = machine.left_over()
        if left:
            raise Violation(f"everything was deleted, and yet there are {', '.join(left)}")


class _Listener(logging.Handler):
    """Hears what the program takes for a failure; without a fault that was put in its way it must not fail."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(logging.ERROR)
        self._machine = machine

    def emit(self, record: logging.LogRecord) -> None:
        """A line of the log."""
        if not self._machine.scheduler.current.faults:
            what = record.getMessage()
            if record.exc_info and record.exc_info[1] is not None:
                what += f": {record.exc_info[1]!r}"
            self._machine.complaints.append(what)


@contextmanager
def _listening(machine: Machine) -> Iterator[None]:
    """Hear the program's log, and keep it from the terminal."""
    logger, listener = logging.getLogger("holdfast"), _Listener(machine)
    before = logger.propagate
    logger.addHandler(listener)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(listener)
        logger.propagate = before
