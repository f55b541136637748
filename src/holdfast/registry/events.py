"""Tell what happened: kept with the change itself, so that neither is there without the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store

if TYPE_CHECKING:
    from holdfast.model.events import Event, Told
    from holdfast.model.names import Registry
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction


def tell(on: Backends, tx: Transaction, registry: Registry, event: Event) -> None:
    """Keep an event, in the transaction of what it tells."""
    store.events.add(tx, registry, event, on.new_id(), on.clock())


def page(on: Backends, after: int = 0, limit: int = 1000) -> list[Told]:
    """Events in the order of their happening, beginning after one."""
    with on.database.snapshot() as tx:
        return store.events.page(tx, after, limit)
