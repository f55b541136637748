"""What an operator does with keys: see them, add a version, let an old one go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.blobs import KeyFile
from holdfast.blobs.keys import VERSION_BYTES, version_of
from holdfast.model.errors import Invalid, KeysUnavailable, Kms, NotFound
from holdfast.model.kms import OWN, layers, named_key
from holdfast.outbound import KeyRefused, KeyServiceDown
from holdfast.registry import kms_keys
from holdfast.registry.keys import encryption_context
from holdfast.store.wrappings import WrappingKey

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from holdfast.outbound import KeyService
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

# Until then a process may still finish what it began to seal before it knew of the newest version: it remembers keys
# for five minutes, and what it wraps is in the database soon after.
GRACE = timedelta(minutes=10)


class NoSuchVersion(NotFound):
    """The key has no such version."""

    def __init__(self, version: int) -> None:
        super().__init__(f"There is no version {version}. `holdfast kms status` shows those there are.")


class NoSuchScope(NotFound):
    """Nothing lies under such a key."""

    def __init__(self, arn: str) -> None:
        super().__init__(
            f"No repository was ever encrypted under '{arn}'. `holdfast kms status` shows the keys in use."
        )


class VersionInUse(Invalid):
    """Something would be lost with a version of a key."""

    def __init__(self, version: int, why: str) -> None:
        super().__init__(f"Version {version} stays: {why}.")


class KeysElsewhere(Exception):
    """The registry's own key is not where the settings say, or cannot be asked for; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the key of a scope, and what is wrapped under it."""

    number: int
    made_at: datetime
    is_newest: bool
    objects: int
    secrets: int


@dataclass(frozen=True, slots=True)
class Scope:
    """A key scope with the versions of its key."""

    name: str
    versions: list[Version]
    untold_objects: int  # of an older program, which nobody looked at yet
    refusal: str | None  # why its key cannot be used


def status(on: Backends) -> list[Scope]:
    """Every key scope, the registry's own first."""
    return [_status(on, scope) for scope in [OWN, *_named_scopes(on)]]


def _status(on: Backends, scope: str) -> Scope:
    refusal = None
    try:
        on.keys.rings(scope)
    except Kms as found:
        refusal = found.message
    made_at = _made_at(on, scope)
    with on.database.snapshot() as tx:
        objects = store.wrappings.objects_by_version(tx, scope)
        secrets = _secrets_by_version(tx) if scope == OWN else {}
    newest = max(made_at)
    versions = [
        Version(one, made_at[one], one == newest, objects.get(one, 0), secrets.get(one, 0)) for one in sorted(made_at)
    ]
    return Scope(scope, versions, objects.get(0, 0), refusal)


def scopes_of(on: Backends, arn: str | None) -> list[str]:
    """The key scopes of a named key; without one, the registry's own."""
    if arn is None:
        return [OWN]
    found = [scope for scope in _named_scopes(on) if named_key(scope) == arn]
    if not found:
        raise NoSuchScope(arn)
    return found


def rotate(on: Backends, scope: str = OWN) -> int:
    """Add a version, under which everything of a scope is wrapped from now on; which.

    A version in the database is known to other processes when they forget what they remember, after five minutes.
    """
    if scope == OWN and on.keys.file is not None:
        require_own(on, may_make=False)
        return on.keys.file.rotate(on.clock())
    version = on.keys.rings(scope, afresh=True)[0].newest + 1
    made = [on.keys.fresh(scope, layer, version) for layer in range(layers(scope))]
    with on.database.transaction() as tx:
        for layer, (sealed, sealed_by) in enumerate(made):
            key = WrappingKey(scope, layer, version, sealed, sealed_by, on.clock())
            store.wrappings.add_wrapping_key(tx, key)
    on.keys.rings(scope, version)
    return version


