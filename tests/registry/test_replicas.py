"""Copies between registries of one installation: what they share, and what becomes of them. The clock is the test's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from holdfast import registry
from holdfast.model.errors import StorageUnavailable
from holdfast.model.images import ImageId
from holdfast.model.names import Registry, RepositoryRef
from holdfast.model.replication import Configuration, Rule
from holdfast.registry.work import LEASE
from tests import builders
from tests.registry.ground import AT, HOME, create, described, push, push_blob, put, work_off
from tests.registry.test_garbage import LARGE, days, files, holds, image_of
from tests.registry.test_undelete import rows

WEST = Registry(HOME.account_id, "eu-west-1")
THERE = RepositoryRef(WEST, AT.name)


class Killed(BaseException):
    """The end of a process."""


def configure(on, *rules):
    registry.replication.configure(on, HOME, Configuration(rules))


def status(on, digest):
    """How the copying stands: status and failure code."""
    _, [found] = registry.replication.of_image(on, AT, ImageId(digest))
    return found.status, found.failure_code


@pytest.fixture
def copied(on, tmp_path):
    """An image with one large layer that is here and there."""
    configure(on, Rule((WEST,), deletes=True))
    image = image_of(on, LARGE, "v1")
    work_off(on)
    assert described(on, THERE)[image.digest].tags == ("v1",)
    return image


def test_bytes_under_the_same_key_are_there_once(on, tmp_path, copied):
    assert len(files(tmp_path)) == 1
    assert holds(on, LARGE, THERE)


def test_a_push_of_what_was_copied_adds_nothing(on, tmp_path, copied):
    other = RepositoryRef(WEST, "other/repository")
    create(on, other)

    push_blob(on, other, LARGE)

    assert holds(on, LARGE, other)
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize(("gone", "left"), [(AT, THERE), (THERE, AT)], ids=["the source", "the copy"])
def test_one_lives_when_the_other_is_gone_for_good(on, clock, tmp_path, copied, gone, left):
    configure(on)  # deletions are nobody's business any more
    registry.repositories.delete(on, gone, force=True)

    days(on, clock, 20)

    assert holds(on, LARGE, left)
    assert described(on, left)[copied.digest].tags == ("v1",)
    assert len(files(tmp_path)) == 1


def test_nothing_is_left_when_both_are_gone(on, clock, tmp_path, copied):
    for at in (AT, THERE):
        registry.repositories.delete(on, at, force=True)

    days(on, clock, 20)

    assert files(tmp_path) == []
    assert rows(on, "blobs", "objects", "repository_blobs", "quarantined_links", "repositories") == 0


def test_a_push_there_finds_the_bytes_as_long_as_the_copy_holds_them(on, clock, tmp_path, copied):
    """A blob is of the registry to which it came first, whoever holds it now."""
    configure(on)
    registry.repositories.delete(on, AT, force=True)
    days(on, clock, 20)
    other = RepositoryRef(WEST, "other/repository")
    create(on, other)
    image_of(on, LARGE, "v2", at=other, seed=1)
    registry.repositories.delete(on, THERE, force=True)

    days(on, clock, 20)

    assert holds(on, LARGE, other)
    assert len(files(tmp_path)) == 1


def test_a_deletion_that_was_undone_is_undone_there(on, copied):
    registry.images.delete(on, AT, [ImageId(copied.digest)])
    work_off(on)
    assert copied.digest not in described(on, THERE)

    registry.undelete.restore_image(on, AT, copied.digest)
    work_off(on)

    assert described(on, THERE)[copied.digest].tags == ("v1",)


@pytest.mark.parametrize("what", ["image", "tag"])
def test_a_tag_that_moved_on_before_it_was_deleted_goes_there(on, copied, what):
    second = image_of(on, LARGE, "v1", seed=1)
    if what == "tag":
        registry.images.delete_tag(on, AT, "v1")
    else:
        registry.images.delete(on, AT, [ImageId(second.digest)])
    work_off(on)

    assert described(on, THERE)[copied.digest].tags == ()


# ---- Interrupted


def killed_at(on, monkeypatch, count):
    """Let the process die when it commits so many times."""
    left = iter(range(count, -1, -1))
    real = type(on.database).transaction

    @contextmanager
    def transaction(self, **members):
        with real(self, **members) as tx:
            yield tx
            if next(left, 1) == 0:
                raise Killed

    monkeypatch.setattr(type(on.database), "transaction", transaction)


@pytest.mark.parametrize("commits", range(12))
def test_whoever_copies_may_be_killed_at_each_commit(on, clock, monkeypatch, commits):
    arm, intel = push(on, AT, "arm"), push(on, AT, "intel")
    index = builders.an_index(arm, intel)
    configure(on, Rule((WEST,)))
    put(on, AT, index, "v1")

    with monkeypatch.context() as patch:
        killed_at(on, patch, commits)
        with suppress(Killed):
            work_off(on)
    known = described(on, THERE) if registry.repositories.names(on, WEST, "", 10)[0] else {}
    if index.digest in known:
        assert {arm.digest, intel.digest} <= known.keys()  # nobody sees an index before what it lists

    clock.pass_(seconds=LEASE.total_seconds() + 3600)
    work_off(on)

    assert described(on, THERE).keys() == {arm.digest, intel.digest, index.digest}
    assert status(on, index.digest) == ("COMPLETE", None)


def test_rules_that_are_added_at_the_same_moment_are_all_there(on):
    def add(number):
        def adding(before):
            return Configuration((*before.rules, Rule((WEST,), (f"team{number}/",))))

        registry.replication.change(on, HOME, adding)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(20)))

    assert len(registry.replication.configuration(on, HOME).rules) == 20


def test_copies_for_a_rule_that_is_gone_are_not_made(on):
    configure(on, Rule((WEST,)))
    image = push(on, AT, "image", "v1")
    configure(on)

    work_off(on)

    assert status(on, image.digest) == ("FAILED", "ReplicationRuleRemoved")
    assert registry.repositories.names(on, WEST, "", 10)[0] == []


def test_a_copy_that_was_cancelled_says_so(on):
    configure(on, Rule((WEST,)))
    image = push(on, AT, "image", "v1")
    [item] = [one for one in registry.work.page(on) if one.kind == "ReplicateImage"]
    registry.work.cancel(on, item.id)

    work_off(on)

    assert status(on, image.digest) == ("FAILED", "ReplicationCancelled")


def test_what_may_pass_is_tried_again_and_in_the_end_told(on, clock, monkeypatch):
    def fail(*_):
        raise StorageUnavailable

    configure(on, Rule((WEST,)))
    image = push(on, AT, "image", "v1")
    monkeypatch.setattr(registry.replicas, "_ensure_repository", fail)
    work_off(on)
    assert status(on, image.digest) == ("IN_PROGRESS", None)

    for _ in range(9):
        clock.pass_(hours=2)
        work_off(on)

    assert status(on, image.digest) == ("FAILED", "StorageUnavailableException")
