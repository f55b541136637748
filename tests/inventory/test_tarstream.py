"""Archives of layers: as tar writes them, and as somebody does who means harm."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.inventory import Limits
from holdfast.inventory.layer import read_layer
from holdfast.inventory.limits import Malformed, OverLimit
from tests import layers
from tests.layers import FOLDER, HardLink, Link

SOME = {"etc": FOLDER, "etc/passwd": "root", "usr/bin/sh": Link("bash"), "usr/bin/ls": b"x" * 70_000, "empty": "",
        "usr/bin/dir": HardLink("usr/bin/ls")}  # fmt: skip


def read(data, **limits):
    return read_layer(io.BytesIO(data), Limits(**limits))


def paths(record):
    return [path.decode() for path, _ in record.files]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("how", ["none", "gzip", "zstd"])
def test_an_archive_lists_what_it_holds(how, form):
    files = SOME if form == tarfile.USTAR_FORMAT else SOME | {"a" * 150 + "/" + "b" * 200: "long", "ü/\n": "x"}
    archive = layers.tar(files, format=form)

    record = read(layers.packed(archive, how))

    assert paths(record) == list(files)
    assert dict(record.files)[b"usr/bin/ls"] == 70_000
    assert dict(record.files)[b"etc"] == -1
    assert (record.diff_id, record.size_bytes) == (layers.diff_id(archive), len(archive))


@pytest.mark.parametrize(
    "pack",
    [
        lambda data: gzip.compress(data[:777]) + gzip.compress(b"") + gzip.compress(data[777:]) + bytes(600),
        lambda data: zstandard.compress(data[:777]) + b"\x50\x2a\x4d\x18\3\0\0\0xyz" + zstandard.compress(data[777:]),
    ],
)
def test_a_layer_may_be_packed_in_several_parts(pack):
    archive = layers.tar(SOME)

    assert read(pack(archive)).diff_id == layers.diff_id(archive)


def test_whiteouts_are_no_files():
    record = read(layers.tar({"a/.wh.b": "", "c/.wh..wh..opq": "", ".wh..wh..opq": "", ".wh..wh.aufs": "", "d": "x"}))

    assert (record.whiteouts, record.opaque, paths(record)) == (("a/b",), ("c", ""), ["d"])


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("../../etc/cron.d/x", "etc/cron.d/x"),
        ("/etc/x", "etc/x"),
        ("./a//b/./c/", "a/b/c"),
        ("a/../../b", "b"),
        ("..", None),
    ],
)
def test_names_lead_nowhere(name, path):
    record = read(layers.tar({name: "x"}))

    assert paths(record) == ([path] if path else [])


def test_a_sparse_database_is_refused():
    info = tarfile.TarInfo("var/lib/dpkg/status")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": info.name,
                        "GNU.sparse.realsize": "5000000"}  # fmt: skip
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)

    with pytest.raises(Malformed, match="sparse"):
        read(target.getvalue())


def test_old_gnu_sparse_files_are_passed_over():
    head = bytearray(layers.tar({"disk": b"x" * 100}, format=tarfile.GNU_FORMAT)[:512])
    head[156:157], head[482:483], head[483:495] = b"S", b"\1", b"00000010000\0"
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    rest = layers.tar({"after": "y"})

    record = read(bytes(head) + bytes(512) + b"x" * 100 + bytes(412) + rest)

    assert dict(record.files) == {b"disk": 4096, b"after": 1}


# ---- Those who mean harm


def test_a_bomb_is_stopped_by_its_size_or_its_ratio():
    bomb = gzip.compress(bytes(30_000_000))

    with pytest.raises(OverLimit, match="more than 1000000 bytes"):
        read(layers.packed(layers.tar({"a": bytes(2_000_000)})), layer_bytes=1_000_000)
    with pytest.raises(OverLimit, match="times its size"):
        read(layers.packed(layers.tar({"a": bytes(20_000_000)})), ratio_from_bytes=1_000_000)
    with pytest.raises((OverLimit, Malformed)):
        read(bomb, layer_bytes=1_000_000)


def test_a_window_of_zstd_is_bounded():
    options = zstandard.ZstdCompressionParameters.from_level(1, window_log=27)
    wide = zstandard.ZstdCompressor(compression_params=options).compressobj()
    data = wide.compress(layers.tar(SOME)) + wide.flush()

    with pytest.raises(Malformed, match="zstd"):
        read(data, window_bytes=1_000_000)


@pytest.mark.parametrize(
    ("files", "limits", "text"),
    [
        ({str(number): "" for number in range(20)}, {"entries": 10}, "more than 10 entries"),
        ({f".wh.{number}": "" for number in range(20)}, {"marks": 10}, "takes away more than 10"),
        ({"a" * 5000: ""}, {}, "more than 4096 bytes"),
        ({"a" * 5000: ""}, {"header_bytes": 1000}, "header of more than 1000 bytes"),
    ],
)
@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_goes_beyond_a_limit_is_refused(files, limits, text, form):
    with pytest.raises(OverLimit, match=text):
        read(layers.tar(files, format=form), **limits)


def test_global_headers_are_counted_and_stand_for_nothing():
    archive = layers.tar({"a": ""}, format=tarfile.PAX_FORMAT, pax_headers={"path": "b"})

    assert paths(read(archive)) == ["a"]
    with pytest.raises(OverLimit, match="global headers"):
        read(archive, global_headers=0)


@pytest.mark.parametrize("cut", [100, 700, 1400, 30_000])
def test_an_archive_that_is_cut_off_is_refused(cut):
    archive = layers.tar(SOME)

    with pytest.raises(Malformed):
        read(archive[:cut])
    packed = layers.packed(archive)
    with pytest.raises(Malformed):
        read(packed[: len(packed) // 2])


def test_an_archive_that_is_cut_between_entries_has_another_digest():
    archive = layers.tar({"a": "x", "b": "y"})

    record = read(archive[:1024])

    assert paths(record) == ["a"]
    assert record.diff_id != layers.diff_id(archive)


@pytest.mark.parametrize(
    "data", [b"", b"x", b"layer", b"x" * 5000, b"\x1f\x8bxxxxxxxxxxxxxxxxx", b"\x28\xb5\x2f\xfdxxxxxx"]
)
def test_what_is_no_archive_is_refused_or_empty(data):
    if not data:
        assert paths(read(data)) == []
        return
    with pytest.raises(Malformed):
        read(data)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_bytes_give_a_record_or_a_clean_refusal(data):
    form = data.draw(st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    good = layers.tar({"a" * 90: "x", "ü": "y" * 600, "b": HardLink("ü")}, format=form)
    good = layers.packed(good, data.draw(st.sampled_from(["none", "none", "gzip", "zstd"])))
    start = data.draw(st.integers(0, len(good)))
    bad = good[:start] + data.draw(st.binary(max_size=30)) + good[start + data.draw(st.integers(0, 600)) :]

    try:
        record = read(bad)
    except (Malformed, OverLimit):
        return

    assert len(paths(record)) * 8 == len(record.files.sizes) == len(record.files.hashes)
