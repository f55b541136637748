"""What access keys were last used for. The clock is the test's."""

from __future__ import annotations

import sqlite3

import pytest

from holdfast import registry
from holdfast.registry import notebook
from holdfast.registry.iam import key_uses
from tests.registry.ground import HOME

NEVER = (None, None, None)


@pytest.fixture
def key_id(on):
    key, _ = registry.accounts.create_key(on, HOME.account_id)
    return key.id


def used(on, key_id):
    key = registry.iam.access_keys.find(on, HOME.account_id, key_id)
    return key.used_at, key.used_for, key.used_in


def use(on, key_id, service="ecr", region="eu-central-1"):
    on.key_uses.note(key_id, service, region, on.clock())


def test_a_key_that_nobody_used_was_never_used(on, key_id):
    key_uses.record(on)

    assert used(on, key_id) == NEVER


def test_a_use_is_written_down(on, clock, key_id):
    use(on, key_id)
    before = used(on, key_id)

    key_uses.record(on)

    assert (before, used(on, key_id)) == (NEVER, (clock(), "ecr", "eu-central-1"))


def test_the_latest_use_counts(on, clock, key_id):
    use(on, key_id)
    clock.pass_(seconds=5)
    use(on, key_id, "iam", "us-east-1")

    key_uses.record(on)

    assert used(on, key_id) == (clock(), "iam", "us-east-1")


def test_uses_are_written_down_to_the_minute(on, clock, key_id):
    first = clock()
    use(on, key_id)
    key_uses.record(on)

    clock.pass_(seconds=59)
    use(on, key_id, "iam")
    key_uses.record(on)
    soon = used(on, key_id)
    clock.pass_(seconds=1)
    use(on, key_id, "iam")
    key_uses.record(on)

    assert soon == (first, "ecr", "eu-central-1")
    assert used(on, key_id) == (clock(), "iam", "eu-central-1")


def test_another_process_may_know_of_a_later_use(on, clock, key_id):
    earlier = clock()
    clock.pass_(minutes=5)
    use(on, key_id, "iam")
    key_uses.record(on)
    on.key_uses.__init__()

    on.key_uses.note(key_id, "ecr", "eu-central-1", earlier)
    key_uses.record(on)

    assert used(on, key_id) == (clock(), "iam", "eu-central-1")


def test_a_key_that_is_gone_is_no_fault(on, clock, key_id):
    for gone in ("AKIAIOSFODNN7EXAMPLE", "ASIAQNZGKIQY56JQ7WML"):
        use(on, gone)
    use(on, key_id)

    key_uses.record(on)

    assert used(on, key_id)[0] == clock()


def test_what_cannot_be_written_down_is_kept(on, clock, key_id, monkeypatch):
    use(on, key_id)

    with monkeypatch.context() as patch:
        patch.setattr(on.database, "transaction", lambda **_: sqlite3.connect("/no/such/folder/file"))
        with pytest.raises(sqlite3.OperationalError):
            key_uses.record(on)
    key_uses.record(on)

    assert used(on, key_id) == (clock(), "ecr", "eu-central-1")


def test_notes_do_not_grow_without_end(on, clock, key_id, monkeypatch):
    monkeypatch.setattr(notebook, "MOST_NOTES", 3)

    for number in range(10):
        use(on, f"key {number}")
    first = len(on.key_uses.take())
    for number in range(10):
        use(on, f"other {number}")

    assert first == len(on.key_uses.take()) == 3
    assert len(on.key_uses._written) == 3
