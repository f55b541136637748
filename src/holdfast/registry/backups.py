"""Back the whole registry up while it serves, check what was backed up, and let old backups go.

    hold deletions ─► facts of one moment ─► the objects they need, those that are not there yet ─► manifest ─► let go

Objects never change and none is deleted while the hold stands, so what the facts need is there until it is copied. They
are copied as they lie, sealed: without the registry's keys a backup tells the facts and no image.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, Protocol

from holdfast import __version__, store
from holdfast.blobs import ObjectMissing, StoreUnavailable
from holdfast.blobs.copying import Ascending, SourceFault, copy, hash_of, in_order
from holdfast.blobs.keys import WrongKey
from holdfast.blobs.vault import ALL, Entry, VaultFault
from holdfast.registry.packing import Packer
from holdfast.store import dump
from holdfast.store.migrations import head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from holdfast.blobs.vault import Draft, Generation, Vault
    from holdfast.registry.backends import Backends
    from holdfast.registry.keys import Keys

log = logging.getLogger(__name__)

HOLD = timedelta(minutes=15)  # then a backup whose process died lets deletions go on
HOLD_SECONDS = 60.0  # between two lengthenings of the hold
TRIES = 3  # to read one object
AT_ONCE = 4  # objects that are copied or read
MISSING_TOLD = 100  # object keys, in a manifest


class Watch(Protocol):
    """Whoever looks on."""

    def begin(self, what: str, count: int, size_bytes: int = 0) -> None:
        """Something of so many things and bytes begins."""

    def add(self, count: int = 0, size_bytes: int = 0) -> None:
        """More of it is done."""

    def add_bytes(self, size_bytes: int) -> None:
        """More bytes of it are done."""


@dataclass(slots=True)
class Made:
    """What a backup did."""

    generation: Generation | None = None
    copied: int = 0
    copied_bytes: int = 0
    reused: int = 0
    copied_small: int = 0  # of those that lie in the database
    copied_small_bytes: int = 0
    reused_small: int = 0
    missing: list[str] = field(default_factory=list)  # objects that could not be had, nor were there from before


class HoldLost(VaultFault):
    """Deletions were not held all the time, so something that is needed may have been deleted."""

    def __init__(self) -> None:
        super().__init__("The backup could not hold off deletions all the time; begin it again, it goes on from there")


# ---- Make one


def create(on: Backends, vault: Vault, watch: Watch, *, secrets: Mapping[str, bytes], verify: bool = False) -> Made:
    """Back up: the facts of this moment, and every object that they need and that is not there yet.

    With `verify`, objects that are there from before are read again, and copied anew if they are others by now.
    """
    made = Made()
    with vault.alone(), _held(on) as check, vault.begin() as draft, TemporaryFile() as large, TemporaryFile() as small:
        created_at = on.clock()
        facts = draft.lines("facts.gz")
        with on.database.snapshot() as tx:
            rows = dump.write(tx, facts.add)
            for needed in dump.needed(tx):
                large.write(f"{needed.key} {int(needed.is_damaged)}\n".encode())
            for one in dump.small(tx):
                small.write(f"{one.key} {one.size_bytes}\n".encode())
            blobs, _ = store.scrub.covered(tx, created_at)
        facts_sha256 = facts.close()
        watch.begin("copying", rows["blobs"], blobs.size_bytes)
        listed, size_bytes = draft.lines("objects.gz"), 0
        copier = _Copier(on, vault, draft, watch, made, verify=verify)
        for entry in in_order(copier.do, map(copier.plan, _words(large)), AT_ONCE):
            check()
            if entry is not None:
                listed.add(str(entry).encode())
                size_bytes += entry.size_bytes
        listed_small = draft.lines("small.gz")
        packer = Packer(on, vault, draft, watch, made)

        def wanted() -> Iterator[dump.Small]:
            for key, size in _words(small):
                check()
                yield dump.Small(key, int(size))

        packs = packer.pack(wanted, listed_small.add, verify=verify)
        for name, data in secrets.items():
            draft.write(f"secrets/{name}", data)
        manifest = {
            "created": created_at.isoformat(),
            "program": __version__,
            "schema": head(),
            "facts": {"sha256": facts_sha256, "rows": rows},
            "objects": {"sha256": listed.close(), "count": listed.count, "bytes": size_bytes},
            "small": {"sha256": listed_small.close(), "count": listed_small.count},
            "packs": packs,
            "missing": {"count": len(made.missing), "keys": made.missing[:MISSING_TOLD]},
            "secrets": {name: hashlib.sha256(data).hexdigest() for name, data in secrets.items()},
        }
        check(at_once=True)
        made.generation = draft.finish(manifest | {"seal": _sealed(on.keys, manifest)})
    return made


def _words(file: IO[bytes]) -> Iterator[list[str]]:
    file.seek(0)
    return (line.decode().split() for line in file)


@dataclass(frozen=True, slots=True)
class _Plan:
    """An object that a backup needs."""

    key: str
    is_damaged: bool
    known: Entry | None  # if it should be there


class _Copier:
    """Finds each object in the vault, or brings it there."""

    def __init__(self, on: Backends, vault: Vault, draft: Draft, watch: Watch, made: Made, *, verify: bool) -> None:
        self._on = on
        self._vault = vault
        self._draft = draft
        self._watch = watch
        self._made = made
        self._verify = verify
        self._lock = threading.Lock()
        self._noted = vault.noted().objects
        self._before = Ascending((entry.key, entry) for entry in (vault.entries(draft.base) if draft.base else ()))
        self._there = Ascending((one.key, one.size_bytes) for one in vault.objects.listing())

    def plan(self, words: list[str]) -> _Plan:
        """What is known of an object; asked for in the order of keys, by one thread."""
        key, is_damaged = words
        known, size_bytes = self._before.find(key) or self._noted.get(key), self._there.find(key)
        return _Plan(key, is_damaged == "1", known if known is not None and known.size_bytes == size_bytes else None)

    def do(self, plan: _Plan) -> Entry | None:
        """An object as the vault has it from here on; None if it cannot be had."""
        found = plan.known
        if found is not None and (not self._verify or self._vault.is_right(found, self._pace)):
            with self._lock:
                self._made.reused += 1
                self._watch.add(1, 0 if self._verify else found.size_bytes)
                self._draft.note(found)
            return found
        found = None if plan.is_damaged else self._copied(plan.key)
        with self._lock:
            self._watch.add(1)
            if found is None:
                self._made.missing.append(plan.key)
            else:
                self._made.copied += 1
                self._made.copied_bytes += found.size_bytes
                self._draft.note(found)
        return found

    def _copied(self, key: str) -> Entry | None:
        fault: Exception | None = None
        for _ in range(TRIES):
            try:
                source = self._on.blobs.open_as_it_lies(key)
            except ObjectMissing:
                fault = SourceFault("it is missing")
                break
            except (OSError, StoreUnavailable) as found:
                fault = found
                continue
            try:
                sha256 = copy(source, self._vault.create_object(key), self._pace)
                return Entry(key, sha256, source.size_bytes)
            except SourceFault as found:
                fault = found
            finally:
                source.close()
        log.error("the object %s is not backed up: %s", key, fault)
        return None

    def _pace(self, size_bytes: int) -> None:
        with self._lock:
            self._watch.add_bytes(size_bytes)


@contextmanager
def _held(on: Backends) -> Iterator[Callable[..., None]]:
    """Hold deletions until the block ends; what it is given says `HoldLost` once they were not held."""
    hold_id, is_over, is_lost = on.new_id(), threading.Event(), threading.Event()
    held_at = time.monotonic()
    with on.database.transaction() as tx:
        store.holds.begin(tx, hold_id, "a backup", on.clock(), on.clock() + HOLD)

    def lengthen() -> None:
        nonlocal held_at
        now = time.monotonic()
        with on.database.transaction() as tx:
            if not store.holds.lengthen(tx, hold_id, on.clock(), on.clock() + HOLD):
                is_lost.set()
        held_at = now

    def beat() -> None:
        while not is_over.wait(HOLD_SECONDS):
            try:
                lengthen()
            except Exception:
                log.exception("the hold on deletions could not be lengthened; it is tried again")

    def check(*, at_once: bool = False) -> None:
        if at_once:
            lengthen()
        if is_lost.is_set() or time.monotonic() - held_at > HOLD.total_seconds():
            raise HoldLost

    thread = threading.Thread(target=beat, name="hold", daemon=True)
    thread.start()
    try:
        yield check
    finally:
        is_over.set()
        thread.join()
        with on.database.transaction() as tx:
            store.holds.end(tx, hold_id)


# ---- Its seal


def _sealed(keys: Keys, manifest: Mapping[str, Any]) -> str:
    """What only the registry's keys make of a manifest: proof of both the manifest and the keys."""
    return base64.b64encode(keys.wrap(_hash(manifest), _context(manifest))).decode()


