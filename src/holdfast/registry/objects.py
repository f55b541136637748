"""Objects: bytes under a key of their own, from which blobs are made. Small ones lie in the database.

    a large one   announced ─► written, flushed ─► held by a part or a blob ─► doomed ─► bytes deleted ─► forgotten
    a small one   held by a part or a blob ─► doomed ─► forgotten

An object is known to the database before its first byte is written, and its bytes are on disk before anything holds it.
A small one is written with what holds it, in one transaction: a configuration of a few kilobytes needs one flush
instead of three.
"""

from __future__ import annotations

import hashlib
import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.blobs import NO_KEYS, DataKeys, ObjectDamaged, ObjectMissing, OutOfSpace, StoreUnavailable
from holdfast.model.errors import BytesDamaged, LayerTooLarge, StorageFull, StorageUnavailable
from holdfast.model.kms import OWN, STORE, Seal, Sealed
from holdfast.model.uploads import SMALL_BYTES, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import timedelta

    from holdfast.blobs import PlainReader, PlainWriter, SealedReader, SealedWriter
    from holdfast.registry.backends import Backends

log = logging.getLogger(__name__)

AT_ONCE = 100  # objects that are decided on in one transaction


class PartWriter:
    """Bytes of a layer on their way to an object; nobody sees them before something holds it."""

    def __init__(self, on: Backends, first_byte: int, key_scope: str, lifetime: timedelta | None = None) -> None:
        on.keys.rings(key_scope)  # a key that cannot be used is told before the first byte
        self._on = on
        self._first_byte = first_byte
        self._lifetime = lifetime or 3 * on.limits.upload_lifetime  # of bytes that nothing holds
        self.key_scope = key_scope
        self._sha256 = hashlib.sha256()
        self._key = on.random_bytes(16).hex()
        self._small: list[bytes] = []
        self._writer: SealedWriter | PlainWriter | None = None
        self.size_bytes = 0

    def write(self, data: bytes) -> None:
        """Take more bytes. Raises `LayerTooLarge`, `StorageFull` and `StorageUnavailable`."""
        limit = self._on.limits.layer_bytes
        self.size_bytes += len(data)
        if self._first_byte + self.size_bytes > limit:
            raise LayerTooLarge(limit)
        if self._writer is None and self.size_bytes <= SMALL_BYTES:
            self._small.append(data)
            return
        with _store_faults(self.discard):
            if self._writer is None:
                self._writer = self._begin()
                for piece in self._small:
                    self._writer.write(piece)
            self._writer.write(data)

    def _begin(self) -> SealedWriter | PlainWriter:
        is_sealed = self._on.seals_layers or self.key_scope != OWN
        data_keys = self._data_keys() if is_sealed else NO_KEYS
        expires_at = self._on.clock() + self._lifetime
        # On disk before the first byte is, or a power cut would hide it.
        with self._on.database.transaction(within=()) as tx:
            store.blobs.announce_object(tx, self._key, self._seal(data_keys), expires_at)
        return self._on.blobs.create(self._key, data_keys, self._sha256.update)

    def _data_keys(self) -> DataKeys:
        # Wrapped when they are needed, and in the database soon after: nobody retires a key in between.
        return DataKeys.fresh(self._key, self._on.keys.rings(self.key_scope))

    def _seal(self, data_keys: DataKeys) -> Seal:
        return Seal(self.key_scope if data_keys.keys else STORE, data_keys.version, data_keys.wrapped)

    def sha256(self) -> str:
        """The SHA-256 of what was written so far, whether it is on disk or not; in hexadecimal."""
        proof = self._sha256.copy()
        for piece in self._small if self._writer is None else self._writer.pending:
            proof.update(piece)
        return proof.hexdigest()

    def close(self) -> Part:
        """Make the bytes durable; or, if they are few, ready to be."""
        sealed = None
        if self._writer is None:
            data_keys, data = self._data_keys(), b"".join(self._small)
            sealed = Sealed(self._on.blobs.seal(self._key, data_keys, data, self._sha256.update), self._seal(data_keys))
        else:
            with _store_faults(self.discard):
                self._writer.close()
        return Part(self._first_byte, self.size_bytes, self._key, self._sha256.hexdigest(), sealed)

    def discard(self) -> None:
        """Forget the bytes, written or half-written, unless something holds them."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.discard()
            drop(self._on, [self._key])
        self._small.clear()


@contextmanager
def _store_faults(give_up: Callable[[], None] | None = None) -> Iterator[None]:
    """Turn what keeps a store from its work into a refusal, and leave nothing behind."""
    try:
        yield
    except (OutOfSpace, StoreUnavailable) as fault:
        log.warning("the blob store: %s", fault)
        if give_up is not None:
            give_up()
        raise (StorageFull if isinstance(fault, OutOfSpace) else StorageUnavailable) from fault


def open_object(on: Backends, key: str, size_bytes: int, digest: str | None = None) -> SealedReader | PlainReader:
    """The plaintext of an object of a known size. Raises `ObjectMissing`, `ObjectDamaged`, `StorageUnavailable`."""
    found = on.database.hot.object(key)
    if found is None:
        raise ObjectMissing(key)
    rings = on.keys.rings(found.key_scope, found.key_version) if found.key_scope != STORE else ()
    if found.sealed is not None:
        return on.blobs.open_sealed(key, size_bytes, rings, found.sealed, found.wrapped_key)
    with _store_faults():
        return on.blobs.open(key, size_bytes, rings, found.wrapped_key, digest)


def address(on: Backends, key: str) -> str | None:
    """Where anybody may read an object for a while; None if it lies under our keys, or in the database."""
    found = on.database.hot.object(key)
    if found is None or found.key_scope != STORE:
        return None
    with _store_faults():
        return on.blobs.address(key, on.limits.layer_url_lifetime)


def read(on: Backends, part: Part, digest: str | None = None) -> Iterator[memoryview]:
    """The plaintext of a part, segment by segment."""
    try:
        if part.sealed is None:
            reader = open_object(on, part.object_key, part.size_bytes, digest)
        else:
            rings = on.keys.rings(part.sealed.seal.scope)
            reader = on.blobs.open_sealed(part.object_key, part.size_bytes, rings, part.sealed.data)
    except (ObjectMissing, ObjectDamaged):
        raise BytesDamaged(part.object_key) from None
    try:
        position = 0
        while position < part.size_bytes:
            with _store_faults():
                view = reader.read(position)
            yield view
            position += len(view)
    finally:
        reader.close()


@dataclass(frozen=True, slots=True)
class Dropped:
    """What became of objects that were to go; of those that are in neither, the sweep has another look."""

    keys: set[str]  # whose bytes are gone
    failures: dict[str, Exception]  # of those whose bytes could not be deleted


def drop(on: Backends, keys: Iterable[str]) -> Dropped:
    """Delete objects that nothing holds: decide, delete the bytes, forget. A crash in between is swept up later.

    So are bytes that the store cannot delete now.
    The decision is on disk before the bytes go: else a power cut could bring back an upload whose bytes are gone.
    While a backup holds deletions the bytes stay, and the sweep comes back for them. That is asked after the decision:
    whoever begins to hold after this was asked cannot have seen the object as one that anything needs.
    """
    dropped = Dropped(set(), {})
    wanted = sorted(keys)  # a seed of the simulation always tells the same history
    for start in range(0, len(wanted), AT_ONCE):
        with on.database.transaction(within=()) as tx:
            doomed = [key for key in wanted[start : start + AT_ONCE] if store.blobs.doom_object(tx, key)]
        with on.database.snapshot() as tx:
            if store.holds.is_standing(tx, on.clock()):
                break
            outside = store.objects.outside(tx, doomed)
        gone = [key for key in doomed if key not in outside or _delete(on, key, dropped)]
        if gone:
            with on.database.transaction(durable=False, within=()) as tx:
                for key in gone:
                    store.blobs.forget_object(tx, key)
        dropped.keys.update(gone)
    return dropped


def _delete(on: Backends, key: str, dropped: Dropped) -> bool:
    """Delete bytes; False if they stay for now. A store that was away a moment ago is not asked again."""
    if any(isinstance(fault, StoreUnavailable) for fault in dropped.failures.values()):
        return False
    try:
        on.blobs.delete(key)
    except Exception as fault:
        dropped.failures[key] = fault
        if isinstance(fault, StoreUnavailable):
            log.warning("the object %s is removed later: %s", key, fault)
        else:
            log.exception("the object %s cannot be removed; the others are, and it is tried again", key)
        return False
    return True


def probe(on: Backends) -> None:
    """Write an object, read it back and delete it: the store works, or says why not."""
    writer = PartWriter(on, 0, OWN)
    data = bytes(2 * SMALL_BYTES)
    try:
        writer.write(data)
        part = writer.close()
        if b"".join(read(on, part)) != data:
            raise BytesDamaged(part.object_key)
    finally:
        writer.discard()
