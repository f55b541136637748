"""Sealed objects: Google's Tink is the oracle of the format, and nothing changed on disk is ever served."""

from __future__ import annotations

import io
import struct

import pytest
import tink
from hypothesis import given, settings
from hypothesis import strategies as st
from tink import secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2

from holdfast.blobs import DataKeys, FileStore, KeyRing, ObjectDamaged, ObjectMissing, SealedStore
from holdfast.blobs.data_keys import rewrap
from holdfast.blobs.sealed import FIRST_PLAIN_BYTES, PLAIN_BYTES, SEGMENT_BYTES

BORDERS = sorted(
    {
        0,
        1,
        FIRST_PLAIN_BYTES - 1,
        FIRST_PLAIN_BYTES,
        FIRST_PLAIN_BYTES + 1,
        FIRST_PLAIN_BYTES + PLAIN_BYTES - 1,
        FIRST_PLAIN_BYTES + PLAIN_BYTES,
        FIRST_PLAIN_BYTES + PLAIN_BYTES + 1,
    }
)
KEY = "0123456789abcdef"


RING = KeyRing({1: bytes(32)})


@pytest.fixture
def store(tmp_path):
    return SealedStore(FileStore(tmp_path / "objects"))


def plaintext(size: int) -> bytes:
    return (b"0123456789abcde\n" * (size // 16 + 1))[:size]


def create(store: SealedStore, key: str = KEY, rings=(RING,)):
    return store.create(key, DataKeys.fresh(key, rings))


def write(store: SealedStore, data: bytes, key: str = KEY, piece: int = 70_001, rings=(RING,)) -> None:
    writer = create(store, key, rings)
    for start in range(0, len(data), piece):
        writer.write(data[start : start + piece])
    writer.close()


def read(store: SealedStore, size: int, key: str = KEY, start: int = 0, rings=(RING,), wrapped=None) -> bytes:
    reader = store.open(key, size, rings, wrapped)
    found = bytearray()
    while start + len(found) < size:
        found += reader.read(start + len(found))
    reader.close()
    return bytes(found)


def the_file(tmp_path):
    return tmp_path / "objects" / KEY[:2] / KEY


def unwrapped(raw: bytes, ring: KeyRing = RING) -> tuple[bytes, bytes]:
    """The data key and the Tink stream of an object."""
    (length,) = struct.unpack_from(">H", raw, 4)
    return ring.unwrap(raw[6 : 6 + length], f"holdfast object {KEY}"), raw[6 + length + 32 :]


def tinks(data_key: bytes) -> streaming_aead.StreamingAead:
    """Tink's own AES256_GCM_HKDF_1MB with a given key."""
    streaming_aead.register()
    key = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(
        version=0,
        key_value=data_key,
        params=aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
            ciphertext_segment_size=SEGMENT_BYTES, derived_key_size=32, hkdf_hash_type=common_pb2.SHA256
        ),
    )
    keyset = tink_pb2.Keyset(primary_key_id=1)
    entry = keyset.key.add(key_id=1, status=tink_pb2.ENABLED, output_prefix_type=tink_pb2.RAW)
    entry.key_data.type_url = "type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey"
    entry.key_data.value = key.SerializeToString()
    entry.key_data.key_material_type = tink_pb2.KeyData.SYMMETRIC
    handle = tink.proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)
    return handle.primitive(streaming_aead.StreamingAead)


class Held(io.BytesIO):
    """A destination whose bytes outlive its closing."""

    def close(self) -> None:
        self.held = self.getvalue()
        super().close()


@pytest.mark.parametrize("size", BORDERS)
def test_what_was_written_is_read_back(store, size):
    write(store, plaintext(size))

    assert read(store, size) == plaintext(size)


@pytest.mark.parametrize("size", BORDERS)
def test_tink_decrypts_what_we_write(tmp_path, store, size):
    write(store, plaintext(size))

    data_key, stream = unwrapped(the_file(tmp_path).read_bytes())
    with tinks(data_key).new_decrypting_stream(io.BytesIO(stream), KEY.encode()) as plain:
        assert plain.read() == plaintext(size)


@pytest.mark.parametrize("size", BORDERS)
def test_we_decrypt_what_tink_writes(tmp_path, store, size):
    write(store, plaintext(1))
    data_key, ours = unwrapped(the_file(tmp_path).read_bytes())
    sealed = Held()
    with tinks(data_key).new_encrypting_stream(sealed, KEY.encode()) as target:
        target.write(plaintext(size))
    raw = the_file(tmp_path).read_bytes()

    the_file(tmp_path).write_bytes(raw[: len(raw) - len(ours)] + sealed.held)

    assert read(store, size) == plaintext(size)


@settings(max_examples=60, deadline=None)
@given(position=st.integers(0, FIRST_PLAIN_BYTES + 2 * PLAIN_BYTES))
def test_any_position_can_be_read_first(tmp_path_factory, position):
    folder = tmp_path_factory.mktemp("sealed")
    store = SealedStore(FileStore(folder))
    size = FIRST_PLAIN_BYTES + 2 * PLAIN_BYTES + 1
    write(store, plaintext(size))

    assert read(store, size, start=position) == plaintext(size)[position:]


@pytest.mark.parametrize("where", ["header", "commitment", "salt", "first segment", "second segment", "last byte"])
def test_a_flipped_bit_is_never_served(tmp_path, store, where):
    size = FIRST_PLAIN_BYTES + 100
    write(store, plaintext(size))
    raw = bytearray(the_file(tmp_path).read_bytes())
    (length,) = struct.unpack_from(">H", raw, 4)
    stream = 6 + length + 32
    offset = {
        "header": 10,
        "commitment": 6 + length,
        "salt": stream + 5,
        "first segment": stream + 1000,
        "second segment": stream + SEGMENT_BYTES + 5,
        "last byte": len(raw) - 1,
    }[where]
    raw[offset] ^= 1
    the_file(tmp_path).write_bytes(raw)

    with pytest.raises(ObjectDamaged):
        read(store, size)


