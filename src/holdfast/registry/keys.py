"""The keys of this installation by key scope, as this process has them at hand.

    the registry's own scope ──► the key file, read again when it was replaced
    any other scope          ──► rows of `wrapping_keys`, each opened by whoever sealed it:
                                   the registry's own key    each time: a key that was disabled is refused at once
                                   a key of a key service    remembered for five minutes, asked for by one thread

What the key service said is remembered by process, for at most so many scopes; its refusals only for a moment.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from holdfast.blobs.key_file import KeyFileFault
from holdfast.blobs.keys import KeyRing
from holdfast.model.errors import KeysUnavailable, Kms, RepositoryNotFound
from holdfast.model.kms import OWN, named_key
from holdfast.model.repositories import Encryption

if TYPE_CHECKING:
    from holdfast.blobs import KeyFile
    from holdfast.model.names import RepositoryRef
    from holdfast.registry.backends import Backends
    from holdfast.store import Database

log = logging.getLogger(__name__)

Rings = tuple[KeyRing, ...]  # of each layer, the innermost first


class Keys:
    """The keys of an installation; one a process."""

    def __init__(self, database: Database, file: KeyFile) -> None:
        self.file = file
        self._database = database

    def wrap(self, secret: bytes, context: str) -> bytes:
        """Seal a secret under the registry's own key; only the same context opens it again."""
        return self.own().wrap(secret, context)

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Open what `wrap` sealed. Raises `WrongKey`."""
        return self.own().unwrap(wrapped, context)

    def own(self) -> KeyRing:
        """The registry's own keys."""
        return self.rings(OWN)[0]

    def rings(self, scope: str) -> Rings:
        """The keys of a scope; or `Kms` if its master key is not to be used, `KeysUnavailable` if it cannot be."""
        if scope == OWN:
            try:
                return (self.file.ring(),)
            except (KeyFileFault, OSError) as fault:
                log.critical("the key file cannot be used: %s", fault)
                raise KeysUnavailable from None
        return self._opened(scope)

    def _opened(self, scope: str) -> Rings:
        arn, hot = named_key(scope), self._database.hot
        is_enabled = hot.is_kms_key_enabled(arn)
        if is_enabled is None:
            raise Kms.not_found(arn)
        if not is_enabled:
            raise Kms.disabled(arn)
        layers: dict[int, dict[int, bytes]] = {}
        for layer, version, sealed, _ in hot.wrapping_keys(scope):
            layers.setdefault(layer, {})[version] = self.unwrap(sealed, wrapping_context(scope, layer, version))
        return tuple(KeyRing(layers[layer]) for layer in sorted(layers))


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
    """What a wrapping key is sealed for."""
    return f"holdfast wrapping key {scope} {layer} {version}"
