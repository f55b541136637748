"""Keys and passwords where a test needs a clock, chance or quotas of its own, or the database itself."""

from __future__ import annotations

import base64
import hashlib
import os
from contextlib import closing
from dataclasses import replace

import pytest

from holdfast import registry, store
from holdfast.model.callers import Caller
from holdfast.model.errors import (
    AccessDenied,
    CredentialReportExpired,
    LimitExceeded,
    NoSuchEntity,
    Unauthenticated,
    UnrecognizedClient,
)
from holdfast.model.names import Registry
from holdfast.model.password_policies import PasswordPolicy
from holdfast.registry.accounts import Tokens
from holdfast.registry.iam import passwords
from tests import databases
from tests.registry.ground import HOME

ACCOUNT = HOME.account_id
GOOD = "Correct horse 1"
PULL_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly"


@pytest.fixture
def alice(on):
    return registry.iam.users.create(on, ACCOUNT, "alice", path="/people/")


def a_key(on):
    _, key, secret = registry.iam.access_keys.create(on, ACCOUNT, "alice")
    return key, secret


def login(tokens, password):
    return tokens.login("Basic " + base64.b64encode(f"AWS:{password}".encode()).decode())


def lose(on, user):
    """Remove a user but not his keys, as only a fault could."""
    with closing(databases.look(on.database)) as other:
        other.execute(f"DELETE FROM iam_users WHERE id = '{user.id}'")
    with on.database.transaction() as tx:
        store.counters.bump_access(tx, ACCOUNT)


def changes(on):
    with on.database.snapshot() as tx:
        return store.counters.get(tx, store.counters.ACCESS + ACCOUNT)


# ---- Keys


def test_a_key_of_a_user_speaks_for_the_user(on, alice):
    key, secret = a_key(on)

    caller, kept = registry.accounts.secret_of(on, key.id)

    assert caller == Caller(ACCOUNT, key.id, "user", alice.id, f"arn:aws:iam::{ACCOUNT}:user/people/alice")
    assert kept == secret


def test_a_key_of_no_user_speaks_for_the_root(on):
    key, secret = registry.accounts.create_key(on, ACCOUNT)

    assert registry.accounts.secret_of(on, key.id) == (Caller(ACCOUNT, key.id), secret)


def test_a_key_whose_user_is_gone_speaks_for_nobody(on, alice):
    key, _ = a_key(on)
    tokens = Tokens(on)
    password, _ = tokens.issue(registry.accounts.secret_of(on, key.id)[0], HOME)
    before = login(tokens, password).caller

    lose(on, alice)

    assert before.entity_id == alice.id
    with pytest.raises(UnrecognizedClient):
        registry.accounts.secret_of(on, key.id)
    with pytest.raises(Unauthenticated):
        login(tokens, password)


def test_a_login_is_the_users_on_every_worker(on, alice):
    key, _ = a_key(on)
    caller = registry.accounts.secret_of(on, key.id)[0]
    password, _ = Tokens(on).issue(caller, Registry("111122223333", "ap-south-1"))
    other = Tokens(on)

    first, again = login(other, password), login(other, password)

    assert first.caller == caller
    assert again is first  # remembered as it was found


def test_ids_that_are_taken_are_not_given_again(on, alice):
    numbers = iter([b"\1" * 5, b"\1" * 5, b"\2" * 5])
    on = replace(on, random_bytes=lambda count: next(numbers) if count == 5 else os.urandom(count))

    first, second = a_key(on)[0], a_key(on)[0]

    assert first.id != second.id
    assert next(numbers, None) is None


