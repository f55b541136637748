"""Copy an image from one registry of this installation to another, or to a peer, and remove it there.

    may the source? ─► repository, by template ─► the image, as `copying` walks it: manifest and tags in one step

A layer that lies under the same key is linked and not copied; under another key it is sealed again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from holdfast import store
from holdfast.model import replication as rules
from holdfast.model.callers import Caller
from holdfast.model.circumstances import NoRequest
from holdfast.model.errors import ImageNotFound, Refusal, RepositoryNotFound, Unavailable
from holdfast.model.images import ImageId
from holdfast.model.names import Registry, RepositoryRef
from holdfast.model.replication import CANCELLED, Copied, Replication
from holdfast.model.templates import Purpose
from holdfast.model.work import PushDeletion, PushImage, ReplicateDeletion
from holdfast.registry import (
    access,
    images,
    layers,
    peers,
    purging,
    remote_replicas,
    replicated_settings,
    replication,
    repositories,
    selection,
    uploads,
)
from holdfast.registry.copying import Copying, Lacking, ReplicaStays
from holdfast.registry.peer_uploads import BeingSent
from holdfast.registry.work import ATTEMPTS, WorkCancelled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from holdfast.model.images import Image
    from holdfast.model.manifests import Manifest
    from holdfast.model.replication import Choice
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job
    from holdfast.store import Transaction

NO_RULE = "ReplicationRuleRemoved"
NO_ACCOUNT = "DestinationAccountNotFound"
NO_REQUEST = NoRequest()
MOST_DELETIONS = 100  # of one image, whose tags are looked at
MOST_BEFORE = 1000  # images that a tag named, of which it may name one there still


def replicate(on: Backends, job: Job) -> datetime | None:
    """Copy an image with the tags that it has now to one destination."""
    image_id = job.item.payload["image_id"]
    there = Registry(job.item.payload["account_id"], job.item.payload["region"])
    with on.database.snapshot() as tx:
        wanted = _wanted(tx, image_id, there)
        again_at = purging.look_again(on, tx, image_id) if wanted is None else None
    if wanted is None:
        _went(on, job, image_id, there)
        return again_at
    repository, image, choice, tags, is_meant = wanted
    if choice is None:
        _end(on, job, repository, image, Replication(there, "FAILED", NO_RULE))
        return None
    if not is_meant:
        _leave_out(on, job, repository, image, there, choice)
        return None
    if not isinstance(job.item.work, PushImage) and peers.find(on, repository.registry, there) is not None:
        _hand_over(on, job, PushImage(**job.item.payload))
        return None
    try:
        failure = copy(on, repository.ref, image.digest, there, tags, job=job).failure_code
        if failure is None:
            replication.call_dependents(on, job, repository, image.digest, there, choice)
    except BeingSent as fault:
        return on.clock() + timedelta(seconds=fault.seconds)
    except Unavailable as refusal:
        if job.item.attempts < ATTEMPTS:
            raise
        failure = refusal.code
    except WorkCancelled:
        with on.database.transaction() as tx:
            store.replications.change(tx, image_id, Replication(there, "FAILED", CANCELLED), on.clock())
        raise
    _end(on, job, repository, image, Replication(there, "COMPLETE" if failure is None else "FAILED", failure))
    return None


class _Wanted(NamedTuple):
    """An image that is to be copied."""

    repository: Repository
    image: Image
    choice: Choice | None  # of the rules of now; none if they do not copy the repository there any more
    tags: list[str] | None  # those that go; None if all do
    is_meant: bool  # by the choice: its tag may have moved on, or the filters did


def _wanted(tx: Transaction, image_id: int, there: Registry) -> _Wanted | None:
    found = store.images.find_by_id(tx, image_id)
    if found is None:
        return None
    image, repository_id = found
    repository = store.repositories.get_by_id(tx, repository_id)
    choice = rules.choices_of(replication.rules_of(tx, repository), repository.name).get(there)
    if choice is None:
        return _Wanted(repository, image, None, None, is_meant=False)
    tags = selection.tags_of(tx, repository, image.digest, choice)
    is_meant = bool(tags) or selection.goes(tx, repository, image.digest, choice)
    return _Wanted(repository, image, choice, tags, is_meant)


def _leave_out(on: Backends, job: Job, repository: Repository, image: Image, there: Registry, choice: Choice) -> None:
    with on.database.transaction() as tx:
        job.step(tx)
        if not selection.goes(tx, repository, image.digest, choice):
            store.replications.forget(tx, image.id, there)


def _hand_over(on: Backends, job: Job, work: PushImage | PushDeletion) -> None:
    """Let work be done beside all else that waits for a registry elsewhere."""
    with on.database.transaction() as tx:
        job.step(tx)
        store.work.add(tx, work, on.clock())


def _end(on: Backends, job: Job, repository: Repository, image: Image, ended: Replication) -> None:
    """Say how the copying of an image ended; one that went meanwhile may have to go there, too."""
    with on.database.transaction() as tx:
        job.step(tx)
        store.replications.change(tx, image.id, ended, on.clock())
        if store.images.find_by_id(tx, image.id) is None and store.repositories.find_by_id(tx, repository.id):
            replication.follow(tx, repository, image.digest, "", ended.destination, on.clock())


def _went(on: Backends, job: Job, image_id: int, there: Registry) -> None:
    """An image was deleted that was to be copied: whoever began that may have died after it was there."""
    with on.database.transaction() as tx:
        job.step(tx)
        home = store.deleted_images.home(tx, image_id)
        repository = store.repositories.find_by_id(tx, home[0]) if home is not None else None
        if home is not None and repository is not None:
            replication.follow(tx, repository, home[1], "", there, on.clock())


def replicate_deletion(on: Backends, job: Job) -> datetime | None:
    """Remove at one destination what was removed here, unless it is here again."""
    wanted = ReplicateDeletion(**job.item.payload)
    there = Registry(wanted.account_id, wanted.region)
    with on.database.snapshot() as tx:
        repository = store.repositories.find_by_id(tx, wanted.repository_id)
        if repository is None:
            return None  # the deletion of a repository is not followed
        if there not in rules.choices_of(replication.rules_of(tx, repository), repository.name, deletions=True):
            return None
        # A tag that names anything here will name that there, too, and is not removed in between.
        what = {"tag": wanted.tag} if wanted.tag else {"digest": wanted.digest}
        is_here = store.images.find(tx, repository, **what) is not None
        before = store.tag_history.digests(tx, repository, wanted.tag, MOST_BEFORE) if wanted.tag else []
        peer = peers.find_in(tx, repository.registry, there)
    if is_here:
        _follow_tags(on, job, repository, wanted, there)
        return None
    if peer is not None and not isinstance(job.item.work, PushDeletion):
        _hand_over(on, job, PushDeletion(**job.item.payload))
        return None
    try:
        remove(on, repository.ref, [wanted.digest, *before], wanted.tag, there, job)
    except BeingSent as fault:
        return on.clock() + timedelta(seconds=fault.seconds)
    except Unavailable:
        raise
    except Refusal as refusal:
        raise ReplicaStays(f"{refusal.code}: {refusal.message}") from None
    with on.database.transaction() as tx:
        # What is here again since we looked, or has the tag now, may have come there before that was removed.
        image = store.images.find(tx, repository, **what)
        if image is not None:
            replication.pushed(on, tx, repository, image, on.clock())
    return None


def _follow_tags(on: Backends, job: Job, repository: Repository, wanted: ReplicateDeletion, there: Registry) -> None:
    """An image is here again that was deleted: tags that went with it, and did not come back, go without it."""
    with on.database.transaction() as tx:
        job.step(tx)
        gone = set() if wanted.tag else store.deleted_images.tags_of(tx, repository, wanted.digest, MOST_DELETIONS)
        for tag in sorted(gone):
            if store.images.find(tx, repository, tag=tag) is None:
                replication.follow(tx, repository, wanted.digest, tag, there, on.clock())


# ---- Copying and removing


def copy(
    on: Backends,
    at: RepositoryRef,
    digest: str,
    destination: Registry,
    tags: Sequence[str] | None = None,
    job: Job | None = None,
) -> Copied:
    """Copy an image, and some of its tags or all of them, to the repository of the same name in another registry.

    What may pass is raised as `Unavailable`, and as `BeingSent` what somebody else does meanwhile; every other fault is
    the failure code that is returned.
    """
    there = RepositoryRef(destination, at.name)
    with on.database.snapshot() as tx:
        peer = peers.find_in(tx, at.registry, destination)
        if peer is None and not store.accounts.exists(tx, destination.account_id):
            return Copied(NO_ACCOUNT)
    try:
        if peer is not None:
            return remote_replicas.copy(on, at, digest, peer, tags, job)
        _require_leave(on, at.registry, there)
        _ensure_repository(on, at.registry, there)
        return _Copy(on, at, there, job).image(digest, tags)
    except Unavailable:
        raise
    except Refusal as refusal:
        return Copied(refusal.code)


def remove(
    on: Backends, at: RepositoryRef, digests: Sequence[str], tag: str, destination: Registry, job: Job | None = None
) -> None:
    """Remove a tag if it names one of some images, or with an empty one the first, from another registry.

    There it may be gone. A tag may name there still what it named here before.
    """
    there = RepositoryRef(destination, at.name)
    if (peer := peers.find(on, at.registry, destination)) is not None:
        remote_replicas.remove(on, at, digests, tag, peer, job)
        return
    _require_leave(on, at.registry, there)
    try:
        if tag:
            [named] = images.describe(on, there, [ImageId(tag=tag)])
            if named.digest in digests:
                images.delete_tag(on, there, tag, of=named.digest, spreads=False)
            return
        _, failures = images.delete(on, there, [ImageId(digests[0])], spreads=False)
    except (ImageNotFound, RepositoryNotFound):
        return
    if failures and failures[0].code != "ImageNotFound":
        raise ReplicaStays(
            f"{there.name}@{digests[0]} in {destination.region} of {destination.account_id}: {failures[0].reason}"
        )


def _require_leave(on: Backends, source: Registry, there: RepositoryRef, action: str = "ecr:ReplicateImage") -> None:
    """Refuse unless the registry policy of another account lets the source's account do it (ECR user guide)."""
    if source.account_id != there.registry.account_id:
        access.require(on, Caller(source.account_id, ""), action, there, NO_REQUEST)


