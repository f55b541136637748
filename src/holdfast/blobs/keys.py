"""The keys that wrap other keys: several versions of one 256-bit key, of which the newest wraps."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
VERSION_BYTES = 4
KEY_BYTES = 32
WRAPPED_BYTES = VERSION_BYTES + NONCE_BYTES + KEY_BYTES + 16  # a wrapped 256-bit key


class WrongKey(Exception):
    """No key of the ring opens what was wrapped, or it was tampered with."""


class UnknownKey(WrongKey):
    """The ring has no key of the version that wrapped this."""


class KeyRing:
    """Wraps and unwraps small secrets under the newest of several keys."""

    def __init__(self, keys: dict[int, bytes]) -> None:
        self._ciphers = {version: AESGCM(key) for version, key in keys.items()}
        self._newest = max(keys)

    @property
    def newest(self) -> int:
        """The version of the key that wraps from now on."""
        return self._newest

    @property
    def versions(self) -> list[int]:
        """The versions of all keys, the oldest first."""
        return sorted(self._ciphers)

    def wrap(self, secret: bytes, context: str) -> bytes:
        """Seal a secret; only the same context opens it again."""
        nonce = os.urandom(NONCE_BYTES)
        version = self._newest.to_bytes(VERSION_BYTES, "big")
        return version + nonce + self._ciphers[self._newest].encrypt(nonce, secret, context.encode())

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Open what `wrap` sealed."""
        cipher = self._ciphers.get(version_of(wrapped))
        if cipher is None or len(wrapped) < VERSION_BYTES + NONCE_BYTES:
            raise UnknownKey("The key that sealed this is not known")
        body = wrapped[VERSION_BYTES:]
        try:
            return cipher.decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], context.encode())
        except InvalidTag:
            raise WrongKey("The sealed bytes were changed, or belong to something else") from None


def version_of(wrapped: bytes) -> int:
    """The version of the key under which a secret was wrapped."""
    return int.from_bytes(wrapped[:VERSION_BYTES], "big")
