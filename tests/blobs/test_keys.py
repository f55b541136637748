"""The key file: made once, replaced as a whole, readable by its owner only."""

from __future__ import annotations

import base64
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from holdfast.blobs import KeyFile, KeyFileFault, KeyRing
from holdfast.blobs.keys import WrongKey, version_of

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def test_a_wrapped_secret_opens_in_its_own_context_only(tmp_path):
    ring = KeyFile.create(tmp_path / "keys.json", NOW)
    wrapped = ring.wrap(b"secret", "one")

    assert ring.unwrap(wrapped, "one") == b"secret"
    with pytest.raises(WrongKey):
        ring.unwrap(wrapped, "another")


def test_making_keys_twice_keeps_the_first(tmp_path):
    wrapped = KeyFile.create(tmp_path / "keys.json", NOW).wrap(b"secret", "one")

    again = KeyFile.create(tmp_path / "keys.json", NOW)

    assert again.unwrap(wrapped, "one") == b"secret"


def test_the_key_file_is_its_owners_alone(tmp_path):
    KeyFile.create(tmp_path / "keys.json", NOW)

    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [tmp_path / "keys.json"]


@pytest.mark.parametrize(
    "text", ["", "{}", '{"keys": {}}', '{"keys": {"1": "c2hvcnQ="}}', '{"keys": {"x": "AA=="}}', "[1]"]
)
def test_a_damaged_key_file_is_named(tmp_path, text):
    (tmp_path / "keys.json").write_text(text)

    with pytest.raises(KeyFileFault, match=r"keys\.json"):
        KeyFile(tmp_path / "keys.json")


def test_a_missing_key_file_says_what_is_at_stake(tmp_path):
    with pytest.raises(KeyFileFault, match="restore it from your backup"):
        KeyFile(tmp_path / "keys.json")


@pytest.mark.parametrize("wrapped", [b"", b"\0\0\0\1", b"\0\0\0\1" + bytes(12), b"\0\0\0\7" + bytes(40)])
def test_garbage_does_not_unwrap(wrapped):
    with pytest.raises(WrongKey):
        KeyRing({1: bytes(32)}).unwrap(wrapped, "one")


def test_a_new_version_is_seen_by_whoever_has_the_file_open(tmp_path):
    here, there = KeyFile.create(tmp_path / "keys.json", NOW), KeyFile.create(tmp_path / "keys.json", NOW)
    old = there.wrap(b"old", "one")

    assert here.rotate(NOW) == 2

    new = there.wrap(b"new", "one")
    assert (version_of(old), version_of(new)) == (1, 2)
    assert (here.unwrap(old, "one"), here.unwrap(new, "one")) == (b"old", b"new")
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600


def test_a_retired_version_opens_nothing_any_more(tmp_path):
    file = KeyFile.create(tmp_path / "keys.json", NOW)
    old = file.wrap(b"old", "one")
    file.rotate(NOW)

    file.retire(1)

    with pytest.raises(WrongKey):
        KeyFile(tmp_path / "keys.json").unwrap(old, "one")
    assert file.rotate(NOW) == 3, "a number is never given twice"


def test_the_newest_version_cannot_be_retired(tmp_path):
    file = KeyFile.create(tmp_path / "keys.json", NOW)

    with pytest.raises(ValueError, match="in use"):
        file.retire(1)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_rotation_that_dies_leaves_the_old_keys(tmp_path, monkeypatch, step):
    file = KeyFile.create(tmp_path / "keys.json", NOW)
    before = (tmp_path / "keys.json").read_bytes()
    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        file.rotate(NOW)

    assert (tmp_path / "keys.json").read_bytes() == before
    assert list(tmp_path.iterdir()) == [tmp_path / "keys.json"]


def test_processes_that_rotate_at_once_lose_no_version(tmp_path):
    file = KeyFile.create(tmp_path / "keys.json", NOW)

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: KeyFile(tmp_path / "keys.json").rotate(NOW), range(16)))

    assert sorted(made) == list(range(2, 18))
    assert file.ring().versions == list(range(1, 18))


def test_a_file_of_an_older_program_is_read(tmp_path):
    (tmp_path / "keys.json").write_text('{"keys": {"1": "' + base64.b64encode(bytes(32)).decode() + '"}}')

    assert KeyFile(tmp_path / "keys.json").unwrap(KeyRing({1: bytes(32)}).wrap(b"secret", "one"), "one") == b"secret"
