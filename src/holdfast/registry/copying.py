"""How an image is walked through that is copied, wherever it goes.

    is it there? ─► members, and the subject ─► layers ─► manifest and tags

Each step can be done twice, and nobody sees a manifest before all that it needs is there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from holdfast import store
from holdfast.model import digests, manifests
from holdfast.model.errors import Unavailable
from holdfast.model.images import ACTIVE
from holdfast.model.replication import ARCHIVED, Copied
from holdfast.registry.peer_uploads import BeingSent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.model.images import Image
    from holdfast.model.manifests import Manifest
    from holdfast.model.names import RepositoryRef
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job

T = TypeVar("T")
Ended = TypeVar("Ended")
DEEPEST = 8  # indexes within indexes, and subjects of subjects
DAMAGED = "ManifestDamaged"


class ReplicaStays(Unavailable):
    """What went here does not go there yet: an index that goes later lists it, it is in use, or we may not."""


class Lacking(NamedTuple):
    """What is not there of an image."""

    image: bool
    tags: Sequence[str]


class Copying(ABC):
    """The copying of images of one repository to one place, with what that needs."""

    def __init__(self, on: Backends, at: RepositoryRef, job: Job | None) -> None:
        self._on = on
        self._at = at
        self._job = job

    def image(self, digest: str, tags: Sequence[str] | None, depth: int = 0) -> Copied:
        """Copy an image, and some of its tags, or all that it has; one that went meanwhile is not missed.

        Raises `BeingSent` if somebody else sends a part of it.
        """
        found = self._find(digest)
        if found is None:
            return Copied()
        image, body = found
        if image.status != ACTIVE:
            return Copied(ARCHIVED)
        manifest = manifests.parse(body, image.media_type, digests.algorithm(digest))
        if manifest.digest != digest:  # it rotted, and under a tag nobody there would notice
            return Copied(DAMAGED)
        lacking = self._lacking(digest, image.tags if tags is None else [tag for tag in tags if tag in image.tags])
        if lacking.image:
            failures = self._needed(manifest, depth)
            if failures:
                return Copied(failures[0], failures)
            self._layers(manifest)
        self._put(manifest, lacking)
        return Copied()

    def _find(self, digest: str) -> tuple[Image, bytes] | None:
        with self._on.database.snapshot() as tx:
            repository = store.repositories.find(tx, self._at)
            image = None if repository is None else store.images.find(tx, repository, digest=digest)
            if image is None:
                return None
            [image] = store.tags.of_images(tx, [image])
            return image, store.images.body(tx, image)

    def _needed(self, manifest: Manifest, depth: int) -> tuple[str, ...]:
        """Copy what an index lists, and what a referrer refers to, if it is here; why that failed."""
        if depth >= DEEPEST:
            return ()
        wanted = list(manifest.needed_manifests)
        if manifest.subject is not None and not self._has(manifest.subject):
            wanted.append(manifest.subject)
        ended = require_all(several(1, lambda one: self.image(one, (), depth + 1), wanted))
        return tuple(one.failure_code for one in ended if one.failure_code is not None)

    def _has(self, _digest: str) -> bool:
        """Whether an image is known to be there; one that is not is asked for when its turn comes."""
        return False

    @abstractmethod
    def _lacking(self, digest: str, tags: Sequence[str]) -> Lacking:
        """What is not there of an image and some tags."""

    @abstractmethod
    def _layers(self, manifest: Manifest) -> None:
        """Let the repository there hold all layers of an image."""

    @abstractmethod
    def _put(self, manifest: Manifest, lacking: Lacking) -> None:
        """Put what is lacking of the manifest itself and its tags."""


def require_all(ended: Sequence[Ended | BeingSent]) -> list[Ended]:
    """What came of several things. Raises `BeingSent` if somebody else does one of them."""
    for one in ended:
        if isinstance(one, BeingSent):
            raise one
    return [one for one in ended if not isinstance(one, BeingSent)]


def several(at_once: int, does: Callable[[T], Ended], these: Sequence[T]) -> list[Ended | BeingSent]:
    """Do something with each of these, a few at once, and say what came of it; after a fault no more are begun.

    What somebody else sends holds up none of the others.
    """

    def one(it: T) -> Ended | BeingSent:
        try:
            return does(it)
        except BeingSent as fault:
            return fault

    if at_once == 1 or len(these) == 1:
        return list(map(one, these))
    with ThreadPoolExecutor(at_once, "copy") as pool:
        running = [pool.submit(one, it) for it in these]
        try:
            return [task.result() for task in running]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
