"""A place of backups that nobody has for himself: whoever prunes leaves what others count on."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import timedelta

import pytest

from holdfast.blobs.copying import hash_of
from holdfast.blobs.memory import MemoryReader
from holdfast.blobs.shelves import FolderShelf
from holdfast.blobs.vault import DEAD, YOUNG, Entry, Vault, VaultFault

A, B, C = "a" * 32, "b" * 32, "c" * 32
LATER = YOUNG + timedelta(hours=1)


class Shared(FolderShelf):
    """A folder that behaves as a bucket does."""

    @contextmanager
    def alone(self, **_):
        yield False


class Place:
    def __init__(self, folder) -> None:
        self.shelf = Shared(folder)
        self.passed = timedelta()
        Vault.create(self.shelf)

    def vault(self) -> Vault:
        return Vault(self.shelf, lambda: time.time() + self.passed.total_seconds())

    def put(self, draft, key) -> None:
        writer = self.vault().create_object(key)
        writer.write(key.encode())
        writer.close()
        draft.note(entry(key))

    def finish(self, draft, *keys):
        lists = {name: draft.lines(f"{name}.gz") for name in ("facts", "objects", "small")}
        for key in keys:
            lists["objects"].add(str(entry(key)).encode())
        told = {name: {"sha256": file.close(), "count": file.count, "bytes": 32} for name, file in lists.items()}
        rest = {"created": "", "schema": "", "packs": [], "missing": {}, "secrets": {}, "seal": ""}
        return draft.finish(told | rest)

    def prune(self) -> list[str]:
        vault = self.vault()
        with vault.alone():
            gone = vault.prune(1)
            vault.sweep()
        return gone

    def keys(self) -> list[str]:
        return [one.key for one in self.shelf.objects.listing()]


def entry(key: str) -> Entry:
    return Entry(key, hash_of(MemoryReader(key.encode())), len(key))


@pytest.fixture
def place(tmp_path):
    found = Place(tmp_path / "backups")
    draft = found.vault().begin()
    found.put(draft, A)
    found.finish(draft, A)
    return found


def test_what_a_backup_under_way_counts_on_is_not_pruned(place):
    place.passed = timedelta(seconds=5)
    quick = place.vault().begin()
    place.passed = timedelta(seconds=10)
    under_way = place.vault().begin()
    place.put(under_way, C)
    place.put(quick, B)
    place.finish(quick, B)
    place.passed = LATER

    assert place.prune() == []  # its base
    assert place.keys() == [A, B, C]

    place.finish(under_way, A, C)
    assert len(place.prune()) == 2
    assert place.keys() == [A, C]


def test_young_objects_may_be_somebodys(place):
    writer = place.vault().create_object(B)
    writer.write(b"not noted yet")
    writer.close()

    place.prune()
    while_young = place.keys()
    place.passed = LATER
    place.prune()

    assert while_young == [A, B]
    assert place.keys() == [A]


def test_who_begins_while_the_generation_goes_on_which_he_counts_keeps_it(place):
    begun = []

    class Quick(Vault):
        def delete(self, name):
            if name.endswith("manifest.json") and not begun:
                begun.append(place.vault().begin())
            super().delete(name)

    place.finish(place.vault().begin(), A)
    vault = Quick(place.shelf)

    gone = vault.prune(1)

    assert begun[0].base is not None
    assert begun[0].base.name not in gone
    assert {one.name for one in vault.generations()} >= {begun[0].base.name}


def test_what_was_taken_for_dead_is_not_finished(place):
    draft = place.vault().begin()
    place.put(draft, B)
    draft.lines("objects.gz").add(b"half a line")
    place.passed = DEAD + timedelta(hours=1)

    place.prune()

    assert place.keys() == [A]
    assert len(list((place.shelf._folder / "generations").iterdir())) == 1
    with pytest.raises(VaultFault, match="took it for dead"):
        place.finish(draft, A, B)
    assert len(place.vault().generations()) == 1


def test_what_was_copied_before_a_fault_is_known_to_the_next_one(place):
    def copy_until_full():
        with place.vault().begin() as draft:
            for key in (B, C):
                place.put(draft, key)
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        copy_until_full()
    noted = place.vault().noted()

    assert noted.objects == {B: entry(B), C: entry(C)}


def test_what_was_copied_before_a_kill_is_mostly_known_to_the_next_one(place):
    draft = place.vault().begin()
    for number in range(20):
        place.put(draft, f"{number:032x}")

    noted = place.vault().noted()

    assert 10 <= len(noted.objects) <= 20


def test_a_backup_whose_lists_rotted_is_none_to_count_on(place):
    [generation] = place.vault().generations()
    path = place.shelf._folder / "generations" / generation.name / "objects.gz"
    path.write_bytes(path.read_bytes()[:-5])

    assert place.vault().begin().base is None
