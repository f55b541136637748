"""Forget what is over: abandoned uploads, bytes that never became a blob, old events, previews and backfills."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.registry import backfills, events, objects

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job

log = logging.getLogger(__name__)

AT_ONCE = 200  # of each kind in one run, so that a run stays short
ROWS_AT_ONCE = 2000
UPLOAD_LIFETIME = timedelta(days=1)  # of one to a registry elsewhere that nobody went on with: it will have ended it
SETS_AT_ONCE = 20  # each has some hundred packages
SET_LIFETIME = timedelta(days=1)  # of packages that no image has: one may be about to have them


def sweep_uploads(on: Backends, _job: Job) -> datetime | None:
    """Do a bounded share of the sweeping; the next one at once if there is more."""
    return on.clock() if sweep(on) >= AT_ONCE else None


def sweep(on: Backends) -> int:
    """End uploads that nobody continued, and remove bytes that nothing holds; how many objects went."""
    now = on.clock()
    with on.database.transaction(durable=False) as tx:
        for upload in store.uploads.expired(tx, now, AT_ONCE):
            store.uploads.end(tx, upload, now)
    with on.database.snapshot() as tx:
        keys = store.blobs.expired_objects(tx, now, AT_ONCE)
    gone = len(objects.drop(on, keys).keys)
    if gone:
        log.info("%d objects of abandoned uploads removed", gone)
    return gone


def forget_the_past(on: Backends, job: Job) -> datetime | None:
    """Remove a bounded share of what is older than it is kept; the next one at once if there is more."""
    now = on.clock()
    with on.database.transaction(durable=False) as tx:
        job.step(tx)
        refusals = store.refusals.forget(tx, now - on.limits.refusal_lifetime, ROWS_AT_ONCE)
        refusals = max(refusals, store.refusals.keep_newest(tx, on.limits.refusals, ROWS_AT_ONCE))
        store.work.forget_old(tx, now - on.limits.failed_work_lifetime)
        store.counters.forget_scans(tx, now - timedelta(days=2))
        # Login tokens that were made from a session outlive it.
        gone = store.iam_sessions.forget(tx, now - on.limits.token_lifetime, ROWS_AT_ONCE)
        gone = max(gone, refusals)
        gone = max(gone, store.damage.let_go(tx, now - on.limits.damaged_object_lifetime, now, AT_ONCE))
        gone = max(gone, store.harbor_scans.forget(tx, now - on.limits.harbor_scan_lifetime, AT_ONCE))
        gone = max(gone, store.peer_uploads.forget(tx, now - UPLOAD_LIFETIME, ROWS_AT_ONCE))
        gone = max(gone, store.image_leases.forget(tx, now, ROWS_AT_ONCE))
        gone = max(gone, store.account_secrets.forget(tx, now, AT_ONCE))
        gone = max(gone, store.lifecycle.forget_previews(tx, now - on.limits.preview_lifetime, ROWS_AT_ONCE))
    gone = max(gone, events.forget(on, job, ROWS_AT_ONCE))
    gone = max(gone, _forget_sets(on, job, now))
    gone = max(gone, backfills.forget_old(on, now - on.limits.backfill_lifetime, ROWS_AT_ONCE))
    return now if gone >= ROWS_AT_ONCE else None


def _forget_sets(on: Backends, job: Job, now: datetime) -> int:
    """Forget a share of the packages that no image has; `ROWS_AT_ONCE` if there are more."""
    for _ in range(AT_ONCE // SETS_AT_ONCE):
        with on.database.transaction(durable=False) as tx:
            job.step(tx)
            gone = store.inventories.forget_sets(tx, now - SET_LIFETIME, SETS_AT_ONCE)
        if gone < SETS_AT_ONCE:
            return 0
        job.rest()
    return ROWS_AT_ONCE
