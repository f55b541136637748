"""Let what refers to an image be found at a peer that keeps no list of it (distribution-spec, "Referrers Tag Schema").

    a push is answered without OCI-Subject, and there is no referrers API
      └─► the index under the subject's tag ── read ── changed ── put ──► by one job at a time of all that we have

What has such a tag and is no index of OCI is somebody's, and stays as it is.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

from holdfast.model import referrer_lists
from holdfast.model.manifests import MAXIMUM_BYTES, OCI_INDEX
from holdfast.outbound.distribution import NotThere, Rejected
from holdfast.registry import peer_uploads
from holdfast.registry.peer_uploads import BeingSent

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.model.names import Registry
    from holdfast.model.referrer_lists import ReferrerList
    from holdfast.registry.backends import Backends
    from holdfast.registry.peer_sessions import PeerSession
    from holdfast.registry.peer_uploads import Sending
    from holdfast.registry.work import Job

log = logging.getLogger(__name__)

WAITS, WAIT_SECONDS = 10, 0.1


def change(
    on: Backends,
    job: Job | None,
    source: Registry,
    session: PeerSession,
    name: str,
    tag: str,
    changed: Callable[[ReferrerList], ReferrerList],
) -> None:
    """Change the list under a tag, if there is anything to change. Raises `BeingSent` while somebody else does."""
    claimed = _claim(on, job, source, session, name, tag) if job is not None else None
    with claimed or nullcontext():
        before, digest = _read(session, name, tag)
        if before is None:
            log.warning("%s:%s at %s is no list of referrers: what refers to its image is there and not listed",
                        name, tag, session.peer.url)  # fmt: skip
            return
        after = changed(before)
        if after != before:
            if job is not None:  # it may be somebody else's by now, who may read the list already
                with on.database.transaction(durable=False, within=()) as tx:
                    job.step(tx)
            if after.digests or not _is_gone(session, name, digest):
                _put(session, name, tag, after)
        if claimed is not None:
            claimed.is_there()


def _claim(on: Backends, job: Job, source: Registry, session: PeerSession, name: str, tag: str) -> Sending:
    """Let this job change a list; others need a moment for that, and are waited for a little."""
    for _ in range(WAITS):
        with suppress(BeingSent):
            return peer_uploads.claim(on, job, source, session, name, f"{name}:{tag}", 0)
        on.sleep(WAIT_SECONDS)
    return peer_uploads.claim(on, job, source, session, name, f"{name}:{tag}", 0)


def find(session: PeerSession, name: str, tag: str) -> ReferrerList | None:
    """The list under a tag, an empty one if there is none yet; None if the tag names anything else."""
    return _read(session, name, tag)[0]


def _read(session: PeerSession, name: str, tag: str) -> tuple[ReferrerList | None, str]:
    try:
        found = session.pusher.manifest(name, tag)
    except NotThere:
        return referrer_lists.EMPTY, ""
    return referrer_lists.read(found.body, found.media_type or None), found.digest


def _is_gone(session: PeerSession, name: str, digest: str) -> bool:
    """Let a list go whose last entry does; one that was put in its place meanwhile has another digest, and stays."""
    try:
        session.pusher.delete_manifest(name, digest)
    except Rejected:
        return False
    return True


def is_list(session: PeerSession, name: str, tag: str, digest: str, media_type: str) -> bool:
    """Whether a tag stands for a list at the peer if it names what has this digest and media type."""
    return media_type == OCI_INDEX and referrer_lists.is_tag(tag) and not session.lists_referrers(name, digest)


def _put(session: PeerSession, name: str, tag: str, wanted: ReferrerList) -> None:
    if len(wanted.body) > MAXIMUM_BYTES:
        log.warning("%s:%s at %s is full: it has %d referrers, and no more are listed there",
                    name, tag, session.peer.url, len(wanted.digests))  # fmt: skip
        return
    try:
        session.pusher.push_manifest(name, tag, OCI_INDEX, wanted.body)
    except (Rejected, NotThere):  # as for an entry that somebody deleted without taking it out of the list
        left = {digest for digest in wanted.digests if _is_there(session, name, digest)}
        if not left or len(left) == len(wanted.digests):
            raise
        session.pusher.push_manifest(name, tag, OCI_INDEX, wanted.without(set(wanted.digests) - left).body)


def _is_there(session: PeerSession, name: str, digest: str) -> bool:
    try:
        session.pusher.stat_manifest(name, digest)
    except NotThere:
        return False
    return True
