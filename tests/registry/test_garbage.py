"""Bytes that nothing needs go, in time; what an image needs, or could need, never does. The clock is the test's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast import registry, store
from holdfast.model.errors import BlobNotFound, ImageTagAlreadyExists, LayersNotFound
from holdfast.model.images import ImageId
from holdfast.model.names import RepositoryRef
from holdfast.model.repositories import Mutability, TagMutability
from holdfast.model.uploads import SMALL_BYTES
from tests import builders, databases
from tests.registry.ground import AT, HOME, create, described, push, push_blob, put, work_off
from tests.registry.test_undelete import an_index, rows

LARGE = bytes(SMALL_BYTES + 1)
OTHER = RepositoryRef(HOME, "another/repository")


def files(tmp_path):
    return [path.name for path in (tmp_path / "objects").rglob("*") if path.is_file()]


def holds(on, data, at=AT):
    """Whether a repository serves a blob, whole."""
    try:
        reader = registry.layers.open_blob(on, at, builders.digest(data))
    except BlobNotFound:
        return False
    assert bytes(reader.read(0)) == data
    reader.close()
    return True


def image_of(on, data, *tags, at=AT, seed=0):
    """Push an image with one layer of these bytes."""
    push_blob(on, at, data)
    config = b'{"seed": "%d"}' % seed
    push_blob(on, at, config)
    document = builders.document(
        builders.OCI_MANIFEST,
        config=builders.descriptor(builders.OCI_CONFIG, config),
        layers=[builders.descriptor(builders.OCI_LAYER, data)],
    )
    put(on, at, document, *tags)
    return document


def days(on, clock, number):
    """Let days pass, with an hour's work in each."""
    for _ in range(number):
        clock.pass_(days=1)
        work_off(on)


# ---- What goes


@pytest.mark.parametrize("data", [b"small", LARGE])
def test_the_bytes_of_a_deleted_image_go_in_the_end(on, clock, tmp_path, data):
    document = image_of(on, data)
    registry.images.delete(on, AT, [ImageId(document.digest)])

    days(on, clock, 17)

    assert not holds(on, data)
    assert files(tmp_path) == []
    assert rows(on, "blobs", "objects", "repository_blobs", "gc_candidates", "quarantined_links") == 0


def test_a_layer_that_no_image_ever_needed_goes(on, clock, tmp_path):
    push_blob(on, AT, LARGE)

    days(on, clock, 9)

    assert files(tmp_path) == []
    assert rows(on, "blobs", "objects", "gc_candidates", "quarantined_links") == 0


def test_the_bytes_of_a_purged_repository_go(on, clock, tmp_path):
    image_of(on, LARGE, "latest")
    registry.repositories.delete(on, AT, force=True)

    days(on, clock, 16)

    assert files(tmp_path) == []
    assert rows(on, "blobs", "objects", "repository_blobs", "quarantined_links", "repositories") == 0


def test_bytes_that_were_replaced_go(on, clock, tmp_path):
    image_of(on, LARGE)
    [damaged] = files(tmp_path)
    (tmp_path / "objects" / damaged[:2] / damaged).write_bytes(b"not what was written")
    push_blob(on, AT, LARGE)
    assert len(files(tmp_path)) == 2

    days(on, clock, 32)

    assert holds(on, LARGE)
    assert damaged not in files(tmp_path)


def test_a_blob_that_somebody_deleted_goes(on, clock, tmp_path):
    push_blob(on, AT, LARGE)
    registry.layers.delete(on, AT, builders.digest(LARGE))
    assert not holds(on, LARGE)

    days(on, clock, 8)

    assert files(tmp_path) == []


def test_a_blob_that_was_deleted_goes_after_the_deleted_image_that_needed_it(on, clock, tmp_path):
    document = image_of(on, LARGE)
    registry.images.delete(on, AT, [ImageId(document.digest)])
    days(on, clock, 3)
    registry.layers.delete(on, AT, builders.digest(LARGE))

    days(on, clock, 30)

    assert files(tmp_path) == []
    assert rows(on, "blobs", "objects", "repository_blobs", "gc_candidates", "quarantined_links") == 0


