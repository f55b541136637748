"""The keys of this installation by key scope, as this process has them at hand.

    the key file             its own scope: read again when it was replaced
    rows of `wrapping_keys`  every other scope; each key is opened by whoever sealed it:
      the registry's own       each time, so that a named key that was disabled is refused at once
      a key service            remembered for five minutes, and asked by one thread at a time

So a push or a pull costs a call to a key service once in five minutes for each scope and process, and a key that is
disabled there opens nothing after five minutes.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from holdfast.blobs import KeyFileFault
from holdfast.blobs.keys import KEY_BYTES, KeyRing, UnknownKey
from holdfast.model.errors import KeysUnavailable, Kms, RepositoryNotFound
from holdfast.model.kms import OWN, named_key
from holdfast.model.repositories import Encryption
from holdfast.outbound import KeyRefused, KeyServiceDown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.blobs import KeyFile
    from holdfast.model.names import RepositoryRef
    from holdfast.outbound import KeyService
    from holdfast.registry.backends import Backends
    from holdfast.store import Database
    from holdfast.store.hot import SealedKey

log = logging.getLogger(__name__)

T = TypeVar("T")
Rings = tuple[KeyRing, ...]  # of each layer, the innermost first
LIFETIME_SECONDS = 300.0
AHEAD_SECONDS = 60.0  # before the end of that, when background work asks again
AGAIN_SECONDS = 10.0  # between two of its tries
FAULT_SECONDS = 2.0  # for which a refusal is remembered, so that a crowd does not ask the same
REMEMBERED_SCOPES = 1024


class Keys:
    """The keys of an installation; one a process."""

    def __init__(
        self,
        database: Database,
        file: KeyFile | None,
        service: KeyService | None = None,
        *,
        lifetime: float = LIFETIME_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.file = file
        self.service = service
        self._database = database
        self._memory = _Memory(lifetime, monotonic)

    def wrap(self, secret: bytes, context: str) -> bytes:
        """Seal a secret under the registry's own key; only the same context opens it again."""
        return self.own().wrap(secret, context)

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Open what `wrap` sealed. Raises `WrongKey`."""
        try:
            return self.own().unwrap(wrapped, context)
        except UnknownKey:
            return self.rings(OWN, afresh=True)[0].unwrap(wrapped, context)

    def own(self) -> KeyRing:
        """The registry's own keys."""
        return self.rings(OWN)[0]

    def rings(self, scope: str, version: int = 0, *, afresh: bool = False) -> Rings:
        """The keys of a scope, among them one of a version.

        `Kms` if its master key is not to be used, `KeysUnavailable` if it cannot be.
        """
        if scope == OWN and self.file is not None:
            return self._of_file(self.file)
        remembered = None if afresh else self._memory.find(scope, version)
        if remembered is not None:
            return remembered
        rows = self._database.hot.wrapping_keys(scope)
        if rows and not any(row.sealed_by for row in rows):
            self._require_enabled(named_key(scope))
            return self._opened(scope, rows)
        return self._memory.ask_once(scope, lambda: self._opened(scope, rows))

    def refresh(self) -> None:
        """Ask for the registry's own keys again before they are forgotten, so that no request has to wait."""
        if self.file is None and self._memory.is_due(OWN):
            try:
                self.rings(OWN, afresh=True)
            except KeysUnavailable:
                log.warning("the registry's keys could not be asked for again; what is remembered of them ends soon")

    @property
    def names_are_asked_for(self) -> bool:
        """Whether the keys that repositories name are those of a key service."""
        return self.service is not None and self.service.keeps_named_keys

    def describe(self, name: str) -> str:
        """The ARN of an enabled key of the key service, or `Kms`."""
        service = self._service_of(name)
        return _asked(name, lambda: service.describe(name))

    def fresh(self, scope: str, layer: int, version: int) -> tuple[bytes, str]:
        """A new wrapping key, sealed, and which key of a key service sealed it; empty if the registry's own did."""
        key = self.master_key(scope, layer)
        if not key:
            return self.wrap(os.urandom(KEY_BYTES), wrapping_context(scope, layer, version)), ""
        service, context = self._service_of(key), encryption_context(scope, layer, version)
        arn = _asked(scope, lambda: service.describe(key))  # an alias may name another key tomorrow
        return _asked(scope, lambda: service.generate(arn, context)[1]), arn

    def master_key(self, scope: str, layer: int) -> str:
        """The key of a key service that seals a layer of a scope; empty if the registry's own does."""
        if scope == OWN:
            return self.service.own_key if self.service is not None else ""
        return named_key(scope) if self.names_are_asked_for and layer == 0 else ""

    def resealed(self, scope: str, layer: int, version: int, sealed: bytes, sealed_by: str) -> tuple[bytes, str]:
        """A wrapping key sealed under the newest version of its master key, and which one that is."""
        key, context = self.master_key(scope, layer), encryption_context(scope, layer, version)
        if key and sealed_by:
            service = self._service_of(key)
            arn = _asked(scope, lambda: service.describe(key))
            return _asked(scope, lambda: service.reencrypt(sealed_by, sealed, arn, context)), arn
        if sealed_by:
            return sealed, sealed_by
        context_ = wrapping_context(scope, layer, version)
        return self.wrap(self.unwrap(sealed, context_), context_), ""

    def own_secrets(self) -> dict[int, bytes]:
        """Every version of the registry's own key, in the clear: for whoever puts them elsewhere."""
        if self.file is not None:
            return self.file.secrets()
        return {row.version: self._open(OWN, row) for row in self._database.hot.wrapping_keys(OWN)}

    # ---- Where keys come from

    @staticmethod
    def _of_file(file: KeyFile) -> Rings:
        try:
            return (file.ring(),)
        except (KeyFileFault, OSError) as fault:
            log.critical("the key file cannot be used: %s", fault)
            raise KeysUnavailable from None

    def _require_enabled(self, arn: str) -> None:
        is_enabled = self._database.hot.is_kms_key_enabled(arn)
        if is_enabled is None:
            raise Kms.not_found(arn)
        if not is_enabled:
            raise Kms.disabled(arn)

    def _opened(self, scope: str, rows: Sequence[SealedKey]) -> Rings:
        if not rows:
            log.critical("there are no wrapping keys of %s in the database", scope)
            raise KeysUnavailable
        for key in {row.sealed_by for row in rows if row.sealed_by}:
            _asked(scope, partial(self._service_of(key).describe, key))  # emulators open what is under disabled keys
        layers: dict[int, dict[int, bytes]] = {}
        for row in rows:
            layers.setdefault(row.layer, {})[row.version] = self._open(scope, row)
        return tuple(KeyRing(layers[layer]) for layer in sorted(layers))

    def _open(self, scope: str, row: SealedKey) -> bytes:
        if not row.sealed_by:
            return self.unwrap(row.sealed, wrapping_context(scope, row.layer, row.version))
        service, context = self._service_of(row.sealed_by), encryption_context(scope, row.layer, row.version)
        return _asked(scope, lambda: service.decrypt(row.sealed_by, row.sealed, context))

    def _service_of(self, key: str) -> KeyService:
        if self.service is None:
            log.critical("the setting 'keys' names no key service, but %s is needed", key)
            raise KeysUnavailable
        return self.service


