"""Take in what VEX documents say, for an image, a repository or a whole registry; list it, and take it back.

uploaded ──────────────► counts until it is deleted, a later one of its name comes, or it expires
pushed as a referrer ──► counts while the referrer is there, if who pushed it may PutVexDocument
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import manifests, vex
from holdfast.model.errors import (
    BlobNotFound,
    InvalidParameter,
    LimitExceeded,
    Refusal,
    StorageUnavailable,
    VexDocumentNotFound,
)
from holdfast.model.names import Registry
from holdfast.registry import images, layers
from holdfast.registry.suppressions import Where, place, told

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from holdfast.model.images import ImageId
    from holdfast.model.manifests import Manifest
    from holdfast.model.names import RepositoryRef
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

ACTION = "holdfast:PutVexDocument"
LAYERS = 20  # of one referrer
REFERRER_BYTES = 4 * 1024 * 1024  # of all of them; a larger document is uploaded
log = logging.getLogger(__name__)


def put(
    on: Backends, where: Where, id_: ImageId | None, data: bytes, owner: str, expires_at: datetime | None = None
) -> vex.Kept:
    """Keep a document, in place of an earlier one of its name that was put to the same place."""
    now = on.clock()
    if expires_at is not None and expires_at <= now:
        raise InvalidParameter("expiresAt", "It must be later than now")
    if id_ is not None and isinstance(where, Registry):
        raise InvalidParameter("imageId", "Which repository the image is in must be said")
    try:
        document = vex.read(data, is_of_image=id_ is not None)
    except vex.BadVex as fault:
        raise InvalidParameter("document", f"The document is no VEX that can be followed: {fault}") from None
    if not document.statements:
        raise InvalidParameter(
            "document",
            "The document says nothing that can be followed: it has no statement, or its products have neither a "
            "package URL nor a digest by which they can be told from others",
        )
    fingerprint, packed = hashlib.sha256(data).hexdigest(), store.vex.pack(document.statements)
    with on.database.transaction() as tx:
        if isinstance(where, Registry):
            registry_id, repository = store.accounts.registry_id(tx, where, now), None
        else:
            repository = store.repositories.get(tx, where)
            registry_id = repository.registry_id
        digest = None
        if id_ is not None:
            assert repository is not None, "an image is in one"
            digest = store.images.get(tx, repository, id_).digest
        kept = replace(_kept(document, fingerprint, owner, now, expires_at), repository=told(where)[1], digest=digest)
        before = store.vex.alike(tx, registry_id, repository, digest, kept.ident)
        for one, other in before:
            if one.issued_at > kept.issued_at and other != fingerprint:
                raise InvalidParameter(
                    "document", f"A later version of it counts here, of {one.issued_at:%Y-%m-%dT%H:%M:%SZ}; delete the "
                    f"VEX document {one.id} first"
                )  # fmt: skip
        store.vex.forget(tx, [one.id for one, _ in before])
        if store.vex.count(tx, registry_id) >= on.limits.vex_documents:
            raise LimitExceeded(f"The registry cannot have more than {on.limits.vex_documents} VEX documents")
        return replace(kept, id=store.vex.add(tx, registry_id, repository, kept, packed, fingerprint))


def put_referrer(on: Backends, at: RepositoryRef, digest: str, owner: str) -> list[vex.Kept]:
    """Let what a referrer says count that was pushed by somebody whose word does not."""
    stored = images.find_stored(on, at, digest, by_tag=False)
    manifest = manifests.parse(stored.body, stored.media_type)
    if not vex.is_referrer(manifest):
        raise InvalidParameter("vexDigest", "It is no referrer of an image that could bring VEX")
    try:
        kept = _take(on, at, manifest, None, owner)
    except vex.BadVex as fault:
        raise InvalidParameter("vexDigest", f"What it brings cannot be followed: {fault}") from None
    if not kept:
        raise InvalidParameter("vexDigest", "It brings no VEX that can be followed")
    return kept


def pushed(on: Backends, at: RepositoryRef, manifest: Manifest, tags: Sequence[str], owner: str) -> None:
    """Let what a referrer says count that was pushed by somebody whose word counts; what is no VEX is left alone."""
    try:
        tag = next((tag for tag in tags if vex.subject_of_tag(tag)), None)
        kept = _take(on, at, manifest, tag, owner)
    except (vex.BadVex, Refusal) as fault:
        if isinstance(fault, StorageUnavailable):
            raise  # the push is tried again
        log.warning("the referrer %s in %s brings no VEX that counts: %s", manifest.digest, at.name, fault)
    else:
        if kept:
            log.info("the referrer %s in %s brings VEX", manifest.digest, at.name)


def page(on: Backends, where: Where, after: int, limit: int) -> tuple[list[vex.Kept], bool]:
    """Documents of a repository, or of a registry with all its repositories, and whether there are more."""
    with on.database.snapshot() as tx:
        found = _page(tx, where, after, limit + 1)
    return found[:limit], len(found) > limit


def delete(on: Backends, where: Where, number: int) -> None:
    """Let a document count no more."""
    with on.database.transaction() as tx:
        here = place(tx, where)
        registry_id = here if isinstance(here, int) else here.registry_id
        found = store.vex.find(tx, registry_id, number)
        if found is None or found.repository != told(where)[1]:
            raise VexDocumentNotFound(number, *told(where))
        store.vex.forget(tx, [number])


def _page(tx: Transaction, where: Where, after: int, limit: int) -> list[vex.Kept]:
    here = place(tx, where)
    if isinstance(here, int):
        return store.vex.page(tx, here, None, after, limit)
    return store.vex.page(tx, here.registry_id, here, after, limit)


def _kept(
    document: vex.Document, fingerprint: str, owner: str, now: datetime, expires_at: datetime | None = None
) -> vex.Kept:
    """A document as it is kept, of no place yet."""
    return vex.Kept(
        0,
        None,
        None,
        document.form,
        document.ident or f"sha256:{fingerprint}",
        document.version,
        document.author,
        min(document.issued_at or now, now),
        owner,
        now,
        expires_at,
        len(document.statements),
        document.left_out,
    )


def _take(on: Backends, at: RepositoryRef, manifest: Manifest, tag: str | None, owner: str) -> list[vex.Kept]:
    """Keep what a referrer brings, in place of what it, or its tag, brought before."""
    subject = manifest.subject or (vex.subject_of_tag(tag) if tag else None)
    if subject is None:
        return []
    found = []
    for data, media_type in _layers(on, at, manifest):
        document = vex.read_attached(data, media_type, {subject})
        if document is not None and document.statements:
            found.append((document, hashlib.sha256(data).hexdigest(), store.vex.pack(document.statements)))
    now = on.clock()
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        if store.images.find(tx, repository, digest=manifest.digest) is None:
            return []
        before = store.vex.come_from(tx, repository, subject, manifest.digest, tag)
        store.vex.forget(tx, before + store.vex.orphans(tx, repository))
        if store.vex.count_of_referrers(tx, repository, subject) + len(found) > on.limits.vex_referrers:
            raise LimitExceeded(f"An image cannot have more than {on.limits.vex_referrers} referrers with VEX")
        taken = []
        for document, fingerprint, packed in found:
            kept = _kept(document, fingerprint, owner, now)
            kept = replace(kept, repository=at.name, digest=subject, origin_digest=manifest.digest)
            number = store.vex.add(tx, repository.registry_id, repository, kept, packed, fingerprint, tag)
            taken.append(replace(kept, id=number))
    return taken


def _layers(on: Backends, at: RepositoryRef, manifest: Manifest) -> list[tuple[bytes, str]]:
    """What a referrer brings, with its types."""
    parts = manifest.layers[1:]
    if len(parts) > LAYERS:
        raise vex.BadVex(f"it has more than {LAYERS} layers")
    found, total = [], 0
    for part in parts:
        try:
            blob = layers.open_blob(on, at, part.digest)
        except BlobNotFound:
            raise vex.BadVex("one of its layers is not there") from None
        data = bytearray()
        try:
            total += blob.size_bytes
            if total > REFERRER_BYTES:
                raise vex.BadVex(f"it has more than {REFERRER_BYTES} bytes")
            while len(data) < blob.size_bytes:
                data += blob.read(len(data))
        finally:
            blob.close()
        found.append((bytes(data), part.media_type))
    return found
