"""Login tokens: what docker is given, how long it holds, and what ends it."""

import base64
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast import registry
from holdfast.blobs import FileStore, KeyFile, SealedStore
from holdfast.model.callers import Caller
from holdfast.model.errors import TokenExpired, Unauthenticated
from holdfast.model.names import Registry
from holdfast.registry import Backends
from holdfast.registry.accounts import Tokens
from tests import databases
from tests.callers import Http

ACCOUNT = "000000000000"
HERE = Registry(ACCOUNT, "us-east-1")


class Clock:
    """A clock that a test sets."""

    def __init__(self):
        self.time = datetime(2026, 8, 30, 12, 36, tzinfo=UTC)

    def __call__(self):
        return self.time


class Installation:
    """A registry without a server, with one key."""

    def __init__(self, folder):
        self.clock = Clock()
        file = KeyFile.create(folder / "keys" / "local.json", self.clock())
        database, blobs = databases.open_fresh(folder), SealedStore(FileStore(folder / "objects"))
        self.on = Backends(database, blobs, registry.keys.Keys(database, file), self.clock)
        registry.accounts.create(self.on, ACCOUNT)
        key, _ = registry.accounts.create_key(self.on, ACCOUNT)
        self.caller = Caller(ACCOUNT, key.id)
        self.tokens = Tokens(self.on)

    def login(self, password, user="AWS", tokens=None):
        """Whom docker would be, given this password."""
        return (tokens or self.tokens).login("Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())


@pytest.fixture
def here(tmp_path):
    installation = Installation(tmp_path / "here")
    yield installation
    installation.on.database.hot._execute.__self__.close()
    installation.on.database.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """An installation that no test changes, and a password of it."""
    installation = Installation(tmp_path_factory.mktemp("tokens") / "shared")
    yield installation, installation.tokens.issue(installation.caller, HERE)[0]
    installation.on.database.hot._execute.__self__.close()
    installation.on.database.close()


def a_token(product, **members):
    [data] = product.ecr(**members).get_authorization_token()["authorizationData"]
    return data["authorizationToken"]


def statuses(product, token, count=12):
    """The answers to a login on so many connections, so that every worker is asked."""
    return {Http(product.address, f"Basic {token}")("GET", "/v2/").status for _ in range(count)}


# ---- What docker is given


def test_a_token_is_a_user_a_colon_and_a_password(product):
    token = a_token(product)

    text = base64.b64decode(token, validate=True).decode("ascii")

    user, password = text.split(":")
    assert user == "AWS"
    assert re.fullmatch(r"[A-Za-z0-9._=-]+", password)


@pytest.mark.parametrize("region", ["us-east-1", "x" * 25])
def test_a_token_is_short_enough_for_every_credential_store(product, region):
    assert len(a_token(product, region=region)) < 1000


def test_a_token_reads_the_same_in_both_alphabets_of_base64(product):
    tokens = [a_token(product) for _ in range(50)]

    assert len(set(tokens)) == 50
    assert not [token for token in tokens if {"+", "/", "-", "_"} & set(token)]
    assert all(base64.urlsafe_b64decode(token) == base64.b64decode(token) for token in tokens)


def test_a_token_does_not_show_whose_it_is(product):
    password = base64.b64decode(a_token(product)).decode().removeprefix("AWS:v1.")

    sealed = base64.urlsafe_b64decode(password + "=" * (-len(password) % 4))

    for word in (product.credentials()[0], ACCOUNT, "us-east-1"):
        assert word.encode() not in sealed


# ---- How long it holds


def test_a_token_holds_for_twelve_hours(here):
    password, expires_at = here.tokens.issue(here.caller, HERE)
    issued_at = here.clock.time

    here.clock.time = issued_at + timedelta(hours=12, seconds=-1)
    login = here.login(password)
    here.clock.time = issued_at + timedelta(hours=12)

    assert expires_at == issued_at + timedelta(hours=12)
    assert (login.caller, login.registry, login.expires_at) == (here.caller, HERE, expires_at)
    with pytest.raises(TokenExpired):
        here.login(password)
    with pytest.raises(TokenExpired):
        here.login(password, tokens=Tokens(here.on))


def test_a_token_names_the_registry_it_was_made_for(here):
    there = Registry("111122223333", "ap-south-1")

    password, _ = here.tokens.issue(here.caller, there)

    assert here.login(password).registry == there
    assert here.login(password).caller == here.caller


def test_a_token_outlives_the_process_that_made_it(here):
    password, _ = here.tokens.issue(here.caller, HERE)

    login = here.login(password, tokens=Tokens(here.on))

    assert login.caller == here.caller


def test_a_token_holds_after_a_restart_and_on_every_worker(start):
    product = start("--workers", "3")
    token = a_token(product)
    before = statuses(product, token)

    product.stop()
    product.start()

    assert before == {200}
    assert statuses(product, token) == {200}


def test_tokens_hold_however_many_are_in_use(here, monkeypatch):
    monkeypatch.setattr(registry.accounts, "REMEMBERED_TOKENS", 2)
    passwords = [here.tokens.issue(here.caller, HERE)[0] for _ in range(5)]

    logins = [here.login(password) for _ in range(2) for password in passwords]

    assert {login.caller for login in logins} == {here.caller}
    assert len(here.tokens._logins) == 2


# ---- What ends it


def test_new_keys_leave_the_logins_of_before_alone(here):
    other = Tokens(here.on)
    old, _ = here.tokens.issue(here.caller, HERE)
    here.login(old, tokens=other)

    registry.login_keys.rotate(here.on)
    new, _ = other.issue(here.caller, HERE)

    for tokens in (here.tokens, other, Tokens(here.on)):
        assert here.login(old, tokens=tokens).caller == here.caller
        assert here.login(new, tokens=tokens).caller == here.caller


def test_logins_that_are_revoked_are_worthless_in_every_process(here):
    other = Tokens(here.on)
    old, _ = here.tokens.issue(here.caller, HERE)
    layer = here.tokens.sign_layer(here.caller, "an arn", "sha256:00")
    for tokens in (here.tokens, other):
        here.login(old, tokens=tokens)

    registry.login_keys.rotate(here.on, revoke=True)
    new, _ = other.issue(here.caller, HERE)

    for tokens in (here.tokens, other, Tokens(here.on)):
        with pytest.raises(Unauthenticated):
            here.login(old, tokens=tokens)
        with pytest.raises(Unauthenticated):
            tokens.read_layer(layer)
        assert here.login(new, tokens=tokens).caller == here.caller


def test_the_command_reaches_every_worker_and_a_restart(start):
    product = start("--workers", "2")
    first = a_token(product)
    rotated = product.cli("account", "rotate-login-keys")
    second = a_token(product)
    both = statuses(product, first) | statuses(product, second)
    revoked = product.cli("account", "rotate-login-keys", "--revoke")
    third = a_token(product)

    before = [statuses(product, token) for token in (first, second, third)]
    product.stop()
    product.start()

    assert (rotated.returncode, revoked.returncode, both) == (0, 0, {200})
    assert before == [{401}, {401}, {200}]
    assert [statuses(product, token) for token in (first, third)] == [{401}, {200}]


def test_a_token_is_worth_nothing_while_its_key_is_disabled(start):
    product = start("--workers", "3")
    key_id = product.credentials()[0]
    token = a_token(product)
    seen = [statuses(product, token)]

    for command in ("disable-key", "enable-key", "delete-key"):
        product.cli("account", command, key_id)
        seen.append(statuses(product, token))

    assert seen == [{200}, {401}, {200}, {401}]


@pytest.mark.parametrize("end", ["disable", "delete"])
def test_a_remembered_token_ends_with_its_key(here, end):
    password, _ = here.tokens.issue(here.caller, HERE)
    here.login(password)

    if end == "disable":
        registry.accounts.set_key_active(here.on, here.caller.access_key_id, is_active=False)
    else:
        registry.accounts.delete_key(here.on, here.caller.access_key_id)

    with pytest.raises(Unauthenticated):
        here.login(password)


def test_a_token_of_another_installation_is_worth_nothing(here, shared):
    _, password = shared

    with pytest.raises(Unauthenticated):
        here.login(password)


@given(st.data())
def test_a_token_with_one_changed_letter_is_worth_nothing(shared, data):
    installation, password = shared
    # The last letter holds two bits that say nothing.
    position = data.draw(st.integers(0, len(password) - 2))
    letter = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda x: x != password[position]))
    changed = password[:position] + letter + password[position + 1 :]

    with pytest.raises(Unauthenticated):
        installation.login(changed)