def require_seal(generation: Generation, unwrap: Callable[[bytes, str], bytes]) -> None:
    """Refuse a backup that was not made under some keys, or was altered since."""
    manifest = {name: value for name, value in generation.manifest.items() if name != "seal"}
    try:
        proof = unwrap(base64.b64decode(generation.manifest["seal"]), _context(manifest))
    except (WrongKey, ValueError, TypeError):
        raise VaultFault(f"The keys are not those under which the backup {generation.name} was made") from None
    if proof != _hash(manifest):
        raise VaultFault(f"The backup {generation.name} is not what was written: its manifest was altered")


def _context(manifest: Mapping[str, Any]) -> str:
    return f"holdfast backup {manifest['created']}"


def _hash(manifest: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).digest()


# ---- Check one


def check_files(vault: Vault, generation: Generation) -> None:
    """Refuse a backup whose own files are not those that its manifest tells of."""
    told = {f"{name}.gz": generation.manifest[name]["sha256"] for name in ("facts", "objects", "small")}
    told |= {f"secrets/{name}": sha256 for name, sha256 in generation.manifest["secrets"].items()}
    for name, sha256 in told.items():
        if vault.hash_of(f"{ALL}/{generation.name}/{name}") != sha256:
            raise VaultFault(f"The backup {generation.name} is not what was written: {name} is missing or altered")


