"""Temporary credentials: whom they speak for, for how long, and what ends them. The clock is the test's."""

from __future__ import annotations

import base64
import json
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from holdfast import registry, store
from holdfast.blobs import KeyRing
from holdfast.model import access_key_ids, errors
from holdfast.model.iam_sessions import FEDERATED, ROLE, ROOT, USER
from holdfast.model.names import Registry
from holdfast.registry.accounts import Tokens
from holdfast.registry.session_keys import NAME, KeyCache
from tests import databases
from tests.registry.ground import HOME, work_off

ACCOUNT = HOME.account_id
HOUR = timedelta(hours=1)
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"},
    }
)


@pytest.fixture
def role(on):
    return registry.iam.roles.create(on, ACCOUNT, "Deploy", TRUST, path="/team/")


@pytest.fixture
def user(on):
    return registry.iam.users.create(on, ACCOUNT, "Alice", path="/people/")


def begin(on, kind=ROLE, entity=None, name="run-1", lifetime=HOUR, **members):
    with on.database.transaction() as tx:
        return registry.iam.sessions.begin(
            on, tx, account_id=ACCOUNT, kind=kind, entity_id=entity.id if entity else None, name=name,
            lifetime=lifetime, **members,
        )  # fmt: skip


def secret_of(on, credentials, **changed):
    told = {"access_key_id": credentials.access_key_id, "session_token": credentials.session_token} | changed
    return registry.iam.sessions.secret_of(on, told["access_key_id"], told["session_token"], on.clock())


def refused(on, kind, credentials, **changed):
    with pytest.raises(kind) as caught:
        secret_of(on, credentials, **changed)
    assert type(caught.value) is kind
    return caught.value.message


def sessions(on, credentials):
    return registry.iam.sessions.find(on, credentials.access_key_id)


# ---- Whom they speak for


def test_credentials_have_the_form_that_clients_know(on, clock, role):
    credentials = begin(on, entity=role)

    assert credentials.access_key_id.startswith("ASIA")
    assert access_key_ids.account_of(credentials.access_key_id) == ACCOUNT
    assert len(credentials.secret) == 40
    assert len(base64.b64decode(credentials.secret)) == 30
    assert len(credentials.session_token) < 1000
    assert credentials.expires_at == clock() + HOUR


def test_a_session_of_a_role_speaks_for_the_session(on, role):
    credentials = begin(on, entity=role)

    caller, secret = secret_of(on, credentials)

    assert secret == credentials.secret
    assert (caller.kind, caller.entity_id, caller.account_id) == ("session", role.id, ACCOUNT)
    assert caller.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/run-1"
    assert caller.access_key_id == credentials.access_key_id


def test_a_session_of_a_user_speaks_for_the_user_as_he_is_called_now(on, user):
    credentials = begin(on, USER, user)
    registry.iam.users.update(on, ACCOUNT, "Alice", new_name="Bob", new_path="/others/")

    caller, _ = secret_of(on, credentials)

    assert (caller.kind, caller.entity_id) == ("user", user.id)
    assert caller.arn == f"arn:aws:iam::{ACCOUNT}:user/others/Bob"


def test_a_session_of_a_root_speaks_for_the_root(on):
    credentials = begin(on, ROOT, name="root")

    caller, _ = secret_of(on, credentials)

    assert (caller.kind, caller.entity_id) == ("root", None)
    assert caller.arn == f"arn:aws:iam::{ACCOUNT}:root"


@pytest.mark.parametrize("of_root", [True, False])
def test_a_federated_user_speaks_for_himself(on, user, of_root):
    entity = None if of_root else user
    credentials = begin(on, FEDERATED, entity, name="carol")

    caller, _ = secret_of(on, credentials)

    assert (caller.kind, caller.entity_id) == ("federated-user", entity and user.id)
    assert caller.arn == f"arn:aws:sts::{ACCOUNT}:federated-user/carol"


def test_what_holds_for_a_session_is_kept_with_it(on, clock, role):
    credentials = begin(on, entity=role, policies=("a", "b"), tags={"k": "v"}, facts={"aws:sourceidentity": "ann"})

    session = sessions(on, credentials)

    assert session.policies == ("a", "b")
    assert session.tags == {"k": "v"}
    assert session.facts == {
        "aws:tokenissuetime": "2030-01-01T00:00:00Z",
        "aws:multifactorauthpresent": "false",
        "aws:sourceidentity": "ann",
    }
    assert (session.issued_at, session.expires_at) == (clock(), clock() + HOUR)
    assert (session.entity_name, session.entity_path) == ("Deploy", "/team/")