@given(st.integers(0, 400))
def test_a_token_cut_short_is_worth_nothing(shared, length):
    installation, password = shared

    with pytest.raises(Unauthenticated):
        installation.login(password[: min(length, len(password) - 1)])


@pytest.mark.parametrize("user", ["aws", "", "root", "AWS:AWS", "AWS "])
def test_the_user_is_aws(shared, user):
    installation, password = shared

    with pytest.raises(Unauthenticated):
        installation.login(password, user=user)


@given(st.text() | st.binary().map(lambda blob: "Basic " + base64.b64encode(blob).decode()))
def test_any_other_header_is_nobody(shared, header):
    installation, _ = shared

    with pytest.raises(Unauthenticated):
        installation.tokens.login(header)


@pytest.mark.parametrize("scheme", ["Bearer", "Digest", "Basically", ""])
def test_the_scheme_is_basic(shared, scheme):
    installation, password = shared

    with pytest.raises(Unauthenticated):
        installation.tokens.login(f"{scheme} {base64.b64encode(f'AWS:{password}'.encode()).decode()}")


def test_the_name_of_the_scheme_has_no_case(shared):
    installation, password = shared

    login = installation.tokens.login("bASIC " + base64.b64encode(f"AWS:{password}".encode()).decode())

    assert login.caller == installation.caller