# ---- What stays


def test_what_images_need_stays_for_ever(on, clock):
    image_of(on, LARGE, "latest")
    children = [push(on, AT, seed) for seed in (1, 2)]
    an_index(on, an_index(on, *children), seed=1)
    before = described(on)

    days(on, clock, 30)

    assert holds(on, LARGE)
    assert described(on) == before
    assert rows(on, "gc_candidates", "quarantined_links") == 0


def test_what_another_image_or_repository_needs_stays(on, clock):
    create(on, OTHER)
    gone = image_of(on, LARGE, seed=1)
    image_of(on, LARGE, seed=2)
    registry.uploads.mount(on, OTHER, AT, builders.digest(LARGE))
    image_of(on, LARGE, at=OTHER)
    registry.images.delete(on, AT, [ImageId(gone.digest)])
    days(on, clock, 17)
    assert holds(on, LARGE)
    registry.repositories.delete(on, AT, force=True)

    days(on, clock, 17)

    assert holds(on, LARGE, OTHER)


@pytest.mark.parametrize("passed", [1, 6])
def test_a_deleted_image_can_be_restored_whole_to_the_last_day(on, clock, passed):
    document = image_of(on, LARGE, "latest")
    registry.images.delete(on, AT, [ImageId(document.digest)])
    days(on, clock, passed)

    registry.undelete.restore_image(on, AT, document.digest)
    days(on, clock, 30)

    assert holds(on, LARGE)
    assert described(on)[document.digest].tags == ("latest",)


def test_a_blob_that_was_deleted_comes_back_with_the_image_that_needs_it(on, clock):
    document = image_of(on, LARGE)
    registry.images.delete(on, AT, [ImageId(document.digest)])
    registry.layers.delete(on, AT, builders.digest(LARGE))
    days(on, clock, 6)

    registry.undelete.restore_image(on, AT, document.digest)
    days(on, clock, 30)

    assert holds(on, LARGE)


def test_a_blob_that_was_deleted_is_not_there_for_the_next_manifest(on):
    document = image_of(on, LARGE)
    registry.images.delete(on, AT, [ImageId(document.digest)])
    registry.layers.delete(on, AT, builders.digest(LARGE))

    with pytest.raises(LayersNotFound):
        put(on, AT, document)


# ---- What comes back


def test_a_push_takes_a_layer_out_of_quarantine(on, clock):
    push_blob(on, AT, LARGE)
    days(on, clock, 3)
    assert not holds(on, LARGE)

    image_of(on, LARGE)
    days(on, clock, 30)

    assert holds(on, LARGE)


def test_a_manifest_may_name_a_layer_that_was_there_when_its_push_began(on, clock):
    push_blob(on, AT, LARGE)
    config = b"{}"
    push_blob(on, AT, config)
    assert registry.layers.size(on, AT, builders.digest(LARGE))  # so the client does not send it again
    days(on, clock, 2)
    document = builders.document(
        builders.OCI_MANIFEST,
        config=builders.descriptor(builders.OCI_CONFIG, config),
        layers=[builders.descriptor(builders.OCI_LAYER, LARGE)],
    )

    put(on, AT, document)
    days(on, clock, 30)

    assert holds(on, LARGE)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_manifest_that_is_refused_takes_nothing_out_of_quarantine(on, clock, is_there):
    registry.repositories.set_mutability(on, AT, TagMutability(Mutability.IMMUTABLE))
    push(on, AT, 1, "taken")
    push_blob(on, AT, LARGE)
    days(on, clock, 2)
    layers = [LARGE] if is_there else [LARGE, b"never pushed"]
    config = b'{"seed": "1"}'
    push_blob(on, AT, config)
    document = builders.document(
        builders.OCI_MANIFEST,
        config=builders.descriptor(builders.OCI_CONFIG, config),
        layers=[builders.descriptor(builders.OCI_LAYER, layer) for layer in layers],
    )

    with pytest.raises(ImageTagAlreadyExists if is_there else LayersNotFound):
        put(on, AT, document, "taken")

    assert not holds(on, LARGE)


