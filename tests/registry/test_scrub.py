"""Scrubbing and repairing in the background."""

from __future__ import annotations

import errno
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from holdfast import registry
from holdfast.blobs import files
from holdfast.model.errors import BlobNotFound, LayerDamaged, StorageUnavailable
from holdfast.model.names import Registry, RepositoryRef
from holdfast.model.repositories import Encryption
from holdfast.registry.scrub import Wanted
from tests import builders, databases
from tests.registry.ground import AT, HOME, create, push, push_blob, told, work_off, work_off_patiently

ELSEWHERE = RepositoryRef(Registry(HOME.account_id, "eu-west-1"), "a/copy")
MIB = 1024 * 1024


def objects(tmp_path):
    return sorted(path for path in (tmp_path / "objects").rglob("*") if path.is_file())


def pull(on, at, data):
    body = registry.layers.open_blob(on, at, builders.digest(data))
    found = bytearray()
    while len(found) < body.size_bytes:
        found += body.read(len(found))
    return bytes(found)


def push_apart(on, at, data, tmp_path):
    """Push a layer; the file that it became."""
    before = objects(tmp_path)
    push_blob(on, at, data)
    [file] = set(objects(tmp_path)) - set(before)
    return file


def create_under_another_key(on):
    """A repository in another registry whose bytes are its own: under one key they would be shared."""
    key = registry.kms_keys.create(on, ELSEWHERE.registry)
    create(on, ELSEWHERE, encryption=Encryption("KMS", key.arn))


def flip(file, position):
    raw = bytearray(file.read_bytes())
    raw[position] ^= 1
    file.write_bytes(raw)


def status(on, **within):
    return registry.scrub.status(on, timedelta(**within))