def test_no_two_sessions_are_alike(on, role):
    several = [begin(on, entity=role) for _ in range(5)]

    for told in ("access_key_id", "secret", "session_token"):
        assert len({getattr(credentials, told) for credentials in several}) == 5


def test_an_id_that_is_taken_is_not_given_again(on, role):
    chances = iter([b"aaaaa", b"aaaaa", b"bbbbb"])

    def random_bytes(size):
        return next(chances) if size == access_key_ids.CHANCE_BYTES else bytes(size)

    on = replace(on, random_bytes=random_bytes)
    begin(on, entity=role)

    assert secret_of(on, begin(on, entity=role))
    assert next(chances, None) is None


def test_credentials_do_not_show_their_secrets(on, role):
    credentials = begin(on, entity=role)

    assert credentials.secret not in repr(credentials)
    assert credentials.session_token not in repr(credentials)


def test_no_secret_is_kept(on, role):
    credentials = begin(on, entity=role)
    kept = databases.kept_bytes(on.database)

    assert credentials.access_key_id.encode() in kept
    assert credentials.secret.encode() not in kept
    assert base64.b64decode(credentials.secret) not in kept
    assert credentials.session_token.encode() not in kept


# ---- Other processes and times


def test_another_process_knows_the_session(on, role):
    credentials = begin(on, entity=role)
    another = replace(on, session_keys=KeyCache())

    assert secret_of(another, credentials)[1] == credentials.secret


def begin_and_fail(on, role):
    with on.database.transaction() as tx:
        registry.iam.sessions.begin(
            on, tx, account_id=ACCOUNT, kind=ROLE, entity_id=role.id, name="x", lifetime=HOUR
        )  # fmt: skip
        raise errors.Validation("no")


def test_a_transaction_that_fails_leaves_no_key_behind(on, role):
    with pytest.raises(errors.Validation):
        begin_and_fail(on, role)
    credentials = begin(on, entity=role)

    assert secret_of(replace(on, session_keys=KeyCache()), credentials)[1] == credentials.secret


def test_a_newer_key_is_used_for_new_sessions_and_old_ones_go_on(on, role):
    another = replace(on, session_keys=KeyCache())
    old = begin(on, entity=role, lifetime=10 * HOUR)
    secret_of(another, old)

    registry.login_keys.rotate(on)
    new = begin(on, entity=role, lifetime=10 * HOUR)

    for process in (on, another):
        assert secret_of(process, old)[1] == old.secret
        assert secret_of(process, new)[1] == new.secret


def test_sessions_that_are_revoked_end_in_every_process(on, role):
    another = replace(on, session_keys=KeyCache())
    old = begin(on, entity=role)
    secret_of(another, old)

    forgotten = registry.login_keys.rotate(on, revoke=True)
    new = begin(another, entity=role)

    assert forgotten == 1
    for process in (on, another):
        refused(process, errors.SessionTokenInvalid, old)
        assert secret_of(process, new)[1] == new.secret


def test_a_key_is_forgotten_when_nothing_that_it_made_can_be_alive(on, clock, role):
    longest = begin(on, entity=role, lifetime=36 * HOUR)
    registry.login_keys.rotate(on)
    clock.pass_(hours=36)
    clock.pass_(minutes=-1)

    early = registry.login_keys.rotate(on)
    assert secret_of(on, longest)[1] == longest.secret
    clock.pass_(hours=2)
    late = registry.login_keys.rotate(on)

    assert (early, late) == (0, 1)
    with on.database.snapshot() as tx:
        assert sorted(store.secrets.find_all(tx, NAME)) == [2, 3, 4]


# ---- What is refused


@pytest.mark.parametrize(
    "change",
    [
        lambda _: "",
        lambda _: "nonsense",
        lambda _: "v1.",
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token + "=",
        lambda token: token.replace("v1.", "v2."),
        lambda token: token.removeprefix("v1."),
        lambda token: token[:20] + ("A" if token[20] != "A" else "B") + token[21:],
        lambda token: token[:3] + "\n" + token[3:],
        lambda token: token + "ä",
        lambda _: "v1." + "A" * 100_000,
    ],
)
def test_a_damaged_token_is_refused(on, role, change):
    credentials = begin(on, entity=role)

    text = refused(on, errors.SessionTokenInvalid, credentials, session_token=change(credentials.session_token))

    assert text == "The security token included in the request is invalid"