def test_another_repository_learns_nothing_of_what_is_in_quarantine(on, clock):
    create(on, OTHER)
    push_blob(on, AT, LARGE)
    days(on, clock, 3)
    push_blob(on, OTHER, b"{}")
    document = builders.document(
        builders.OCI_MANIFEST,
        config=builders.descriptor(builders.OCI_CONFIG, b"{}"),
        layers=[builders.descriptor(builders.OCI_LAYER, LARGE)],
    )

    with pytest.raises(LayersNotFound):
        put(on, OTHER, document)


# ---- The run


def many(on, number):
    for seed in range(number):
        push_blob(on, AT, b"%d" % seed)


def test_a_plan_changes_nothing(on, clock):
    many(on, 3)
    clock.pass_(days=2)
    tables = ("blobs", "repository_blobs", "gc_candidates", "quarantined_links", "gc_runs")
    before = rows(on, *tables)

    plan = registry.garbage.plan(on)

    assert (len(plan.unneeded), plan.surprise, plan.blobs) == (3, 3, 3)
    assert rows(on, *tables) == before


def test_a_surprising_share_waits_until_it_is_confirmed(on, clock):
    many(on, 120)
    clock.pass_(days=2)
    work_off(on)
    assert rows(on, "quarantined_links") == 0
    halt = registry.garbage.status(on).halt
    assert halt is not None
    assert "100 % of 120 blobs" in halt.reason

    registry.garbage.confirm(on)
    work_off(on)

    assert rows(on, "quarantined_links") == 120
    assert registry.garbage.status(on).halt is None
    days(on, clock, 8)
    assert rows(on, "blobs") == 120
    registry.garbage.confirm(on)
    work_off(on)
    assert rows(on, "blobs", "objects", "quarantined_links") == 0


def test_a_run_tells_what_it_expected_and_what_it_freed(on, clock, monkeypatch):
    push_blob(on, AT, LARGE)
    push_blob(on, AT, LARGE + b"more")
    clock.pass_(days=2)
    work_off(on)
    clock.pass_(days=8)
    delete, stubborn = on.blobs.delete, []

    def fail_once(key):
        if not stubborn:
            stubborn.append(key)
            raise OSError("the store says no")
        delete(key)

    monkeypatch.setattr(on.blobs, "delete", fail_once)

    tally = registry.garbage.run(on)

    assert tally.blobs == 2
    assert tally.expected_bytes == 2 * len(LARGE) + 4
    assert 0 < tally.freed_bytes < tally.expected_bytes
    assert tally.failures == {stubborn[0]: "OSError: the store says no"}
    assert registry.garbage.status(on).figures.doomed == 1
    clock.pass_(hours=1)
    work_off(on)
    assert registry.garbage.status(on).figures.doomed == 0


def test_rows_that_disagree_stop_the_run_and_are_repaired_on_command(on, clock):
    image_of(on, LARGE, "latest")
    digest = builders.digest(LARGE)
    with on.database.transaction() as tx:  # as a fault of a program might
        repository = store.repositories.get(tx, AT)
        store.garbage.quarantine(tx, repository.id, digest, clock())
    clock.pass_(days=8)
    work_off(on)
    halt = registry.garbage.status(on).halt
    assert halt is not None
    assert digest in halt.reason
    assert rows(on, "blobs") == 2

    assert registry.garbage.repair(on) == 1
    days(on, clock, 20)

    assert holds(on, LARGE)
    assert registry.garbage.status(on).halt is None


def test_garbage_is_left_alone_where_that_is_wanted(on, clock):
    push_blob(on, AT, LARGE)
    off = replace(on, limits=replace(on.limits, collects_garbage=False))

    days(off, clock, 20)

    assert holds(off, LARGE)


def test_a_run_costs_nothing_where_there_is_no_garbage(on, clock):
    """The planner's statements use the indexes of what may be garbage, and scan no table of what lives."""
    image_of(on, LARGE)
    statements = store.garbage
    values = {"now": clock(), "before": clock(), "limit": 1}

    for statement in (statements._DUE, statements._EXPIRED, statements._COUNT_UNNEEDED, statements._COUNT_EXPIRED):
        assert databases.scans(on.database, statement, **values) == []
