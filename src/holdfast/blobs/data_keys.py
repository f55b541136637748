"""The data keys of an object, and how they are wrapped."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.blobs.keys import KEY_BYTES, WRAPPED_BYTES, version_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.blobs.keys import KeyRing


@dataclass(frozen=True, slots=True)
class DataKeys:
    """The fresh data key of each layer of one object, the innermost first."""

    keys: tuple[bytes, ...] = field(repr=False)
    wrapped: bytes  # one after the other
    version: int  # of the keys that wrapped them

    @classmethod
    def fresh(cls, key: str, rings: Sequence[KeyRing]) -> DataKeys:
        """Make them for the object of a key, each wrapped by its own ring."""
        keys = tuple(os.urandom(KEY_BYTES) for _ in rings)
        wrapped = b"".join(ring.wrap(one, context(key)) for ring, one in zip(rings, keys, strict=True))
        return cls(keys, wrapped, version_of(wrapped))


NO_KEYS = DataKeys((), b"", 0)  # of an object that the store seals itself


def rewrap(key: str, wrapped: bytes, rings: Sequence[KeyRing]) -> bytes:
    """Wrap the data keys of an object under the newest key of each ring. Raises `WrongKey`."""
    layers = zip(rings, split(wrapped), strict=True)
    return b"".join(ring.wrap(ring.unwrap(one, context(key)), context(key)) for ring, one in layers)


def split(wrapped: bytes) -> list[bytes]:
    """The wrapped data key of each layer."""
    return [wrapped[start : start + WRAPPED_BYTES] for start in range(0, len(wrapped), WRAPPED_BYTES)]


def context(key: str) -> str:
    """What a data key is wrapped for: the object of a key, and no other."""
    return f"holdfast object {key}"
