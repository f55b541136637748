"""Copy an image from one registry of this installation to another, or to a peer, and remove it there.

    may the source? ─► repository, by template ─► the image, as `copying` walks it: manifest and tags in one step

A layer that lies under the same key is linked and not copied; under another key it is sealed again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

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
from holdfast.registry.copying import Copying, Lacking
from holdfast.registry.peer_uploads import BeingSent
from holdfast.registry.work import ATTEMPTS, WorkCancelled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from holdfast.model.manifests import Manifest
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job

NO_RULE = "ReplicationRuleRemoved"
NO_ACCOUNT = "DestinationAccountNotFound"
NO_REQUEST = NoRequest()


class Stays(Exception):
    """What went here cannot go there yet: an index that goes later lists it, or it is in use."""


def replicate(on: Backends, job: Job) -> datetime | None:
    """Copy an image with the tags that it has now to one destination."""
    image_id = job.item.payload["image_id"]
    there = Registry(job.item.payload["account_id"], job.item.payload["region"])
    with on.database.snapshot() as tx:
        found = store.images.find_by_id(tx, image_id)
        if found is None:
            return purging.look_again(on, tx, image_id)
        image, repository_id = found
        repository = store.repositories.get_by_id(tx, repository_id)
        choice = rules.choices_of(replication.rules_of(tx, repository), repository.name).get(there)
        tags = None if choice is None else selection.tags_of(tx, repository, image.digest, choice)
        is_left_out = choice is not None and not tags and not selection.goes(tx, repository, image.digest, choice)
        peer = peers.find_in(tx, repository.ref.registry, there)
    if is_left_out:  # its tag moved on, or the filters did
        with on.database.transaction() as tx:
            job.step(tx)
            if choice is not None and not selection.goes(tx, repository, image.digest, choice):
                store.replications.forget(tx, image_id, there)
        return None
    if choice is not None and peer is not None and not isinstance(job.item.work, PushImage):
        with on.database.transaction() as tx:
            job.step(tx)
            store.work.add(tx, PushImage(image_id, there.region, there.account_id), on.clock())
        return None
    try:
        copied = copy(on, repository.ref, image.digest, there, tags, job=job) if choice is not None else Copied(NO_RULE)
        if choice is not None and copied.failure_code is None:
            replication.call_dependents(on, job, repository, image.digest, there, choice)
        failure = copied.failure_code
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
    with on.database.transaction() as tx:
        job.step(tx)
        ended = Replication(there, "COMPLETE" if failure is None else "FAILED", failure)
        store.replications.change(tx, image_id, ended, on.clock())
    return None


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
        if store.images.find(tx, repository, digest=wanted.digest, tag=wanted.tag or None) is not None:
            return None
        peer = peers.find_in(tx, repository.ref.registry, there)
    if peer is not None and not isinstance(job.item.work, PushDeletion):
        with on.database.transaction() as tx:
            job.step(tx)
            store.work.add(tx, PushDeletion(**job.item.payload), on.clock())
        return None
    try:
        remove(on, repository.ref, wanted.digest, wanted.tag, there, job)
    except BeingSent as fault:
        return on.clock() + timedelta(seconds=fault.seconds)
    with on.database.transaction() as tx:
        image = store.images.find(tx, repository, digest=wanted.digest, tag=wanted.tag or None)
        if image is not None:  # it is back since we looked, and its copy may have come before it was removed
            replication.pushed(on, tx, repository, image, on.clock())
    return None


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
    on: Backends, at: RepositoryRef, digest: str, tag: str, destination: Registry, job: Job | None = None
) -> None:
    """Remove a tag of an image, or with an empty one the image, from another registry; where it may be gone."""
    there = RepositoryRef(destination, at.name)
    if (peer := peers.find(on, at.registry, destination)) is not None:
        remote_replicas.remove(on, at, digest, tag, peer, job)
        return
    _require_leave(on, at.registry, there)
    try:
        if tag:
            images.delete_tag(on, there, tag, of=digest, spreads=False)
            return
        _, failures = images.delete(on, there, [ImageId(digest)], spreads=False)
    except (ImageNotFound, RepositoryNotFound):
        return
    if failures and failures[0].code != "ImageNotFound":
        raise Stays(f"{there.name}@{digest} in {destination.region} of {destination.account_id}: {failures[0].reason}")


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
