"""Layouts in pieces of a tar, which come on a disk from who knows where."""

from __future__ import annotations

import tarfile

import pytest

from holdfast.blobs.layouts import BLOCK, BadLayout, open_layout


def head(size_field: bytes, kind: bytes) -> bytes:
    """The head of a file in a tar, whose checksum is right."""
    made = bytearray(tarfile.TarInfo("index.json").tobuf(tarfile.GNU_FORMAT))
    made[124:136], made[156:157] = size_field, kind
    made[148:156] = b" " * 8
    made[148:156] = b"%06o\0 " % sum(made)
    return bytes(made)


@pytest.mark.parametrize("size", [b"-00000001000", b"000000000_10", b"+00000000001", b"0000000000z\0"])
@pytest.mark.parametrize("kind", [b"0", b"L"])
def test_a_size_that_is_none_is_a_damaged_head(tmp_path, size, kind):
    path = tmp_path / "bundle.tar.0001"
    path.write_bytes(head(size, kind) + bytes(4 * BLOCK))

    with pytest.raises(BadLayout, match="a head in the tar is damaged"):
        open_layout(path, lambda _: True)
