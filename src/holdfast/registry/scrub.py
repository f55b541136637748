"""Read what is kept, and see whether it still is what was pushed: in the background, and when somebody asks.

In the background it goes through all manifests and blobs, those first that were not verified for longest, at a pace
that leaves the disk to requests. Where it stands is in the rows themselves, so it goes on wherever it was interrupted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from holdfast import store
from holdfast.model import digests
from holdfast.model.damage import Kept, KeptManifest, other_digest
from holdfast.model.work import RepairDamage
from holdfast.registry import damage
from holdfast.registry.damage import Unreadable
from holdfast.registry.work import WorkInterrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import timedelta

    from holdfast.model.names import RepositoryRef
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job
    from holdfast.store.scrub import Covered, Place

PAGE = 100
TURN_SECONDS = 60.0  # of one run, so that other patient work has its turn
NOTE_SECONDS = 5.0  # between two notes of what was verified
STEP_SECONDS = 30.0  # between two looks whether the work is still wanted, inside a large blob
NAP_SECONDS = 0.5  # at most, between two looks whether the process shall come to rest


@dataclass(frozen=True, slots=True)
class Finding:
    """What came out of looking at one blob or manifest."""

    what: Kept | KeptManifest
    damage: str | None = None
    is_unreadable: bool = False  # it could not be read now, and nothing is known about it


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to verify: one digest, one repository, or everything."""

    digest: str | None = None
    repository: RepositoryRef | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """How much was verified, and what is damaged."""

    blobs: Covered
    manifests: Covered
    damaged: int
    damaged_manifests: int
    set_apart: int  # damaged objects that others took the place of


# ---- In the background


def scrub_bytes(on: Backends, job: Job) -> datetime | None:
    """Verify for a while, at the pace that the operator lets; when to go on, if that is before the next round."""
    if not on.limits.scrub_bytes_per_second:
        return None
    before = on.clock() - on.limits.scrub_interval
    places: dict[str, Any] = dict(job.item.progress or {})
    pace = _Pace(on, job)
    ends_at = on.monotonic() + TURN_SECONDS
    while on.monotonic() < ends_at:
        found = _stale(on, before, places)
        if not found:
            with on.database.transaction(durable=False) as tx:
                job.step(tx, {})  # the next round begins with what could not be read in this one
            return None
        sound: list[Finding] = []
        note_at = on.monotonic() + NOTE_SECONDS
        for what in found:
            sound.append(look(on, what, pace))
            places[type(what).__name__] = [what.verified_at.isoformat(), what.id]
            if what is found[-1] or on.monotonic() > note_at:
                with on.database.transaction(durable=False) as tx:
                    job.step(tx, places)
                    _note(on, tx, sound)
                sound.clear()
                note_at = on.monotonic() + NOTE_SECONDS
    return on.clock()


def _stale(on: Backends, before: datetime, places: dict[str, Any]) -> Sequence[Kept | KeptManifest]:
    def place(kind: type) -> Place:
        found = places.get(kind.__name__)
        return (datetime.fromisoformat(found[0]), found[1]) if found else store.scrub.FIRST

    with on.database.snapshot() as tx:
        return store.scrub.stale_manifests(tx, before, place(KeptManifest), PAGE) or store.scrub.stale_blobs(
            tx, before, place(Kept), PAGE
        )


class _Pace:
    """Lets no more bytes a second be read than it may be, and sees to it that the work is still wanted."""

    def __init__(self, on: Backends, job: Job) -> None:
        self._on = on
        self._job = job
        self._rate = on.limits.scrub_bytes_per_second
        self._free_at = self._stepped_at = on.monotonic()

    def __call__(self, size: int) -> None:
        self._free_at = max(self._free_at, self._on.monotonic()) + size / self._rate
        while True:
            if self._job.is_stopping():
                raise WorkInterrupted
            now = self._on.monotonic()
            if now - self._stepped_at > STEP_SECONDS:
                self._stepped_at = now
                with self._on.database.transaction(durable=False) as tx:
                    self._job.step(tx)
            if now >= self._free_at:
                return
            self._on.sleep(min(self._free_at - now, NAP_SECONDS))


# ---- One thing


def look(
    on: Backends,
    what: Kept | KeptManifest,
    pace: Callable[[int], None] = lambda _: None,
    *,
    even_if_all: bool = False,
) -> Finding:
    """Verify a blob or a manifest, and let it count as damaged if it is; whoever says so, even if nothing is well."""
    if isinstance(what, KeptManifest):
        return _look_at_manifest(on, what, pace)
    try:
        found = damage.examine(on, what, pace)
    except Unreadable:
        return Finding(what, is_unreadable=True)
    if found is None:
        if what.damaged_at is not None:
            damage.clear(on, what)
        return Finding(what)
    if even_if_all:
        damage.mark(on, what, found)
    elif not damage.found(on, what.object_key, found):
        return Finding(what, is_unreadable=True)
    with on.database.snapshot() as tx:
        is_there = store.damage.find_by_object(tx, what.object_key) is not None
    return Finding(what, found if is_there else None)


