"""What a repository holds as one digest, so that two registries can tell in one exchange whether they agree.

    root ─┬─ bucket ─┬─ an image: its digest              256 buckets of images
          │          └─ …
          └─ bucket ─┬─ a tag, and the digest it names    256 buckets of tags
                     └─ …

What falls into which bucket is decided by the digest or the tag alone: one that moves stays in its bucket.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

BUCKETS = 256  # of each kind
NOTHING = ""  # the digest of an empty bucket


def image_bucket(digest: str) -> int:
    """The bucket of an image."""
    return hashlib.sha256(digest.encode()).digest()[0]


def tag_bucket(tag: str) -> int:
    """The bucket of a tag."""
    return BUCKETS + hashlib.sha256(tag.encode()).digest()[0]


def bucket(digest: str, tag: str) -> int:
    """The bucket of an image, or of a tag if there is one."""
    return tag_bucket(tag) if tag else image_bucket(digest)


@dataclass(frozen=True, slots=True)
class Tree:
    """The digests of all buckets, those of images first; and of how many images and tags."""

    buckets: tuple[str, ...]
    count: int

    @property
    def root(self) -> str:
        """One digest of everything."""
        return f"sha256:{hashlib.sha256(','.join(self.buckets).encode()).hexdigest()}"

    def differing(self, other: Tree) -> frozenset[int]:
        """The buckets in which two repositories do not hold the same."""
        pairs = enumerate(zip(self.buckets, other.buckets, strict=True))
        return frozenset(number for number, (one, two) in pairs if one != two)


EMPTY = Tree((NOTHING,) * (2 * BUCKETS), 0)


class Growing:
    """A tree that is being made; images come in the order of their digests, tags in that of their names."""

    def __init__(self) -> None:
        self._hashers: dict[int, hashlib._Hash] = {}
        self._count = 0

    def add(self, some: Iterable[tuple[str, str]]) -> None:
        """Count some in: each a digest, and a tag that names it or nothing for the image itself."""
        found: defaultdict[int, list[str]] = defaultdict(list)
        for digest, tag in some:
            found[bucket(digest, tag)].append(f"{tag} {digest}" if tag else digest)
        for number, lines in found.items():
            self._count += len(lines)
            text = "\n".join(lines)
            self._hashers.setdefault(number, hashlib.sha256()).update(f"{text}\n".encode())

    def tree(self) -> Tree:
        """What came so far."""
        found = (self._hashers.get(bucket) for bucket in range(2 * BUCKETS))
        return Tree(tuple(NOTHING if one is None else one.hexdigest() for one in found), self._count)
