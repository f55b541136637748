"""What is linked, suspected, in quarantine and gone at which moment, for any order of deeds, against a model.

Nothing fails and nobody acts at the same time here, as they do in the simulation: so each moment can be told exactly.
"""

from __future__ import annotations

import itertools
import shutil
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select

from holdfast import registry, store
from holdfast.model.errors import (
    BlobNotFound,
    DeletedImageNotFound,
    ImageAlreadyExists,
    LayerReferenced,
    LayersNotFound,
)
from holdfast.model.images import ImageId
from holdfast.model.names import RepositoryRef
from holdfast.store.statements import Statement
from holdfast.store.tables import blobs, gc_candidates
from tests import builders, databases
from tests.aws.furnished import nobody_waits_for_the_disk
from tests.registry.ground import AT, HOME, Clock, create, open_ground, push_blob, put

PLACES = (AT, RepositoryRef(HOME, "another/repository"))
DATA = {builders.digest(data): data for data in (b"{}", b"one layer", b"another layer")}
CONFIG, *LAYERS = DATA
IMAGES = {
    document.digest: document
    for document in (
        builders.document(
            builders.OCI_MANIFEST,
            config=builders.descriptor(builders.OCI_CONFIG, DATA[CONFIG]),
            layers=[builders.descriptor(builders.OCI_LAYER, DATA[layer]) for layer in layers],
        )
        for layers in (LAYERS[:1], LAYERS[1:], LAYERS)
    )
}
NEEDS = dict(zip(IMAGES, ({CONFIG, LAYERS[0]}, {CONFIG, LAYERS[1]}, set(DATA)), strict=True))
SURPRISING = 3
PUSH_TIME, KEPT, QUARANTINE = timedelta(days=1), timedelta(days=7), timedelta(days=7)
JOB = SimpleNamespace(step=lambda _tx, _progress=None: None, rest=lambda: None)
_CANDIDATES = Statement(select(gc_candidates))
_COUNT = Statement(select(func.count()).select_from(blobs))

places, digests, images = (st.sampled_from(list(values)) for values in (PLACES, DATA, IMAGES))
numbers = st.integers(0, 11)


def some(things, number):
    """One of those that there are."""
    return sorted(things, key=str)[number % len(things)]


