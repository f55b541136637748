"""What a service that keeps keys must do: seal and open small secrets under a key that never leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class KeyRefused(Exception):
    """The service answers no: there is no such key, it is disabled, or we may not use it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class KeyServiceDown(Exception):
    """The service cannot be asked; the message says why, for the log."""


class KeyService(Protocol):
    """A service that keeps keys. Each call raises `KeyRefused` or `KeyServiceDown`."""

    own_key: str  # the key of the registry itself
    keeps_named_keys: bool  # whether it has the keys that repositories name

    def describe(self, name: str) -> str:
        """The full name of an enabled key, by any of its names."""

    def generate(self, key: str, context: Mapping[str, str]) -> tuple[bytes, bytes]:
        """A fresh 256-bit secret, and the same sealed under a key for a context."""

    def decrypt(self, key: str, sealed: bytes, context: Mapping[str, str]) -> bytes:
        """What was sealed under a key for the same context."""

    def encrypt(self, key: str, secret: bytes, context: Mapping[str, str]) -> bytes:
        """A secret sealed under a key for a context."""

    def reencrypt(self, key: str, sealed: bytes, new_key: str, context: Mapping[str, str]) -> bytes:
        """The same secret sealed under the newest version of another key, or of the same."""