def verify(vault: Vault, generation: Generation, watch: Watch) -> Iterator[tuple[str, str]]:
    """Read a whole backup; each object that is not what was written, and why."""
    with vault.alone(shared=True):
        check_files(vault, generation)
        watch.begin("verifying", *generation.objects)
        count = 0

        def look(entry: Entry) -> tuple[str, str | None]:
            return entry.key, _fault_of(vault, entry, watch)

        for key, fault in in_order(look, chain(vault.entries(generation), generation.packs), AT_ONCE):
            if fault is not None:
                yield key, fault
            watch.add(1)
            count += 1
        if count != generation.objects[0]:
            raise VaultFault(f"The backup {generation.name} lists {count} objects and not as many as it should")


def _fault_of(vault: Vault, entry: Entry, watch: Watch) -> str | None:
    try:
        reader = vault.objects.open(entry.key)
    except ObjectMissing:
        return "it is missing"
    try:
        if reader.size_bytes != entry.size_bytes:
            return f"it has {reader.size_bytes} bytes instead of {entry.size_bytes}"
        return None if hash_of(reader, watch.add_bytes) == entry.sha256 else "its bytes were altered"
    except SourceFault as fault:
        return str(fault)
    finally:
        reader.close()


# ---- Let old ones go


def prune(vault: Vault, keep: int) -> tuple[list[str], int]:
    """Remove all but the newest backups, and the objects that only they needed; which, and how many bytes that frees.

    Whoever is interrupted in between goes on with the next call.
    """
    with vault.alone():
        return vault.prune(keep), vault.sweep()
