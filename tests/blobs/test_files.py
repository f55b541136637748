"""A folder of objects on a file system that keeps no more than it promised: die at each system call, lose power."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from holdfast.blobs import FileStore, ObjectMissing
from holdfast.simulation.filesystem import Filesystem

FOLDER = Path("/data/objects")
OURS, THEIRS = "3f01", "3f02"  # in one folder of the store
DATA = bytes(100_000)


class Killed(BaseException):
    pass


class Pessimist:
    """A machine whose next power cut takes all that it may."""

    def __init__(self) -> None:
        self.chance = self
        self.calls_left = None

    def point(self, _what):
        if self.calls_left == 0:
            raise Killed
        if self.calls_left is not None:
            self.calls_left -= 1

    def may_break(self, _what, _fault):
        pass

    def choice(self, options):
        _now, durable = options
        return durable

    def randint(self, least, _most):
        return least


def write(store, key):
    writer = store.create(key)
    writer.write(DATA)
    writer.close()


def read(store, key):
    reader = store.open(key)
    buffer = memoryview(bytearray(reader.size_bytes))
    assert reader.read_into(0, buffer) == len(buffer)
    return bytes(buffer)


def a_machine():
    machine = Pessimist()
    system = Filesystem(machine)
    system.mkdir("/data")
    system.fsync(system.open("/", 0))
    return machine, system


def deaths(do):
    """A machine on which a process died after one system call of a deed, for each of them; then others go on."""
    for calls in itertools.count():
        machine, system = a_machine()
        machine.calls_left = calls
        try:
            do(system)
        except Killed:
            machine.calls_left = None
            yield system
        else:
            assert calls > 5
            return


def test_what_was_written_outlives_a_power_cut_whoever_died_before():
    for system in deaths(lambda system: write(FileStore(FOLDER, system), OURS)):
        write(FileStore(FOLDER, system), THEIRS)
        system.lose_power()

        assert read(FileStore(FOLDER, system), THEIRS) == DATA


def test_what_was_half_written_is_no_object():
    for system in deaths(lambda system: write(FileStore(FOLDER, system), OURS)):
        system.lose_power()
        store = FileStore(FOLDER, system)

        try:
            assert read(store, OURS) == DATA  # it was whole before its process died
        except ObjectMissing:
            store.delete(OURS)
            assert system.objects() == {}


def test_what_was_deleted_stays_away_after_a_power_cut_whoever_began_it():
    def write_and_delete(system):
        write(FileStore(FOLDER, system), OURS)
        FileStore(FOLDER, system).delete(OURS)

    for system in deaths(write_and_delete):
        FileStore(FOLDER, system).delete(OURS)
        system.lose_power()

        assert system.objects() == {}


def test_a_folder_below_others_is_made(tmp_path):
    store = FileStore(tmp_path / "some" / "where")
    write(store, OURS)

    assert read(FileStore(tmp_path / "some" / "where"), OURS) == DATA


def test_a_name_that_is_no_key_is_no_path(tmp_path):
    with pytest.raises(ObjectMissing):
        FileStore(tmp_path).open("../secret")
