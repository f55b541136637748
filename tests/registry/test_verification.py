"""Copies that drift are found and copied again. The clock is the test's."""

from __future__ import annotations

import pytest

from holdfast import registry
from holdfast.model import merkle
from holdfast.model.images import ImageId
from holdfast.model.names import Registry, RepositoryRef
from holdfast.model.replication import Configuration, Rule
from holdfast.model.repositories import Mutability, TagMutability
from holdfast.model.verification import Counts, State
from tests.registry.ground import AT, HOME, create, described, push, put, told, work_off, work_off_patiently

WEST = Registry(HOME.account_id, "eu-west-1")
THERE = RepositoryRef(WEST, AT.name)


def configure(on, *rules):
    registry.replication.configure(on, HOME, Configuration(rules))


def verify(on, *, repairs=True, everything=False):
    return registry.verification.verify(on, AT, WEST, repairs=repairs, everything=everything)


@pytest.fixture
def images(on):
    """Three images that are here and there."""
    configure(on, Rule((WEST,)))
    found = {tag: push(on, AT, tag, tag) for tag in ("one", "two", "three")}
    work_off(on)
    assert verify(on).state is State.IN_SYNC
    return found


def delete(on, at, **id_):
    registry.images.delete(on, at, [ImageId(**id_)])


def test_what_drifted_is_found_told_and_copied_again(on, images):
    delete(on, THERE, digest=images["one"].digest)  # the image and its tag
    delete(on, THERE, tag="two")
    put(on, THERE, images["two"], "three")  # a tag that names another image
    push(on, THERE, "stranger", "stranger")

    seen = verify(on, repairs=False)
    assert seen.state is State.DRIFTED
    assert seen.counts == Counts(agreeing=2, missing_images=1, missing_tags=2, moved_tags=1, extra=2)
    assert verify(on).state is State.REPAIRING
    assert verify(on).state is State.COPYING  # nothing is asked for twice
    work_off(on)

    assert verify(on).counts == Counts(agreeing=6, extra=2)
    tags = {tag: image.digest for image in described(on, THERE).values() for tag in image.tags}
    assert {tag: tags[tag] for tag in images} == {tag: image.digest for tag, image in images.items()}
    assert [one["repairs"] for one in told(on, "Replication Drift")] == [0, 3]


def test_a_schedule_finds_it_too(on, clock, images):
    for _ in range(2):
        registry.repositories.delete(on, THERE, force=True)
        clock.pass_(hours=1)
        work_off_patiently(on)
        work_off(on)
        assert len(described(on, THERE)) == 3
    clock.pass_(hours=1)
    work_off_patiently(on)

    assert verify(on).state is State.IN_SYNC
    [check], more = registry.verification.page(on, HOME, "", 10)
    assert (check.state, check.counts, more) == (State.IN_SYNC, Counts(agreeing=6), False)
    assert registry.replication_status.figures(on)["replication_drifted"] == 0


def test_what_was_pushed_before_its_rule_is_left_to_who_asks_for_everything(on):
    push(on, AT, "old", "old")
    configure(on, Rule((WEST,)))
    push(on, AT, "new", "new")
    work_off(on)

    assert verify(on).counts == Counts(agreeing=2, unreplicated=2)
    assert verify(on, everything=True).counts.repairs == 1
    work_off(on)

    assert verify(on).counts == Counts(agreeing=4)


def test_a_tag_that_is_frozen_there_is_no_drift(on):
    create(on, THERE, mutability=TagMutability(Mutability.IMMUTABLE))
    push(on, THERE, "theirs", "v1")
    configure(on, Rule((WEST,)))
    push(on, AT, "ours", "v1")
    work_off(on)

    seen = verify(on)

    assert seen.state is State.IN_SYNC
    assert seen.counts == Counts(agreeing=1, frozen_tags=1, extra=1)


def test_what_a_backfill_copied_is_missed_when_it_goes(on):
    image = push(on, AT, "old", "old")
    configure(on, Rule((WEST,)))
    registry.backfills.start(on, HOME, WEST)
    work_off_patiently(on)
    delete(on, THERE, digest=image.digest)

    assert verify(on).counts == Counts(missing_images=1, missing_tags=1, repairs=1)
    work_off(on)

    assert verify(on).counts == Counts(agreeing=2)


def test_what_is_in_some_buckets_is_told_in_portions(on, images, monkeypatch):
    monkeypatch.setattr("holdfast.registry.verification.PAGE", 2)
    every = [(image.digest, "") for image in images.values()] + [(image.digest, tag) for tag, image in images.items()]
    one = merkle.tag_bucket("two")

    def read(buckets):
        place, found, calls = (0, ""), [], 0
        while place is not None:
            held, place = registry.verification.contents(on, AT, buckets, place)
            found += held
            calls += 1
        return sorted(found), calls

    assert read(range(512)) == (sorted(every), 3)
    found, calls = read({one})
    assert (images["two"].digest, "two") in found
    assert {merkle.bucket(*held) for held in found} == {one}
    assert calls == 1
