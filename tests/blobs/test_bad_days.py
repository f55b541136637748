"""A store on its bad days: nothing hangs, nothing false is believed, nothing false is acknowledged."""

from __future__ import annotations

import random
import time

import pytest

from holdfast.blobs import DataKeys, KeyRing, ObjectDamaged, ObjectMissing, OutOfSpace, SealedStore, StoreUnavailable
from holdfast.blobs.remote import RemoteStore
from holdfast.model import object_stores
from tests.blobs.test_stores import PART, content, read, write
from tests.seaweed import BUCKET

pytestmark = pytest.mark.xdist_group("object stores")

HANGING_SECONDS = 60  # far more than any of these should take, and far less than for ever


@pytest.fixture
def key():
    return f"{random.getrandbits(128):032x}"


@pytest.fixture
def prefix(seaweed, key, monkeypatch):
    """A place of this test's own, and the credentials for it in the environment."""
    for name, value in seaweed.environment.items():
        monkeypatch.setenv(name, value)
    return f"bad-days/{key}"


@pytest.fixture
def store(seaweed, faults, prefix):
    return RemoteStore(object_stores.parse(seaweed.url(prefix, endpoint=faults.endpoint, timeout="1")), part_bytes=PART)


@pytest.mark.parametrize("fault", ["refused", "busy", "lost", "cut", "stalled"])
def test_a_read_that_fails_once_is_tried_again(store, faults, key, fault):
    data = content(2 * PART)
    write(store, key, data)
    faults.always(fault, "GET", times=1)

    assert read(store, key) == data


@pytest.mark.parametrize("fault", ["refused", "lost", "cut", "stalled", "short", "forbidden"])
def test_a_read_that_goes_on_failing_ends_with_a_fault(store, faults, key, fault):
    data = content(2 * PART)
    write(store, key, data)
    reader = store.open(key)
    faults.always(fault, "GET")
    begun = time.monotonic()

    with pytest.raises(StoreUnavailable):
        reader.read_into(PART, memoryview(bytearray(PART)))

    with pytest.raises(StoreUnavailable):
        store.open(key)
    assert time.monotonic() - begun < HANGING_SECONDS
    faults.heal()
    buffer = memoryview(bytearray(PART))
    assert reader.read_into(PART, buffer) == PART
    assert buffer == data[PART:]


@pytest.mark.parametrize("fault", ["refused", "busy", "lost", "cut"])
def test_a_part_that_fails_once_is_sent_again(store, faults, key, fault):
    data = content(3 * PART + 1)
    faults.always(fault, "PUT", times=1)

    write(store, key, data)

    assert read(store, key) == data


def test_a_completion_whose_answer_is_lost_is_one(store, faults, key):
    data, answers = content(2 * PART + 1), iter(["lost", "unknown"])
    faults.spoil = lambda method, path: next(answers) if (method, "uploadId" in path) == ("POST", True) else None

    write(store, key, data)

    assert list(answers) == []
    assert read(store, key) == data


def write_parts(writer, count: int) -> None:
    for _ in range(count):
        writer.write(content(PART))
    writer.close()


@pytest.mark.parametrize(
    ("fault", "method", "having"),
    [
        ("refused", "POST", "uploads"),
        ("refused", "PUT", "partNumber=2"),
        ("refused", "POST", "uploadId"),
        ("unknown", "POST", "uploadId"),
        ("forbidden", "PUT", "partNumber=2"),
        ("stalled", "PUT", "partNumber=2"),
        ("stalled", "POST", "uploadId"),
    ],
)
def test_an_object_that_lacks_something_is_never_said_to_be_there(store, faults, key, fault, method, having):
    faults.always(fault, method, having=having)
    writer = store.create(key)

    with pytest.raises(StoreUnavailable):
        write_parts(writer, 8)

    faults.heal()
    with pytest.raises(StoreUnavailable):
        writer.write(b"more")
    with pytest.raises(StoreUnavailable):
        writer.close()
    writer.discard()
    if (fault, method) != ("stalled", "POST"):  # then the store did what it was told, and only its answer was late
        with pytest.raises(ObjectMissing):
            store.open(key)


def test_nothing_is_written_beside_the_key_after_a_fault(store, faults, key, seaweed, prefix):
    faults.always("refused", "POST", having="uploads")
    writer = store.create(key)

    with pytest.raises(StoreUnavailable):
        writer.write(content(PART + 1))

    faults.heal()
    for call in (lambda: writer.write(content(2 * PART)), writer.close):
        with pytest.raises(StoreUnavailable):
            call()
    writer.discard()
    assert not seaweed.s3().list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents")


def test_what_is_discarded_leaves_no_parts(store, seaweed, key, prefix):
    writer = store.create(key)
    writer.write(content(3 * PART))

    writer.discard()

    assert not seaweed.s3().list_multipart_uploads(Bucket=BUCKET, Prefix=prefix).get("Uploads")


def read_from_first_to_last(reader, data: bytes) -> None:
    position = 0
    while position < len(data):
        piece = reader.read(position)
        assert piece == data[position : position + len(piece)]
        position += len(piece)


def test_wrong_bytes_are_never_given_out(store, faults, key):
    ring, sealed, data = KeyRing({1: bytes(32)}), SealedStore(store), content(2 * PART)
    writer = sealed.create(key, DataKeys.fresh(key, [ring]))
    writer.write(data)
    writer.close()
    faults.always("wrong", "GET")

    reader = sealed.open(key, len(data), [ring])

    with pytest.raises(ObjectDamaged):
        read_from_first_to_last(reader, data)


def test_a_bucket_that_is_gone_is_no_missing_object(seaweed, prefix):
    store = RemoteStore(object_stores.parse(seaweed.url(prefix, bucket="nowhere", timeout="1")))

    with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
        store.open("0123")


def test_a_store_that_is_away_is_told_in_one_line(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-to-be-told")
    store = RemoteStore(object_stores.parse("s3://bucket?endpoint=http://127.0.0.1:1&timeout=1"))

    with pytest.raises(StoreUnavailable) as told:
        store.open("0123")

    assert str(told.value) == "GET http://127.0.0.1:1/bucket/0123: Connection refused"


def test_a_process_writes_only_so_many_objects_at_once(seaweed, prefix):
    store = RemoteStore(object_stores.parse(seaweed.url(prefix)), writers=2)
    first, _second = store.create("a"), store.create("b")

    with pytest.raises(StoreUnavailable):
        store.create("c")

    first.discard()
    store.create("c").discard()


def test_nobody_sends_a_part_that_no_store_takes(seaweed, faults, key, prefix):
    store = RemoteStore(object_stores.parse(seaweed.url(prefix, endpoint=faults.endpoint)), part_bytes=64)
    writer = store.create(key)
    writer.write(bytes(63))

    with pytest.raises(OutOfSpace, match="more than 10,000 parts"):
        writer.write(bytes(64 * 9_999 + 2))

    with pytest.raises(StoreUnavailable):
        writer.close()
    writer.discard()
    assert faults.seen == []


def test_a_thousand_and_one_parts_are_one_object(azurite, monkeypatch, key):
    """S3 takes no parts under 5 MiB, so it is Azure's emulator that has so many."""
    for name, value in azurite.environment.items():
        monkeypatch.setenv(name, value)
    store = RemoteStore(object_stores.parse(azurite.url("many-parts")), part_bytes=4096)
    data = content(1001 * 4096)

    write(store, key, data)

    assert read(store, key) == data
