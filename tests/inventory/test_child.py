"""A layer is read in a process that can do no harm, and that may end in any way."""

from __future__ import annotations

import io
import subprocess
import sys
import time

import pytest

from holdfast.inventory import ChildDied, LayerReader, LayerRefused, Limits, child
from holdfast.inventory.layer import read_layer
from tests import layers

FILES = {
    "var/lib/dpkg/status": layers.dpkg(("a", "1")),
    "big": b"0123456789" * 200_000,
    "x.jar": layers.jar({"é": "x"}),
}
LAYER = layers.packed(layers.tar(FILES))


def pieces(data, size=100_000):
    return iter([data[start : start + size] for start in range(0, len(data), size)])


def test_a_child_reads_what_this_process_would():
    assert LayerReader().read(pieces(LAYER, 7)) == read_layer(io.BytesIO(LAYER), Limits())


def test_what_is_refused_says_why():
    with pytest.raises(LayerRefused, match="not a tar archive"):
        LayerReader().read(pieces(b"layer" * 200))
    with pytest.raises(LayerRefused, match="limit: the layer unpacks to more than 1000 bytes"):
        LayerReader(Limits(layer_bytes=1000)).read(pieces(LAYER * 50))  # much that it will not read
    with pytest.raises(LayerRefused, match="limit: the record"):
        LayerReader(Limits(result_bytes=100)).read(pieces(LAYER))


def test_memory_is_bounded():
    program = layers.elf({}).ljust(200_000_000, b"\0")

    with pytest.raises(LayerRefused, match="limit: reading the layer takes more than 150000000 bytes of memory"):
        LayerReader(Limits(memory_bytes=150_000_000)).read(pieces(layers.tar({"a": program})))


def test_time_is_bounded():
    began = time.monotonic()

    with pytest.raises(ChildDied, match="more than 1 seconds"):
        LayerReader(Limits(wall_seconds=1)).read(_slowly())

    assert time.monotonic() - began < 60


def _slowly():
    while True:
        yield layers.tar({"a": ""})[:512]


def test_who_waits_may_give_up():
    class StopIt(Exception):
        pass

    def watch():
        raise StopIt

    with pytest.raises(StopIt):
        LayerReader().read(pieces(LAYER), watch)


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
        ("import os; os._exit(3)", "status 3"),
        ("print('nothing that makes sense')", "makes no sense"),
        ("import msgspec, sys; sys.stdout.buffer.write(msgspec.msgpack.encode({'record': b'xyz'}))", "makes no sense"),
    ],
)
def test_a_child_that_ends_in_another_way_is_told(monkeypatch, program, text):
    true = subprocess.Popen
    monkeypatch.setattr(
        child.subprocess, "Popen", lambda _, **options: true([sys.executable, "-c", program], **options)
    )

    with pytest.raises(ChildDied, match=text):
        LayerReader().read(pieces(LAYER))


def test_a_child_can_reach_nothing():
    probe = """
import os, socket
from holdfast.inventory import Limits
from holdfast.inventory.confinement import confine
confine(Limits())
def refused(do):
    try:
        do()
    except OSError:
        return True
assert refused(lambda: open("/etc/passwd"))
assert refused(lambda: socket.socket())
assert refused(os.fork)
assert refused(os.pipe)
assert set(os.environ) <= {"LC_CTYPE"}, "Python sets that itself"
print("confined")
"""
    found = subprocess.run([sys.executable, "-I", "-c", probe], env={}, capture_output=True, text=True, check=False)

    assert found.stdout == "confined\n", found.stderr
