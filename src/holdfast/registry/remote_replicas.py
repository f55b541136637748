"""Copy an image to a registry elsewhere, and remove it there.

    the image, as `copying` walks it ─► repository ─► layers: there, mounted, sent by somebody else, or sent ─► tags

What is there already is not sent again. A tag that names the image there already is left alone: two installations that
copy to each other come to rest.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from holdfast import store
from holdfast.model import digests, manifests, referrer_lists
from holdfast.model.manifests import OCI_INDEX
from holdfast.model.peers import Kind
from holdfast.model.replication import Copied
from holdfast.outbound.distribution import Lied, NotThere, OutOfBounds, Refused, Rejected, RemoteFault
from holdfast.outbound.distribution.faults import printable
from holdfast.registry import layers, peer_referrers, peer_uploads, replicated_settings, replication
from holdfast.registry.copying import Copying, Lacking, ReplicaStays, require_all, several
from holdfast.registry.peer_uploads import CLAIMED_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from holdfast.model.manifests import Manifest
    from holdfast.model.names import RepositoryRef
    from holdfast.model.peers import Peer
    from holdfast.outbound.distribution import Upload
    from holdfast.registry.backends import Backends
    from holdfast.registry.peer_sessions import PeerSession
    from holdfast.registry.work import Job

log = logging.getLogger(__name__)

LAYERS_AT_ONCE = 4  # of one image
IMAGES_AT_ONCE = 4  # of one backfill
_CODES: tuple[tuple[type[RemoteFault], str], ...] = (
    (Refused, "PeerAccessDenied"),
    (OutOfBounds, "PeerAddressNotAllowed"),
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

    What may pass is raised as `Unavailable`, and as `BeingSent` what somebody else does meanwhile; every other fault is
    the failure code that is returned.
    """
    session = on.peers.of(on, peer)
    session.require_up()
    push = _Push(on, at, session, job)
    try:
        try:
            return push.image(digest, tags)
        except NotThere:
            if not session.forget_repository(peer.name_of(at.name)):
                raise
            return push.image(digest, tags)  # the repository went meanwhile, and is made once more
    except RemoteFault as fault:
        session.failed(fault)
        log.warning("%s of %s was not copied to %s: %s", digest, at.name, peer.url, fault)
        return Copied(code_of(fault))


def remove(
    on: Backends, at: RepositoryRef, digests: Sequence[str], tag: str, peer: Peer, job: Job | None = None
) -> None:
    """Remove a tag if it names one of some images, or with an empty one the first, from a peer; there it may be gone.

    Raises `ReplicaStays` if it does not go now, and `BeingSent` while somebody else changes the same list of referrers.
    """
    session = on.peers.of(on, peer)
    session.require_up()
    gone = digests[0]
    with suppress(NotThere):
        try:
            gone = _remove(on, at, digests, tag, session, job)
        except NotThere:
            raise
        except RemoteFault as fault:
            session.failed(fault)
            if peer.kind is not Kind.OCI or fault.code != "UNSUPPORTED":  # as of one that deletes nothing
                raise ReplicaStays(str(fault)) from None
            log.warning("%s of %s went, and stays at %s for good: %s", tag or digests[0], at.name, peer.url, fault)
    if tag and peer.kind is Kind.ECR:  # there an image goes with its last tag; it may still be here
        for digest in dict.fromkeys([digests[0], gone]):
            copy(on, at, digest, peer, (), job)


def _remove(
    on: Backends, at: RepositoryRef, digests: Sequence[str], tag: str, session: PeerSession, job: Job | None
) -> str:
    """Remove it; the image that went, or lost its tag."""
    name, peer, digest = session.peer.name_of(at.name), session.peer, digests[0]
    if tag:
        named = session.pusher.stat_manifest(name, tag)
        digest = named.digest
        if digest not in digests or peer_referrers.is_list(session, name, tag, digest, named.media_type):
            return digests[0]
    else:
        _unlist(on, at, digest, session, job)
    if peer.kind is Kind.ECR:
        id_ = {"imageDigest": digest} | ({"imageTag": tag} if tag else {})
        _require_gone(session.call("BatchDeleteImage", {"repositoryName": name, "imageIds": [id_]}), peer)
    else:
        mark = session.mark_of(at.registry)
        session.pusher.delete_manifest(name, tag or digest, copied_from=mark, of=digest if mark else "")
    return digest


