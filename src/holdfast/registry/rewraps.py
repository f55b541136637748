"""Bring everything that is wrapped under an older key under the newest one; no byte of a blob is touched.

What is done is seen in the rows themselves, so a run that was stopped anywhere goes on where it was, and two runs at
once do no harm. Objects of older programs carry the only copy of their wrapped data key; it is read once, and kept
beside them from then on.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.blobs import ObjectDamaged, ObjectMissing
from holdfast.blobs.data_keys import rewrap as rewrapped
from holdfast.blobs.keys import WrongKey, version_of
from holdfast.model.errors import Kms
from holdfast.model.kms import OWN
from holdfast.model.work import RewrapKeys
from holdfast.registry import secrets
from holdfast.registry.accounts import key_context
from holdfast.registry.event_targets import context as target_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.blobs import KeyRing
    from holdfast.registry.backends import Backends
    from holdfast.registry.keys import Rings
    from holdfast.registry.work import Job
    from holdfast.store import Transaction

log = logging.getLogger(__name__)

AT_ONCE = 200  # in one transaction
MOST_UNREADABLE = 400  # of one scope, after which the rest of it is left alone


@dataclass(slots=True)
class Tally:
    """How far a run came."""

    total: int = 0
    done: int = 0
    unreadable: int = 0
    refused: list[str] = field(default_factory=list)  # scopes whose key is not to be used


def want(on: Backends) -> None:
    """Let it be done in the background."""
    with on.database.transaction() as tx:
        store.work.add(tx, RewrapKeys(), on.clock())


def want_backfill(on: Backends) -> None:
    """Let it be done in the background if there are objects of a program that kept no wrapped keys beside them."""
    with on.database.snapshot() as tx:
        is_wanted = store.wrappings.has_objects(tx, OWN, 0)
    if is_wanted:
        want(on)


def rewrap(on: Backends, job: Job) -> None:
    """Do all of it as background work."""

    def note(tx: Transaction, tally: Tally) -> None:
        job.step(tx, asdict(tally))

    run(on, note, job.rest)


def run(on: Backends, note: Callable[[Transaction, Tally], None], rest: Callable[[], None] = lambda: None) -> Tally:
    """Do all of it; `note` is told in each transaction how far it came, and may stop it by raising."""
    tally = Tally()
    with on.database.snapshot() as tx:
        scopes = [OWN, *dict.fromkeys(key.scope for key in store.wrappings.wrapping_keys_of_all(tx))]
    rings = {scope: found for scope in dict.fromkeys(scopes) if (found := _usable(on, scope, tally)) is not None}
    with on.database.snapshot() as tx:
        for scope, found in rings.items():
            counts = store.wrappings.objects_by_version(tx, scope)
            tally.total += sum(count for version, count in counts.items() if version < found[0].newest)
    _wrapping_keys(on, tally)
    _secrets(on, tally, note)
    _event_targets(on, tally, note)
    for scope, found in rings.items():
        _objects(on, scope, found, tally, note, rest)
    if tally.unreadable:
        log.error("%d objects cannot be brought under the newest key: their wrapped keys are missing or damaged",
                  tally.unreadable)  # fmt: skip
    return tally


def _usable(on: Backends, scope: str, tally: Tally) -> Rings | None:
    try:
        return on.keys.rings(scope)
    except Kms as refusal:
        log.warning("what is in %s stays as it is: %s", scope, refusal.message)
        tally.refused.append(scope)
        return None


def _objects(
    on: Backends,
    scope: str,
    rings: Rings,
    tally: Tally,
    note: Callable[[Transaction, Tally], None],
    rest: Callable[[], None],
) -> None:
    version, unreadable = rings[0].newest, list[str]()
    while len(unreadable) < MOST_UNREADABLE:
        with on.database.snapshot() as tx:
            stale = store.wrappings.stale_objects(tx, scope, version, unreadable, AT_ONCE)
        if not stale:
            return
        renewed = []
        for one in stale:
            try:
                wrapped = one.wrapped_key or on.blobs.wrapped_in_header(one.key, one.head)
                renewed.append((one, rewrapped(one.key, wrapped, rings)))
            except (WrongKey, ObjectMissing, ObjectDamaged):
                unreadable.append(one.key)
                tally.unreadable += 1
        tally.done += len(renewed)
        with on.database.transaction(durable=False) as tx:
            note(tx, tally)
            store.wrappings.renew_objects(tx, renewed, version)
        rest()


def _wrapping_keys(on: Backends, tally: Tally) -> None:
    """The wrapping keys of every scope, each by its master key."""
    with on.database.snapshot() as tx:
        keys = store.wrappings.wrapping_keys_of_all(tx)
    for key in keys:
        if key.scope in tally.refused or (not key.sealed_by and version_of(key.sealed) == on.keys.own().newest):
            continue
        renewed = on.keys.resealed(key.scope, key.layer, key.version, key.sealed, key.sealed_by)
        with on.database.transaction() as tx:
            store.wrappings.renew_wrapping_key(tx, key, *renewed)


def _secrets(on: Backends, tally: Tally, note: Callable[[Transaction, Tally], None]) -> None:
    """Secrets of the installation, access keys, and the secrets of accounts."""
    ring, after = on.keys.own(), ""
    with on.database.transaction() as tx:
        note(tx, tally)
        for name, version, sealed in store.wrappings.all_secrets(tx):
            if version_of(sealed) != ring.newest:
                store.wrappings.renew_secret(tx, name, version, _again(ring, sealed, name))
    is_more = True
    while is_more:
        with on.database.transaction() as tx:
            note(tx, tally)
            found = store.wrappings.access_keys_after(tx, after, AT_ONCE)
            for key_id, sealed in found:
                if version_of(sealed) != ring.newest:
                    renewed = _again(ring, sealed, key_context(key_id))
                    store.wrappings.renew_access_key(tx, key_id, sealed, renewed)
                after = key_id
        is_more = len(found) == AT_ONCE
    last: tuple[int, str] | None = (0, "")
    while last:
        with on.database.transaction() as tx:
            note(tx, tally)
            values = store.account_secrets.sealed_after(tx, last, AT_ONCE)
            for secret_id, version_id, sealed in values:
                if version_of(sealed) != ring.newest:
                    renewed = _again(ring, sealed, secrets.context(secret_id, version_id))
                    store.account_secrets.renew(tx, secret_id, version_id, sealed, renewed)
        last = values[-1][:2] if values else None


def _event_targets(on: Backends, tally: Tally, note: Callable[[Transaction, Tally], None]) -> None:
    """With what targets of events are told."""
    ring = on.keys.own()
    with on.database.transaction() as tx:
        note(tx, tally)
        for target_id, scope, name, sealed in store.event_targets.all_sealed(tx):
            if version_of(sealed) != ring.newest:
                renewed = _again(ring, sealed, target_context(scope, name))
                store.event_targets.renew_sealed(tx, target_id, sealed, renewed)


def _again(ring: KeyRing, sealed: bytes, context: str) -> bytes:
    return ring.wrap(ring.unwrap(sealed, context), context)