def test_the_background_finds_what_nobody_pulls(on, clock, tmp_path):
    push(on, AT, 1, "v1")
    push_apart(on, AT, b"a" * MIB, tmp_path)
    flip(push_apart(on, AT, b"b" * MIB, tmp_path), MIB // 2)
    clock.pass_(days=8)

    work_off_patiently(on)

    found = status(on, days=1)
    assert (found.damaged, found.damaged_manifests) == (1, 0)
    assert found.blobs.recent == found.blobs.count > 1
    assert found.manifests.recent == found.manifests.count == 1
    with pytest.raises(LayerDamaged):
        pull(on, AT, b"b" * MIB)


def test_what_was_verified_lately_is_not_read_again(on, clock, tmp_path):
    file = push_apart(on, AT, b"a" * MIB, tmp_path)
    push_apart(on, AT, b"b" * MIB, tmp_path)
    clock.pass_(days=6)
    flip(file, MIB // 2)

    work_off_patiently(on)

    assert status(on, days=1).damaged == 0
    assert status(on, days=7).blobs.recent == 2


def test_no_rate_is_no_scrub(on, clock, tmp_path):
    on = replace(on, limits=replace(on.limits, scrub_bytes_per_second=0))
    push_apart(on, AT, b"b" * MIB, tmp_path)
    flip(push_apart(on, AT, b"a" * MIB, tmp_path), MIB // 2)
    clock.pass_(days=30)

    work_off_patiently(on)

    assert status(on, days=1).damaged == 0


def test_a_damaged_layer_is_repaired_from_another_registry_of_the_installation(on, clock, tmp_path):
    create_under_another_key(on)
    data = b"x" * MIB
    file = push_apart(on, AT, data, tmp_path)
    push_blob(on, ELSEWHERE, data)
    flip(file, MIB // 2)
    with pytest.raises(registry.damage.Damaged):
        pull(on, AT, data)
    with pytest.raises(LayerDamaged):
        pull(on, AT, data)

    work_off_patiently(on)

    assert pull(on, AT, data) == data
    assert file.exists()
    assert [one["layer-digest"] for one in told(on, "Layer Repaired")] == [builders.digest(data)]
    assert told(on, "Layer Damaged")[0]["repository-names"] == [AT.name]
    clock.pass_(days=31)
    work_off(on)
    clock.pass_(minutes=2)
    work_off(on)
    assert not file.exists()


def test_a_copy_that_is_damaged_itself_repairs_nothing(on, tmp_path):
    create_under_another_key(on)
    push_apart(on, AT, b"y" * MIB, tmp_path)
    data = b"x" * MIB
    for at in (AT, ELSEWHERE):
        flip(push_apart(on, at, data, tmp_path), MIB // 2)
    with pytest.raises(registry.damage.Damaged):
        pull(on, AT, data)

    work_off_patiently(on)

    with pytest.raises(LayerDamaged):
        pull(on, AT, data)
    assert len(objects(tmp_path)) == 3


def test_an_object_that_somebody_put_back_is_served_again(on, tmp_path):
    data = b"x" * MIB
    push_apart(on, AT, b"y" * MIB, tmp_path)
    file = push_apart(on, AT, data, tmp_path)
    file.rename(tmp_path / "away")
    with pytest.raises(LayerDamaged):
        pull(on, AT, data)
    (tmp_path / "away").rename(file)

    work_off_patiently(on)

    assert pull(on, AT, data) == data
    assert status(on, days=1).damaged == 0


def test_a_failing_read_is_tried_again_and_is_no_damage(on, clock, tmp_path, monkeypatch):
    data = b"x" * MIB
    push_apart(on, AT, data, tmp_path)
    clock.pass_(days=8)

    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(files.os, "open", fail)
        work_off_patiently(on)
        with pytest.raises(StorageUnavailable):
            pull(on, AT, data)

    assert on.read_faults.take() >= 4
    assert status(on, days=1).damaged == 0
    assert pull(on, AT, data) == data


def test_bytes_that_open_and_are_others_are_damaged(on, tmp_path):
    push_blob(on, AT, b"small")
    push_blob(on, AT, b"other")
    new, old = builders.digest(b"third"), builders.digest(b"small")
    with closing(databases.look(on.database)) as connection:
        databases.run(connection, "UPDATE blobs SET digest = :new WHERE digest = :old", new=new, old=old)

    [finding] = registry.scrub.run(on, Wanted(builders.digest(b"third")), lambda _: None)

    assert finding.damage == f"its bytes have the digest {builders.digest(b'small')}"


def test_if_nothing_can_be_read_only_an_operator_says_that_it_is_lost(on, clock, tmp_path):
    for seed in range(2):
        push_apart(on, AT, bytes([seed]) * MIB, tmp_path).unlink()
    clock.pass_(seconds=1)

    careful = [finding.is_unreadable for finding in registry.scrub.run(on, Wanted(), lambda _: None)]
    bold = [finding.damage for finding in registry.scrub.run(on, Wanted(), lambda _: None, even_if_all=True)]

    assert careful == [True, True]
    assert bold == ["its object is missing"] * 2
    assert status(on, days=1).damaged == 2


def test_a_layer_that_went_while_it_was_opened_is_not_damaged(on, tmp_path, monkeypatch):
    data = b"x" * MIB
    file = push_apart(on, AT, data, tmp_path)
    opened = registry.objects.open_object

    def go(*arguments):
        monkeypatch.setattr(registry.objects, "open_object", opened)
        registry.repositories.delete(on, AT, force=True)
        create(on, AT)
        with on.database.migration() as tx:
            tx.exec_driver_sql("DELETE FROM repository_blobs")
            tx.exec_driver_sql("DELETE FROM blobs")
        file.unlink()
        return opened(*arguments)

    monkeypatch.setattr(registry.objects, "open_object", go)

    with pytest.raises(BlobNotFound):
        pull(on, AT, data)
    assert told(on, "Layer Damaged") == []


def test_a_hold_keeps_bytes_until_it_is_over(on, clock, tmp_path):
    from holdfast import store

    writer = registry.uploads.receive_whole(on, AT)
    writer.write(b"x" * MIB)
    writer.close()
    [file] = objects(tmp_path)
    clock.pass_(days=4)
    with on.database.transaction() as tx:
        store.holds.begin(tx, "one", "a test", clock(), clock() + timedelta(minutes=10))

    registry.cleaning.sweep(on)
    held = file.exists()
    clock.pass_(minutes=11)
    registry.cleaning.sweep(on)

    assert held
    assert not file.exists()
