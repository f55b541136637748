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
from typing import TYPE_CHECKING, Any, Protocol

from holdfast import __version__, store
from holdfast.blobs import ObjectMissing, StoreUnavailable
from holdfast.blobs.keys import WrongKey
from holdfast.blobs.secret_files import write_secret_file
from holdfast.blobs.vault import Entry, LineFile, SourceFault, VaultFault, copy, file_hash, hash_of, lines
from holdfast.store import dump
from holdfast.store.migrations import head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from holdfast.blobs.vault import Generation, Vault
    from holdfast.registry.backends import Backends
    from holdfast.registry.keys import Keys

log = logging.getLogger(__name__)

HOLD = timedelta(minutes=15)  # then a backup whose process died lets deletions go on
HOLD_SECONDS = 60.0  # between two lengthenings of the hold
TRIES = 3  # to read one object
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
    with vault.alone(), _held(on) as check:
        folder = vault.begin(f"{on.clock():%Y%m%dT%H%M%SZ}")
        facts, wanted = LineFile(folder / "facts.gz"), LineFile(folder / "wanted.gz")
        created_at = on.clock()
        with on.database.snapshot() as tx:
            rows = dump.write(tx, facts.write)
            count = 0
            for one in dump.needed(tx):
                wanted.write(f"{one.key} {int(one.is_damaged)}".encode())
                count += 1
            blobs, _ = store.scrub.covered(tx, created_at)
        wanted.close()
        watch.begin("copying", count, blobs.size_bytes)
        listed = LineFile(folder / "objects.gz")
        copied = _Copier(on, vault, watch, made, verify=verify)
        with vault.journalled() as note:
            for line in lines(folder / "wanted.gz"):
                key, is_damaged = line.decode().split()
                entry = copied.entry(key, note, is_damaged=is_damaged == "1")
                if entry is None:
                    made.missing.append(key)
                else:
                    listed.write(f"{entry.key} {entry.sha256} {entry.size_bytes}".encode())
                watch.add(1)
                check()
        (folder / "wanted.gz").unlink()
        manifest = {
            "created": created_at.isoformat(),
            "program": __version__,
            "schema": head(),
            "facts": {"sha256": facts.close(), "rows": rows},
            "objects": {"sha256": listed.close(), "count": count - len(made.missing), "bytes": copied.size_bytes},
            "missing": {"count": len(made.missing), "keys": made.missing[:MISSING_TOLD]},
            "secrets": {name: _write_secret(folder / "secrets", name, data) for name, data in secrets.items()},
        }
        check(at_once=True)
        made.generation = vault.finish(folder, manifest | {"seal": _sealed(on.keys, manifest)})
    return made


class _Copier:
    """Finds each object in the vault, or brings it there."""

    def __init__(self, on: Backends, vault: Vault, watch: Watch, made: Made, *, verify: bool) -> None:
        self._on = on
        self._vault = vault
        self._watch = watch
        self._made = made
        self._verify = verify
        self._journal = vault.journal()
        newest = vault.newest()
        self._before = vault.entries(newest) if newest else iter(())
        self._next = next(self._before, None)
        self.size_bytes = 0

    def entry(self, key: str, note: Callable[[Entry], None], *, is_damaged: bool) -> Entry | None:
        """An object as the vault has it now; None if it cannot be had. Keys are asked for in order."""
        while self._next is not None and self._next.key < key:
            self._next = next(self._before, None)
        known = self._next if self._next is not None and self._next.key == key else self._journal.get(key)
        if known is not None and self._is_there(known):
            self._made.reused += 1
            self._watch.add_bytes(0 if self._verify else known.size_bytes)
            self.size_bytes += known.size_bytes
            return known
        found = None if is_damaged else self._copied(key)
        if found is not None:
            note(found)
            self._made.copied += 1
            self._made.copied_bytes += found.size_bytes
            self.size_bytes += found.size_bytes
        return found

    def _is_there(self, known: Entry) -> bool:
        if self._vault.size(known.key) != known.size_bytes:
            return False
        if not self._verify:
            return True
        reader = self._vault.objects.open(known.key)
        try:
            return hash_of(reader, self._watch.add_bytes) == known.sha256
        except SourceFault:
            return False
        finally:
            reader.close()

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
                self._vault.objects.delete(key)  # half of it, from a backup that was killed
                sha256 = copy(source, self._vault.objects.create(key), self._watch.add_bytes)
                return Entry(key, sha256, source.size_bytes)
            except SourceFault as found:
                fault = found
            finally:
                source.close()
        log.error("the object %s is not backed up: %s", key, fault)
        return None


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


def _write_secret(folder: Path, name: str, data: bytes) -> str:
    path = folder / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_secret_file(path, data.decode())
    return hashlib.sha256(data).hexdigest()


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


def check_files(generation: Generation) -> None:
    """Refuse a backup whose own files are not those that its manifest tells of."""
    told = {"facts.gz": generation.manifest["facts"]["sha256"], "objects.gz": generation.manifest["objects"]["sha256"]}
    told |= {f"secrets/{name}": sha256 for name, sha256 in generation.manifest["secrets"].items()}
    for name, sha256 in told.items():
        path = generation.folder / name
        if not path.is_file() or file_hash(path) != sha256:
            raise VaultFault(f"The backup {generation.name} is not what was written: {path} is missing or altered")


def verify(vault: Vault, generation: Generation, watch: Watch) -> Iterator[tuple[str, str]]:
    """Read a whole backup; each object that is not what was written, and why."""
    with vault.alone(shared=True):
        check_files(generation)
        watch.begin("verifying", generation.manifest["objects"]["count"], generation.manifest["objects"]["bytes"])
        count = 0
        for entry in vault.entries(generation):
            if fault := _fault_of(vault, entry, watch):
                yield entry.key, fault
            watch.add(1)
            count += 1
        if count != generation.manifest["objects"]["count"]:
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
        old = vault.generations()[:-keep]
        for generation in old:
            vault.remove(generation)
        return [generation.name for generation in old], vault.sweep()
