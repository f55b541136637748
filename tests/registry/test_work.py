"""Work is done once, by whoever holds it, and never lost. The clock is the test's."""

from __future__ import annotations

from datetime import timedelta

import pytest

from holdfast import registry, store
from holdfast.model.work import ActivateImage, FollowSubject, SweepUploads
from holdfast.registry.work import ATTEMPTS, LEASE, LeaseLost, NoSuchWork, WorkCancelled
from holdfast.worker import Runner
from holdfast.worker.handlers import HANDLERS

SOME = FollowSubject(1, "sha256:some")
OTHER = FollowSubject(1, "sha256:other")


def want(on, work, **delay):
    with on.database.transaction() as tx:
        store.work.add(tx, work, on.clock(), on.clock() + timedelta(**delay))


def items(on):
    return [item for item in registry.work.page(on) if item.kind == SOME.kind]


@pytest.fixture
def done(monkeypatch):
    """What the handler was called for; it fails as often as `done.failures` says."""

    class Done(list):
        failures = 0

    calls = Done()

    def handle(_on, job):
        calls.append(job.item.work)
        if len(calls) <= calls.failures:
            raise ArithmeticError("on purpose")

    monkeypatch.setitem(HANDLERS, SOME.kind, handle)
    return calls


# ---- Wanted, claimed, done


def test_what_is_wanted_twice_is_done_once(on, done):
    want(on, SOME)
    want(on, SOME)

    Runner(on).tick()

    assert done == [SOME]
    assert items(on) == []


def test_nothing_is_done_before_it_is_due(on, clock, done):
    want(on, SOME, minutes=5)

    Runner(on).tick()
    before = list(done)
    clock.pass_(minutes=5)
    Runner(on).tick()

    assert before == []
    assert done == [SOME]


def test_wanting_sooner_hurries_and_wanting_later_does_not_delay(on, clock, done):
    want(on, SOME, minutes=5)
    want(on, SOME, minutes=1)
    want(on, SOME, minutes=9)

    clock.pass_(minutes=1)
    Runner(on).tick()

    assert done == [SOME]


def test_what_waited_longest_comes_first(on, clock, done):
    want(on, OTHER, minutes=2)
    want(on, SOME, minutes=1)

    clock.pass_(minutes=3)
    Runner(on).tick()

    assert done == [SOME, OTHER]


def test_work_is_wanted_only_if_the_transaction_commits(on, done):
    def change():
        with on.database.transaction() as tx:
            store.work.add(tx, SOME, on.clock())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change()

    Runner(on).tick()

    assert done == []


def test_two_processes_never_hold_the_same_work(on):
    want(on, SOME)

    first, second = registry.work.claim(on, "a"), registry.work.claim(on, "b")

    assert first is not None
    assert second is None


def test_work_wanted_while_it_is_done_is_done_once_more(on):
    want(on, SOME)
    job = registry.work.claim(on, "a")

    want(on, SOME)
    registry.work.finish(job)

    assert registry.work.claim(on, "a").item.work == SOME


# ---- Leases


def test_work_of_a_killed_process_goes_to_another_one(on, clock):
    want(on, SOME)
    registry.work.claim(on, "killed")

    clock.pass_(seconds=LEASE.total_seconds() - 1)
    too_soon = registry.work.claim(on, "b")
    clock.pass_(seconds=1)
    then = registry.work.claim(on, "b")

    assert too_soon is None
    assert then.item.work == SOME
    assert then.item.attempts == 2


def test_a_heartbeat_keeps_the_lease(on, clock):
    want(on, SOME)
    job = registry.work.claim(on, "a")

    for _ in range(10):
        clock.pass_(seconds=LEASE.total_seconds() / 2)
        assert job.hold()

    assert registry.work.claim(on, "b") is None