def retire(on: Backends, version: int, scope: str = OWN) -> None:
    """Remove a version of a scope's key under which nothing is wrapped any more."""
    made_at = _made_at(on, scope)
    newest = max(made_at)
    if version not in made_at:
        raise NoSuchVersion(version)
    if version == newest:
        raise VersionInUse(version, "it is the newest one. `holdfast kms rotate` makes another")
    if on.clock() - made_at[newest] < GRACE:
        minutes = GRACE.total_seconds() / 60
        raise VersionInUse(version, f"the newest is not {minutes:.0f} minutes old, and pushes may still use this one")
    with on.database.snapshot() as tx:
        objects = store.wrappings.objects_by_version(tx, scope)
        secrets = _secrets_by_version(tx).get(version, 0) if scope == OWN else 0
    wrapped = objects.get(version, 0) + objects.get(0, 0)
    if wrapped or secrets:
        raise VersionInUse(
            version, f"{wrapped} objects and {secrets} secrets are wrapped under it. `holdfast kms rewrap` moves them"
        )
    on.database.flush()  # a power cut must not bring back what was wrapped under it
    if scope == OWN and on.keys.file is not None:
        on.keys.file.retire(version)
        return
    with on.database.transaction() as tx:
        store.wrappings.remove_wrapping_keys(tx, scope, version)


def require_own(on: Backends, *, may_make: bool) -> None:
    """Prove that the registry's own key is at hand; raise `KeysElsewhere` in one line if not.

    A key service gives a registry that holds nothing its first key.
    """
    sealed_by = {row.sealed_by for row in on.database.hot.wrapping_keys(OWN)}
    if on.keys.service is None:
        if sealed_by:
            raise KeysElsewhere(f"the registry's keys were moved to {min(sealed_by)}; name the service that has it")
        return
    try:
        if not sealed_by:
            with on.database.snapshot() as tx:
                is_empty = not store.accounts.list_all(tx)
            if not (is_empty and may_make):
                raise KeysElsewhere("the registry's keys are in its key file; `holdfast kms move URL` moves them")
            kms_keys.begin(on, OWN)
        for key in sealed_by or {on.keys.service.own_key}:
            on.keys.service.describe(key)
        on.keys.own()
    except (KeyRefused, KeyServiceDown) as fault:
        raise KeysElsewhere(str(fault)) from None
    except KeysUnavailable:
        raise KeysElsewhere("the registry's keys cannot be opened; the log says why") from None


def move(on: Backends, service: KeyService | None, path: Path) -> None:
    """Put the registry's own keys, all versions, under a key of a key service, or into a key file.

    The keys stay the same, so nothing that they wrap changes. The old place is left to the operator.
    """
    keys = on.keys.own_secrets()
    if service is None:
        KeyFile.write(path, keys, _made_at(on, OWN))
        with on.database.transaction() as tx:
            for version in keys:
                store.wrappings.remove_wrapping_keys(tx, OWN, version)
        return
    try:
        arn = service.describe(service.own_key)
        sealed = {one: service.encrypt(arn, key, encryption_context(OWN, 0, one)) for one, key in keys.items()}
    except (KeyRefused, KeyServiceDown) as fault:
        raise KeysElsewhere(str(fault)) from None
    made_at = _made_at(on, OWN)
    with on.database.transaction() as tx:
        for version, one in sealed.items():
            store.wrappings.remove_wrapping_keys(tx, OWN, version)
            store.wrappings.add_wrapping_key(tx, WrappingKey(OWN, 0, version, one, arn, made_at[version]))


def _named_scopes(on: Backends) -> list[str]:
    with on.database.snapshot() as tx:
        found = store.wrappings.wrapping_keys_of_all(tx)
    return list(dict.fromkeys(key.scope for key in found if key.scope != OWN))


def _made_at(on: Backends, scope: str) -> dict[int, datetime]:
    """When each version of a scope's key was made."""
    if scope == OWN and on.keys.file is not None:
        on.keys.own()
        return on.keys.file.made_at()
    with on.database.snapshot() as tx:
        return {key.version: key.made_at for key in store.wrappings.wrapping_keys_of_all(tx) if key.scope == scope}


def _secrets_by_version(tx: Transaction) -> dict[int, int]:
    """How many secrets of the database are under each version of the registry's own key."""
    sealed = [one for _, _, one in store.wrappings.all_secrets(tx)]
    sealed += [key.sealed for key in store.wrappings.wrapping_keys_of_all(tx) if not key.sealed_by]
    after = ""
    while page := store.wrappings.access_keys_after(tx, after, 1000):
        sealed += [one for _, one in page]
        after = page[-1][0]
    last = (0, "")
    while values := store.account_secrets.sealed_after(tx, last, 1000):
        sealed += [one[:VERSION_BYTES] for _, _, one in values]
        last = values[-1][:2]
    counts: dict[int, int] = {}
    for one in sealed:
        counts[version_of(one)] = counts.get(version_of(one), 0) + 1
    return counts
