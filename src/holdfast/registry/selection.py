"""Which images and tags of a repository go to a destination whose rules have filters for tags.

    a tag that is taken ─► its image ─► what that lists, what refers to it, and the tags of cosign that name it

An image that has no tag of its own does not go for its own sake. Nothing here is asked where every image goes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.replication import subject_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.model.replication import Choice
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction
    from holdfast.store.contents import Held

PAGE = 5000  # tags in one read
MOST_LOOKED_AT = 1000  # images above one, before it is left to a comparison


# ---- One image


def goes(tx: Transaction, repository: Repository, digest: str, choice: Choice) -> bool:
    """Whether an image goes: for a tag of its own, or with one that lists it or that it refers to."""
    if choice.is_everything:
        return True
    seen: set[str] = set()
    waiting = [digest]
    while waiting and len(seen) < MOST_LOOKED_AT:
        digest = waiting.pop()
        node = store.relations.find(tx, repository, digest) if digest not in seen else None
        seen.add(digest)
        if node is None:
            continue
        for tag in node.tags:
            if _is_taken(tx, repository, tag, choice):
                return True
            subject = subject_of(tag)
            if subject is not None and choice.follows(tag):
                waiting.append(subject)
        waiting += store.images.parents(tx, repository, digest)
        waiting += [node.subject] if node.subject is not None else []
    return False


def tags_of(tx: Transaction, repository: Repository, digest: str, choice: Choice) -> list[str] | None:
    """Those of the tags of an image that go with it; None if all do."""
    if choice.is_everything:
        return None
    node = store.relations.find(tx, repository, digest)
    return [tag for tag in node.tags if _is_set(tx, repository, tag, choice)] if node is not None else []


def _is_set(tx: Transaction, repository: Repository, tag: str, choice: Choice) -> bool:
    if _is_taken(tx, repository, tag, choice):
        return True
    subject = subject_of(tag)
    return subject is not None and choice.follows(tag) and goes(tx, repository, subject, choice)


def _is_taken(tx: Transaction, repository: Repository, tag: str, choice: Choice) -> bool:
    """Whether a tag goes whatever else does."""
    if choice.takes(tag):
        return True
    subject = subject_of(tag)
    is_lonely = subject is not None and choice.takes_orphan(tag)
    return is_lonely and store.images.find(tx, repository, digest=subject) is None


# ---- A whole repository


@dataclass(slots=True)
class Chosen:
    """All that goes of a repository, as it was when it was asked for."""

    choice: Choice
    images: set[str] = field(default_factory=set)  # by digest
    orphans: set[str] = field(default_factory=set)  # tags
    tagged: set[str] = field(default_factory=set)  # the digests of images of which a tag goes

    def has(self, held: Held) -> bool:
        """Whether an image, or a tag, goes."""
        digest, tag = held
        return self.has_tag(tag) if tag else self.has_image(digest)

    def has_image(self, digest: str) -> bool:
        """Whether an image goes."""
        return self.choice.is_everything or digest in self.images

    def has_tag(self, tag: str) -> bool:
        """Whether a tag goes."""
        if self.choice.is_everything:
            return True
        subject = subject_of(tag)
        follows = subject is not None and subject in self.images and self.choice.follows(tag)
        return follows or tag in self.orphans or self.choice.takes(tag)


def whole(on: Backends, repository: Repository, choice: Choice) -> Chosen:
    """All that goes of a repository: from the tags on to whatever hangs on their images."""
    chosen = Chosen(choice)
    if choice.is_everything:
        return chosen
    naming: dict[str, list[str]] = {}  # the images whose tags refer to one
    fresh: set[str] = set()
    for (digest, tag), is_taken in _tags(on, repository, choice):
        subject = subject_of(tag)
        if is_taken:
            fresh.add(digest)
            chosen.orphans.update({tag} if not choice.takes(tag) else ())
        elif subject is not None and choice.follows(tag):
            naming.setdefault(subject, []).append(digest)
    chosen.tagged |= fresh
    while fresh:
        chosen.images |= fresh
        named = {digest for subject in fresh for digest in naming.get(subject, ())}
        chosen.tagged |= named
        with on.database.snapshot() as tx:
            fresh = (store.relations.hanging_on(tx, repository, fresh) | named) - chosen.images
    return chosen


def _tags(on: Backends, repository: Repository, choice: Choice) -> Iterable[tuple[Held, bool]]:
    """The tags of a repository, and whether each is taken whatever else goes."""
    after = ""
    while True:
        with on.database.snapshot() as tx:
            found = store.contents.tagged(tx, repository, after, PAGE)
            taken = [_is_taken(tx, repository, tag, choice) for _, tag in found]
        yield from zip(found, taken, strict=True)
        if len(found) < PAGE:
            return
        _, after = found[-1]
