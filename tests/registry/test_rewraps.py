"""Keys grow new versions, what is wrapped moves to them, and old versions go only when nothing needs them."""

from __future__ import annotations

import pytest

from holdfast import registry
from holdfast.blobs.keys import version_of
from holdfast.model.errors import LayerDamaged
from holdfast.model.uploads import SMALL_BYTES
from holdfast.registry.kms import NoSuchVersion, VersionInUse
from tests import builders
from tests.registry.ground import AT, HOME, push_blob, work_off

SMALL, LARGE = b"small", b"large" * SMALL_BYTES


@pytest.fixture
def pushed(on):
    """A registry with a small and a large blob, and an access key."""
    for data in (SMALL, LARGE):
        push_blob(on, AT, data)
    registry.accounts.create_key(on, HOME.account_id, key_id="AKIAEXAMPLEEXAMPLE22", secret="secret")
    return on


def pull(on, data):
    reader = registry.layers.open_blob(on, AT, builders.digest(data))
    found = bytes(reader.read(0)) if data else b""
    reader.close()
    return found


def counts(on):
    """Objects and secrets by the version that they are under."""
    own = registry.kms.status(on)[0]
    return {0: own.untold_objects} | {one.number: (one.objects, one.secrets) for one in own.versions}


def as_an_older_program_left_it(on):
    with on.database.transaction() as tx:
        tx._driver.execute("UPDATE objects SET key_version = 0, wrapped_key = NULL")


def test_everything_moves_to_the_newest_version_and_opens(pushed):
    assert registry.kms.rotate(pushed) == 2
    assert counts(pushed) == {0: 0, 1: (2, 1), 2: (0, 0)}

    tally = registry.rewraps.run(pushed, lambda *_: None)

    assert (tally.total, tally.done, tally.unreadable) == (2, 2, 0)
    assert counts(pushed) == {0: 0, 1: (0, 0), 2: (2, 1)}
    assert [pull(pushed, data) for data in (SMALL, LARGE)] == [SMALL, LARGE]


def test_what_is_under_a_retired_version_no_more_still_opens(pushed, clock):
    registry.kms.rotate(pushed)
    registry.rewraps.run(pushed, lambda *_: None)
    clock.pass_(minutes=10)

    registry.kms.retire(pushed, 1)

    assert pushed.keys.own().versions == [2]
    assert [pull(pushed, data) for data in (SMALL, LARGE)] == [SMALL, LARGE]
    assert registry.accounts.secret_of(pushed, "AKIAEXAMPLEEXAMPLE22")[1] == "secret"


def test_a_version_that_something_needs_stays(pushed, clock):
    registry.kms.rotate(pushed)
    clock.pass_(minutes=10)

    with pytest.raises(VersionInUse, match="2 objects and 1 secrets are wrapped under it"):
        registry.kms.retire(pushed, 1)
    with pytest.raises(VersionInUse, match="it is the newest one"):
        registry.kms.retire(pushed, 2)
    with pytest.raises(NoSuchVersion):
        registry.kms.retire(pushed, 3)
    assert pushed.keys.own().versions == [1, 2]


def test_a_version_stays_while_others_may_not_know_of_the_next(pushed, clock):
    registry.kms.rotate(pushed)
    registry.rewraps.run(pushed, lambda *_: None)
    clock.pass_(minutes=9)

    with pytest.raises(VersionInUse, match="not 10 minutes old"):
        registry.kms.retire(pushed, 1)


def test_objects_of_an_older_program_open_and_are_looked_at_in_the_background(pushed, clock):
    as_an_older_program_left_it(pushed)
    registry.kms.rotate(pushed)
    assert [pull(pushed, data) for data in (SMALL, LARGE)] == [SMALL, LARGE]
    clock.pass_(minutes=10)
    with pytest.raises(VersionInUse, match="2 objects"):
        registry.kms.retire(pushed, 1)

    registry.rewraps.want_backfill(pushed)
    work_off(pushed)

    assert counts(pushed) == {0: 0, 1: (0, 0), 2: (2, 1)}
    registry.kms.retire(pushed, 1)
    assert [pull(pushed, data) for data in (SMALL, LARGE)] == [SMALL, LARGE]


def test_a_run_that_was_stopped_goes_on_where_it_was(pushed, monkeypatch):
    monkeypatch.setattr(registry.rewraps, "AT_ONCE", 1)
    registry.kms.rotate(pushed)

    def stop(_tx, tally):
        if tally.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        registry.rewraps.run(pushed, stop)

    assert counts(pushed)[2][0] == 1
    assert registry.rewraps.run(pushed, lambda *_: None).done == 1
    assert counts(pushed) == {0: 0, 1: (0, 0), 2: (2, 1)}


def test_one_unreadable_key_does_not_stop_the_others(pushed):
    with pushed.database.transaction() as tx:
        tx._driver.execute("UPDATE objects SET wrapped_key = sealed WHERE sealed IS NOT NULL")
    registry.kms.rotate(pushed)

    tally = registry.rewraps.run(pushed, lambda *_: None)

    assert (tally.done, tally.unreadable) == (1, 1)
    assert pull(pushed, LARGE) == LARGE
    with pytest.raises(LayerDamaged):
        pull(pushed, SMALL)


def test_a_push_that_began_before_a_rotation_counts_for_its_version(pushed, clock):
    writer = registry.uploads.receive_whole(pushed, AT)
    writer.write(2 * LARGE)
    small = registry.uploads.receive_whole(pushed, AT)
    small.write(b"later")
    registry.kms.rotate(pushed)
    clock.pass_(minutes=10)

    with pytest.raises(VersionInUse, match="3 objects"):
        registry.kms.retire(pushed, 1)
    registry.rewraps.run(pushed, lambda *_: None)
    registry.kms.retire(pushed, 1)

    registry.uploads.complete_whole(pushed, AT, writer, builders.digest(2 * LARGE))
    registry.uploads.complete_whole(pushed, AT, small, builders.digest(b"later"))
    assert pull(pushed, b"later") == b"later"
    assert pull(pushed, 2 * LARGE) == (2 * LARGE)[: len(pull(pushed, 2 * LARGE))]


def test_new_secrets_are_under_the_newest_version(pushed):
    registry.kms.rotate(pushed)

    assert version_of(pushed.keys.wrap(b"secret", "one")) == 2
