"""What an operator does with keys: see them, add a version, let an old one go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.blobs.keys import version_of
from holdfast.model.errors import Invalid, NotFound
from holdfast.model.kms import OWN

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

# Until then a process may still finish what it began to seal before it knew of the newest version.
GRACE = timedelta(minutes=10)


class NoSuchVersion(NotFound):
    """The key has no such version."""

    def __init__(self, version: int) -> None:
        super().__init__(f"There is no version {version}. `holdfast kms status` shows those there are.")


class VersionInUse(Invalid):
    """Something would be lost with a version of a key."""

    def __init__(self, version: int, why: str) -> None:
        super().__init__(f"Version {version} stays: {why}.")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the key of a scope, and what is wrapped under it."""

    number: int
    made_at: datetime
    is_newest: bool
    objects: int
    secrets: int


def status(on: Backends) -> tuple[list[Version], int]:
    """The versions of the registry's own key, and how many objects were not looked at yet since an upgrade."""
    ring, made_at = on.keys.own(), on.keys.file.made_at()
    with on.database.snapshot() as tx:
        objects = store.wrappings.objects_by_version(tx, OWN)
        secrets = _secrets_by_version(tx)
    versions = [
        Version(one, made_at[one], one == ring.newest, objects.get(one, 0), secrets.get(one, 0))
        for one in ring.versions
    ]
    return versions, objects.get(0, 0)


def rotate(on: Backends) -> int:
    """Add a version, under which everything is wrapped from now on; which."""
    return on.keys.file.rotate(on.clock())


def retire(on: Backends, version: int) -> None:
    """Remove a version under which nothing is wrapped any more."""
    ring, made_at = on.keys.own(), on.keys.file.made_at()
    if version not in ring.versions:
        raise NoSuchVersion(version)
    if version == ring.newest:
        raise VersionInUse(version, "it is the newest one. `holdfast kms rotate` makes another")
    if on.clock() - made_at[ring.newest] < GRACE:
        minutes = GRACE.total_seconds() / 60
        raise VersionInUse(
            version, f"the newest one is not {minutes:.0f} minutes old, and pushes may still use the other"
        )
    with on.database.snapshot() as tx:
        objects = store.wrappings.objects_by_version(tx, OWN)
        secrets = _secrets_by_version(tx).get(version, 0)
    wrapped = objects.get(version, 0) + objects.get(0, 0)
    if wrapped or secrets:
        raise VersionInUse(
            version, f"{wrapped} objects and {secrets} secrets are wrapped under it. `holdfast kms rewrap` moves them"
        )
    on.database.flush()  # a power cut must not bring back what was wrapped under it
    on.keys.file.retire(version)


def _secrets_by_version(tx: Transaction) -> dict[int, int]:
    """How many secrets of the database are under each version of the registry's own key."""
    sealed = [one for _, _, one in store.wrappings.all_secrets(tx)]
    sealed += [key.sealed for key in store.wrappings.wrapping_keys_of_all(tx) if not key.sealed_by]
    after = ""
    while page := store.wrappings.access_keys_after(tx, after, 1000):
        sealed += [one for _, one in page]
        after = page[-1][0]
    counts: dict[int, int] = {}
    for one in sealed:
        counts[version_of(one)] = counts.get(version_of(one), 0) + 1
    return counts
