"""What a process remembers of keys that a key service keeps: for how long, how much, and who asks."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from holdfast import registry
from holdfast.model.errors import KeysUnavailable, Kms
from holdfast.model.kms import OWN
from holdfast.model.repositories import Encryption
from holdfast.outbound import KeyRefused, KeyServiceDown
from holdfast.registry.keys import REMEMBERED_SCOPES, Keys
from holdfast.registry.kms import KeysElsewhere
from tests import builders
from tests.registry.ground import AT, create, push_blob

ARN = "arn:aws:kms:us-east-1:000000000000:key/1"


class Service:
    """A key service that counts what it is asked."""

    own_key = "alias/own"
    keeps_named_keys = True

    def __init__(self):
        self.asked = []
        self.fault = None

    def _note(self, what):
        self.asked.append(what)
        if self.fault is not None:
            raise self.fault

    def describe(self, name):
        self._note("describe")
        return {"alias/own": f"{ARN}-own"}.get(name, name)

    def generate(self, key, context):
        secret = bytes([len(self.asked) % 256]) * 32
        return secret, self.encrypt(key, secret, context)

    def encrypt(self, key, secret, context):
        self._note("encrypt")
        return repr((key, sorted(context.items()))).encode() + b"|" + secret

    def decrypt(self, key, sealed, context):
        self._note("decrypt")
        head, _, secret = sealed.partition(b"|")
        assert head == repr((key, sorted(context.items()))).encode()
        return secret

    def reencrypt(self, _key, sealed, new_key, context):
        self._note("reencrypt")
        return self.encrypt(new_key, sealed.partition(b"|")[2], context)


class Monotonic:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def time():
    return Monotonic()


@pytest.fixture
def remote(on, service, time):
    """The registry with its keys moved to the service."""
    registry.kms.move(on, service, on.keys.file.path)
    return replace(on, keys=Keys(on.database, None, service, monotonic=time))


def under_a_key(on, name="under/a-key", key=ARN):
    at = replace(AT, name=name)
    create(on, at, encryption=Encryption("KMS", key))
    return at


def pull(on, at, data):
    reader = registry.layers.open_blob(on, at, builders.digest(data))
    found = bytes(reader.read(0))
    reader.close()
    return found


def test_pushes_and_pulls_ask_the_service_once_in_five_minutes(remote, service, time):
    at = under_a_key(remote)
    push_blob(remote, AT, b"first")
    service.asked.clear()

    for number in range(20):
        for where in (AT, at):
            push_blob(remote, where, b"%d" % number)
            assert pull(remote, where, b"%d" % number) == b"%d" % number
    assert service.asked == []
    time.now += 300

    for where in (AT, at):
        pull(remote, where, b"1")
        pull(remote, where, b"2")

    assert service.asked == ["describe", "decrypt"] * 2


def test_a_key_that_is_disabled_opens_nothing_after_five_minutes(remote, service, time):
    at = under_a_key(remote)
    push_blob(remote, at, b"data")
    service.fault = KeyRefused("DisabledException", f"{ARN} is disabled.")
    time.now += 299
    assert pull(remote, at, b"data") == b"data"
    time.now += 1

    with pytest.raises(Kms) as refused:
        pull(remote, at, b"data")
    with pytest.raises(Kms):
        push_blob(remote, at, b"more")
    service.fault = None
    time.now += 2

    assert (refused.value.message, refused.value.details) == (f"{ARN} is disabled.", {"kmsError": "DisabledException"})
    assert pull(remote, at, b"data") == b"data"


def test_a_crowd_of_readers_asks_once(remote, service, time):
    at = under_a_key(remote)
    push_blob(remote, at, b"data")
    time.now += 301
    service.asked.clear()
    barrier = Barrier(8)

    def read(_):
        barrier.wait(10)
        return pull(remote, at, b"data")

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(read, range(8))) == {b"data"}

    assert service.asked.count("decrypt") <= 2  # the clock stands still: who comes late may not know who came before


def test_an_outage_is_told_and_is_asked_about_once_in_a_while(remote, service, time, caplog):
    push_blob(remote, AT, b"data")
    time.now += 301
    service.fault = KeyServiceDown("no route")
    service.asked.clear()

    for _ in range(10):
        with pytest.raises(KeysUnavailable) as told:
            pull(remote, AT, b"data")

    assert len(service.asked) == 1
    assert "no route" not in told.value.message
    assert "no route" in caplog.text
    service.fault = None
    time.now += 2
    assert pull(remote, AT, b"data") == b"data"


def test_the_registrys_own_keys_are_asked_for_before_they_are_forgotten(remote, service, time):
    push_blob(remote, AT, b"data")
    service.asked.clear()
    remote.keys.refresh()
    assert service.asked == []
    time.now += 250

    remote.keys.refresh()

    assert "decrypt" in service.asked
    service.fault = KeyServiceDown("no route")
    time.now += 250
    remote.keys.refresh()
    assert pull(remote, AT, b"data") == b"data", "an outage that is noticed early costs nothing"


def test_no_more_than_so_many_scopes_are_remembered(remote, service, monkeypatch):
    monkeypatch.setattr(registry.keys, "REMEMBERED_SCOPES", 3)
    assert REMEMBERED_SCOPES == 1024
    for number in range(5):
        under_a_key(remote, f"under/{number}", f"{ARN}{number}")

    assert len(remote.keys._memory._known) == 3


def test_a_version_that_another_process_made_is_asked_for_at_once(remote, service, time):
    at = under_a_key(remote)
    other = replace(remote, keys=Keys(remote.database, None, service, monotonic=time))
    scope = Encryption("KMS", ARN).key_scope
    other.keys.rings(scope)

    assert registry.kms.rotate(remote, scope) == 2
    push_blob(remote, at, b"after")

    assert pull(other, at, b"after") == b"after"
    assert pull(replace(other, keys=Keys(remote.database, None, service)), at, b"after") == b"after"


def test_keys_move_to_a_service_and_back_with_everything_under_them(on, service, clock):
    push_blob(on, AT, b"before")
    registry.kms.rotate(on)
    push_blob(on, AT, b"between")
    path = on.keys.file.path

    registry.kms.move(on, service, path)

    there = replace(on, keys=Keys(on.database, None, service))
    registry.kms.require_own(there, may_make=False)
    with pytest.raises(KeysElsewhere, match=f"moved to {ARN}-own"):
        registry.kms.require_own(on, may_make=False)
    with pytest.raises(KeysElsewhere):
        registry.kms.rotate(on)
    push_blob(there, AT, b"after")
    assert registry.kms.rotate(there) == 3
    registry.rewraps.run(there, lambda *_: None)
    clock.pass_(minutes=10)
    registry.kms.retire(there, 1)
    assert [pull(there, AT, data) for data in (b"before", b"between", b"after")] == [b"before", b"between", b"after"]

    path.unlink()
    registry.kms.move(there, None, path)

    back = replace(on, keys=Keys(on.database, type(on.keys.file)(path)))
    registry.kms.require_own(back, may_make=False)
    assert back.keys.own().versions == [2, 3]
    assert [pull(back, AT, data) for data in (b"before", b"between", b"after")] == [b"before", b"between", b"after"]


def test_data_under_a_key_file_is_not_taken_for_that_of_a_service(on, service):
    there = replace(on, keys=Keys(on.database, None, service))

    with pytest.raises(KeysElsewhere, match="holdfast kms move"):
        registry.kms.require_own(there, may_make=True)

    assert on.database.hot.wrapping_keys(OWN) == []


def test_a_rewrap_moves_wrapping_keys_to_the_key_that_the_settings_name_now(remote, service):
    under_a_key(remote)
    service.own_key = f"{ARN}-next"

    registry.rewraps.run(remote, lambda *_: None)

    sealed_by = {row.sealed_by for row in remote.database.hot.wrapping_keys(OWN)}
    assert sealed_by == {f"{ARN}-next"}
    push_blob(remote, AT, b"data")


def test_no_key_is_in_the_log(remote, service, caplog):
    caplog.set_level(logging.DEBUG)
    at = under_a_key(remote)
    push_blob(remote, at, b"data")

    secrets = remote.keys.own_secrets().values()

    assert secrets
    assert not any(repr(secret)[2:-1] in caplog.text or secret.hex() in caplog.text for secret in secrets)
    assert not any(repr(secret)[2:-1] in repr(remote.keys.__dict__) for secret in secrets)
