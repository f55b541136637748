"""Copy an image to a registry elsewhere, and remove it there.

    is it there? ─► repository ─► members, and the subject ─► layers: there, mounted, or sent ─► manifest ─► tags

What is there already is not sent again, so each step can be done twice. A tag that names the image there already is
left alone: two installations that copy to each other come to rest.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import digests, manifests
from holdfast.model.images import ACTIVE
from holdfast.model.peers import Kind
from holdfast.model.replication import ARCHIVED, Copied
from holdfast.outbound.distribution import Lied, NotThere, Refused, Rejected, RemoteFault
from holdfast.registry import layers, replicated_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.model.images import Image
    from holdfast.model.manifests import Manifest
    from holdfast.model.names import RepositoryRef
    from holdfast.model.peers import Peer
    from holdfast.registry.backends import Backends
    from holdfast.registry.peer_sessions import PeerSession
    from holdfast.registry.work import Job

log = logging.getLogger(__name__)

LAYERS_AT_ONCE = 4  # of one image
DAMAGED = "ManifestDamaged"
DEEPEST = 8  # indexes within indexes, and subjects of subjects
_CODES: tuple[tuple[type[RemoteFault], str], ...] = (
    (Refused, "PeerAccessDenied"),
    (NotThere, "PeerRepositoryNotFound"),
    (Rejected, "PeerRejected"),
    (Lied, "PeerMisbehaved"),
)


def copy(
    on: Backends,
    at: RepositoryRef,
    digest: str,
    peer: Peer,
    tags: Sequence[str] | None = None,
    job: Job | None = None,
) -> Copied:
    """Copy an image, and some of its tags or all of them, to a peer.

    What may pass is raised as `Unavailable`; every other fault is the failure code that is returned.
    """
    session = on.peers.of(on, peer)
    session.require_up()
    try:
        return _Push(on, at, session, job).image(digest, tags, 0)
    except RemoteFault as fault:
        session.failed(fault)
        log.warning("%s of %s was not copied to %s: %s", digest, at.name, peer.url, fault)
        return Copied(code_of(fault))


def remove(on: Backends, at: RepositoryRef, digest: str, tag: str, peer: Peer) -> None:
    """Remove a tag of an image, or with an empty one the image, from a peer; where it may be gone."""
    session = on.peers.of(on, peer)
    session.require_up()
    name = peer.name_of(at.name)
    try:
        if tag and session.pusher.stat_manifest(name, tag).digest != digest:
            return
        if peer.kind is Kind.ECR:
            id_ = {"imageDigest": digest} | ({"imageTag": tag} if tag else {})
            session.call("BatchDeleteImage", {"repositoryName": name, "imageIds": [id_]})
            if tag:  # with its last tag the image goes there, which may still be here
                _Push(on, at, session, None).image(digest, (), 0)
        else:
            session.pusher.delete_manifest(name, tag or digest)
    except NotThere:
        return
    except RemoteFault as fault:
        session.failed(fault)
        log.warning("%s of %s went, and stays at %s: %s", tag or digest, at.name, peer.url, fault)


def code_of(fault: RemoteFault) -> str:
    """The failure code of a fault that does not pass by itself."""
    return next((code for kind, code in _CODES if isinstance(fault, kind)), "PeerFault")


class _Push:
    """The copying of one image, with what it needs."""

    def __init__(self, on: Backends, at: RepositoryRef, session: PeerSession, job: Job | None) -> None:
        self._on = on
        self._at = at
        self._session = session
        self._pusher = session.pusher
        self._name = session.peer.name_of(at.name)
        self._job = job

    def image(self, digest: str, tags: Sequence[str] | None, depth: int) -> Copied:
        """Copy an image; one that went meanwhile is not missed."""
        found = self._find(digest)
        if found is None:
            return Copied()
        image, body = found
        if image.status != ACTIVE:
            return Copied(ARCHIVED)
        manifest = manifests.parse(body, image.media_type, digests.algorithm(digest))
        if manifest.digest != digest:  # it rotted, and under a tag nobody there would notice
            return Copied(DAMAGED)
        wanted = image.tags if tags is None else [tag for tag in tags if tag in image.tags]
        missing = [tag for tag in wanted if self._named(tag) != digest]
        if len(missing) == len(wanted) and self._named(digest) != digest:
            failures = self._needed(manifest, depth)
            if failures:
                return Copied(failures[0], failures)
            self._ensure_repository()
            self._layers(manifest)
            self._step()
            self._pusher.push_manifest(self._name, digest, manifest.media_type, manifest.body)
        for tag in missing:
            self._tag(manifest, tag)
        return Copied()

    def _find(self, digest: str) -> tuple[Image, bytes] | None:
        with self._on.database.snapshot() as tx:
            repository = store.repositories.find(tx, self._at)
            image = None if repository is None else store.images.find(tx, repository, digest=digest)
            if image is None:
                return None
            [image] = store.tags.of_images(tx, [image])
            return image, store.images.body(tx, image)

    def _named(self, reference: str) -> str | None:
        """The digest of what a tag or a digest names there."""
        try:
            return self._pusher.stat_manifest(self._name, reference).digest
        except NotThere:
            return None

    def _needed(self, manifest: Manifest, depth: int) -> tuple[str, ...]:
        """Copy what an index lists, and what a referrer refers to, if it is here; why that failed."""
        if depth >= DEEPEST:
            return ()
        wanted = [*manifest.needed_manifests, *([manifest.subject] if manifest.subject is not None else [])]
        ended = [self.image(one, (), depth + 1) for one in wanted]
        return tuple(one.failure_code for one in ended if one.failure_code is not None)

    def _ensure_repository(self) -> None:
        """Make the repository, where that is not done by the push itself."""
        session = self._session
        if session.knows_repository(self._name) or not session.peer.kind.has_api:
            return
        try:
            session.call("CreateRepository", {"repositoryName": self._name})
            replicated_settings.made(self._on, self._at, session.peer.destination)
        except Rejected as fault:
            if fault.code != "RepositoryAlreadyExistsException":
                raise
        except Refused as fault:  # it may be there, and only making it is forbidden
            log.info("%s: %s", self._name, fault)
        session.learn_repository(self._name)

    def _layers(self, manifest: Manifest) -> None:
        sizes = {layer.digest: layer.size for layer in (*manifest.layers, *manifest.children)}
        wanted = list(dict.fromkeys(manifest.needed_blobs))
        with ThreadPoolExecutor(LAYERS_AT_ONCE, "replication") as pool:
            for _ in pool.map(lambda blob: self._layer(blob, sizes[blob]), wanted):
                pass

    def _layer(self, digest: str, size_bytes: int) -> None:
        session = self._session
        holder = session.holder(digest)
        is_sent = self._pusher.push_blob(
            self._name,
            digest,
            size_bytes,
            lambda start: layers.pieces(self._on, self._at, digest, start),
            mount_from=holder if holder != self._name else None,
            watch=lambda _: self._step(),
            pause=self._on.sleep,
        )
        session.learn_holder(digest, self._name)
        if is_sent:
            self._on.peers.count_sent(size_bytes)

    def _tag(self, manifest: Manifest, tag: str) -> None:
        """Let a tag name the image there, if it still does here; one that may not be moved there stays."""
        self._step()
        if self._here(tag) != manifest.digest:
            return
        try:
            self._pusher.push_manifest(self._name, tag, manifest.media_type, manifest.body)
        except Rejected as fault:
            if self._named(tag) in {None, manifest.digest}:
                raise
            log.info("the tag %s of %s stays as it is at %s: %s", tag, self._name, self._session.peer.url, fault)
            return
        if self._here(tag) != manifest.digest:
            self._mend(tag)

    def _here(self, tag: str) -> str | None:
        with self._on.database.snapshot() as tx:
            repository = store.repositories.find(tx, self._at)
            image = None if repository is None else store.images.find(tx, repository, tag=tag)
        return None if image is None else image.digest

    def _mend(self, tag: str) -> None:
        """The tag moved on while it was set there: whoever moved it may have been quicker, so it is set once more."""
        digest = self._here(tag)
        found = None if digest is None else self._find(digest)
        if found is not None and self._named(found[0].digest) is not None:
            self._pusher.push_manifest(self._name, tag, found[0].media_type, found[1])

    def _step(self) -> None:
        if self._job is not None:
            with self._on.database.transaction(durable=False) as tx:
                self._job.step(tx)
