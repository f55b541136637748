"""Bring images of another registry into a repository here, as a client would that pulls there and pushes here.

    index ─► its members ─► config and layers ─► manifest ─► tags         and the subject before what refers to it

So nobody ever sees a manifest whose parts are not there, and what is here already is not brought again.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from holdfast.model import digests, manifests
from holdfast.model.errors import BlobNotFound, ImageNotFound, ImageTagAlreadyExists, Invalid, LayerDamaged
from holdfast.registry import images, layers, uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from holdfast.model.manifests import Manifest
    from holdfast.model.names import RepositoryRef
    from holdfast.outbound.distribution import Manifest as Fetched
    from holdfast.registry.backends import Backends

REMEMBERED = 50_000  # blobs of which it is known which repository has them
DEEPEST = 8  # indexes within indexes, and subjects of subjects


@dataclass(slots=True)
class Brought:
    """What came."""

    images: int = 0
    blobs: int = 0
    size_bytes: int = 0


class Source(Protocol):
    """Where images are brought from, by several threads: a `Puller`, or what can be read like one."""

    def manifest(self, name: str, reference: str) -> Fetched:
        """A manifest by its digest, which was proved."""

    def read_blob(
        self,
        name: str,
        digest: str,
        start: int = 0,
        size_bytes: int | None = None,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> Iterator[bytes]:
        """The pieces of a blob."""


class Stopped(Exception):
    """Nothing more is to be brought."""


class Importer:
    """Brings images of one remote registry; threads may share it, and no two bring the same thing at a time."""

    def __init__(self, on: Backends, puller: Source, moved: Callable[[int], None] = lambda _: None) -> None:
        self._on = on
        self._puller = puller
        self._moved = moved
        self._lock = threading.Lock()
        self._under_way: dict[tuple[RepositoryRef, str], threading.Lock] = {}
        self._holders: OrderedDict[str, RepositoryRef] = OrderedDict()
        self._is_stopped = False
        self.brought = Brought()

    def stop(self) -> None:
        """Let whatever is being brought raise `Stopped` soon."""
        self._is_stopped = True

    def bring(
        self, at: RepositoryRef, name: str, digest: str, subjects: Collection[str] = (), depth: int = 0
    ) -> Manifest:
        """Let a repository have the image of a digest, with all that it needs; and its subject, if it is one of some.

        Raises a `RemoteFault`, or the `Refusal` of a push.
        """
        if depth > DEEPEST:
            raise Invalid(f"{digest} lies more than {DEEPEST} indexes or subjects deep")
        with self._alone(at, digest):
            known = self._known(at, digest)
            if known is not None:
                return known
            found = self._puller.manifest(name, digest)
            manifest = manifests.parse(found.body, found.media_type or None, digests.algorithm(digest))
            if manifest.subject is not None and manifest.subject in subjects:
                self.bring(at, name, manifest.subject, subjects, depth + 1)
            for child in manifest.needed_manifests:
                self.bring(at, name, child, subjects, depth + 1)
            sizes = {layer.digest: layer.size for layer in (*manifest.layers, *manifest.children)}
            for blob in manifest.needed_blobs:
                self._bring_blob(at, name, blob, sizes[blob])
            images.put(self._on, at, manifest)
            self._count(1, 0, 0)
            return manifest

    def tag(self, at: RepositoryRef, manifest: Manifest, tags: Collection[str]) -> None:
        """Let tags name an image that is there; one that may not move here moved there all the same."""
        for tag in tags:
            try:
                images.put(self._on, at, manifest, [tag])
            except ImageTagAlreadyExists:
                images.delete_tag(self._on, at, tag)
                images.put(self._on, at, manifest, [tag])

    def _known(self, at: RepositoryRef, digest: str) -> Manifest | None:
        try:
            found = images.find_stored(self._on, at, digest, by_tag=False)
        except ImageNotFound:
            return None
        return manifests.parse(found.body, found.media_type, digests.algorithm(digest))

    def _bring_blob(self, at: RepositoryRef, name: str, digest: str, size_bytes: int) -> None:
        with self._alone(at, digest):
            if self._is_here(at, digest):
                return
            with self._lock:
                holder = self._holders.get(digest)
            if holder is None or holder == at or not uploads.mount(self._on, at, holder, digest):
                self._download(at, name, digest, size_bytes)
            with self._lock:
                self._holders[digest] = at
                if len(self._holders) > REMEMBERED:
                    self._holders.popitem(last=False)

    def _download(self, at: RepositoryRef, name: str, digest: str, size_bytes: int) -> None:
        def pieces() -> Iterator[bytes]:
            for piece in self._puller.read_blob(name, digest, size_bytes=size_bytes, pause=self._on.sleep):
                if self._is_stopped:
                    raise Stopped
                yield piece
                self._moved(len(piece))

        self._count(0, 1, uploads.take(self._on, at, digest, pieces()))

    def _is_here(self, at: RepositoryRef, digest: str) -> bool:
        try:
            layers.size(self._on, at, digest)
        except (BlobNotFound, LayerDamaged):  # a damaged one is healed by being pushed again
            return False
        return True

    def _count(self, image_count: int, blob_count: int, size_bytes: int) -> None:
        with self._lock:
            self.brought.images += image_count
            self.brought.blobs += blob_count
            self.brought.size_bytes += size_bytes

    @contextmanager
    def _alone(self, at: RepositoryRef, digest: str) -> Iterator[None]:
        """Wait until nobody else brings the same; what waits for what follows the digests, so never in a circle."""
        with self._lock:
            lock = self._under_way.setdefault((at, digest), threading.Lock())
        try:
            with lock:
                yield
        finally:
            with self._lock:
                if not lock.locked():
                    self._under_way.pop((at, digest), None)
