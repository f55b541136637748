"""Under which keys bytes lie: key scopes, and the keys that encryptionConfiguration names.

    data key of an object ◄─ wrapped by ─ a wrapping key of its key scope ◄─ sealed by ─ the scope's master key

The master key is that of the registry or a named one; a scope has several versions of its wrapping key, and the newest
wraps.
"""

from __future__ import annotations

from dataclasses import dataclass, field

OWN = "AES256"  # the key scope of what lies under the registry's own key


def named_key(scope: str) -> str:
    """The key that is the master key of a scope other than the registry's own."""
    return scope.partition(":")[2]


def layers(scope: str) -> int:
    """How many times what lies in a scope is sealed."""
    return 2 if scope.startswith("KMS_DSSE:") else 1


@dataclass(frozen=True, slots=True)
class Seal:
    """How the data keys of an object are wrapped."""

    scope: str
    version: int
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """A small object, sealed."""

    data: bytes = field(repr=False)
    seal: Seal
