"""Tell which repositories are scanned otherwise since a registry's scanning configuration was changed, and scan them.

    BEFORE   what was told last, from the first change on until nothing is left to tell
    AFTER    what is being told now; a change meanwhile waits, and is told next

Both are settings of the registry, so that each repository is told once of every change that it is told of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import scanning
from holdfast.model.names import Registry
from holdfast.model.scanning import SETTING, Frequency, ScanType
from holdfast.model.work import ScanRepository, TellScanFrequencies
from holdfast.registry import events

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.scanning import Configuration
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job
    from holdfast.store import Transaction

BEFORE, AFTER = "scanning-before", "scanning-after"
AT_ONCE = 500  # repositories of one event


def changed(tx: Transaction, registry: Registry, before: Configuration, now: datetime) -> None:
    """Let a change be told, in its transaction."""
    if store.registry_settings.find(tx, registry, BEFORE) is None:
        store.registry_settings.put(tx, registry, BEFORE, before.text, now)
    store.work.add(tx, TellScanFrequencies(registry.account_id, registry.region), now)


def tell(on: Backends, job: Job) -> None:
    """Tell every change that is not told yet, an event for each page of repositories."""
    registry = Registry(job.item.payload["account_id"], job.item.payload["region"])
    progress = job.item.progress
    while (change := _begin(on, job, registry)) is not None:
        before, after = change
        name = (progress or {}).get("after", "")
        while name is not None:
            name = _tell_page(on, job, registry, before, after, name)
        _end(on, job, registry, after)
        progress = None


def _begin(on: Backends, job: Job, registry: Registry) -> tuple[Configuration, Configuration] | None:
    """What is to be told: the change that was begun, or the one from what was told last to what is set now."""
    now = on.clock()
    with on.database.transaction(durable=False) as tx:
        job.step(tx)
        before = store.registry_settings.find(tx, registry, BEFORE)
        if before is None:
            return None
        after = store.registry_settings.find(tx, registry, AFTER)
        if after is None:
            after = scanning.read(store.registry_settings.find(tx, registry, SETTING)).text
            if after == before or scanning.read(after).type is not ScanType.ENHANCED:
                store.registry_settings.delete_setting(tx, registry, BEFORE, now)
                return None
            store.registry_settings.put(tx, registry, AFTER, after, now)
    return scanning.read(before), scanning.read(after)


def _tell_page(
    on: Backends, job: Job, registry: Registry, before: Configuration, after: Configuration, name: str
) -> str | None:
    """Tell of the repositories that follow one; the last of them, if there may be more."""
    with on.database.snapshot() as tx:
        page = store.repositories.page(tx, registry, name, AT_ONCE)
    changes, begun = [], list[int]()
    for repository in page:
        was, is_ = (
            scanning.effective(set_, repository.name, repository.scan_on_push).frequency for set_ in (before, after)
        )
        if was is not is_:
            changes.append((repository.ref, was, is_))
            if is_ is not Frequency.MANUAL:
                begun.append(repository.id)
    if page:
        with on.database.transaction() as tx:
            job.step(tx, {"after": page[-1].name})
            for repository_id in begun:
                store.work.add(tx, ScanRepository(repository_id), on.clock())
            if changes:
                events.tell(on, tx, registry, scanning.frequencies_changed(changes))
    return page[-1].name if len(page) == AT_ONCE else None


def _end(on: Backends, job: Job, registry: Registry, after: Configuration) -> None:
    now = on.clock()
    with on.database.transaction() as tx:
        job.step(tx, {"after": ""})
        store.registry_settings.put(tx, registry, BEFORE, after.text, now)
        store.registry_settings.delete_setting(tx, registry, AFTER, now)
