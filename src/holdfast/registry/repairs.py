"""Give damaged blobs and manifests their bytes again, from wherever there are sound ones."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import digests
from holdfast.model.damage import manifest_event
from holdfast.model.errors import Refusal, Unavailable
from holdfast.model.images import Blob
from holdfast.outbound.distribution import RemoteFault
from holdfast.registry import damage, events, objects, peers
from holdfast.registry.damage import Damaged, Unreadable
from holdfast.registry.objects import PartWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from holdfast.model.damage import Kept, KeptManifest
    from holdfast.model.peers import Peer
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job

    # Ways to the bytes of a damaged blob, each to be tried until one gives what the digest says.
    Source = Callable[[Backends, Kept], Iterable[Iterator[memoryview]]]

log = logging.getLogger(__name__)

AGAIN = timedelta(hours=1)  # until what nothing could repair is tried once more
PAGE = 100
COPIES = 10  # of the same bytes, that are tried


def other_scopes(on: Backends, blob: Kept) -> Iterable[Iterator[memoryview]]:
    """The same digest in other registries and key scopes of this installation."""
    with on.database.snapshot() as tx:
        copies = store.damage.copies(tx, blob, COPIES)
    for copy in copies:
        yield damage.pieces(on, copy)


def peers_copies(on: Backends, blob: Kept) -> Iterable[Iterator[memoryview]]:
    """The same digest at peers to which repositories that hold it are copied."""
    with on.database.snapshot() as tx:
        names = store.damage.holders(tx, blob, COPIES)
    for peer in peers.page(on, blob.registry):
        for name in names:
            yield _pulled(on, peer, name, blob)


def _pulled(on: Backends, peer: Peer, name: str, blob: Kept) -> Iterator[memoryview]:
    try:
        session = on.peers.of(on, peer)
        session.require_up()
        found = session.pusher.read_blob(peer.name_of(name), blob.digest, size_bytes=blob.size_bytes, pause=on.sleep)
        yield from (memoryview(piece) for piece in found)
    except (RemoteFault, Refusal) as fault:
        raise Unreadable(str(fault)) from None


# A client that pushes the bytes again is no source that is asked: `registry.uploads` lets them take their place.
SOURCES: tuple[Source, ...] = (other_scopes, peers_copies)


def repair_damage(on: Backends, job: Job) -> datetime | None:
    """Try to repair all that is damaged; again in an hour, if something is left."""
    left = 0
    after = 0
    while True:
        with on.database.transaction(durable=False) as tx:
            job.step(tx)
            blobs = store.damage.page(tx, after, PAGE)
        for blob in blobs:
            left += not repair(on, blob)
            with on.database.transaction(durable=False) as tx:
                job.step(tx)
        if len(blobs) < PAGE:
            break
        after = blobs[-1].id
    after = 0
    while True:
        with on.database.transaction(durable=False) as tx:
            job.step(tx)
            manifests = store.damage.manifests_page(tx, after, PAGE)
        left += sum(not repair_manifest(on, manifest) for manifest in manifests)
        if len(manifests) < PAGE:
            break
        after = manifests[-1].id
    return on.clock() + AGAIN if left else None


def repair(on: Backends, blob: Kept) -> bool:
    """Whether a damaged blob is sound now: its bytes can be read again, or a source has them."""
    try:
        if damage.examine(on, blob) is None:
            damage.clear(on, blob)
            return True
    except Unreadable:
        return False
    for source in SOURCES:
        for pieces in source(on, blob):
            try:
                new = _copied(on, blob, pieces)
            except (Damaged, Unreadable):
                continue
            except Unavailable:  # of our own store or keys
                return False
            if new is not None:
                return _replace(on, blob, new)
    return False


def _copied(on: Backends, blob: Kept, pieces: Iterator[memoryview]) -> Blob | None:
    """The bytes of a source as an object of our own; None if they are others than they should be."""
    proof = digests.hasher(digests.algorithm(blob.digest))
    writer = PartWriter(on, 0, blob.key_scope)
    try:
        for piece in pieces:
            data = bytes(piece)
            proof.update(data)
            writer.write(data)
        if not digests.same(f"{digests.algorithm(blob.digest)}:{proof.hexdigest()}", blob.digest):
            writer.discard()
            return None
        part = writer.close()
    except BaseException:
        writer.discard()
        raise
    return Blob(blob.digest, part.size_bytes, part.object_key, part.sealed)


def _replace(on: Backends, blob: Kept, new: Blob) -> bool:
    with on.database.transaction() as tx:
        found = blob.damage or ""
        is_new = store.blobs.replace(tx, blob.registry_id, blob.id, blob.object_key, new, found, on.clock())
        if is_new:
            damage.told_repaired(on, tx, blob)
    if is_new:
        log.warning("blob %s is repaired from another copy; the damaged object %s is set apart",
                    blob.digest, blob.object_key)  # fmt: skip
    elif new.sealed is None:
        objects.drop(on, [new.object_key])  # a client was quicker
    return True


def repair_manifest(on: Backends, manifest: KeptManifest) -> bool:
    """Whether a damaged manifest is sound now: its body is right after all, or another repository has it."""
    with on.database.snapshot() as tx:
        ids = [manifest.id, *store.damage.other_bodies(tx, manifest, COPIES)]
        bodies = [store.damage.body(tx, manifest_id) for manifest_id in ids]
    algorithm = digests.algorithm(manifest.digest)
    for body in bodies:
        if body is not None and digests.same(digests.digest_of(body, algorithm), manifest.digest):
            with on.database.transaction() as tx:
                if store.damage.is_manifest_damaged(tx, manifest.id):
                    store.damage.replace_body(tx, manifest.id, body, on.clock())
                    events.tell(on, tx, manifest.registry, manifest_event("Manifest Repaired", manifest))
            log.warning("manifest %s of %s is repaired", manifest.digest, manifest.repository_name)
            return True
    return False
