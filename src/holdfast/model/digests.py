"""Content digests, and the hasher that proves them (image-spec, "Digests")."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Protocol

from holdfast.model.errors import DigestInvalid

DIGEST = re.compile(r"sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}", re.ASCII)
DIGEST_SHAPE = re.compile(r"[A-Za-z0-9]+([+._-][A-Za-z0-9]+)*:[A-Za-z0-9=_-]+", re.ASCII)


class Hasher(Protocol):
    """What hashlib's objects do."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take more bytes."""

    def hexdigest(self) -> str:
        """The digest so far, in lower-case hexadecimal."""


def is_digest(text: str) -> bool:
    """Whether a text is a digest of an algorithm that we can prove."""
    return DIGEST.fullmatch(text) is not None


def looks_like_digest(text: str) -> bool:
    """Whether a text has a digest's shape, of any algorithm."""
    return DIGEST_SHAPE.fullmatch(text) is not None


def check_digest(text: str) -> str:
    """Return a digest of an algorithm that we can prove, or refuse it."""
    if not DIGEST.fullmatch(text):
        raise DigestInvalid(f"'{text[:200]}' is not a digest of an algorithm that this registry knows (sha256, sha512)")
    return text


def algorithm(digest: str) -> str:
    """The algorithm of a checked digest."""
    return digest.partition(":")[0]


def hasher(name: str) -> Hasher:
    """A fresh hasher of a known algorithm."""
    return hashlib.sha512() if name == "sha512" else hashlib.sha256()


def digest_of(data: bytes, name: str = "sha256") -> str:
    """The digest of bytes at hand."""
    proof = hasher(name)
    proof.update(data)
    return f"{name}:{proof.hexdigest()}"


def same(left: str, right: str) -> bool:
    """Compare two secrets or digests in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())