def _require_gone(told: Mapping[str, Any], peer: Peer) -> None:
    """Refuse unless what ECR was to delete is gone; a tag that names another image by now is as good as that."""
    codes = [one.get("failureCode") for one in told.get("failures") or () if isinstance(one, dict)]
    if not {"ImageNotFound", "ImageTagDoesNotMatchDigest"}.issuperset(codes):
        raise Lied(f"{peer.url} did not delete it: {printable(str(codes))}")


def _unlist(on: Backends, at: RepositoryRef, digest: str, session: PeerSession, job: Job | None) -> None:
    """Take an image out of the list of what refers to its subject, before it goes."""
    name = session.peer.name_of(at.name)
    if session.lists_referrers(name, digest):
        return
    subject = referrer_lists.subject_in(session.pusher.manifest(name, digest).body)
    if subject is not None:
        tag = referrer_lists.tag_of(subject)
        peer_referrers.change(on, job, at.registry, session, name, tag, lambda found: found.without({digest}))


def code_of(fault: RemoteFault) -> str:
    """The failure code of a fault that does not pass by itself."""
    return next((code for kind, code in _CODES if isinstance(fault, kind)), "PeerFault")


class _Push(Copying):
    """To a peer."""

    def __init__(self, on: Backends, at: RepositoryRef, session: PeerSession, job: Job | None) -> None:
        super().__init__(on, at, job)
        self._session = session
        self._pusher = session.pusher
        self._name = session.peer.name_of(at.name)

    def _lacking(self, digest: str, tags: Sequence[str]) -> Lacking:
        missing = [tag for tag in tags if self._named(tag) != digest]
        return Lacking(len(missing) == len(tags) and self._named(digest) != digest, missing)

    def _named(self, reference: str) -> str | None:
        """The digest of what a tag or a digest names there."""
        try:
            return self._pusher.stat_manifest(self._name, reference).digest
        except NotThere:
            return None

    # ---- Layers

    def _layers(self, manifest: Manifest) -> None:
        self._ensure_repository()
        self._all_layers(manifest, self._layer)

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

    def _all_layers(self, manifest: Manifest, each: Callable[[str, int], None]) -> None:
        """Do something with each layer, a few at once; those that somebody else sends hold up none of the others."""
        wanted = list(manifest.needed_blobs)
        with self._on.database.snapshot() as tx:
            repository = store.repositories.get(tx, self._at)
            sizes = store.blobs.sizes(tx, repository, wanted, damaged_too=True)  # a manifest may say others
        require_all(several(LAYERS_AT_ONCE, lambda blob: each(blob, sizes.get(blob, 0)), wanted))

    def _layer(self, digest: str, size_bytes: int) -> None:
        if not self._pusher.has_blob(self._name, digest, size_bytes):
            self._send(digest, size_bytes)
        self._session.learn_holder(digest, self._name)

    def _send(self, digest: str, size_bytes: int, *, is_doubted: bool = False) -> None:
        """Send a layer, or let it be mounted; a large one only if nobody else does."""
        if self._job is None or size_bytes < CLAIMED_BYTES:
            self._push(digest, size_bytes, lambda _: self._look(), is_missing=True, is_doubted=is_doubted)
            return
        with peer_uploads.claim(
            self._on, self._job, self._at.registry, self._session, self._name, digest, size_bytes
        ) as sending:
            self._push(digest, size_bytes, sending.note, sending.begun, is_missing=is_doubted, is_doubted=is_doubted)
            sending.is_there()

    def _push(
        self,
        digest: str,
        size_bytes: int,
        watch: Callable[[Upload], None],
        begun: str = "",
        *,
        is_missing: bool,
        is_doubted: bool,
    ) -> None:
        holder = None if is_doubted else self._session.holder(digest)
        is_sent = self._pusher.push_blob(
            self._name,
            digest,
            size_bytes,
            lambda start: layers.pieces(self._on, self._at, digest, start),
            mount_from=holder if holder != self._name else None,
            begun=begun,
            is_missing=is_missing,
            watch=watch,
            pause=self._on.sleep,
        )
        if is_sent:
            self._on.peers.count_sent(size_bytes)

    # ---- Manifests and tags

    def _put(self, manifest: Manifest, lacking: Lacking) -> None:
        self._put_believing(manifest, lacking)
        subject = manifest.subject
        if subject is not None and not self._session.lists_referrers(self._name, subject):
            self._list(referrer_lists.tag_of(subject), [referrer_lists.entry(manifest)])

    def _list(self, tag: str, entries: list[dict[str, Any]]) -> None:
        """Let a list of referrers there have some more, whose manifests are there."""
        peer_referrers.change(
            self._on, self._job, self._at.registry, self._session, self._name, tag, lambda found: found.adding(entries)
        )

    def _put_believing(self, manifest: Manifest, lacking: Lacking) -> None:
        """Put what is lacking; if then a layer is missing that the peer said it has, send it."""
        try:
            self._put_all(manifest, lacking)
        except (Rejected, NotThere) as fault:
            if "BLOB_UNKNOWN" not in fault.code:
                raise
            log.warning("%s said that it has the layers of %s: %s", self._session.peer.url, manifest.digest, fault)
            self._all_layers(manifest, lambda digest, size: self._send(digest, size, is_doubted=True))
            try:
                self._put_all(manifest, lacking)
            except (Rejected, NotThere) as again:
                raise Lied(f"it was given all that it says is missing: {again}") from None

    def _put_all(self, manifest: Manifest, lacking: Lacking) -> None:
        """Put the manifest by its tags, and only if none can be set by its digest."""
        is_put = [self._tag(manifest, tag) for tag in lacking.tags]
        if lacking.image and not any(is_put):
            self._step()
            self._give(manifest.digest, manifest)

    def _give(self, reference: str, manifest: Manifest) -> None:
        mark = self._session.mark_of(self._at.registry)
        told = self._pusher.push_manifest(self._name, reference, manifest.media_type, manifest.body, copied_from=mark)
        if manifest.subject is not None:
            self._session.took_referrer(self._name, is_listed=told.knows_subject)

    def _tag(self, manifest: Manifest, tag: str) -> bool:
        """Let a tag name the image there, if it still does here; one that may not be moved there stays."""
        self._step()
        if self._here(tag) != manifest.digest:
            return False
        if peer_referrers.is_list(self._session, self._name, tag, manifest.digest, manifest.media_type):
            listed = referrer_lists.read(manifest.body, OCI_INDEX) or referrer_lists.EMPTY
            self._list(tag, listed.document["manifests"])
            return False
        try:
            self._give(tag, manifest)
        except Rejected as fault:
            if self._named(tag) in {None, manifest.digest}:
                raise
            log.info("the tag %s of %s stays as it is at %s: %s", tag, self._name, self._session.peer.url, fault)
            return False
        named = self._here(tag)
        if named is None:
            self._follow(manifest.digest, tag)
        elif named != manifest.digest:
            self._mend(tag)
        return True

    def _follow(self, digest: str, tag: str) -> None:
        """The tag went while it was set there."""
        with self._on.database.transaction() as tx:
            repository = store.repositories.find(tx, self._at)
            if repository is not None:
                there = self._session.peer.destination
                replication.follow(tx, repository, digest, tag, there, self._on.clock())

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
            image, body = found
            self._give(tag, manifests.parse(body, image.media_type, digests.algorithm(image.digest)))

    # ---- The work

    def _look(self) -> None:
        if self._job is not None:
            self._job.look()

    def _step(self) -> None:
        if self._job is not None:
            with self._on.database.transaction(durable=False, within=()) as tx:
                self._job.step(tx)
