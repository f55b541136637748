"""Small objects of a backup: those that no pack has yet go into new ones.

A pack is used as it is while half of it is needed, and as long as there are few that are not half full; then what is
needed of it is packed anew.
"""

from __future__ import annotations

import heapq
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from holdfast.blobs.copying import Ascending, copy
from holdfast.blobs.memory import MemoryReader
from holdfast.blobs.packs import PACK_BYTES, Pack
from holdfast.blobs.vault import Entry
from holdfast.store import dump

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from holdfast.blobs.vault import Draft, Vault
    from holdfast.registry.backends import Backends
    from holdfast.registry.backups import Made, Watch
    from holdfast.store.dump import Small

THIN = 64  # packs that are not half full, at most
AT_ONCE = 256  # objects that are read from the database


class Packer:
    """Puts small objects into packs, for one backup."""

    def __init__(self, on: Backends, vault: Vault, draft: Draft, watch: Watch, made: Made) -> None:
        self._on = on
        self._vault = vault
        self._draft = draft
        self._watch = watch
        self._made = made
        self._noted = vault.noted().packs
        self._entries = {pack.key: pack for pack in [*(draft.base.packs if draft.base else ()), *dict(self._noted)]}
        self._numbers: dict[str, int] = {}  # of the packs that this backup needs
        self._filling: Pack | None = None

    def pack(
        self, wanted: Callable[[], Iterable[Small]], line: Callable[[bytes], object], *, verify: bool
    ) -> list[Entry]:
        """Let every object be in a pack, and tell its key and the number of its pack; the packs.

        `wanted` gives the objects in the order of their keys, and the same ones again. With `verify`, packs that are
        there are read again.
        """
        places = self._places(self._good(wanted(), verify=verify))
        small = iter(wanted())
        while some := list(islice(small, AT_ONCE)):
            found = {one.key: places.find(one.key) for one in some}
            with self._on.database.snapshot() as tx:
                data = dump.bytes_of(tx, [key for key, pack in found.items() if pack is None])
            for one in some:
                pack = found[one.key]
                if pack is not None:
                    self._made.reused_small += 1
                elif one.key in data:
                    pack = self._put(one.key, data[one.key])
                else:
                    self._made.missing.append(one.key)
                    continue
                line(f"{one.key} {self._numbers.setdefault(pack, len(self._numbers))}".encode())
                self._watch.add(1, one.size_bytes)
        self._close()
        return [self._entries[key] for key in self._numbers]

    def _good(self, wanted: Iterable[Small], *, verify: bool) -> set[str]:
        """The packs that are there and worth to be used."""
        look = self._vault.is_right if verify else lambda pack: self._vault.objects.exists(pack.key)
        there = {key for key, pack in self._entries.items() if look(pack)}
        needed: Counter[str] = Counter()
        places = self._places(there)
        for one in wanted:
            pack = places.find(one.key)
            if pack is not None:
                needed[pack] += one.size_bytes
        good = {key for key in there if 2 * needed[key] >= self._entries[key].size_bytes}
        thin = {key for key in good if 2 * self._entries[key].size_bytes < PACK_BYTES}
        return good - thin if len(thin) > THIN else good

    def _places(self, packs: Collection[str]) -> Ascending[str]:
        """In which of some packs an object is."""
        base = self._draft.base
        found: list[Iterator[tuple[str, str]]] = []
        if base:
            found.append((key, pack) for key, pack in self._vault.small(base) if pack in packs)
        found += [self._keys_of(pack.key, path) for pack, path in self._noted if pack.key in packs]
        return Ascending(heapq.merge(*found))

    def _keys_of(self, pack: str, path: str) -> Iterator[tuple[str, str]]:
        return ((key, pack) for key in self._vault.keys_in(path))

    def _put(self, key: str, data: bytes) -> str:
        """Add an object to the pack that fills; which."""
        if self._filling is None:
            self._filling = Pack(self._on.random_bytes(16).hex())
        pack = self._filling
        pack.add(key, data)
        self._made.copied_small += 1
        self._made.copied_small_bytes += len(data)
        if pack.is_full:
            self._close()
        return pack.key

    def _close(self) -> None:
        pack, self._filling = self._filling, None
        if pack is not None:
            source = MemoryReader(bytes(pack.data))
            sha256 = copy(source, self._vault.create_object(pack.key), lambda _count: None)
            self._entries[pack.key] = Entry(pack.key, sha256, source.size_bytes)
            self._draft.note_pack(self._entries[pack.key], pack.keys)