def test_a_key_and_its_secret_are_no_login(product):
    key_id, secret = product.credentials()
    token = base64.b64encode(f"{key_id}:{secret}".encode()).decode()

    assert statuses(product, token, count=1) == {401}


# ---- Addresses of layers


def test_the_address_of_a_layer_holds_for_an_hour(here):
    text = here.tokens.sign_layer(here.caller, "arn:x", "sha256:y")

    here.clock.time += timedelta(minutes=59, seconds=59)
    read = here.tokens.read_layer(text)
    here.clock.time += timedelta(seconds=1)

    assert read == (here.caller, "arn:x", "sha256:y")
    with pytest.raises(TokenExpired):
        here.tokens.read_layer(text)


def test_the_address_of_a_layer_is_worthless_as_soon_as_the_key_is_of_him_who_was_given_it(here):
    text = here.tokens.sign_layer(here.caller, "arn:x", "sha256:y")

    registry.accounts.set_key_active(here.on, here.caller.access_key_id, is_active=False)

    with pytest.raises(Unauthenticated):
        here.tokens.read_layer(text)


def test_the_address_of_a_layer_is_no_login_and_a_login_no_address(shared):
    installation, password = shared
    text = installation.tokens.sign_layer(installation.caller, "arn:x", "sha256:y")

    with pytest.raises(Unauthenticated):
        installation.login(f"v1.{text}")
    with pytest.raises(Unauthenticated):
        installation.tokens.read_layer(password.removeprefix("v1."))


# ---- Whatever comes

SCHEMES = st.sampled_from(["Basic ", "basic ", "BASIC  ", "Bearer ", "AWS4-HMAC-SHA256 ", "Basic", ""])
PLAIN = st.text(st.characters(max_codepoint=255), max_size=60)


@given(scheme=SCHEMES, text=PLAIN, is_encoded=st.booleans(), user=st.sampled_from(["AWS:v1.", "AWS:", "aws:v1.", ""]))
def test_no_authorization_that_was_not_issued_is_anybodys(shared, scheme, text, is_encoded, user):
    installation, _ = shared
    sent = base64.b64encode(f"{user}{text}".encode("latin-1")).decode() if is_encoded else f"{user}{text}"

    with pytest.raises(Unauthenticated):
        installation.tokens.login(scheme + sent)
    with pytest.raises(Unauthenticated):
        installation.tokens.read_layer(text)


@given(data=st.data())
def test_a_password_that_was_changed_is_nobodys(shared, data):
    installation, password = shared
    start = data.draw(st.integers(0, len(password) - 1))
    end = data.draw(st.integers(start, min(len(password), start + 4)))
    changed = password[:start] + data.draw(PLAIN | st.just(password[start:end] * 2)) + password[end:]
    user = data.draw(st.sampled_from(["AWS", "AWS", "aws", "AWS:", ""]))
    header = base64.b64encode(f"{user}:{changed}".encode("latin-1")).decode()
    if (user, changed) == ("AWS", password):
        return

    with pytest.raises(Unauthenticated):
        installation.tokens.login(f"Basic {header}")
