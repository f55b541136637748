"""Anything may happen here and at a registry elsewhere, in any order: in the end the copy is what is here."""

from __future__ import annotations

import json
import random
from contextlib import suppress

import pytest

from holdfast import registry, store
from holdfast.model.errors import ImageNotFound
from holdfast.model.images import ImageId
from holdfast.outbound.distribution import Pusher
from tests import builders
from tests.registry.ground import AT, described, push, work_off, work_off_patiently
from tests.registry.test_peer_faults import NAME, Killed, calling, hostile_peer, says

CALLS = ("push_blob", "push_manifest", "stat_manifest", "manifest", "delete_manifest")
FAULTS = (says(503, "X"), says(429, "TOOMANYREQUESTS"), says(403, "DENIED"), says(400, "MANIFEST_INVALID"))


@pytest.fixture
def on(on, clock):
    with calling(on, clock) as backends:
        yield backends


class World:
    """A registry, one elsewhere, and chance."""

    def __init__(self, on, server, clock, chance, monkeypatch):
        self.on, self.server, self.clock, self.chance = on, server, clock, chance
        self.risk = 0.0  # that the process dies before a call, or after it
        self.pushed = {}
        self.let_go = store.peer_uploads.let_go
        for name in CALLS:
            monkeypatch.setattr(Pusher, name, self._mortal(getattr(Pusher, name)))
        monkeypatch.setattr(store.peer_uploads, "let_go", self._let_go)

    def _mortal(self, method):
        def call(*arguments, **named):
            if self.chance.random() < self.risk:
                raise Killed
            result = method(*arguments, **named)
            if self.chance.random() < self.risk:
                raise Killed
            return result

        return call

    def _let_go(self, *arguments):
        if not self.risk:  # a dead process lets go of nothing
            self.let_go(*arguments)

    def work(self):
        """Do what is due, until the process dies."""
        with suppress(Killed):
            work_off(self.on)
            work_off_patiently(self.on)

    def happen(self):
        """Let something happen."""
        chance, here, tag = self.chance, list(described(self.on)), self.chance.choice("abc")
        match chance.choice(["push", "push", "sign", "delete", "untag", "wait", "fault", "die"]):
            case "push":
                self._push(str(chance.randrange(6)), *chance.choice([(tag,), (tag,), ()]))
            case "sign" if here:
                subject = self.pushed[chance.choice(here)].descriptor
                self._push(f"s{chance.randrange(4)}", subject=subject, artifactType="application/sig")
            case "delete" if here:
                registry.images.delete(self.on, AT, [ImageId(chance.choice(here))])
            case "untag":
                with suppress(ImageNotFound):
                    registry.images.delete_tag(self.on, AT, tag)
            case "wait":
                self.clock.pass_(seconds=chance.choice([1, 5, 61, 400, 4000]))
            case "fault":
                method, path = chance.choice(["PUT", "HEAD", "DELETE", "GET"]), chance.choice(["manifests", "blobs"])
                self.server.trick(method, path, chance.choice(FAULTS), times=chance.randrange(1, 4))
            case "die":
                self.risk = 0.1
                self.work()
                self.risk = 0.0
        if chance.random() < 0.4:
            self.work()

    def _push(self, seed, *tags, **members):
        image = push(self.on, AT, seed, *tags, **members)
        self.pushed[image.digest] = image

    def come_to_rest(self):
        """Let days pass in which nothing goes wrong."""
        self.server.behave()
        for hours in (2, 2, 25):
            self.clock.pass_(hours=hours)
            for _ in range(8):
                self.work()
                self.clock.pass_(seconds=20)


def listed(world, subject):
    kept = world.server.manifests.get((NAME, subject.replace(":", "-")))
    return set() if kept is None else {one["digest"] for one in json.loads(kept[1])["manifests"]}


@pytest.mark.parametrize("seed", [17, 23, 36])
def test_in_the_end_the_copy_is_what_is_here(on, clock, monkeypatch, seed):
    chance = random.Random(seed)
    with hostile_peer(on, deletes=True) as server:
        world = World(on, server, clock, chance, monkeypatch)
        for _ in range(30):
            world.happen()
        world.come_to_rest()

        here = described(on)
        there = {name: builders.digest(body) for (_, name), (_, body) in server.manifests.items()}
        assert here.keys() == world.pushed.keys() & there.keys()
        tags = {tag: image.digest for image in here.values() for tag in image.tags}
        assert tags == {name: digest for name, digest in there.items() if len(name) == 1}
        for subject in world.pushed:
            referring = {digest for digest in here if subject in str(world.pushed[digest].json().get("subject"))}
            assert listed(world, subject) == referring
        kinds = {"PushImage", "PushDeletion", "ReplicateImage", "ReplicateDeletion"}
        assert not [one for one in registry.work.page(on) if one.kind in kinds]
