"""Find bytes that no image needs, let them rest, and delete them: plan ► quarantine ► sweep.

    a reference goes ──► candidate ── a day ──► quarantined ── a week ──► its blob is no more ──► bytes deleted
                             │ is needed            │ is pushed, or named by a manifest: linked again
                             ▼                      ▼
                           stays                  stays

Candidates come with the deed that makes garbage, so a run costs as much as there is garbage, and reads no table of what
lives. The planner reads and cannot delete. Whoever carries its plan out asks again whether something is needed, in the
transaction in which it goes. A manifest may still name what is in quarantine, so a client that was told of a layer a
moment before it went need not send it again.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from holdfast import store
from holdfast.model.errors import NotFound
from holdfast.model.work import CollectGarbage
from holdfast.registry import objects
from holdfast.store.garbage import StillReferenced

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job
    from holdfast.store import Transaction
    from holdfast.store.garbage import Candidate, Figures, Freed, Quarantined
    from holdfast.store.gc_runs import Halt

log = logging.getLogger(__name__)

AT_ONCE = 100  # links in one transaction, so that pushes need not wait for long
MOST = 10_000  # links of one run, of each kind
SURPRISING_BLOBS = 100  # fewer may go without a question, whatever their share
RUNS_KEPT = 1000
FAILURES_TOLD = 100
GONE = "gc/blobs"  # counts blobs that were collected
DISAGREE = "rows disagree, and nothing is deleted. `holdfast gc repair` links it again"


class NothingHalted(NotFound):
    """Nothing waits to be confirmed."""

    def __init__(self) -> None:
        super().__init__("Garbage collection is not halted: there is nothing to confirm")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do now."""

    needed: list[Candidate]  # which turned out to be needed
    unneeded: list[Candidate]  # whose links would be taken away
    expired: list[Quarantined]  # links that were in quarantine long enough
    surprise: int  # how many links would go at once, in this run and those that follow it
    blobs: int  # how many there are


@dataclass(slots=True)
class Tally:
    """What a run did."""

    needed: int = 0
    quarantined: int = 0
    blobs: int = 0  # whose rows went
    expected_bytes: int = 0  # of these
    freed_bytes: int = 0  # that the store deleted, as far as it did
    freed_objects: int = 0
    failures: dict[str, str] = field(default_factory=dict)  # by object
    halted: str | None = None
    more: bool = False  # than one run takes


@dataclass(frozen=True, slots=True)
class Status:
    """How the collector stands."""

    figures: Figures
    halt: Halt | None
    runs: list[dict[str, Any]]  # the latest first


# ---- Plan


def plan(on: Backends) -> Plan:
    """What a run would do now; nothing is changed."""
    now = on.clock()
    with on.database.snapshot() as tx:
        candidates = store.garbage.due(tx, now, MOST)
        needed = [one for one in candidates if store.garbage.is_needed(tx, one.repository_id, one.digest)]
        before = now - on.limits.quarantine
        expired = store.garbage.expired(tx, before, MOST)
        surprise = store.garbage.surprise(tx, now, before)
        blobs = store.garbage.latest_blob(tx) - store.counters.get(tx, GONE)
    known = set(needed)
    return Plan(needed, [one for one in candidates if one not in known], expired, surprise, max(blobs, 1))


# ---- Carry out


def collect(on: Backends, job: Job) -> datetime | None:
    """Do it as background work; when to go on, if there is more than one run takes."""

    def step(tx: Transaction, tally: Tally) -> None:
        job.step(tx, {"quarantined": tally.quarantined, "blobs": tally.blobs})

    if not on.limits.collects_garbage:
        return None
    tally = run(on, step, job.rest)
    return on.clock() if tally.more and tally.halted is None else None


def run(
    on: Backends,
    step: Callable[[Transaction, Tally], None] = lambda _tx, _tally: None,
    rest: Callable[[], None] = lambda: None,
) -> Tally:
    """Carry a plan out, in small transactions; `step` is called in each, and `rest` after it."""
    tally = Tally()
    with on.database.transaction() as tx:
        step(tx, tally)
        number = store.gc_runs.begin(tx, on.clock())
    found = plan(on)
    tally.more = len(found.needed) + len(found.unneeded) >= MOST or len(found.expired) >= MOST
    tally.halted = _halted(on, found)
    if tally.halted is None:
        try:
            for portion in _portions([*found.needed, *found.unneeded]):
                with on.database.transaction() as tx:
                    step(tx, tally)
                    _quarantine(on, tx, portion, tally)
                rest()
            for expired in _portions(found.expired):
                with on.database.transaction() as tx:
                    step(tx, tally)
                    freed = _release(on, tx, expired, tally)
                _delete(on, freed, tally)
                rest()
        except StillReferenced as fault:
            tally.halted = f"{fault}: {DISAGREE}"
            _halt(on, tally.halted, 0)
    with on.database.transaction() as tx:
        step(tx, tally)
        store.gc_runs.end(tx, number, on.clock(), asdict(tally), RUNS_KEPT)
    if tally.quarantined or tally.blobs:
        log.info("garbage: %d links quarantined, %d blobs of %d bytes removed, %d bytes freed",
                 tally.quarantined, tally.blobs, tally.expected_bytes, tally.freed_bytes)  # fmt: skip
    return tally


def _portions(items: list[Any]) -> list[list[Any]]:
    return [items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE)]


