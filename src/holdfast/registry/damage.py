"""Kept bytes that are not what was pushed: find out, say so, and never serve them.

    sound ── read, and wrong ──► damaged: absent to clients, so that a push brings it back ──► sound
      ▲                             │                                                          (the old bytes are set
      └──── read again, and right ──┴── copied from somewhere else ────────────────────────►    apart, for 30 days)

A read that fails is not damage: it is tried again, counted and told as such. And if nothing else of what should be
there can be read either, then it is the store or the keys that are away, and no blob is to blame.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.blobs import ObjectDamaged, ObjectMissing, StoreUnavailable
from holdfast.model import digests
from holdfast.model.damage import (
    MISSING,
    TOLD_REPOSITORIES,
    UNPROVED_HEADER,
    KeptManifest,
    layer_event,
    manifest_event,
    other_digest,
    unproved,
)
from holdfast.model.errors import StorageUnavailable, Unavailable
from holdfast.model.work import RepairDamage
from holdfast.registry import events, objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.blobs import PlainReader, SealedReader
    from holdfast.model.damage import Kept
    from holdfast.model.images import Image
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

log = logging.getLogger(__name__)

OTHERS = 3  # of the oldest and of the newest blobs, that are tried before one is called damaged


class Unreadable(Exception):
    """Bytes that cannot be read now; they may be right."""


class Damaged(Exception):
    """Bytes that were read, or looked for, and are not what was pushed; the message says in what way."""


class ReadFaults:
    """How many reads failed in this process, for whoever publishes it."""

    def __init__(self) -> None:
        self._count = 0
        self._lock = threading.Lock()

    def add(self) -> None:
        """Count one."""
        with self._lock:
            self._count += 1

    def take(self) -> int:
        """How many there were since this was last asked."""
        with self._lock:
            count, self._count = self._count, 0
        return count


class Guarded:
    """The plaintext of a blob on its way out: what is wrong with it is noted as soon as somebody comes across it."""

    def __init__(self, on: Backends, object_key: str, reader: SealedReader | PlainReader) -> None:
        self._on = on
        self._object_key = object_key
        self._reader = reader
        self.size_bytes = reader.size_bytes

    def read(self, position: int) -> memoryview:
        """Plaintext from a position to the end of its segment; valid until the same thread reads again."""
        try:
            return _segment(self._on, self._reader, position)
        except Damaged as fault:
            found(self._on, self._object_key, str(fault))
            raise
        except Unreadable:
            suspect(self._on, self._object_key)
            raise

    def close(self) -> None:
        """Release the object."""
        self._reader.close()


def open_guarded(on: Backends, object_key: str, size_bytes: int, digest: str) -> Guarded:
    """Open the object of a blob for a client. Raises `Damaged` and `Unreadable`."""
    try:
        return Guarded(on, object_key, _open(on, object_key, size_bytes, digest))
    except Damaged as fault:
        if not found(on, object_key, str(fault)):
            raise Unreadable from fault
        raise


def examine(on: Backends, blob: Kept, pace: Callable[[int], None] = lambda _: None) -> str | None:
    """What is wrong with a blob, or None: every byte of it is read, opened and hashed. Raises `Unreadable`.

    `pace` is told how many bytes were read after each segment, and may take its time.
    """
    proof = digests.hasher(digests.algorithm(blob.digest))
    try:
        for piece in pieces(on, blob, pace):
            proof.update(piece)
    except Damaged as fault:
        return str(fault)
    digest = f"{digests.algorithm(blob.digest)}:{proof.hexdigest()}"
    return None if digests.same(digest, blob.digest) else other_digest(digest)


def pieces(on: Backends, blob: Kept, pace: Callable[[int], None] = lambda _: None) -> Iterator[memoryview]:
    """The plaintext of a blob, segment by segment. Raises `Damaged` and `Unreadable`."""
    try:
        reader = _open(on, blob.object_key, blob.size_bytes)
    except Unavailable as refusal:  # its key is not to be had
        raise Unreadable from refusal
    try:
        position = 0
        while position < blob.size_bytes:
            view = _segment(on, reader, position)
            position += len(view)
            yield view
            pace(len(view))
    finally:
        reader.close()


def found(on: Backends, object_key: str, damage: str) -> bool:
    """Whether a blob counts as damaged from now on, or its object is none any more; False if the store is to blame."""
    with on.database.snapshot() as tx:
        blob = store.damage.find_by_object(tx, object_key)
    if blob is None or blob.damaged_at is not None:
        return True
    if not others_are_well(on, blob):
        log.critical("blob %s: %s. No other object that was tried can be read either, so it is not marked: see "
                     "whether the store is mounted and the keys are the right ones", blob.digest, damage)  # fmt: skip
        return False
    mark(on, blob, damage)
    return True


def others_are_well(on: Backends, blob: Kept) -> bool:
    """Whether some other object can be opened, so that the store and the keys are the right ones; or there is none."""
    with on.database.snapshot() as tx:
        others = store.damage.others(tx, blob, OTHERS)
    for object_key, size_bytes in others:
        try:
            _open(on, object_key, size_bytes).close()
        except (Damaged, Unreadable, Unavailable):
            continue
        return True
    return not others


def mark(on: Backends, blob: Kept, damage: str) -> None:
    """Let a blob count as damaged, tell of it, and want it repaired."""
    with on.database.transaction() as tx:
        if not store.damage.mark(tx, blob, damage, on.clock()):
            return
        store.work.add(tx, RepairDamage(), on.clock())
        _tell(on, tx, "Layer Damaged", blob, damage)
    log.critical("blob %s of %s/%s is damaged and is not served any more: %s. Its object is %s",
                 blob.digest, blob.registry.account_id, blob.registry.region, damage, blob.object_key)  # fmt: skip


def clear(on: Backends, blob: Kept) -> None:
    """Let a blob count as sound again, whose bytes are right after all."""
    with on.database.transaction() as tx:
        if not store.damage.clear(tx, blob, on.clock()):
            return
        _tell(on, tx, "Layer Repaired", blob)
    log.warning("blob %s can be read again and is served", blob.digest)


def told_repaired(on: Backends, tx: Transaction, blob: Kept) -> None:
    """Tell, in the transaction that gives a blob new bytes, that it is sound again."""
    _tell(on, tx, "Layer Repaired", blob)


def prove_restored(on: Backends, tx: Transaction, repository: Repository, image: Image) -> None:
    """Let an image that was deleted count as damaged if its body is not what was pushed: no scrub looked at it."""
    body = store.damage.body(tx, image.id) or b""
    if not digests.same(digests.digest_of(body, digests.algorithm(image.digest)), image.digest):
        ref, now = repository.ref, on.clock()
        mark_manifest(on, tx, KeptManifest(image.id, ref.registry, ref.name, image.digest, now, None))


def mark_manifest(on: Backends, tx: Transaction, manifest: KeptManifest) -> None:
    """Let a manifest count as damaged, tell of it, and want it repaired."""
    if not store.damage.mark_manifest(tx, manifest, on.clock()):
        return
    store.work.add(tx, RepairDamage(), on.clock())
    events.tell(on, tx, manifest.registry, manifest_event("Manifest Damaged", manifest))
    log.critical("manifest %s of %s is damaged in the database and is not served any more",
                 manifest.digest, manifest.repository_name)  # fmt: skip


def suspect(on: Backends, object_key: str) -> None:
    """Let a blob be verified before all others, after a read of it failed."""
    with on.database.transaction(durable=False) as tx:
        store.damage.suspect(tx, object_key)


def count(on: Backends) -> tuple[int, int]:
    """How many blobs and manifests are damaged now."""
    with on.database.snapshot() as tx:
        return store.damage.count(tx)


def _open(on: Backends, object_key: str, size_bytes: int, digest: str | None = None) -> SealedReader | PlainReader:
    for is_last in (False, True):
        try:
            return objects.open_object(on, object_key, size_bytes, digest)
        except ObjectMissing:
            raise Damaged(MISSING) from None
        except ObjectDamaged:
            if is_last:
                raise Damaged(UNPROVED_HEADER) from None
        except (OSError, StorageUnavailable) as fault:
            on.read_faults.add()
            if is_last:
                log.warning("the object %s cannot be opened now: %s", object_key, fault)
                raise Unreadable from fault
    raise AssertionError


def _segment(on: Backends, reader: SealedReader | PlainReader, position: int) -> memoryview:
    """A segment; one that cannot be read, or is wrong, is read once more before that is believed."""
    for is_last in (False, True):
        try:
            return reader.read(position)
        except ObjectMissing:
            raise Damaged(MISSING) from None
        except ObjectDamaged:
            if is_last:
                raise Damaged(unproved(position)) from None
        except (OSError, StoreUnavailable) as fault:
            on.read_faults.add()
            if is_last:
                raise Unreadable from fault
    raise AssertionError


def _tell(on: Backends, tx: Transaction, kind: str, blob: Kept, damage: str | None = None) -> None:
    repositories = store.damage.holders(tx, blob, TOLD_REPOSITORIES)
    events.tell(on, tx, blob.registry, layer_event(kind, blob, repositories, damage))