def test_who_lost_his_lease_can_change_nothing_more(on, clock):
    want(on, SOME)
    slow = registry.work.claim(on, "slow")
    clock.pass_(seconds=LEASE.total_seconds())
    registry.work.claim(on, "quick")

    def change():
        with on.database.transaction() as tx:
            store.work.add(tx, OTHER, on.clock())
            slow.step(tx)

    with pytest.raises(LeaseLost):
        change()
    registry.work.finish(slow)
    registry.work.fail(slow, ValueError())

    assert [(item.work, item.owner, item.error) for item in items(on)] == [(SOME, "quick", None)]
    assert not slow.hold()


# ---- Failures


def test_failed_work_is_tried_again_after_longer_and_longer_pauses(on, clock, done):
    done.failures = 3
    want(on, SOME)
    pauses = []

    while items(on):
        Runner(on).tick()
        for item in items(on):
            pauses.append((item.due_at - clock()).total_seconds())
            clock.now = item.due_at

    assert pauses == [5, 10, 20]
    assert len(done) == 4


def test_work_that_always_fails_is_given_up_and_kept_for_the_operator(on, clock, done):
    done.failures = 10**6
    want(on, SOME)

    for _ in range(2 * ATTEMPTS):
        Runner(on).tick()
        clock.pass_(hours=2)

    [item] = items(on)
    assert len(done) == ATTEMPTS
    assert item.state == "given up"
    assert item.error == "ArithmeticError: on purpose"


def test_given_up_work_can_be_tried_again_or_forgotten(on, clock, done):
    done.failures = ATTEMPTS
    for work in (SOME, OTHER):
        want(on, work)
        for _ in range(ATTEMPTS):
            Runner(on).tick()
            clock.pass_(hours=2)
        done.clear()
    first, second = items(on)

    registry.work.retry(on, first.id)
    registry.work.forget(on, second.id)
    done.failures = 0
    Runner(on).tick()

    assert done == [SOME]
    assert items(on) == []


def test_wanting_given_up_work_revives_it(on, clock, done):
    done.failures = ATTEMPTS
    want(on, SOME)
    for _ in range(ATTEMPTS):
        Runner(on).tick()
        clock.pass_(hours=2)

    want(on, SOME)
    Runner(on).tick()

    assert len(done) == ATTEMPTS + 1
    assert items(on) == []


# ---- Cancelled, interrupted, recurring


def test_cancelled_work_stops_at_its_next_step(on):
    want(on, SOME)
    job = registry.work.claim(on, "a")

    registry.work.cancel(on, job.item.id)

    with pytest.raises(WorkCancelled), on.database.transaction() as tx:
        job.step(tx)


def test_cancelled_work_is_over(on, monkeypatch):
    def handle(on, job):
        with on.database.transaction() as tx:
            job.step(tx)

    monkeypatch.setitem(HANDLERS, SOME.kind, handle)
    want(on, SOME)
    [item] = items(on)
    registry.work.cancel(on, item.id)

    Runner(on).tick()

    assert items(on) == []


def test_work_of_a_process_that_comes_to_rest_goes_on_in_another(on, monkeypatch):
    steps = []

    def handle(on, job):
        while len(steps) < 3:
            with on.database.transaction() as tx:
                job.step(tx, {"steps": len(steps)})
            steps.append(job.item.attempts)
            first.is_stopping = lambda: True

    monkeypatch.setitem(HANDLERS, SOME.kind, handle)
    want(on, SOME)
    first = Runner(on)

    first.tick()
    Runner(on).tick()

    assert steps == [1, 1, 1]
    assert items(on) == []


def test_progress_is_kept_for_whoever_goes_on(on):
    want(on, SOME)
    job = registry.work.claim(on, "a")

    with on.database.transaction() as tx:
        job.step(tx, {"after": 7})
    with on.database.transaction() as tx:
        job.step(tx)

    assert registry.work.get(on, job.item.id).progress == {"after": 7}


def test_recurring_work_comes_again(on, clock, monkeypatch):
    ran = []
    monkeypatch.setitem(HANDLERS, SweepUploads.__name__, lambda on, _job: ran.append(on.clock()))

    for _ in range(5):
        Runner(on).tick()
        clock.pass_(seconds=31)

    assert len(ran) == 3


