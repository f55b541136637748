"""The key file: made once, never replaced, readable by its owner only."""

from __future__ import annotations

import pytest

from holdfast.blobs import KeyRing
from holdfast.blobs.keys import KeyFileFault, WrongKey


def test_a_wrapped_secret_opens_in_its_own_context_only(tmp_path):
    ring = KeyRing.create(tmp_path / "keys.json")
    wrapped = ring.wrap(b"secret", "one")

    assert ring.unwrap(wrapped, "one") == b"secret"
    with pytest.raises(WrongKey):
        ring.unwrap(wrapped, "another")


def test_making_keys_twice_keeps_the_first(tmp_path):
    wrapped = KeyRing.create(tmp_path / "keys.json").wrap(b"secret", "one")

    again = KeyRing.create(tmp_path / "keys.json")

    assert again.unwrap(wrapped, "one") == b"secret"


def test_the_key_file_is_its_owners_alone(tmp_path):
    KeyRing.create(tmp_path / "keys.json")

    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [tmp_path / "keys.json"]


@pytest.mark.parametrize(
    "text", ["", "{}", '{"keys": {}}', '{"keys": {"1": "c2hvcnQ="}}', '{"keys": {"x": "AA=="}}', "[1]"]
)
def test_a_damaged_key_file_is_named(tmp_path, text):
    (tmp_path / "keys.json").write_text(text)

    with pytest.raises(KeyFileFault, match=r"keys\.json"):
        KeyRing.load(tmp_path / "keys.json")


def test_a_missing_key_file_says_what_is_at_stake(tmp_path):
    with pytest.raises(KeyFileFault, match="restore it from your backup"):
        KeyRing.load(tmp_path / "keys.json")


@pytest.mark.parametrize("wrapped", [b"", b"\0\0\0\1", b"\0\0\0\1" + bytes(12), b"\0\0\0\7" + bytes(40)])
def test_garbage_does_not_unwrap(wrapped):
    with pytest.raises(WrongKey):
        KeyRing({1: bytes(32)}).unwrap(wrapped, "one")
