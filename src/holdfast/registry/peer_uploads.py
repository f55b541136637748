"""A layer is sent to a peer by one job at a time, of all threads, processes and nodes; where it broke off it goes on.

    a row of `peer_uploads`, held as long as the work is ── others put their work back, and find the layer there later
     └── the URL of the upload, sealed ── whoever comes next asks the peer how far it is, and goes on from there

The URL is of use at that peer, for that repository and as the same somebody only; it is judged each time it is called.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.blobs import WrongKey
from holdfast.model.errors import Refusal
from holdfast.outbound.distribution import URL_LENGTH, Upload

if TYPE_CHECKING:
    from typing import Self

    from holdfast.model.names import Registry
    from holdfast.registry.backends import Backends
    from holdfast.registry.peer_sessions import PeerSession
    from holdfast.registry.work import Job

log = logging.getLogger(__name__)

CLAIMED_BYTES = 1024 * 1024  # smaller ones are sent twice rather than written down
SOONEST, LATEST = 1.0, 30.0  # seconds until one that somebody else sends is looked for again
RATE = 32 * 1024 * 1024  # bytes a second that it may come with


class BeingSent(Exception):
    """Somebody else sends a layer at this very moment: what needs it comes later."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"a layer is being sent by somebody else; looked for again in {seconds:g} s")
        self.seconds = seconds


class Sending:
    """A layer that this job sends, and nobody else; let go at the end of a block."""

    def __init__(self, on: Backends, job: Job, key: str, begun: str) -> None:
        self.begun = begun  # the URL of an upload that was not ended; empty if there is none
        self._on = on
        self._job = job
        self._key = key
        self._is_there = False

    def note(self, upload: Upload) -> None:
        """Make sure that the job is still ours and wanted, and keep how far the upload is."""
        on, url = self._on, upload.url
        sealed = on.keys.wrap(url.encode(), _context(self._key)) if len(url) <= URL_LENGTH else None
        with on.database.transaction(durable=False, within=[self._key]) as tx:
            self._job.step(tx)
            store.peer_uploads.note(tx, self._key, self._job.item, sealed, upload.received_bytes, on.clock())

    def is_there(self) -> None:
        """The peer has the layer: nothing is to be gone on with."""
        self._is_there = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._on.database.transaction(durable=False, within=[self._key]) as tx:
            (store.peer_uploads.end if self._is_there else store.peer_uploads.let_go)(tx, self._key, self._job.item)


def claim(
    on: Backends, job: Job, source: Registry, session: PeerSession, name: str, digest: str, size_bytes: int
) -> Sending:
    """Let this job send a layer. Raises `BeingSent`."""
    peer = session.peer
    key = _hash(source.account_id, source.region, peer.url, digest)
    target = _hash(peer.url, peer.kind, name, peer.credential_arn or "", session.username)
    now = on.clock()
    with on.database.transaction(durable=False, within=[key]) as tx:
        job.step(tx)
        known = store.peer_uploads.find(tx, key, now)
        if known is not None and known.is_held:
            left = (known.size_bytes - known.received_bytes) / RATE
            raise BeingSent(min(max(left, SOONEST), LATEST))
        if known is not None and known.target != target:
            known = None
        store.peer_uploads.take(tx, key, job.item, target, known, size_bytes, now)
    return Sending(on, job, key, _opened(on, key, known.sealed if known is not None else None))


def _opened(on: Backends, key: str, sealed: bytes | None) -> str:
    if sealed is None:
        return ""
    try:
        return on.keys.unwrap(sealed, _context(key)).decode()
    except (WrongKey, Refusal) as fault:  # the key that sealed it may be gone
        log.info("an upload is begun anew: %s", fault)
        return ""


def _context(key: str) -> str:
    return f"peer-upload/{key}"


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