def deeds(on):
    """Everything that changes access, in an order in which all of it can be done."""
    key = registry.accounts.create_key(on, ACCOUNT)[0].id
    own = a_key(on)[0].id
    yield lambda: registry.accounts.create_key(on, ACCOUNT)
    yield lambda: registry.accounts.set_key_active(on, key, is_active=False)
    yield lambda: registry.accounts.delete_key(on, key)
    yield lambda: registry.accounts.ensure_given_root(on, ACCOUNT, "root", "secret")
    yield lambda: a_key(on)
    yield lambda: registry.iam.access_keys.set_active(on, ACCOUNT, "alice", own, is_active=False)
    yield lambda: registry.iam.access_keys.delete(on, ACCOUNT, "alice", own)
    yield lambda: registry.iam.users.create(on, ACCOUNT, "bob")
    yield lambda: registry.iam.users.update(on, ACCOUNT, "bob", new_name="carol", new_path=None)
    yield lambda: registry.iam.users.tag(on, ACCOUNT, "alice", {"team": "red"})
    yield lambda: registry.iam.users.untag(on, ACCOUNT, "alice", ["team"])
    yield lambda: registry.iam.users.put_boundary(on, ACCOUNT, "alice", PULL_ONLY)
    yield lambda: registry.iam.users.delete_boundary(on, ACCOUNT, "alice")
    yield lambda: registry.iam.users.delete(on, ACCOUNT, "carol")
    yield lambda: registry.iam.groups.create(on, ACCOUNT, "readers")
    yield lambda: registry.iam.groups.update(on, ACCOUNT, "readers", new_name=None, new_path="/x/")
    yield lambda: registry.iam.groups.add_user(on, ACCOUNT, "readers", "alice")
    yield lambda: registry.iam.groups.remove_user(on, ACCOUNT, "readers", "alice")
    yield lambda: registry.iam.groups.delete(on, ACCOUNT, "readers")
    yield lambda: passwords.create(on, ACCOUNT, "alice", GOOD, must_change=False)
    yield lambda: passwords.update(on, ACCOUNT, "alice", must_change=True)
    yield lambda: passwords.change(on, registry.iam.users.get(on, ACCOUNT, "alice").id, GOOD, f"{GOOD}!")
    yield lambda: passwords.delete(on, ACCOUNT, "alice")


def test_whatever_changes_access_is_counted(on, alice):
    seen = [changes(on)]

    for deed in deeds(on):
        before = changes(on)
        deed()
        seen.append(changes(on) - before)

    assert seen[1:] == [1] * (len(seen) - 1)


def test_a_given_root_key_is_not_taken_from_a_user(on, alice):
    key, secret = a_key(on)

    with pytest.raises(registry.accounts.KeyExists):
        registry.accounts.ensure_given_root(on, ACCOUNT, key.id, "another secret")

    assert registry.accounts.secret_of(on, key.id)[1] == secret


# ---- Quotas


def test_an_account_has_so_many_users_and_groups(on):
    on = replace(on, limits=replace(on.limits, users=2, groups=1))
    for name in ("alice", "bob"):
        registry.iam.users.create(on, ACCOUNT, name)
    registry.iam.groups.create(on, ACCOUNT, "readers")

    with pytest.raises(LimitExceeded, match="Cannot exceed quota for UsersPerAccount: 2"):
        registry.iam.users.create(on, ACCOUNT, "carol")
    with pytest.raises(LimitExceeded, match="Cannot exceed quota for GroupsPerAccount: 1"):
        registry.iam.groups.create(on, ACCOUNT, "writers")

    assert [user.name for user in registry.iam.users.page(on, ACCOUNT, "/", "", 10)[0]] == ["alice", "bob"]
    assert [group.name for group in registry.iam.groups.page(on, ACCOUNT, "/", "", 10)[0]] == ["readers"]


# ---- Passwords


def test_a_password_speaks_for_its_user_who_counts_as_having_signed_in(on, clock, alice):
    passwords.create(on, ACCOUNT, "alice", GOOD, must_change=True)
    clock.pass_(days=1)

    profile = passwords.check(on, ACCOUNT, "ALICE", GOOD)

    assert (profile.user.id, profile.must_change) == (alice.id, True)
    assert registry.iam.users.get(on, ACCOUNT, "alice").password_used_at == clock()


@pytest.mark.parametrize(
    ("account", "name", "password"),
    [
        (ACCOUNT, "alice", GOOD.lower()),
        (ACCOUNT, "alice", ""),
        (ACCOUNT, "alice", f"{GOOD}\0"),
        (ACCOUNT, "bob", GOOD),
        (ACCOUNT, "nobody", GOOD),
        (ACCOUNT, "nobody", ""),
        ("111122223333", "alice", GOOD),
    ],
)
def test_anything_else_speaks_for_nobody(on, alice, account, name, password):
    registry.iam.users.create(on, ACCOUNT, "bob")
    passwords.create(on, ACCOUNT, "alice", GOOD, must_change=False)

    with pytest.raises(Unauthenticated):
        passwords.check(on, account, name, password)

    assert registry.iam.users.get(on, ACCOUNT, "alice").password_used_at is None


