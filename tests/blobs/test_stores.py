"""What every store of bytes promises, whichever it is."""

from __future__ import annotations

import random

import pytest

from holdfast.blobs import DataKeys, FileStore, KeyRing, ObjectDamaged, ObjectMissing, SealedStore
from holdfast.blobs.remote import RemoteStore, part_bytes
from holdfast.model import object_stores

pytestmark = pytest.mark.xdist_group("object stores")

PART = 5 * 1024 * 1024  # the smallest that S3 takes
SIZES = (1, 40_000, PART - 1, PART, PART + 1, 3 * PART + 17)


@pytest.fixture(params=["files", "s3", "azure"])
def store(request, tmp_path, monkeypatch):
    """An empty store of each kind."""
    if request.param == "files":
        return FileStore(tmp_path / "objects")
    server = request.getfixturevalue({"s3": "seaweed", "azure": "azurite"}[request.param])
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return RemoteStore(object_stores.parse(server.url("stores")), part_bytes=PART)


@pytest.fixture
def key():
    return f"{random.getrandbits(128):032x}"


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def write(store, key: str, data: bytes, piece: int = 1_000_003) -> None:
    writer = store.create(key)
    for start in range(0, len(data), piece):
        writer.write(data[start : start + piece])
    writer.close()


def read(store, key: str) -> bytes:
    reader = store.open(key)
    buffer = bytearray(reader.size_bytes)
    position = 0
    while position < len(buffer):
        piece = memoryview(buffer)[position : position + 1_048_576]
        assert reader.read_into(position, piece) == len(piece)
        position += len(piece)
    reader.close()
    return bytes(buffer)


@pytest.mark.parametrize("size", SIZES)
def test_what_was_written_is_read(store, key, size):
    data = content(size)

    write(store, key, data)

    assert read(store, key) == data


def test_any_range_is_read(store, key):
    data = content(3 * PART)
    write(store, key, data)
    chance = random.Random(7)

    reader = store.open(key)

    assert reader.size_bytes == len(data)
    for _ in range(30):
        start = chance.randrange(len(data))
        buffer = memoryview(bytearray(chance.choice([1, 512, 70_000, 2_000_000])))
        count = reader.read_into(start, buffer)
        assert bytes(buffer[:count]) == data[start : start + len(buffer)]
    assert reader.read_into(len(data), memoryview(bytearray(10))) == 0
    reader.close()


def test_nobody_sees_an_object_before_it_is_closed(store, key):
    writer = store.create(key)
    writer.write(content(2 * PART))

    with pytest.raises(ObjectMissing):
        store.open(key)

    writer.close()
    assert store.open(key).size_bytes == 2 * PART


@pytest.mark.parametrize("size", [10, 2 * PART + 5])
def test_what_is_discarded_never_was(store, key, size):
    writer = store.create(key)
    writer.write(content(size))

    writer.discard()

    with pytest.raises(ObjectMissing):
        store.open(key)
    writer.discard()


def test_what_is_deleted_is_gone_and_may_be_deleted_again(store, key):
    write(store, key, content(70_000))

    store.delete(key)
    store.delete(key)

    with pytest.raises(ObjectMissing):
        store.open(key)


def test_what_is_closed_stays_when_it_is_discarded_late(store, key):
    writer = store.create(key)
    writer.write(b"kept")
    writer.close()

    writer.discard()

    assert read(store, key) == b"kept"


def test_a_sealed_object_proves_itself(store, key):
    ring, sealed, data = KeyRing({1: bytes(32)}), SealedStore(store), content(3 * PART)
    writer = sealed.create(key, DataKeys.fresh(key, [ring]))
    writer.write(data)
    writer.close()
    write(store, f"{key}0", b"no header of ours" * 100)

    reader = sealed.open(key, len(data), [ring])
    found = bytearray()
    while len(found) < len(data):
        found += reader.read(len(found))
    reader.close()

    assert bytes(found) == data
    with pytest.raises(ObjectDamaged):
        sealed.open(f"{key}0", 1700, [ring])


@pytest.mark.parametrize("layer", [1, 10**6, 52_000 * 1024**2, 80 * 1024**3, 2**40, 5 * 2**40 - 1])
def test_no_layer_has_more_parts_than_a_store_takes(layer):
    sealed = layer + 16 * (layer // (1024**2 - 16) + 1) + 1024

    assert -(-sealed // part_bytes(layer)) <= 10_000


def test_parts_of_the_usual_limit_are_small():
    assert part_bytes(52_000 * 1024**2) == 8 * 1024**2
