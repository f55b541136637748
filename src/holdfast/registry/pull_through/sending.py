"""What clients do not push because an upstream has it: it is brought when a manifest names it.

    HEAD ─► the upstream has it: 200 ─► not sent ─► PUT of the manifest ─► not here ─► brought ─► kept
        └─► it has not, does not tell, or not at once: 404 ─► sent

So a push works whatever the upstream does, and a client need not send what is only a fetch away.
"""

from __future__ import annotations

import logging
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.errors import Refusal, UpstreamTooManyRequests, UpstreamUnavailable
from holdfast.registry.pull_through.images import Wait, blob, manifest, may_have

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.model.manifests import Manifest
    from holdfast.model.names import RepositoryRef
    from holdfast.registry.backends import Backends
    from holdfast.registry.pull_through.images import Leave

log = logging.getLogger(__name__)

PAUSES_SECONDS = (2.0, 2.0, 2.0)  # longer than an upstream rests that could not be reached


class Parts:
    """What a manifest that is pushed needs and only an upstream has; where it does not come, it is refused as ever."""

    def __init__(self, on: Backends, at: RepositoryRef, pushed: Manifest, leave: Leave, missing: Refusal) -> None:
        if not may_have(on, at) or not leave.may_import():
            raise missing
        self._missing = missing
        self._coming = _come(on, at, pushed, leave, missing)

    def go_on(self) -> bool:
        """Whether all is here; False while something comes."""
        try:
            return next(self._coming, True)
        except Refusal as refusal:
            log.info("what is missing does not come from the upstream: %s", refusal.message)
            raise self._missing from None


def _come(on: Backends, at: RepositoryRef, pushed: Manifest, leave: Leave, missing: Refusal) -> Iterator[bool]:
    if not on.upstreams.pushes.acquire(blocking=False):
        raise missing  # each has a manifest in memory
    try:
        yield from _all_come(on, at, pushed, leave)
    finally:  # also when the client hung up, and nobody asks any more
        on.upstreams.pushes.release()


def _all_come(on: Backends, at: RepositoryRef, pushed: Manifest, leave: Leave) -> Iterator[bool]:
    for digest in pushed.needed_blobs:
        yield from _tried(on, partial(_blob_comes, on, at, digest, leave))
    for digest in pushed.needed_manifests:
        yield from _tried(on, partial(_image_comes, on, at, digest, leave))


def _tried(on: Backends, comes: Callable[[], Iterator[bool]]) -> Iterator[bool]:
    """Let something come, and try it again where the upstream has a bad time: the client was told that it has it."""
    for pause in PAUSES_SECONDS:
        try:
            yield from comes()
        except (UpstreamUnavailable, UpstreamTooManyRequests):
            until = on.monotonic() + pause
            while on.monotonic() < until:
                yield False
        else:
            return
    yield from comes()


def _blob_comes(on: Backends, at: RepositoryRef, digest: str, leave: Leave) -> Iterator[bool]:
    while (found := blob(on, at, digest, leave)) is not None:
        if isinstance(found, Wait):
            yield False
            while not found.is_over():
                yield False
            continue
        with closing(found):
            while not found.is_over:
                yield False


def _image_comes(on: Backends, at: RepositoryRef, digest: str, leave: Leave) -> Iterator[bool]:
    while isinstance(manifest(on, at, digest, by_tag=False, leave=leave), Wait):
        yield False
    while not _is_here(on, at, digest):
        yield False


def _is_here(on: Backends, at: RepositoryRef, digest: str) -> bool:
    """Whether an image has come; one that does not come any more counts as well, for it is missed soon enough."""
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        coming = store.cached.on_its_way(tx, repository, digest=digest)
    return coming is None or coming.failure is not None
