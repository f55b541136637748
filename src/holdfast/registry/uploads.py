"""A layer's way in: begin, receive, complete; or cancel, or mount what is there already.

    begin ──► receive ──► append ──► … ──► complete ──► a blob
                 │           └ the part continues the upload, if nobody else continued it first
                 └ bytes are hashed and sealed as they come, under a key of their own

Each part is an object of its own, announced before it is written and durable before it counts. A layer that came in one
part, as clients send them, becomes the blob as it lies. Only several parts are written once more, as one.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import digests
from holdfast.model.account_settings import BLOB_MOUNTING
from holdfast.model.errors import BytesDamaged, DigestInvalid, LayerTooLarge, RangeInvalid, UploadNotFound
from holdfast.model.images import Blob, Keeping
from holdfast.model.profiles import Profile
from holdfast.model.uploads import MAXIMUM_PARTS, Part, Upload
from holdfast.registry import account_settings, damage, keys, objects
from holdfast.registry.objects import PartWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from holdfast.model.names import RepositoryRef
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction


log = logging.getLogger(__name__)


def begin(on: Backends, at: RepositoryRef) -> str:
    """Open an upload; its id."""
    keys.require(on, at)
    upload_id = on.new_id()
    with on.database.transaction(durable=False, within=()) as tx:
        repository = store.repositories.get(tx, at)
        store.uploads.begin(tx, repository, upload_id, on.clock() + on.limits.upload_lifetime)
    return upload_id


def get(on: Backends, at: RepositoryRef, upload_id: str) -> Upload:
    """An upload in progress, or `UploadNotFound`."""
    with on.database.snapshot() as tx:
        upload = store.uploads.find(tx, store.repositories.get(tx, at), upload_id)
    if upload is None:
        raise UploadNotFound(at, upload_id)
    return upload


def receive(on: Backends, upload: Upload, first_byte: int | None = None) -> PartWriter:
    """Begin to take bytes that continue an upload. Raises `RangeInvalid` if they do not."""
    if first_byte is not None and first_byte != upload.received_bytes:
        raise RangeInvalid(
            f"First byte of the layer part is {first_byte} instead of {upload.received_bytes}", received=upload
        )
    if len(upload.parts) >= MAXIMUM_PARTS:
        raise LayerTooLarge(on.limits.layer_bytes)
    return PartWriter(on, upload.received_bytes, upload.key_scope)


def receive_whole(on: Backends, at: RepositoryRef) -> PartWriter:
    """Begin to take a layer that comes in one request."""
    return PartWriter(on, 0, keys.scope_of(on, at))


def append(on: Backends, at: RepositoryRef, upload: Upload, writer: PartWriter) -> int:
    """Let received bytes continue an upload; how many it has now."""
    if writer.size_bytes == 0:
        writer.discard()
        return upload.received_bytes
    part = writer.close()
    with on.database.transaction(durable=False, within=()) as tx:
        continued = store.uploads.append(tx, upload, part, on.clock() + on.limits.upload_lifetime)
    if not continued:
        writer.discard()
        now = get(on, at, upload.id)  # gone altogether, or continued by somebody else meanwhile
        raise RangeInvalid(
            f"First byte of the layer part is {part.first_byte} instead of {now.received_bytes}", received=now
        )
    return part.first_byte + part.size_bytes


def cancel(on: Backends, at: RepositoryRef, upload_id: str) -> None:
    """Give an upload up."""
    upload = get(on, at, upload_id)
    _end(on, upload, upload.parts)


def complete(
    on: Backends, at: RepositoryRef, upload: Upload, wanted: Sequence[str], last: PartWriter | None = None
) -> Blob:
    """Make an upload, with its last bytes, a blob of one of the wanted digests. Raises `DigestInvalid`."""
    on.keys.rings(upload.key_scope)
    parts = upload.parts
    if last is not None and last.size_bytes:
        parts = (*parts, last.close())
    elif last is not None:
        last.discard()
    try:
        blob = _prove(on, parts, wanted, upload.key_scope)
    except DigestInvalid:
        _end(on, upload, parts)  # nobody can continue it to anything right
        raise
    except BytesDamaged:
        get(on, at, upload.id)  # perhaps somebody else completed it meanwhile, and its parts are gone
        raise
    _commit(on, at, blob, upload, parts)
    return blob


def complete_whole(on: Backends, at: RepositoryRef, writer: PartWriter, digest: str) -> Blob:
    """Make a layer that came in one request a blob of that digest."""
    part = writer.close()
    try:
        blob = _prove(on, (part,), (digest,), writer.key_scope)
    except DigestInvalid:
        objects.drop(on, [part.object_key])
        raise
    _commit(on, at, blob, None, (part,))
    return blob


def take(on: Backends, at: RepositoryRef, digest: str, pieces: Iterable[bytes]) -> int:
    """Let a repository hold a layer whose bytes come in pieces from elsewhere; how many they are.

    Raises `DigestInvalid`, and whatever the pieces do.
    """
    writer = receive_whole(on, at)
    try:
        for piece in pieces:
            writer.write(piece)
    except BaseException:
        writer.discard()
        raise
    complete_whole(on, at, writer, digest)
    return writer.size_bytes


def mount(on: Backends, at: RepositoryRef, source: RepositoryRef, digest: str) -> bool:
    """Let a repository hold a blob that another one of its registry holds; False if that cannot be."""
    keys.require(on, at)
    with on.database.transaction(within=[store.Content(at.registry, digest)]) as tx:
        target = store.repositories.get(tx, at)
        origin = store.repositories.find(tx, source)
        if origin is None or (on.profile is Profile.ECR_STRICT and not _may_mount(tx, origin, digest)):
            return False
        return store.blobs.mount(tx, origin, target, digest, on.clock(), on.limits.push_time)


def _may_mount(tx: Transaction, origin: Repository, digest: str) -> bool:
    """Whether ECR would: an account setting lets it, and an image has the blob (containers-roadmap 2860)."""
    is_enabled = account_settings.value(tx, origin.registry, BLOB_MOUNTING) == "ENABLED"
    return is_enabled and store.blobs.is_referenced(tx, origin, digest)


def _end(on: Backends, upload: Upload, parts: Sequence[Part]) -> None:
    """End an upload that comes to nothing, and delete its bytes."""
    with on.database.transaction(durable=False, within=()) as tx:
        store.uploads.end(tx, upload, on.clock())
    objects.drop(on, [part.object_key for part in parts])


def _commit(on: Backends, at: RepositoryRef, blob: Blob, upload: Upload | None, parts: Sequence[Part]) -> None:
    """Make a proved object visible in the transaction that ends its upload; then drop what nothing holds."""
    superfluous = {part.object_key for part in parts if part.sealed is None}
    if blob.sealed is None:
        superfluous.add(blob.object_key)
    try:
        with on.database.transaction(within=[store.Content(at.registry, blob.digest)]) as tx:
            repository = store.repositories.get(tx, at)
            if upload is not None and not store.uploads.end(tx, upload, on.clock()):
                raise UploadNotFound(at, upload.id)
            kept = store.blobs.keep(tx, repository, blob, on.clock(), on.limits.push_time)
            _tell(on, tx, kept, blob)
        if kept is not Keeping.KNOWN or _healed(on, repository, blob):
            superfluous.discard(blob.object_key)
    finally:
        objects.drop(on, superfluous)


def _healed(on: Backends, repository: Repository, blob: Blob) -> bool:
    """Let new bytes replace those that the registry had for their digest, if those are damaged.

    The old ones are read to their end before the new ones are thrown away. That costs something only when a client
    sends what is there already, which clients ask before they do.
    """
    with on.database.snapshot() as tx:
        known = store.blobs.find_in_scope(tx, repository, blob.digest)
        kept = None if known is None else store.damage.find_by_object(tx, known.object_key)
    try:
        if kept is None or damage.examine(on, kept) is None:
            return False
    except damage.Unreadable:
        return False
    with on.database.transaction() as tx:
        if store.repositories.find_by_id(tx, repository.id) is None:
            return False  # it went since, and what it held went with it
        done = store.blobs.keep(tx, repository, blob, on.clock(), on.limits.push_time, instead_of=kept.object_key)
        _tell(on, tx, done, blob)
    return done is not Keeping.KNOWN


def _tell(on: Backends, tx: Transaction, kept: Keeping, blob: Blob) -> None:
    """Tell that a push brought a damaged blob back."""
    found = store.damage.find_by_object(tx, blob.object_key) if kept is Keeping.REPLACED else None
    if found is not None:
        damage.told_repaired(on, tx, found)
        log.warning("blob %s was damaged and was pushed again; it is served from now on", blob.digest)


def confirm(on: Backends, at: RepositoryRef, digest: str) -> bool:
    """Whether a repository holds a blob for sure: on disk, whoever pushed it."""
    with on.database.snapshot() as tx:
        found = store.blobs.find(tx, store.repositories.get(tx, at), digest)
    on.database.flush()
    return found is not None


def _prove(on: Backends, parts: Sequence[Part], wanted: Sequence[str], key_scope: str) -> Blob:
    """The parts as one object whose bytes have a wanted digest, or `DigestInvalid`."""
    algorithms = {digests.algorithm(digest) for digest in wanted}
    if len(parts) == 1 and algorithms == {"sha256"}:
        whole, found = parts[0], [f"sha256:{parts[0].sha256}"]
    else:
        whole, found = _join(on, parts, algorithms, key_scope)
    for digest in wanted:
        if any(digests.same(digest, proof) for proof in found):
            return Blob(digest, whole.size_bytes, whole.object_key, whole.sealed)
    if whole not in parts:
        objects.drop(on, [whole.object_key])
    raise DigestInvalid(f"The uploaded bytes have the digest '{found[0]}' instead of '{wanted[0]}'")


def _join(on: Backends, parts: Sequence[Part], algorithms: Iterable[str], key_scope: str) -> tuple[Part, list[str]]:
    """Read every part in order: one object that holds all of them, and its digests."""
    proofs = {name: digests.hasher(name) for name in sorted(algorithms)}
    writer = (
        PartWriter(on, 0, key_scope) if len(parts) != 1 else None
    )  # a single part is read for its other digest only
    try:
        for part in parts:
            for data in objects.read(on, part):
                piece = bytes(data)
                for proof in proofs.values():
                    proof.update(piece)
                if writer is not None:
                    writer.write(piece)
        whole = parts[0] if writer is None else writer.close()
    except BaseException:
        if writer is not None:
            writer.discard()
        raise
    return whole, [f"{name}:{proof.hexdigest()}" for name, proof in proofs.items()]