@pytest.mark.parametrize("name", ["alice", "bob", "nobody"])
def test_the_time_of_a_refusal_does_not_tell_which_users_there_are(on, alice, name, monkeypatch):
    registry.iam.users.create(on, ACCOUNT, "bob")
    passwords.create(on, ACCOUNT, "alice", GOOD, must_change=False)
    scrypt, costs = hashlib.scrypt, []
    monkeypatch.setattr(hashlib, "scrypt", lambda *args, **how: costs.append(how) or scrypt(*args, **how))

    with pytest.raises(Unauthenticated):
        passwords.check(on, ACCOUNT, name, "wrong")

    assert [(how["n"], how["r"], how["p"], len(how["salt"])) for how in costs] == [(2**14, 8, 5, 16)]


def test_a_password_is_nowhere(on, alice):
    passwords.create(on, ACCOUNT, "alice", GOOD, must_change=False)
    on.database.flush()

    kept = databases.kept_bytes(on.database)

    assert GOOD.encode() not in kept
    assert GOOD not in repr(passwords.get(on, ACCOUNT, "alice"))
    assert "scrypt" not in repr(passwords.get(on, ACCOUNT, "alice"))


def test_the_same_password_is_kept_as_another_text(on, alice):
    registry.iam.users.create(on, ACCOUNT, "bob")
    kept = [passwords.create(on, ACCOUNT, name, GOOD, must_change=False).password_hash for name in ("alice", "bob")]

    assert kept[0] != kept[1]
    assert all(passwords.is_of(GOOD, text) for text in kept)
    assert all(len(text) <= 256 for text in kept)


def test_a_password_that_was_hashed_at_another_cost_still_holds(on, alice, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(passwords, "COST", 2**10)
        passwords.create(on, ACCOUNT, "alice", GOOD, must_change=False)

    assert passwords.check(on, ACCOUNT, "alice", GOOD).password_hash.startswith("scrypt$1024$")


def test_a_user_who_is_gone_changes_no_password(on):
    with pytest.raises(NoSuchEntity):
        passwords.change(on, "AIDAAAAAAAAAAAAAAAAAA", GOOD, GOOD)


@pytest.mark.parametrize("hard", [False, True])
def test_an_expired_password_is_to_be_changed_or_is_none(on, clock, alice, hard):
    policy = PasswordPolicy(max_age_days=30, hard_expiry=hard)
    registry.iam.password_policies.put(on, ACCOUNT, policy)
    passwords.create(on, ACCOUNT, "alice", GOOD, must_change=False)
    fresh = passwords.check(on, ACCOUNT, "alice", GOOD)

    clock.pass_(days=30)

    assert not fresh.must_change
    if hard:
        with pytest.raises(Unauthenticated):
            passwords.check(on, ACCOUNT, "alice", GOOD)
        with pytest.raises(AccessDenied, match="has expired"):
            passwords.change(on, alice.id, GOOD, f"{GOOD}!")
        passwords.update(on, ACCOUNT, "alice", password=f"{GOOD}!")
    else:
        assert passwords.check(on, ACCOUNT, "alice", GOOD).must_change
        passwords.change(on, alice.id, GOOD, f"{GOOD}!")
    assert not passwords.check(on, ACCOUNT, "alice", f"{GOOD}!").must_change


def test_a_report_on_credentials_is_made_again_after_four_hours(on, clock):
    reports = registry.iam.credential_reports
    first = reports.generate(on, ACCOUNT)
    clock.pass_(hours=4)

    with pytest.raises(CredentialReportExpired):
        reports.get(on, ACCOUNT)
    assert [first, reports.generate(on, ACCOUNT), reports.generate(on, ACCOUNT)] == [True, True, False]
    assert reports.get(on, ACCOUNT)[1] == clock()