@pytest.mark.parametrize("kept", [0, 3, 50, 1000, SEGMENT_BYTES])
def test_a_truncated_object_is_never_served(tmp_path, store, kept):
    size = FIRST_PLAIN_BYTES + 100
    write(store, plaintext(size))
    raw = the_file(tmp_path).read_bytes()
    the_file(tmp_path).write_bytes(raw[:kept])

    with pytest.raises(ObjectDamaged):
        read(store, size)


def test_swapped_segments_are_never_served(tmp_path, store):
    size = FIRST_PLAIN_BYTES + 2 * PLAIN_BYTES
    write(store, plaintext(size))
    raw = the_file(tmp_path).read_bytes()
    last, before = raw[-SEGMENT_BYTES:], raw[-2 * SEGMENT_BYTES : -SEGMENT_BYTES]
    the_file(tmp_path).write_bytes(raw[: -2 * SEGMENT_BYTES] + last + before)

    with pytest.raises(ObjectDamaged):
        read(store, size)


def test_an_object_under_another_key_is_never_served(tmp_path, store):
    write(store, plaintext(10))
    write(store, plaintext(10), key="fedcba9876543210")
    other = tmp_path / "objects" / "fe" / "fedcba9876543210"
    other.write_bytes(the_file(tmp_path).read_bytes())

    with pytest.raises(ObjectDamaged):
        read(store, 10, key="fedcba9876543210")


def test_two_objects_of_the_same_bytes_share_no_ciphertext(tmp_path, store):
    write(store, plaintext(4096))
    write(store, plaintext(4096), key="fedcba9876543210")

    first = the_file(tmp_path).read_bytes()
    second = (tmp_path / "objects" / "fe" / "fedcba9876543210").read_bytes()

    assert first[-4096:] != second[-4096:]
    assert b"0123456789abcde" not in first


def test_a_discarded_object_leaves_no_file(tmp_path, store):
    writer = create(store)
    writer.write(plaintext(3 * SEGMENT_BYTES))
    writer.discard()

    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []


def test_an_unfinished_object_cannot_be_opened(store):
    writer = create(store)
    writer.write(plaintext(3 * SEGMENT_BYTES))

    with pytest.raises(ObjectMissing):
        store.open(KEY, 3 * SEGMENT_BYTES, (RING,))


def test_a_key_that_is_a_path_is_no_key(store):
    with pytest.raises(ObjectMissing):
        store.open("../../etc/passwd", 1, (RING,))


INNER, OUTER = KeyRing({1: b"i" * 32}), KeyRing({1: b"o" * 32})


@pytest.mark.parametrize("rings", [(RING,), (INNER, OUTER)], ids=["one layer", "two layers"])
@pytest.mark.parametrize("size", BORDERS)
def test_an_object_opens_by_its_row_when_its_header_is_out_of_date(store, size, rings):
    data_keys = DataKeys.fresh(KEY, rings)
    writer = store.create(KEY, data_keys)
    writer.write(plaintext(size))
    writer.close()
    newer = [KeyRing({2: bytes([65 + layer]) * 32}) for layer in range(len(rings))]
    both = [Both(old, new) for old, new in zip(rings, newer, strict=True)]

    wrapped = rewrap(KEY, data_keys.wrapped, both)

    assert read(store, size, rings=newer, wrapped=wrapped) == plaintext(size)
    with pytest.raises(ObjectDamaged):
        read(store, size, rings=newer)


class Both:
    """Opens with one ring and wraps with another."""

    def __init__(self, old: KeyRing, new: KeyRing) -> None:
        self.unwrap, self.wrap = old.unwrap, new.wrap


@pytest.mark.parametrize("size", BORDERS)
def test_two_layers_are_two_of_tinks_streams(tmp_path, store, size):
    write(store, plaintext(size), rings=(INNER, OUTER))

    outer_key, stream = unwrapped(the_file(tmp_path).read_bytes(), OUTER)
    with tinks(outer_key).new_decrypting_stream(io.BytesIO(stream), KEY.encode()) as inner:
        inner_key, stream = unwrapped(inner.read(), INNER)
    with tinks(inner_key).new_decrypting_stream(io.BytesIO(stream), KEY.encode()) as plain:
        assert plain.read() == plaintext(size)
    assert inner_key != outer_key


@pytest.mark.parametrize("rings", [(INNER, RING), (RING, OUTER)], ids=["outer", "inner"])
def test_two_layers_need_both_keys(store, rings):
    write(store, plaintext(100), rings=(INNER, OUTER))

    with pytest.raises(ObjectDamaged):
        read(store, 100, rings=rings)


@settings(max_examples=40, deadline=None)
@given(position=st.integers(0, FIRST_PLAIN_BYTES + 2 * PLAIN_BYTES))
def test_any_position_of_two_layers_can_be_read_first(tmp_path_factory, position):
    store = SealedStore(FileStore(tmp_path_factory.mktemp("sealed")))
    size = FIRST_PLAIN_BYTES + 2 * PLAIN_BYTES + 1
    write(store, plaintext(size), rings=(INNER, OUTER))

    assert read(store, size, start=position, rings=(INNER, OUTER)) == plaintext(size)[position:]


def test_wrapped_keys_of_another_number_of_layers_open_nothing(store):
    write(store, plaintext(100))

    with pytest.raises(ObjectDamaged):
        read(store, 100, wrapped=bytes(128))
