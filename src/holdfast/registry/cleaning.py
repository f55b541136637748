"""Forget uploads that nobody continued, and bytes that were announced and never became a blob."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.registry import objects

if TYPE_CHECKING:
    from datetime import timedelta

    from holdfast.registry.backends import Backends

log = logging.getLogger(__name__)

AT_ONCE = 200  # of each kind in one run, so that a run stays short


def sweep(on: Backends) -> int:
    """Do a bounded share of the cleaning; how many objects went."""
    now = on.clock()
    with on.database.transaction(durable=False) as tx:
        for upload in store.uploads.expired(tx, now, AT_ONCE):
            store.uploads.end(tx, upload, now)
    with on.database.snapshot() as tx:
        keys = store.blobs.expired_objects(tx, now, AT_ONCE)
    for key in keys:
        try:
            objects.drop(on, key)
        except Exception:
            log.exception("the object %s cannot be removed; the others are, and it is tried again", key)
    if keys:
        log.info("%d objects of abandoned uploads removed", len(keys))
    return len(keys)


def claim(on: Backends, name: str, every: timedelta) -> bool:
    """Whether this process shall do a piece of recurring work now."""
    with on.database.transaction(durable=False) as tx:
        return store.schedules.claim(tx, name, on.clock(), every)