def test_a_token_of_another_installation_is_refused(on, role, tmp_path):
    credentials = begin(on, entity=role)
    another = replace(on, session_keys=KeyCache())
    with closing(databases.look(on.database)) as connection:
        databases.run(connection, "DELETE FROM secrets WHERE name = :name", name=NAME)
    begin(replace(on, session_keys=another.session_keys, random_bytes=lambda size: b"x" * size), entity=role)

    refused(another, errors.SessionTokenInvalid, credentials)


def test_a_token_before_any_session_began_is_refused(on, role):
    credentials = begin(on, entity=role)
    with closing(databases.look(on.database)) as connection:
        databases.run(connection, "DELETE FROM secrets WHERE name = :name", name=NAME)

    refused(replace(on, session_keys=KeyCache()), errors.SessionTokenInvalid, credentials)


def test_a_login_token_is_no_session_token(on, role, user):
    credentials = begin(on, entity=role)
    password, _ = Tokens(on).issue(secret_of(on, credentials)[0], HOME)

    refused(on, errors.SessionTokenInvalid, credentials, session_token=password)


def test_a_session_token_is_no_login_token(on, role):
    credentials = begin(on, entity=role)
    basic = base64.b64encode(f"AWS:{credentials.session_token}".encode()).decode()

    with pytest.raises(errors.Unauthenticated):
        Tokens(on).login(f"Basic {basic}")


def test_a_token_with_the_key_of_another_session_is_refused(on, role):
    one, other = begin(on, entity=role), begin(on, entity=role)

    text = refused(on, errors.UnrecognizedClient, one, session_token=other.session_token)

    assert text == "The security token included in the request is invalid."


def test_a_token_with_a_long_term_key_is_refused(on, role):
    key, _ = registry.accounts.create_key(on, ACCOUNT)
    credentials = begin(on, entity=role)

    text = refused(on, errors.UnrecognizedClient, credentials, access_key_id=key.id)

    assert text == "The security token included in the request is invalid."


def test_a_key_without_its_token_is_refused(on, role):
    credentials = begin(on, entity=role)

    with pytest.raises(errors.UnrecognizedClient):
        registry.accounts.secret_of(on, credentials.access_key_id)


def test_a_session_is_over_at_its_time(on, clock, role):
    credentials = begin(on, entity=role)
    clock.pass_(seconds=3599)
    assert secret_of(on, credentials)

    clock.pass_(seconds=1)

    text = refused(on, errors.SessionTokenExpired, credentials)
    assert text == "The security token included in the request is expired"


@pytest.mark.parametrize("kind", [USER, FEDERATED])
def test_sessions_go_with_their_user(on, user, kind):
    credentials = begin(on, kind, user)
    registry.iam.users.delete(on, ACCOUNT, "Alice")

    refused(on, errors.SessionTokenInvalid, credentials)
    assert sessions(on, credentials) is None


def test_sessions_go_with_their_role_and_do_not_come_back_with_one_of_the_same_name(on, role):
    credentials = begin(on, entity=role)
    registry.iam.roles.delete(on, ACCOUNT, "Deploy")
    registry.iam.roles.create(on, ACCOUNT, "Deploy", TRUST, path="/team/")

    refused(on, errors.SessionTokenInvalid, credentials)
    assert rows(on) == 0


def test_sessions_of_a_role_of_a_service_go_with_it(on):
    role = registry.iam.roles.create_for_service(on, ACCOUNT, "ecr.amazonaws.com")
    credentials = begin(on, entity=role)
    registry.iam.roles.delete_of_service(on, ACCOUNT, role.name)

    refused(on, errors.SessionTokenInvalid, credentials)
    assert rows(on) == 0


def test_a_session_that_begins_while_its_role_goes_speaks_for_nobody(on, role):
    registry.iam.roles.delete(on, ACCOUNT, "Deploy")

    credentials = begin(on, entity=role)

    refused(on, errors.SessionTokenInvalid, credentials)


def rows(on):
    with on.database.snapshot() as tx:
        return tx._driver.execute("SELECT count(*) FROM iam_sessions").fetchone()[0]


