"""Fill an empty installation from a backup, so that it is whole or does not serve.

    keys proved ─► objects, each hashed as it is copied ─► facts, in one transaction ─► every blob opened ─► done

A killed restore goes on where it was: an object that is there was copied whole, and the facts are there or are not.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.blobs import ObjectDamaged, ObjectMissing
from holdfast.blobs.copying import Ascending, SourceFault, copy, in_order
from holdfast.blobs.packs import unpacked
from holdfast.blobs.vault import ALL, VaultFault
from holdfast.model.errors import Unavailable
from holdfast.registry import objects
from holdfast.registry.backups import AT_ONCE, require_seal
from holdfast.store import dump
from holdfast.store.migrations import fill, is_empty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from holdfast.blobs.vault import Entry, Generation, Vault
    from holdfast.model.damage import Kept
    from holdfast.registry.backends import Backends
    from holdfast.registry.backups import Watch

PAGE = 1000


def restore(on: Backends, vault: Vault, generation: Generation, watch: Watch) -> list[str]:
    """Bring a backup's objects and facts here, and open every blob; digests of those whose bytes it did not have.

    Raises `VaultFault` if the backup is not what was written, and `SchemaTooNew`.
    """
    with vault.alone(shared=True):
        told = generation.manifest["objects"]
        watch.begin("copying", told["count"], told["bytes"])
        there = Ascending((one.key, one.size_bytes) for one in on.blobs.listing())
        lock, count = threading.Lock(), 0

        def pace(size_bytes: int) -> None:
            with lock:
                watch.add_bytes(size_bytes)

        def bring(entry: Entry | None) -> None:
            if entry is not None:
                _bring(on, vault, entry, pace)

        for _ in in_order(bring, (_missing(entry, there, pace) for entry in vault.entries(generation)), AT_ONCE):
            with lock:
                watch.add(1)
            count += 1
        if count != told["count"]:
            raise VaultFault(f"The backup {generation.name} lists {count} objects instead of {told['count']}")
        if is_empty(on.database):
            watch.begin("facts", 1 + len(generation.packs))
            fill(on.database, generation.manifest["schema"], lambda tx: _load(tx, vault, generation, watch))
            on.database.flush()
    require_seal(generation, on.keys.unwrap)  # the keys of a key service are known with the facts only
    return _check(on, generation, watch)


def _missing(entry: Entry, there: Ascending[int], pace: Callable[[int], None]) -> Entry | None:
    """An object, unless it is there from a restore that was killed: what has its size was copied whole."""
    if there.find(entry.key) != entry.size_bytes:
        return entry
    pace(entry.size_bytes)
    return None


def _bring(on: Backends, vault: Vault, entry: Entry, pace: Callable[[int], None]) -> None:
    try:
        source = vault.objects.open(entry.key)
    except ObjectMissing:
        raise VaultFault(f"The backup is not whole: its object {entry.key} is missing") from None
    try:
        on.blobs.delete(entry.key)  # half of it, from a restore that was killed
        found = copy(source, on.blobs.create_as_it_lies(entry.key), pace)
    except SourceFault as fault:
        raise VaultFault(f"The object {entry.key} of the backup cannot be read: {fault}") from None
    finally:
        source.close()
    if found != entry.sha256:
        on.blobs.delete(entry.key)
        raise VaultFault(f"The backup is not what was written: its object {entry.key} was altered")


def _load(tx: Connection, vault: Vault, generation: Generation, watch: Watch) -> None:
    try:
        facts = vault.lines(f"{ALL}/{generation.name}/facts.gz")
        counts = dump.load(tx, (line.encode() for line in facts))
    except dump.BadDump as fault:
        raise VaultFault(f"The facts of the backup {generation.name} are not what was written: {fault}") from None
    if counts != generation.manifest["facts"]["rows"]:
        raise VaultFault(f"The facts of the backup {generation.name} are not complete")
    watch.add(1)
    for pack in generation.packs:
        try:
            source = vault.objects.open(pack.key)
            dump.load_bytes(tx, unpacked(source, pack.sha256))
        except (ObjectMissing, SourceFault) as fault:
            raise VaultFault(f"The pack {pack.key} of the backup is not what was written: {fault}") from None
        source.close()
        watch.add(1)
    if dump.count_bytes(tx) < generation.manifest["small"]["count"]:
        raise VaultFault(f"The backup {generation.name} lacks small objects that it should have")


def _check(on: Backends, generation: Generation, watch: Watch) -> list[str]:
    """Open every blob; digests of those that are damaged because the backup did not have their bytes."""
    missing = generation.manifest["missing"]["count"]
    lost: list[str] = []
    told = generation.manifest["facts"]["rows"]["blobs"]
    watch.begin("opening", told)
    count = 0
    for blob in _blobs(on):
        count += 1
        try:
            objects.open_object(on, blob.object_key, blob.size_bytes).close()
        except (ObjectMissing, ObjectDamaged):
            lost.append(blob.digest)
        except Unavailable:
            pass  # under a named key that cannot be had here; that the object is there was seen above
        watch.add(1)
    if count != told:
        raise VaultFault("The database was not empty, and what it holds is not what the backup does: use another one")
    if len(lost) > missing:
        raise VaultFault(f"{len(lost)} blobs cannot be opened, such as {lost[0]}, and the backup had all but {missing}")
    return lost


def _blobs(on: Backends) -> Iterator[Kept]:
    after = 0
    while True:
        with on.database.snapshot() as tx:
            page = store.scrub.page(tx, after, PAGE)
        if not page:
            return
        yield from page
        after = page[-1].id
