"""What answers prove of tags, images, blobs and repositories, in the words of the judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.simulation.registers import becomes, may_turn, sees, turns
from holdfast.simulation.things import BLOBS, REPOSITORIES, TAGS, THINGS

if TYPE_CHECKING:
    from holdfast.simulation.client import Reply
    from holdfast.simulation.history import Deed, Key

SOMETHING = tuple(THINGS)  # what a tag may point at


def tag_of(repository: str, tag: str) -> Key:
    """The register of a tag: the digest it points at."""
    return "tag", repository, tag


def image_of(repository: str, digest: str) -> Key:
    """The register of an image: whether it is there."""
    return "image", repository, digest


def blob_of(repository: str, digest: str) -> Key:
    """The register of a blob: whether the repository holds it."""
    return "blob", repository, digest


def found_repository(deed: Deed, reply: Reply, repository: str) -> bool:
    """Note whether the repository was there; False if nothing is to be learned besides."""
    if not deed.is_known:
        return False
    is_there = reply.code != "NAME_UNKNOWN"
    deed.mark(("repository", repository), sees(is_there))
    return is_there


def mark_removed(deed: Deed, repository: str, digest: str) -> None:
    """Note that an image went with its tags."""
    deed.mark(image_of(repository, digest), becomes(False, was=(True,)))
    for tag in TAGS:
        deed.mark(tag_of(repository, tag), turns(digest, None))


def mark_background(deed: Deed, kind: str, payload: dict[str, object]) -> None:
    """Note what a piece of background work may have done to images, more than once if it ran long."""
    for repository in 2 * tuple(REPOSITORIES):
        if kind == "EvaluateLifecycle":
            for digest in THINGS:
                deed.mark(image_of(repository, digest), may_turn(True, False))
        if kind == "FollowSubject":
            for thing in THINGS.values():
                if thing.subject == payload["subject"]:
                    mark_removed(deed, repository, thing.digest)
        if kind == "CollectGarbage":
            for digest in BLOBS:
                deed.mark(blob_of(repository, digest), may_turn(True, False))
