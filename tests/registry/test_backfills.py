"""A backfill copies everything once, whatever happens to whoever does it. The clock is the test's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from holdfast import registry, store
from holdfast.model.errors import (
    LimitExceeded,
    ReplicationBackfillInProgress,
    ReplicationBackfillInvalidStatus,
    ReplicationBackfillNotFound,
    Validation,
)
from holdfast.model.images import ImageId
from holdfast.model.names import Registry, RepositoryRef
from holdfast.model.replication import Configuration, Copied, Rule
from holdfast.model.work import Lane
from holdfast.registry import backfills, replicas
from holdfast.registry.work import ATTEMPTS, LEASE, WorkInterrupted
from tests.registry.ground import AT, HOME, create, push
from tests.registry.ground import work_off as work_off_promptly
from tests.registry.ground import work_off_patiently as work_off

WEST, EAST = Registry("000000000000", "eu-west-1"), Registry("000000000000", "eu-east-1")
OTHER = RepositoryRef(HOME, "other/repository")


class Killed(BaseException):
    """The end of a process."""


@pytest.fixture
def copies(monkeypatch):
    """What was copied: every pair of image and tag; `copies.fail` says how each ends."""

    class Copies(list):
        def fail(self, _at, _digest, _tag):
            return None

    made = Copies()

    def copy(_on, at, digest, _destination, tags, _job):
        [tag] = tags or [None]
        code = made.fail(at, digest, tag)
        made.append((at.name, digest, tag))
        return Copied(code)

    monkeypatch.setattr(replicas, "copy", copy)
    return made


def configure(on, *destinations, prefixes=None):
    registry.replication.configure(on, HOME, Configuration((Rule(destinations or (WEST,), prefixes),)))


def start(on, destination=WEST):
    return registry.backfills.start(on, HOME, destination).id


def described(on, backfill_id, limit=1000, status=None):
    """A backfill and its results."""
    backfill, results, more = registry.backfills.get(on, HOME, backfill_id, 0, limit, status)
    assert not more
    return backfill, results


def pairs_of(results):
    return [(result.repository_name, result.image_id.digest, result.image_id.tag) for result in results]


def push_some(on):
    """Images in two repositories: every pair of image and tag in the order of the copying."""
    create(on, OTHER)
    pairs = []
    for at in (OTHER, AT):
        two, one, none = push(on, at, "two", "v1", "v2"), push(on, at, "one", "v3"), push(on, at, "none")
        tagged = [(at.name, two.digest, "v1"), (at.name, two.digest, "v2"), (at.name, one.digest, "v3")]
        pairs += sorted([*tagged, (at.name, none.digest, None)])
    return pairs


# ---- From the beginning to the end


def test_every_image_is_copied_once_with_each_of_its_tags(on, clock, copies):
    pairs = push_some(on)
    configure(on)
    backfill_id = start(on)
    clock.pass_(minutes=1)

    work_off(on)

    backfill, results = described(on, backfill_id)
    assert (backfill.status, backfill.failure_code, backfill.ended_at) == ("COMPLETE", None, clock())
    assert (backfill.progress.total, backfill.progress.completed, backfill.progress.failed) == (8, 8, 0)
    assert pairs_of(results) == copies == pairs
    assert [result.position for result in results] == list(range(1, 9))


def test_only_repositories_that_the_rules_copy_there_are_copied(on, copies):
    pairs = push_some(on)
    rules = (Rule((EAST,), ("other",)), Rule((WEST,), ("some/rep",)))
    registry.replication.configure(on, HOME, Configuration(rules))

    start(on)
    work_off(on)

    assert copies == pairs[4:]


def test_archived_images_are_not_copied(on, copies):
    image = push(on, AT, "a", "v1")
    registry.archive.set_storage_class(on, AT, ImageId(image.digest), "ARCHIVE")
    configure(on)

    backfill_id = start(on)
    work_off(on)

    backfill, results = described(on, backfill_id)
    assert (backfill.status, backfill.progress.total, results) == ("COMPLETE", 0, [])


def test_a_backfill_to_nowhere_fails_and_says_why(on):
    push_some(on)
    nowhere = Registry("999999999999", "eu-west-1")
    configure(on, nowhere)

    backfill_id = start(on, nowhere)
    work_off(on)

    backfill, results = described(on, backfill_id)
    assert (backfill.status, backfill.failure_code) == ("FAILED", "TooManyReplicationsFailed")
    assert backfill.progress.failure_codes == ("DestinationAccountNotFound",)
    assert backfill.progress.failed == 8
    assert {result.copied.failure_code for result in results} == {"DestinationAccountNotFound"}


@pytest.mark.parametrize(("failures", "status"), [(3, "COMPLETE"), (4, "FAILED")])
def test_a_backfill_fails_when_half_of_its_images_do(on, copies, failures, status):
    push_some(on)
    configure(on)
    copies.fail = lambda *_: "Unlucky" if len(copies) < failures else None

    backfill_id = start(on)
    work_off(on)

    backfill, _ = described(on, backfill_id)
    assert backfill.status == status
    assert (backfill.progress.completed, backfill.progress.failed) == (8 - failures, failures)
    assert len(described(on, backfill_id, status="FAILED")[1]) == failures
    assert len(described(on, backfill_id, status="COMPLETE")[1]) == 8 - failures


def test_results_are_shown_when_they_are_complete(on, copies, monkeypatch):
    push_some(on)
    configure(on)
    monkeypatch.setattr(backfills, "PAIRS_AT_ONCE", 3)
    backfill_id = start(on)
    seen = [described(on, backfill_id)]
    copies.fail = lambda *_: seen.append(described(on, backfill_id))

    work_off(on)

    assert [results for _, results in seen] == [[]] * 9
    assert (seen[0][0].status, seen[0][0].progress) == ("PREPARING", None)
    assert {(backfill.status, backfill.progress.total) for backfill, _ in seen[1:]} == {("IN_PROGRESS", 8)}
    assert [backfill.progress.completed for backfill, _ in seen[1:]] == [0] * 3 + [3] * 3 + [6] * 2


def test_what_comes_and_goes_meanwhile_does_no_harm(on, copies, monkeypatch):
    pairs = push_some(on)
    configure(on)
    monkeypatch.setattr(backfills, "PAIRS_AT_ONCE", 1)

    def meddle(*_):
        if len(copies) == 1:
            registry.repositories.delete(on, OTHER, force=True)
            push(on, AT, "late", "late-1", "late-2")

    copies.fail = meddle
    backfill_id = start(on)
    work_off(on)

    backfill, results = described(on, backfill_id)
    tags = [tag for name, _, tag in pairs_of(results) if name == AT.name]
    assert backfill.progress.total == backfill.progress.completed == len(results) == len(copies)
    assert sorted(map(str, tags)) == ["None", "late-1", "late-2", "v1", "v2", "v3"]
    assert set(pairs[4:]) <= set(copies)


# ---- Killed, interrupted, stopped


@pytest.mark.parametrize("number", range(8))
def test_a_killed_worker_goes_on_where_it_stood(on, clock, copies, monkeypatch, number):
    pairs = push_some(on)
    configure(on)
    monkeypatch.setattr(backfills, "PAIRS_AT_ONCE", 3)

    def kill(*_):
        if len(copies) == number:
            copies.fail = lambda *_: None
            raise Killed

    copies.fail = kill
    backfill_id = start(on)
    with pytest.raises(Killed):
        work_off(on)

    clock.pass_(seconds=LEASE.total_seconds())
    work_off(on)

    backfill, results = described(on, backfill_id)
    assert (backfill.status, backfill.progress.completed) == ("COMPLETE", 8)
    assert pairs_of(results) == pairs
    assert len(copies) < 8 + 3  # no more than one step was done twice


def test_a_worker_that_is_killed_while_it_counts_counts_nothing_twice(on, clock, copies, monkeypatch):
    push_some(on)
    configure(on)
    monkeypatch.setattr(backfills, "REPOSITORIES_AT_ONCE", 1)
    count, calls = backfills.store.backfills.pair_count, []

    def pair_count(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise Killed
        return count(*arguments)

    monkeypatch.setattr(backfills.store.backfills, "pair_count", pair_count)
    backfill_id = start(on)
    with pytest.raises(Killed):
        work_off(on)

    clock.pass_(seconds=LEASE.total_seconds())
    seen = []
    copies.fail = lambda *_: seen.append(described(on, backfill_id)[0].progress.total)
    work_off(on)

    assert set(seen) == {8}
    assert len(calls) == 3


def test_a_process_that_comes_to_rest_leaves_a_backfill_to_the_next(on, copies, monkeypatch):
    pairs = push_some(on)
    configure(on)
    monkeypatch.setattr(backfills, "PAIRS_AT_ONCE", 3)
    backfill_id = start(on)
    job = registry.work.claim(on, "first", lambda: len(copies) > 3, Lane.PATIENT)
    with pytest.raises(WorkInterrupted):
        backfills.run(on, job)
    registry.work.finish(job, on.clock())

    work_off(on)

    assert pairs_of(described(on, backfill_id)[1]) == pairs


@pytest.mark.parametrize("number", [None, 0, 4])
def test_a_backfill_is_stopped_at_its_next_step(on, copies, monkeypatch, number):
    push_some(on)
    configure(on)
    monkeypatch.setattr(backfills, "PAIRS_AT_ONCE", 3)
    backfill_id = start(on)
    stopped = []

    def stop(*_):
        if len(copies) == number:
            stopped.append(registry.backfills.stop(on, HOME, backfill_id).status)

    copies.fail = stop
    if number is None:
        stopped.append(registry.backfills.stop(on, HOME, backfill_id).status)
    work_off(on)

    backfill, results = described(on, backfill_id)
    assert stopped == ["STOPPING"]
    assert backfill.status == "STOPPED"
    assert backfill.ended_at is not None
    assert (backfill.progress is None) == (number is None)
    assert len(results) == (0 if number is None else number // 3 * 3)
    assert registry.work.page(on)[-1].kind != "RunBackfill"


def test_a_backfill_that_ended_or_is_being_stopped_cannot_be_stopped(on, copies):
    configure(on)
    first = start(on)
    work_off(on)
    second = start(on)
    registry.backfills.stop(on, HOME, second)

    for backfill_id in (first, second):
        with pytest.raises(ReplicationBackfillInvalidStatus):
            registry.backfills.stop(on, HOME, backfill_id)

    assert described(on, first)[0].status == "COMPLETE"


def test_a_backfill_whose_work_was_given_up_can_be_stopped(on, clock, copies):
    push_some(on)
    configure(on)

    def fail(*_):
        raise ArithmeticError

    copies.fail = fail
    backfill_id = start(on)
    for _ in range(ATTEMPTS):
        work_off(on)
        clock.pass_(hours=2)

    registry.backfills.stop(on, HOME, backfill_id)
    work_off(on)

    assert described(on, backfill_id)[0].status == "STOPPED"


def test_cancelling_the_work_stops_the_backfill(on, copies):
    configure(on)
    backfill_id = start(on)
    [item] = [item for item in registry.work.page(on) if item.kind == "RunBackfill"]

    registry.work.cancel(on, item.id)
    work_off(on)

    assert described(on, backfill_id)[0].status == "STOPPED"


# ---- How many


def test_a_destination_must_be_one_of_the_rules(on):
    configure(on, EAST)

    with pytest.raises(Validation, match="is not in the replication configuration"):
        start(on)


def test_one_backfill_runs_at_a_time_for_each_region(on, copies):
    configure(on, WEST, EAST, Registry("111122223333", "eu-west-1"))
    start(on)
    start(on, EAST)

    for account_id in ("000000000000", "111122223333"):
        with pytest.raises(ReplicationBackfillInProgress):
            start(on, Registry(account_id, "eu-west-1"))
    work_off(on)

    start(on)


def test_so_many_backfills_run_at_a_time(on, copies):
    destinations = [Registry("000000000000", f"eu-{number}-1") for number in range(11)]
    configure(on, *destinations)
    for destination in destinations[:10]:
        start(on, destination)

    with pytest.raises(LimitExceeded):
        start(on, destinations[10])
    work_off(on)

    start(on, destinations[10])


# ---- How long


def test_a_backfill_is_forgotten_90_days_after_its_end(on, clock, copies):
    push_some(on)
    configure(on)
    backfill_id = start(on)
    clock.pass_(days=1)
    work_off(on)
    clock.pass_(days=89, hours=23)
    assert described(on, backfill_id)[0].status == "COMPLETE"

    clock.pass_(hours=1)

    with pytest.raises(ReplicationBackfillNotFound):
        described(on, backfill_id)
    assert registry.backfills.page(on, HOME, (2**63 - 1, ""), 10) == ([], None)


def test_old_backfills_are_removed_a_share_at_a_time(on, clock, copies):
    push_some(on)
    configure(on, WEST, EAST)
    old = [start(on), start(on, EAST)]
    work_off(on)
    clock.pass_(days=1)
    recent = start(on)
    work_off(on)
    before = clock() - timedelta(hours=1)
    gone = []

    while share := registry.backfills.forget_old(on, before, 5):
        gone.append(share)

    assert gone == [5, 5, 5, 3]
    assert len(described(on, recent)[1]) == 8
    for backfill_id in old:
        with pytest.raises(ReplicationBackfillNotFound):
            described(on, backfill_id)


def test_the_clean_up_removes_old_backfills(on, clock, copies):
    push_some(on)
    configure(on)
    backfill_id = start(on)
    work_off(on)
    clock.pass_(days=91)

    work_off_promptly(on)

    with on.database.snapshot() as tx:
        assert store.backfills.find(tx, backfill_id) is None
        assert store.backfills.results(tx, backfill_id, 0, 1) == []


def test_a_running_backfill_is_never_removed(on, clock):
    configure(on)
    backfill_id = start(on)
    clock.pass_(days=1000)

    assert registry.backfills.forget_old(replace(on), clock(), 100) == 0

    assert described(on, backfill_id)[0].status == "PREPARING"


def test_backfills_of_another_registry_are_not_there(on):
    configure(on)
    backfill_id = start(on)

    with pytest.raises(ReplicationBackfillNotFound):
        registry.backfills.get(on, WEST, backfill_id, 0, 1)
