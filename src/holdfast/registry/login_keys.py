"""Rotate the keys that login tokens of docker and temporary credentials are made with.

    version 1 ──► version 2 ──► version 3 makes what is new
        │             └─ opens what it made, until the longest lifetime is over since version 3 came
        └─ forgotten: nothing that it made is alive, or it was revoked

Every process compares what it has with what is kept: for sessions each time, for login tokens after every change of
access to all accounts, which a rotation counts as.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.guardrails import ALL
from holdfast.registry import session_keys
from holdfast.registry.accounts import TOKEN_SECRET

if TYPE_CHECKING:
    from holdfast.registry.backends import Backends

LONGEST = timedelta(hours=37)  # that a session may last, and an hour for clocks that disagree
NAMES = (TOKEN_SECRET, session_keys.NAME)


def rotate(on: Backends, *, revoke: bool = False) -> int:
    """Make new keys; how many older ones are forgotten: with `revoke` all, and what they made is worthless at once."""
    now = on.clock()
    new = {name: on.keys.wrap(on.random_bytes(32), name) for name in NAMES}
    forgotten = 0
    with on.database.transaction() as tx:
        for name, sealed in new.items():
            made = store.secrets.made_at(tx, name)
            store.secrets.add(tx, name, max(made, default=0) + 1, sealed, now)
            for version in made:
                if revoke or made.get(version + 1, now) + LONGEST < now:
                    store.secrets.remove(tx, name, version)
                    forgotten += 1
        store.counters.bump_access(tx, ALL)
    return forgotten
