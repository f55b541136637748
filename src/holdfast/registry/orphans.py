"""Compare the blob store with the database, both ways: the only deed that lists the store, and only on command.

It reports and never guesses. An object that no row knows is deleted only where that is wanted, and if it is older than
a day: a younger one may be on its way to a row.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import store

if TYPE_CHECKING:
    from holdfast.registry.backends import Backends

log = logging.getLogger(__name__)

AT_ONCE = 500
YOUNG = timedelta(days=1)


@dataclass(slots=True)
class Orphans:
    """What only one of the two knows."""

    compared: int = 0
    unknown: list[str] = field(default_factory=list)  # keys of objects that no row knows
    missing: list[str] = field(default_factory=list)  # keys of rows whose object is not there


def compare(on: Backends, *, delete_unknown: bool = False) -> Orphans:
    """Compare them; objects and rows that are younger than a day are left alone."""
    found = Orphans()
    seen: list[str] = []
    before = (on.clock() - YOUNG).timestamp()
    for one in on.blobs.listing():
        found.compared += 1
        if one.changed_at < before:
            seen.append(one.key)
        if len(seen) == AT_ONCE:
            _sort_out(on, seen, found, delete_unknown=delete_unknown)
            seen = []
    _sort_out(on, seen, found, delete_unknown=delete_unknown)
    after = ""
    while True:
        with on.database.snapshot() as tx:
            keys = store.objects.held(tx, after, AT_ONCE)
        if not keys:
            return found
        missing = [key for key in keys if not on.blobs.exists(key)]
        with on.database.snapshot() as tx:  # what was deleted since is not missing
            found.missing += [key for key in missing if store.objects.is_held(tx, key)]
        after = keys[-1]


def _sort_out(on: Backends, keys: list[str], found: Orphans, *, delete_unknown: bool) -> None:
    """Find those keys that no row knows, and perhaps delete them: no row can ever come to know them."""
    with on.database.snapshot() as tx:
        known = store.objects.known(tx, keys)
    for key in keys:
        if key not in known:
            found.unknown.append(key)
            if delete_unknown:
                on.blobs.delete(key)
                log.warning("the object %s, which no row knew, is deleted", key)