def test_recurring_work_goes_on_when_the_clock_was_set_back(on, clock, monkeypatch):
    ran = []
    monkeypatch.setitem(HANDLERS, SweepUploads.__name__, lambda on, _job: ran.append(on.clock()))
    Runner(on).tick()

    clock.pass_(days=-365)
    Runner(on).tick()

    assert len(ran) == 2


def test_recurring_work_is_never_given_up(on, clock, monkeypatch):
    ran = []

    def fail(_on, _job):
        ran.append(1)
        raise ArithmeticError

    monkeypatch.setitem(HANDLERS, SweepUploads.__name__, fail)

    for _ in range(ATTEMPTS + 5):
        Runner(on).tick()
        clock.pass_(minutes=2)

    assert len(ran) == ATTEMPTS + 5


@pytest.mark.parametrize("deed", [registry.work.get, registry.work.cancel, registry.work.retry, registry.work.forget])
def test_there_is_nothing_to_be_done_to_work_that_is_not_there(on, deed):
    with pytest.raises(NoSuchWork):
        deed(on, 10**6)


def test_every_kind_of_work_has_a_handler_and_survives_being_kept(on):
    from holdfast.model.work import KINDS

    want(on, ActivateImage(7))

    assert set(HANDLERS) == set(KINDS)
    assert [item.work for item in registry.work.page(on) if item.kind == "ActivateImage"] == [ActivateImage(7)]


# ---- What must not come of it


def test_a_late_heartbeat_does_not_disturb_what_rests(on):
    want(on, SOME)
    job = registry.work.claim(on, "a")
    registry.work.fail(job, ValueError("on purpose"))
    before = items(on)

    assert not job.hold()

    assert items(on) == before


def test_a_wish_that_came_during_the_last_attempt_is_not_lost(on, clock):
    want(on, SOME)
    for _ in range(ATTEMPTS - 1):
        registry.work.fail(registry.work.claim(on, "a"), ValueError("on purpose"))
        clock.pass_(hours=2)
    last = registry.work.claim(on, "a")
    want(on, SOME)

    registry.work.fail(last, ValueError("on purpose"))

    assert registry.work.claim(on, "b").item.work == SOME


def test_a_cancellation_outlives_a_failure(on, clock):
    want(on, SOME)
    job = registry.work.claim(on, "a")
    registry.work.cancel(on, job.item.id)

    registry.work.fail(job, ValueError("on purpose"))

    assert [item.state for item in items(on)] == ["stopping"]


def test_trying_cancelled_work_now_does_it(on, done):
    want(on, SOME, minutes=5)
    [item] = items(on)
    registry.work.cancel(on, item.id)

    registry.work.retry(on, item.id)
    Runner(on).tick()

    assert done == [SOME]


def test_work_that_kills_its_process_is_given_up(on, clock):
    want(on, SOME)
    claims = 0

    for _ in range(3 * ATTEMPTS):
        claims += registry.work.claim(on, "killed") is not None
        clock.pass_(seconds=LEASE.total_seconds())

    assert claims == ATTEMPTS
    assert [item.state for item in items(on)] == ["given up"]


def test_work_of_a_newer_program_is_left_to_it(on, done):
    want(on, OTHER)
    with on.database.migration() as tx:
        tx.exec_driver_sql("UPDATE work SET kind = 'FromTheFuture'")
    want(on, SOME)

    Runner(on).tick()
    [future] = [item for item in registry.work.page(on) if item.kind == "FromTheFuture"]
    registry.work.forget(on, future.id)

    assert done == [SOME]
    assert future.attempts == 0


def test_what_was_given_up_long_ago_is_forgotten(on, clock, done):
    done.failures = 10**6
    want(on, SOME)
    for _ in range(ATTEMPTS):
        Runner(on).tick()
        clock.pass_(hours=2)

    clock.pass_(days=91)
    Runner(on).tick()

    assert items(on) == []