def _halted(on: Backends, found: Plan) -> str | None:
    """Why nothing may be done; a plan that is surprising halts until somebody confirms it."""
    with on.database.snapshot() as tx:
        halt = store.gc_runs.halt(tx)
    is_surprising = found.surprise >= SURPRISING_BLOBS and found.surprise > on.limits.surprising_share * found.blobs
    if halt is not None and not (halt.is_confirmed and halt.planned):
        return halt.reason
    if not is_surprising or (halt is not None and found.surprise <= halt.planned):
        return None
    share = 100 * found.surprise // found.blobs
    reason = (
        f"{found.surprise:,} links would go, which is {share} % of {found.blobs:,} blobs; look at `holdfast gc plan`, "
        "and let it happen with `holdfast gc confirm`"
    )
    _halt(on, reason, found.surprise)
    return reason


def _halt(on: Backends, reason: str, planned: int) -> None:
    with on.database.transaction() as tx:
        store.gc_runs.set_halt(tx, reason, planned, on.clock())
    log.critical("garbage collection is halted: %s", reason)


def _quarantine(on: Backends, tx: Transaction, candidates: list[Candidate], tally: Tally) -> None:
    """Take away the links that are needed by nothing now; the others stay."""
    gone = 0
    for one in candidates:
        if store.garbage.is_needed(tx, one.repository_id, one.digest):
            store.garbage.acquit(tx, one)
            tally.needed += 1
        else:
            gone += store.garbage.quarantine(tx, one.repository_id, one.digest, on.clock())
    tally.quarantined += gone
    store.gc_runs.use_halt(tx, gone)


def _release(on: Backends, tx: Transaction, links: list[Quarantined], tally: Tally) -> list[Freed]:
    """Forget links; the objects of blobs that went with them."""
    now = on.clock()
    found = (store.garbage.release(tx, link, now - on.limits.quarantine, now) for link in links)
    freed = [one for one in found if one is not None]
    store.counters.add(tx, GONE, len(freed))
    store.gc_runs.use_halt(tx, len(links))
    tally.blobs += len(freed)
    tally.expected_bytes += sum(one.size_bytes for one in freed)
    return freed


def _delete(on: Backends, freed: list[Freed], tally: Tally) -> None:
    """Delete the bytes of what was doomed; what cannot be deleted now is tried again by the sweep."""
    sizes = {one.object_key: one.size_bytes for one in freed}
    dropped = objects.drop(on, sizes)
    tally.freed_bytes += sum(sizes[key] for key in dropped.keys)
    tally.freed_objects += len(dropped.keys)
    told = {key: f"{type(fault).__name__}: {fault}"[:300] for key, fault in dropped.failures.items()}
    tally.failures = dict(islice((tally.failures | told).items(), FAILURES_TOLD))


def release_evicted(on: Backends, before: datetime, step: Callable[[Transaction], None]) -> None:
    """Free what caches made room of by then; it can be fetched again, so no share of it is surprising."""
    if not on.limits.collects_garbage:
        return
    with on.database.snapshot() as tx:
        halt = store.gc_runs.halt(tx)
        links = store.garbage.evicted(tx, before, MOST) if halt is None or halt.planned else []
    try:
        for portion in _portions(links):
            with on.database.transaction() as tx:
                step(tx)
                found = [store.garbage.release(tx, link, before, on.clock()) for link in portion]
                freed = [one for one in found if one is not None]
                store.counters.add(tx, GONE, len(freed))
            objects.drop(on, [one.object_key for one in freed])
    except StillReferenced as fault:
        _halt(on, f"{fault}: {DISAGREE}", 0)


# ---- See and steer


def status(on: Backends, runs: int = 5) -> Status:
    """How the collector stands, and what it did last."""
    with on.database.snapshot() as tx:
        return Status(store.garbage.figures(tx, on.clock()), store.gc_runs.halt(tx), store.gc_runs.latest(tx, runs))


def figures(on: Backends) -> dict[str, float]:
    """What machines watch: what waits, and whether the last run freed what it was to free."""
    found = status(on, 1)
    waiting, last = found.figures, found.runs[0]["outcome"] if found.runs else {}
    return {
        "gc_candidates": waiting.candidates,
        "gc_backlog_seconds": (on.clock() - waiting.due_since).total_seconds() if waiting.due_since else 0.0,
        "gc_quarantined": waiting.quarantined,
        "gc_doomed_objects": waiting.doomed,
        "gc_halted": found.halt is not None,
        "gc_last_expected_bytes": last.get("expected_bytes", 0),
        "gc_last_freed_bytes": last.get("freed_bytes", 0),
        "gc_last_failures": len(last.get("failures", ())),
    }


def repair(on: Backends) -> int:
    """Link every quarantined blob again that a living image needs and its repository lacks; how many links."""
    repaired, after = 0, 0
    while True:
        with on.database.transaction() as tx:
            found = store.garbage.page(tx, after, AT_ONCE)
            repaired += sum(store.garbage.repair(tx, link, on.clock()) for link in found)
            if not found:
                halt = store.gc_runs.halt(tx)
                if halt is not None and halt.planned == 0:
                    store.gc_runs.clear_halt(tx)
                return repaired
        after = found[-1].blob_id


def confirm(on: Backends) -> Halt:
    """Let happen what was surprising."""
    with on.database.transaction() as tx:
        halt = store.gc_runs.halt(tx)
        if halt is None or halt.is_confirmed:
            raise NothingHalted
        store.gc_runs.confirm_halt(tx)
        store.work.add(tx, CollectGarbage(), on.clock())
    return halt
