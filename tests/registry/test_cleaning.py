"""What nobody continues goes; what somebody holds stays. The clock is the test's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from holdfast import registry
from holdfast.blobs import FileStore, KeyRing, SealedStore
from holdfast.model.errors import BytesDamaged, DigestInvalid, RangeInvalid, UploadNotFound
from holdfast.model.names import Registry, RepositoryRef
from holdfast.model.repositories import Encryption, TagMutability
from holdfast.model.uploads import SMALL_BYTES
from holdfast.registry import Backends
from holdfast.store import Database
from holdfast.store.migrations import migrate
from tests import builders

AT = RepositoryRef(Registry("000000000000", "us-east-1"), "some/repository")
SMALL = b"small"
LARGE = bytes(SMALL_BYTES + 1)


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **time: int) -> None:
        self.now += timedelta(**time)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def on(tmp_path, clock):
    keys = KeyRing({1: bytes(32)})
    database = Database(tmp_path / "holdfast.db")
    migrate(database)
    backends = Backends(database, SealedStore(FileStore(tmp_path / "objects"), keys), keys, clock)
    registry.accounts.create(backends, AT.registry.account_id)
    registry.repositories.create(
        backends, AT, mutability=TagMutability(), scan_on_push=False, encryption=Encryption(), tags={}
    )
    yield backends
    database.close()


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
    writer = registry.uploads.receive_whole(on)
    writer.write(data)
    registry.uploads.complete_whole(on, AT, writer, builders.digest(data))

    clock.pass_(days=1000)
    sweep(on)

    with_blob = registry.layers.open_blob(on, AT, builders.digest(data))
    assert bytes(with_blob.read(0)) == data
    with_blob.close()


def test_bytes_that_nothing_ever_held_go(on, clock, tmp_path):
    writer = registry.uploads.receive_whole(on)
    writer.write(LARGE)
    writer.close()  # and then the process dies
    assert len(files(tmp_path)) == 1

    clock.pass_(days=4)
    sweep(on)

    assert files(tmp_path) == []


def test_half_written_bytes_go(on, clock, tmp_path):
    writer = registry.uploads.receive_whole(on)
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
    writer = push(on)
    writer.write(LARGE)
    registry.uploads.complete_whole(on, AT, writer, builders.digest(LARGE))
    for path in (tmp_path / "objects").rglob("*"):
        if path.is_file():
            path.unlink()
    with pytest.raises(BytesDamaged):
        registry.layers.open_blob(on, AT, builders.digest(LARGE))

    again = push(on)
    again.write(LARGE)
    registry.uploads.complete_whole(on, AT, again, builders.digest(LARGE))

    reader = registry.layers.open_blob(on, AT, builders.digest(LARGE))
    assert bytes(reader.read(0)) == LARGE
    reader.close()


def test_recurring_work_is_claimed_once_a_period(on, clock):
    claim = [registry.cleaning.claim(on, "sweep", timedelta(minutes=1)) for _ in range(3)]

    clock.pass_(seconds=61)

    assert claim == [True, False, False]
    assert registry.cleaning.claim(on, "sweep", timedelta(minutes=1))


def test_recurring_work_goes_on_when_the_clock_was_set_back(on, clock):
    registry.cleaning.claim(on, "sweep", timedelta(minutes=1))

    clock.pass_(days=-365)

    assert registry.cleaning.claim(on, "sweep", timedelta(minutes=1))


def test_one_object_that_cannot_be_removed_does_not_keep_the_others(on, clock, tmp_path, monkeypatch):
    for _ in range(3):
        writer = registry.uploads.receive_whole(on)
        writer.write(LARGE)
        writer.close()
    stubborn = files(tmp_path)[0]
    delete = on.blobs.delete
    monkeypatch.setattr(on.blobs, "delete", lambda key: 1 / 0 if key == stubborn else delete(key))

    clock.pass_(days=4)
    registry.cleaning.sweep(on)

    assert files(tmp_path) == [stubborn]