def _look_at_manifest(on: Backends, what: KeptManifest, pace: Callable[[int], None]) -> Finding:
    with on.database.snapshot() as tx:
        body = store.damage.body(tx, what.id) or b""
    pace(len(body))
    digest = digests.digest_of(body, digests.algorithm(what.digest))
    if digests.same(digest, what.digest):
        return Finding(what)
    with on.database.transaction() as tx:
        damage.mark_manifest(on, tx, what)
        is_there = store.damage.is_manifest_damaged(tx, what.id)
    return Finding(what, other_digest(digest) if is_there else None)


def _note(on: Backends, tx: store.Transaction, findings: Sequence[Finding]) -> None:
    """Note which things are sound, in the transaction of a step."""
    sound = [finding.what for finding in findings if finding.damage is None and not finding.is_unreadable]
    now = on.clock()
    if blobs := [what.id for what in sound if isinstance(what, Kept)]:
        store.scrub.verified(tx, blobs, now)
    if manifests := [what.id for what in sound if isinstance(what, KeptManifest)]:
        store.scrub.verified_manifests(tx, manifests, now)


# ---- When somebody asks


def run(on: Backends, wanted: Wanted, pace: Callable[[int], None], *, even_if_all: bool = False) -> Iterator[Finding]:
    """Verify what is wanted, as fast as it goes; each thing with what came out."""
    for page in _pages(on, wanted):
        findings = []
        for what in page:
            findings.append(look(on, what, pace, even_if_all=even_if_all))
            yield findings[-1]
        with on.database.transaction(durable=False) as tx:
            _note(on, tx, findings)
            if any(finding.damage for finding in findings):
                store.work.add(tx, RepairDamage(), on.clock())


def amount(on: Backends, wanted: Wanted) -> tuple[int, int]:
    """How many things are to be verified, and how many bytes of blobs."""
    count = size_bytes = 0
    if wanted.digest is None and wanted.repository is None:
        with on.database.snapshot() as tx:
            blobs, manifests = store.scrub.covered(tx, on.clock())
            damaged, _ = store.damage.count(tx)
        return blobs.count + manifests.count + damaged, blobs.size_bytes
    for page in _pages(on, wanted):
        count += len(page)
        size_bytes += sum(what.size_bytes for what in page if isinstance(what, Kept))
    return count, size_bytes


def _pages(on: Backends, wanted: Wanted) -> Iterator[Sequence[Kept | KeptManifest]]:
    if wanted.digest is not None:
        with on.database.snapshot() as tx:
            found = store.scrub.of_digest(tx, wanted.digest)
        yield found
    elif wanted.repository is not None:
        with on.database.snapshot() as tx:
            repository = store.repositories.get(tx, wanted.repository)
        yield from _keyset(on, lambda tx, after: store.scrub.manifests_of(tx, repository, after, PAGE))
        yield from _keyset(on, lambda tx, after: store.scrub.blobs_of(tx, repository, after, PAGE))
    else:
        yield from _keyset(on, lambda tx, after: store.damage.page(tx, after, PAGE))
        before, places = on.clock(), dict[str, Any]()
        while page := _stale(on, before, places):
            yield page
            places[type(page[-1]).__name__] = [page[-1].verified_at.isoformat(), page[-1].id]


def _keyset(
    on: Backends, get: Callable[[store.Transaction, int], Sequence[Kept | KeptManifest]]
) -> Iterator[Sequence[Kept | KeptManifest]]:
    after = 0
    while True:
        with on.database.snapshot() as tx:
            page = get(tx, after)
        if not page:
            return
        yield page
        after = page[-1].id


def status(on: Backends, within: timedelta) -> Status:
    """How much was verified within a time, and what is damaged."""
    with on.database.snapshot() as tx:
        blobs, manifests = store.scrub.covered(tx, on.clock() - within)
        return Status(blobs, manifests, *store.damage.count(tx), store.damage.count_apart(tx))


def damaged(on: Backends, after: int = 0, limit: int = 100) -> list[tuple[Kept, list[str]]]:
    """Damaged blobs with the names of repositories that hold them, beginning after one."""
    with on.database.snapshot() as tx:
        return [(blob, store.damage.holders(tx, blob, 100)) for blob in store.damage.page(tx, after, limit)]


def damaged_manifests(on: Backends, after: int = 0, limit: int = 100) -> list[KeptManifest]:
    """Damaged manifests, beginning after one."""
    with on.database.snapshot() as tx:
        return store.damage.manifests_page(tx, after, limit)


def figures(on: Backends) -> dict[str, float]:
    """What machines watch: how much is damaged, and for how long the oldest was not verified."""
    with on.database.snapshot() as tx:
        blobs, manifests = store.damage.count(tx)
        oldest = store.scrub.oldest(tx)
    age = 0.0 if oldest is None else max((on.clock() - oldest).total_seconds(), 0.0)
    return {"damaged_blobs": blobs, "damaged_manifests": manifests, "scrub_oldest_seconds": age}
