"""What nobody continues goes; what somebody holds stays. The clock is the test's."""

from __future__ import annotations

import pytest

from holdfast import registry
from holdfast.blobs import FileStore, StoreUnavailable
from holdfast.model.errors import DigestInvalid, LayerDamaged, RangeInvalid, UploadNotFound
from holdfast.model.names import RepositoryRef
from holdfast.model.uploads import SMALL_BYTES
from tests import builders
from tests.registry.ground import AT, HOME, create, push_blob

SMALL = b"small"
LARGE = bytes(SMALL_BYTES + 1)


def files(tmp_path):
    return [path.name for path in (tmp_path / "objects").rglob("*") if path.is_file()]


def append(on, upload_id, data):
    upload = registry.uploads.get(on, AT, upload_id)
    writer = registry.uploads.receive(on, upload)
    writer.write(data)
    return registry.uploads.append(on, AT, upload, writer)


def sweep(on):
    while registry.cleaning.sweep(on):
        pass


@pytest.mark.parametrize("data", [SMALL, LARGE])
def test_an_upload_that_nobody_continues_expires_with_its_bytes(on, clock, tmp_path, data):
    upload_id = registry.uploads.begin(on, AT)
    append(on, upload_id, data)

    clock.pass_(hours=25)
    sweep(on)

    with pytest.raises(UploadNotFound):
        registry.uploads.get(on, AT, upload_id)
    assert files(tmp_path) == []


def test_what_the_store_cannot_delete_now_is_deleted_later(on, clock, tmp_path, monkeypatch):
    upload_id = registry.uploads.begin(on, AT)
    append(on, upload_id, LARGE)
    asked = []

    def away(key):
        asked.append(key)
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(FileStore, "delete", lambda _self, key: away(key))
        registry.uploads.cancel(on, AT, upload_id)
        assert registry.cleaning.sweep(on) == 0

    assert len(files(tmp_path)) == 1
    sweep(on)
    assert files(tmp_path) == []
    assert len(asked) == 2


@pytest.mark.parametrize("data", [SMALL, LARGE])
def test_an_upload_that_somebody_continues_stays(on, clock, data):
    upload_id = registry.uploads.begin(on, AT)
    for _ in range(6):  # longer than the time for which a lone object is kept
        append(on, upload_id, data)
        clock.pass_(hours=20)
        sweep(on)

    blob = registry.uploads.complete(on, AT, registry.uploads.get(on, AT, upload_id), [builders.digest(6 * data)])

    assert blob.size_bytes == 6 * len(data)


@pytest.mark.parametrize("data", [SMALL, LARGE])
def test_a_blob_stays_for_ever(on, clock, data):
    writer = registry.uploads.receive_whole(on, AT)
    writer.write(data)
    registry.uploads.complete_whole(on, AT, writer, builders.digest(data))

    clock.pass_(days=1000)
    sweep(on)

    with_blob = registry.layers.open_blob(on, AT, builders.digest(data))
    assert bytes(with_blob.read(0)) == data
    with_blob.close()


def test_bytes_that_nothing_ever_held_go(on, clock, tmp_path):
    writer = registry.uploads.receive_whole(on, AT)
    writer.write(LARGE)
    writer.close()  # and then the process dies
    assert len(files(tmp_path)) == 1

    clock.pass_(days=4)
    sweep(on)

    assert files(tmp_path) == []


def test_half_written_bytes_go(on, clock, tmp_path):
    writer = registry.uploads.receive_whole(on, AT)
    writer.write(LARGE)  # and then the process dies
    assert len(files(tmp_path)) == 1

    clock.pass_(days=4)
    sweep(on)

    assert files(tmp_path) == []


def test_the_second_of_two_that_continue_an_upload_is_told_where_it_stands(on):
    upload = registry.uploads.get(on, AT, registry.uploads.begin(on, AT))
    first, second = registry.uploads.receive(on, upload), registry.uploads.receive(on, upload)
    first.write(LARGE)
    second.write(SMALL)

    registry.uploads.append(on, AT, upload, first)

    with pytest.raises(RangeInvalid) as refusal:
        registry.uploads.append(on, AT, upload, second)
    assert refusal.value.details["received"].received_bytes == len(LARGE)


@pytest.mark.parametrize("data", [SMALL, LARGE])
def test_only_one_of_two_completions_makes_the_blob_and_neither_loses_it(on, tmp_path, data):
    upload_id = registry.uploads.begin(on, AT)
    append(on, upload_id, data)
    seen = registry.uploads.get(on, AT, upload_id)
    registry.uploads.complete(on, AT, seen, [builders.digest(data)])

    with pytest.raises(UploadNotFound):
        registry.uploads.complete(on, AT, seen, [builders.digest(data)])

    reader = registry.layers.open_blob(on, AT, builders.digest(data))
    assert bytes(reader.read(0)) == data
    reader.close()


def test_a_wrong_digest_beside_a_right_one_loses_nothing(on):
    upload_id = registry.uploads.begin(on, AT)
    append(on, upload_id, LARGE)
    seen = registry.uploads.get(on, AT, upload_id)
    registry.uploads.complete(on, AT, seen, [builders.digest(LARGE)])

    with pytest.raises(DigestInvalid):
        registry.uploads.complete(on, AT, seen, [builders.digest(SMALL)])

    reader = registry.layers.open_blob(on, AT, builders.digest(LARGE))
    assert bytes(reader.read(0)) == LARGE
    reader.close()


def test_a_missing_object_is_told_and_a_new_push_heals_it(on, tmp_path):
    push = registry.uploads.receive_whole
    writer = push(on, AT)
    writer.write(LARGE)
    registry.uploads.complete_whole(on, AT, writer, builders.digest(LARGE))
    for path in (tmp_path / "objects").rglob("*"):
        if path.is_file():
            path.unlink()
    with pytest.raises(LayerDamaged):
        registry.layers.open_blob(on, AT, builders.digest(LARGE))

    again = push(on, AT)
    again.write(LARGE)
    registry.uploads.complete_whole(on, AT, again, builders.digest(LARGE))

    reader = registry.layers.open_blob(on, AT, builders.digest(LARGE))
    assert bytes(reader.read(0)) == LARGE
    reader.close()


def test_one_object_that_cannot_be_removed_does_not_keep_the_others(on, clock, tmp_path, monkeypatch):
    for _ in range(3):
        writer = registry.uploads.receive_whole(on, AT)
        writer.write(LARGE)
        writer.close()
    stubborn = files(tmp_path)[0]
    delete = on.blobs.delete
    monkeypatch.setattr(on.blobs, "delete", lambda key: 1 / 0 if key == stubborn else delete(key))

    clock.pass_(days=4)
    registry.cleaning.sweep(on)

    assert files(tmp_path) == [stubborn]


def test_a_layer_is_acknowledged_although_its_repository_went_a_moment_later(on, monkeypatch):
    other = RepositoryRef(HOME, "another/one")
    create(on, other)
    push_blob(on, other, LARGE)
    writer = registry.uploads.receive_whole(on, AT)
    writer.write(LARGE)
    look = on.database.snapshot

    def delete_first():
        monkeypatch.setattr(on.database, "snapshot", look)
        registry.repositories.delete(on, AT)
        return look()

    monkeypatch.setattr(on.database, "snapshot", delete_first)  # what is there already is looked at after the commit
    registry.uploads.complete_whole(on, AT, writer, builders.digest(LARGE))

    registry.undelete.restore_repository(on, AT)
    assert registry.layers.size(on, AT, builders.digest(LARGE)) == len(LARGE)
