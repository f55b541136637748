"""The keys that lines of the audit log are sealed with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store

if TYPE_CHECKING:
    from holdfast.registry.backends import Backends

NAME = "audit-key"


def newest(on: Backends) -> bytes:
    """The installation's key, made on first use and shared by every process and node."""
    with on.database.transaction() as tx:
        sealed = store.secrets.find_all(tx, NAME)
        if not sealed:
            sealed = {1: on.keys.wrap(on.random_bytes(32), NAME)}
            store.secrets.add(tx, NAME, 1, sealed[1], on.clock())
    return on.keys.unwrap(sealed[max(sealed)], NAME)


def known(on: Backends) -> list[bytes]:
    """Every key that lines may have been sealed with."""
    with on.database.snapshot() as tx:
        sealed = store.secrets.find_all(tx, NAME)
    return [on.keys.unwrap(one, NAME) for one in sealed.values()]