# ---- Logins made with them


def login(on, credentials):
    """An Authorization header that docker sends after a login with a session."""
    password, _ = Tokens(on).issue(secret_of(on, credentials)[0], HOME)
    return "Basic " + base64.b64encode(f"AWS:{password}".encode()).decode()


def test_a_login_with_a_session_speaks_for_the_session(on, role):
    credentials = begin(on, entity=role)
    header = login(on, credentials)

    caller = Tokens(on).login(header).caller

    assert caller == secret_of(on, credentials)[0]


def test_a_login_outlives_its_session_and_is_then_forgotten_with_it(on, clock, role):
    credentials = begin(on, entity=role)
    clock.pass_(minutes=59)
    header = login(on, credentials)

    clock.pass_(hours=11)
    work_off(on)
    assert Tokens(on).login(header).caller.entity_id == role.id
    assert rows(on) == 1

    clock.pass_(hours=2)
    work_off(on)
    assert rows(on) == 0
    with pytest.raises((errors.TokenExpired, errors.Unauthenticated)):
        Tokens(on).login(header)


def test_a_login_goes_with_the_role(on, role):
    header = login(on, begin(on, entity=role))
    tokens = Tokens(on)
    tokens.login(header)
    registry.iam.roles.delete(on, ACCOUNT, "Deploy")

    with pytest.raises(errors.Unauthenticated):
        tokens.login(header)


def test_a_session_that_is_forgotten_is_still_told_to_be_over(on, clock, role):
    credentials = begin(on, entity=role)
    clock.pass_(hours=14)
    work_off(on)

    refused(on, errors.SessionTokenExpired, credentials)


def test_sessions_are_forgotten_in_portions(on, clock, role):
    for _ in range(5):
        begin(on, entity=role)
    clock.pass_(hours=14)

    with on.database.transaction() as tx:
        assert store.iam_sessions.forget(tx, clock() - 12 * HOUR, 3) == 3
        assert store.iam_sessions.forget(tx, clock() - 12 * HOUR, 3) == 2


# ---- Explanations


def test_an_explanation_is_read_by_the_account_that_it_is_for(on):
    explanation = {"outcome": "implicit_deny", "context": {"aws:sourceip": "192.0.2.1"}}

    message = registry.iam.messages.encode(on, ACCOUNT, explanation)

    assert json.loads(registry.iam.messages.decode(on, ACCOUNT, message)) == explanation
    assert "implicit_deny" not in message


@pytest.mark.parametrize(
    ("context", "others", "kept"),
    [
        ("x" * 100, {}, {"outcome", "context"}),
        ("x" * 70_000, {}, {"outcome"}),
        ("", {"statements": ["x" * 70_000]}, {"outcome"}),
    ],
)
def test_an_explanation_that_is_too_long_is_cut_to_what_matters(on, context, others, kept):
    message = registry.iam.messages.encode(on, ACCOUNT, {"outcome": "denied", "context": context, **others})

    assert len(message) <= 10_240
    assert set(json.loads(registry.iam.messages.decode(on, ACCOUNT, message))) == kept


@pytest.mark.parametrize("change", [lambda text: text[:-2], lambda _: "", lambda _: "nope", lambda _: "ä" * 9])
def test_a_message_that_was_changed_is_refused(on, change):
    message = registry.iam.messages.encode(on, ACCOUNT, {"outcome": "denied"})

    with pytest.raises(errors.InvalidAuthorizationMessage):
        registry.iam.messages.decode(on, ACCOUNT, change(message))


def test_a_message_for_another_account_or_of_another_installation_is_refused(on):
    message = registry.iam.messages.encode(on, ACCOUNT, {"outcome": "denied"})

    with pytest.raises(errors.InvalidAuthorizationMessage):
        registry.iam.messages.decode(on, "111122223333", message)
    with pytest.raises(errors.InvalidAuthorizationMessage):
        registry.iam.messages.decode(replace(on, keys=KeyRing({1: b"1" * 32})), ACCOUNT, message)


def test_a_registry_of_another_region_knows_the_session(on, role):
    password, _ = Tokens(on).issue(secret_of(on, begin(on, entity=role))[0], Registry(ACCOUNT, "eu-west-1"))

    header = "Basic " + base64.b64encode(f"AWS:{password}".encode()).decode()

    assert Tokens(on).login(header).registry.region == "eu-west-1"