class Machine(RuleBasedStateMachine):
    """Two repositories of one registry."""

    template: tuple[Path, registry.Backends]

    def __init__(self) -> None:
        super().__init__()
        folder, on = self.template
        self.folder = Path(mkdtemp(dir=folder.parent))
        self.clock = Clock()
        self.on = registry.Backends(databases.copied(on.database, self.folder), on.blobs, on.keys, self.clock)
        with self.on.database.snapshot() as tx:
            self.ids = {at: store.repositories.get(tx, at).id for at in PLACES}
        self.linked: set[tuple] = set()  # of a repository and a digest, as the rest
        self.suspects: dict[tuple, object] = {}  # when to look
        self.quarantined: dict[tuple, tuple] = {}  # since when, and whether somebody deleted it
        self.living: set[tuple] = set()
        self.deleted: list[tuple] = []  # a repository, an image, and when: the last one last
        self.numbers: dict[str, int] = {}  # of the blobs that there are
        self.born = self.gone = 0
        self.halt: list | None = None  # how many may go, and whether that is confirmed

    def teardown(self) -> None:
        databases.forget(self.on.database)
        shutil.rmtree(self.folder)

    # ---- What the model says

    def link(self, at, digest) -> None:
        if (at, digest) not in self.linked:
            self.linked.add((at, digest))
            self.suspects[at, digest] = self.clock.now + PUSH_TIME
            self.quarantined.pop((at, digest), None)
        if digest not in self.numbers:
            self.born += 1
            self.numbers[digest] = self.born

    def needs(self, at, digest, *, even_deleted=True):
        living = any(where == at and digest in NEEDS[image] for where, image in self.living)
        return living or (even_deleted and any(w == at and digest in NEEDS[image] for w, image, _ in self.deleted))

    def use_halt(self, number) -> None:
        if self.halt is not None:
            self.halt[0] -= number
            if self.halt[0] <= 0:
                self.halt = None

    # ---- Clients

    @initialize(chosen=st.lists(st.tuples(places, images), min_size=1, max_size=3))
    def begin_with_images(self, chosen):
        for at, image in chosen:
            self.push_image(at, image)

    @rule(at=places, digest=digests)
    def push_blob(self, at, digest):
        push_blob(self.on, at, DATA[digest])

        self.link(at, digest)

    @rule(at=places, digest=digests)
    def mount(self, at, digest):
        [source] = set(PLACES) - {at}

        assert registry.uploads.mount(self.on, at, source, digest) == ((source, digest) in self.linked)

        if (source, digest) in self.linked:
            self.link(at, digest)

    @rule(at=places, image=images)
    def push_image(self, at, image):
        for digest in NEEDS[image]:
            self.push_blob(at, digest)
        self.put(at, image)

    @rule(at=places, image=images)
    def put(self, at, image):
        missing = {digest for digest in NEEDS[image] if (at, digest) not in self.linked}
        if (at, image) not in self.living and any(self.quarantined.get((at, one), (0, True))[1] for one in missing):
            with pytest.raises(LayersNotFound):
                put(self.on, at, IMAGES[image])
            return

        put(self.on, at, IMAGES[image], "latest")

        if (at, image) not in self.living:
            for digest in missing:
                self.link(at, digest)
        self.living.add((at, image))

    @precondition(lambda self: self.living)
    @rule(number=numbers)
    def delete_image(self, number):
        at, image = some(self.living, number)

        registry.images.delete(self.on, at, [ImageId(image)])

        self.living.remove((at, image))
        self.deleted.append((at, image, self.clock.now))

    @precondition(lambda self: self.deleted)
    @rule(number=numbers)
    def restore_image(self, number):
        at, image, _ = some(self.deleted, number)
        kept = [one for one in self.deleted if one[:2] == (at, image) and one[2] > self.clock.now - KEPT]
        if (at, image) in self.living or not kept:
            with pytest.raises((ImageAlreadyExists, DeletedImageNotFound)):
                registry.undelete.restore_image(self.on, at, image)
            return

        registry.undelete.restore_image(self.on, at, image)

        for digest in NEEDS[image]:
            self.link(at, digest)
        self.deleted.remove(kept[-1])
        self.living.add((at, image))

    @precondition(lambda self: self.linked)
    @rule(number=numbers)
    def delete_blob(self, number):
        at, digest = some(self.linked, number)
        if self.needs(at, digest, even_deleted=False):
            with pytest.raises(LayerReferenced):
                registry.layers.delete(self.on, at, digest)
            return

        registry.layers.delete(self.on, at, digest)

        self.linked.remove((at, digest))
        self.suspects.pop((at, digest), None)
        self.quarantined[at, digest] = (self.clock.now, True)

    # ---- Time and the operator

    @rule(hours=st.sampled_from([1, 12, 24 * 8]))
    def let_time_pass(self, hours):
        self.clock.pass_(hours=hours)

    @rule(number=st.integers(1, 9), is_attended=st.booleans())
    def let_days_pass(self, number, is_attended):
        """With the work of each of them, and an operator."""
        for _ in range(number):
            self.clock.pass_(days=1)
            self.purge()
            self.collect()
            if is_attended and self.halt:
                self.confirm()
                self.collect()

    @rule()
    def purge(self):
        registry.purging.purge(self.on, JOB)

        now = self.clock.now
        for at, image, _ in (gone := [one for one in self.deleted if one[2] <= now - KEPT]):
            for digest in NEEDS[image]:
                self.suspects.setdefault((at, digest), now + PUSH_TIME)
        self.deleted = [one for one in self.deleted if one not in gone]

    @rule()
    def collect(self):
        now = self.clock.now
        due = [link for link, at in self.suspects.items() if at <= now]
        unneeded = [link for link in due if not self.needs(*link)]
        expired = [link for link, (since, _) in self.quarantined.items() if since <= now - QUARANTINE]
        surprise, known = max(len(unneeded), len(expired)), max(max(self.numbers.values(), default=0) - self.gone, 1)
        goes_on = self.halt is None or (self.halt[1] and self.halt[0] > 0)
        if goes_on and surprise >= SURPRISING and surprise > known / 2 and (not self.halt or surprise > self.halt[0]):
            self.halt, goes_on = [surprise, False], False

        with mock.patch.object(registry.garbage, "SURPRISING_BLOBS", SURPRISING):
            tally = registry.garbage.run(self.on)

        assert (tally.halted is None) == goes_on
        if goes_on:
            self._quarantine(due, unneeded)
            assert tally.freed_objects == tally.blobs == self._release(expired)

    def _quarantine(self, due, unneeded) -> None:
        for link in due:
            del self.suspects[link]
        moved = self.linked.intersection(unneeded)
        self.linked -= moved
        self.quarantined |= dict.fromkeys(moved, (self.clock.now, False))
        self.use_halt(len(moved))

    def _release(self, expired) -> int:
        for at, digest in expired:
            if self.needs(at, digest):
                self.quarantined[at, digest] = (self.clock.now, self.quarantined[at, digest][1])
            else:
                del self.quarantined[at, digest]
        gone = self.numbers.keys() - {digest for _, digest in (*self.linked, *self.quarantined)}
        self.numbers = {digest: number for digest, number in self.numbers.items() if digest not in gone}
        self.gone += len(gone)
        self.use_halt(len(expired))
        return len(gone)

    @rule()
    def confirm(self):
        if self.halt is None or self.halt[1]:
            with pytest.raises(registry.garbage.NothingHalted):
                registry.garbage.confirm(self.on)
            return

        registry.garbage.confirm(self.on)

        self.halt[1] = True

    # ---- What must hold

    @invariant()
    def it_is_as_the_model_says(self):
        with self.on.database.snapshot() as tx:
            assert store.invariants.broken(tx) == []
            links = store.invariants.links(tx)
            suspects = {(row["repository_id"], row["digest"]): row["due_at"] for row in tx.all(_CANDIDATES)}
            assert tx.value(_COUNT) == len(self.numbers)
            halt = store.gc_runs.halt(tx)

        assert {
            (one.repository_id, one.digest): one.quarantined_at and (one.quarantined_at, one.is_deleted)
            for one in links
        } == {
            (self.ids[at], digest): self.quarantined.get((at, digest))
            for at, digest in (*self.linked, *self.quarantined)
        }
        assert suspects == {(self.ids[at], digest): due_at for (at, digest), due_at in self.suspects.items()}
        assert (halt and [halt.planned, halt.is_confirmed]) == self.halt

    @invariant()
    def what_is_linked_is_served(self):
        for at, (digest, data) in itertools.product(PLACES, DATA.items()):
            if (at, digest) in self.linked:
                reader = registry.layers.open_blob(self.on, at, digest)
                assert bytes(reader.read(0)) == data
                reader.close()
            else:
                with pytest.raises(BlobNotFound):
                    registry.layers.size(self.on, at, digest)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    with nobody_waits_for_the_disk():
        folder = tmp_path_factory.mktemp("machine") / "whole"
        folder.mkdir()
        on = open_ground(folder, Clock())
        create(on, PLACES[1])
        on.database.close()
        yield folder, on


def test_garbage_goes_when_it_should_and_nothing_else_does(template):
    Machine.template = template

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=25, stateful_step_count=30, deadline=None, database=None)
    )