def _ensure_repository(on: Backends, source: Registry, there: RepositoryRef) -> None:
    if not on.database.hot.has_repository(there):
        _require_leave(on, source, there, "ecr:CreateRepository")
        repositories.create_for(on, there, Purpose.REPLICATION)
        replicated_settings.made(on, RepositoryRef(source, there.name), there.registry)


class _Copy(Copying):
    """Within this installation."""

    def __init__(self, on: Backends, at: RepositoryRef, there: RepositoryRef, job: Job | None) -> None:
        super().__init__(on, at, job)
        self._there = there

    def _lacking(self, _: str, tags: Sequence[str]) -> Lacking:
        return Lacking(True, tags)  # it costs little to do it twice, and may heal what is damaged there

    def _has(self, digest: str) -> bool:
        with self._on.database.snapshot() as tx:
            there = store.repositories.find(tx, self._there)
            return there is not None and store.images.find(tx, there, digest=digest) is not None

    def _layers(self, manifest: Manifest) -> None:
        for digest in manifest.needed_blobs:
            self._layer(digest)

    def _layer(self, digest: str) -> None:
        """Let the repository there hold a layer: linked if it lies under the same key, else sealed anew."""
        on, content = self._on, store.Content(self._there.registry, digest)
        with on.database.transaction(durable=False, within=[content]) as tx:
            if self._job is not None:
                self._job.step(tx)
            target = store.repositories.get(tx, self._there)
            if store.blobs.share(tx, target, digest, on.clock(), on.limits.push_time):
                return
        uploads.take(on, self._there, digest, layers.pieces(on, self._at, digest))

    def _put(self, manifest: Manifest, lacking: Lacking) -> None:
        """Put the manifest, and those tags that name it here at this very moment and may be set there."""
        on = self._on
        with on.database.transaction(within=[self._at, self._there]) as tx:
            source, target = store.repositories.get(tx, self._at), store.repositories.get(tx, self._there)
            image = store.images.find(tx, source, digest=manifest.digest)
            if image is None:
                return
            [image] = store.tags.of_images(tx, [image])
            free = [
                tag for tag in lacking.tags if tag in image.tags and images.may_point(tx, target, tag, manifest.digest)
            ]
            images.put_in(on, tx, target, manifest, free, copied_from=self._at.registry)