def _asked(scope: str, ask: Callable[[], T]) -> T:
    """What a key service answers, its refusals in our words."""
    try:
        return ask()
    except KeyRefused as refusal:
        if scope == OWN:
            log.critical("the key service refuses the registry's own key: %s", refusal)
            raise KeysUnavailable from None
        raise Kms(refusal.message, refusal.code) from None
    except KeyServiceDown as fault:
        log.error("the key service cannot be asked: %s", fault)  # noqa: TRY400 - the message is all there is to say
        raise KeysUnavailable from None


class _Remembered(NamedTuple):
    """What a key service said, and when."""

    rings: Rings | None
    fault: Kms | KeysUnavailable | None
    at: float


class _Memory:
    """What key services said lately, by scope."""

    def __init__(self, lifetime: float, monotonic: Callable[[], float]) -> None:
        self._lifetime = lifetime
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Remembered] = OrderedDict()
        self._asking: dict[str, threading.Lock] = {}
        self._tried_at = 0.0

    def find(self, scope: str, version: int) -> Rings | None:
        """The keys of a scope; None if they have to be asked for. A refusal that is fresh is raised again."""
        known = self._known.get(scope)
        if known is None:
            return None
        age = self._monotonic() - known.at
        if known.fault is not None:
            if age < min(FAULT_SECONDS, self._lifetime):
                raise known.fault
            return None
        assert known.rings is not None
        is_good = age < self._lifetime and (not version or version in known.rings[0].versions)
        return known.rings if is_good else None

    def is_due(self, scope: str) -> bool:
        """Whether keys are soon forgotten, and it was not tried just now to have them again."""
        known, now = self._known.get(scope), self._monotonic()
        if known is None or now - known.at <= self._lifetime - AHEAD_SECONDS or now - self._tried_at < AGAIN_SECONDS:
            return False
        self._tried_at = now
        return True

    def ask_once(self, scope: str, ask: Callable[[], Rings]) -> Rings:
        """Ask, unless another thread does so since this one came: then take what it was told."""
        came = self._monotonic()
        with self._lock:
            asking = self._asking.setdefault(scope, threading.Lock())
        with asking:
            known = self._known.get(scope)
            if known is not None and known.at > came:
                if known.fault is not None:
                    raise known.fault
                assert known.rings is not None
                return known.rings
            try:
                rings = ask()
            except (Kms, KeysUnavailable) as fault:
                is_outage = isinstance(fault, KeysUnavailable)
                is_good = known is not None and known.rings is not None and came - known.at < self._lifetime
                if not (is_outage and is_good):  # an outage does not end what is remembered
                    self._remember(scope, _Remembered(None, fault, self._monotonic()))
                raise
            self._remember(scope, _Remembered(rings, None, self._monotonic()))
            return rings

    def _remember(self, scope: str, what: _Remembered) -> None:
        with self._lock:
            self._known[scope] = what
            self._known.move_to_end(scope)
            while len(self._known) > REMEMBERED_SCOPES:
                gone, _ = self._known.popitem(last=False)
                self._asking.pop(gone, None)


# ---- Of repositories


def scope_of(on: Backends, at: RepositoryRef) -> str:
    """The key scope of a repository, or `RepositoryNotFound`."""
    found = on.database.hot.encryption(at)
    if found is None:
        raise RepositoryNotFound(at)
    return Encryption(*found).key_scope


def require(on: Backends, at: RepositoryRef) -> None:
    """Refuse with `Kms` if the key of a repository is not to be used."""
    on.keys.rings(scope_of(on, at))


def wrapping_context(scope: str, layer: int, version: int) -> str:
    """What the registry's own key seals a wrapping key for."""
    return f"holdfast wrapping key {scope} {layer} {version}"


def encryption_context(scope: str, layer: int, version: int) -> dict[str, str]:
    """The same for a key service, which shows it in its log."""
    return {"holdfast:key-scope": scope, "holdfast:layer": str(layer), "holdfast:version": str(version)}
