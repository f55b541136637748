"""The keys that session tokens and their secrets are made with, as this process read them last.

    session key ─┬─ for sealing ──► token  = sealed(access key id, chance, version of the session key, expiry)
                 └─ for secrets ──► secret = HMAC(access key id, chance)

So no secret of a session is kept anywhere. New sessions are made with the newest session key, and older keys stay as
long as sessions made with them live.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from holdfast import store
from holdfast.blobs import KeyRing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

NAME = "session-key"  # among the secrets of the installation
SECRET_BYTES = 30  # forty characters, as every secret of AWS


class Claims(msgspec.Struct, array_like=True, frozen=True):
    """What a session token says."""

    access_key_id: str
    chance: bytes
    version: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class Keys:
    """The session keys of an installation, by version; new sessions are made with the newest."""

    ring: KeyRing
    for_secrets: Mapping[int, bytes]

    @classmethod
    def of(cls, by_version: Mapping[int, bytes]) -> Keys:
        """One key for each use, from each session key."""
        sealing = {version: _derived(key, b"session sealing") for version, key in by_version.items()}
        return cls(KeyRing(sealing), {v: _derived(key, b"session secrets") for v, key in by_version.items()})

    def secret(self, claims: Claims) -> str:
        """The secret access key of a session."""
        message = f"{claims.access_key_id}/".encode() + claims.chance
        digest = _derived(self.for_secrets[claims.version], message)
        return base64.b64encode(digest[:SECRET_BYTES]).decode()


class KeyCache:
    """The session keys as this process read them last."""

    def __init__(self) -> None:
        self._last: tuple[Mapping[int, bytes], Keys] | None = None  # as they are kept, and opened

    def get(self, tx: Transaction, on: Backends) -> Keys | None:
        """The keys, or None if no session ever began."""
        sealed, last = store.secrets.find_all(tx, NAME), self._last
        if not sealed or (last is not None and last[0] == sealed):
            return last[1] if sealed and last else None
        keys = Keys.of({version: on.keys.unwrap(one, NAME) for version, one in sealed.items()})
        self._last = sealed, keys
        return keys

    def first(self, tx: Transaction, on: Backends) -> Keys:
        """Make the first session key; it is not remembered here, because its transaction may fail."""
        key = on.random_bytes(32)
        store.secrets.add(tx, NAME, 1, on.keys.wrap(key, NAME), on.clock())
        return Keys.of({1: key})


def _derived(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")
