"""What a peer holds of a repository, as far as it has to agree with ours.

Another Holdfast tells its tree, and then what is in the buckets that differ. Any other registry is asked for what ours
has, one thing after the other, at most once a day.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast import store
from holdfast.model import digests, referrer_lists
from holdfast.model.merkle import BUCKETS, EMPTY, Tree
from holdfast.model.peers import Kind
from holdfast.outbound import ecr_api
from holdfast.outbound.distribution import Lied, NotThere, RemoteFault
from holdfast.registry import peer_referrers
from holdfast.registry.copying import require_all, several
from holdfast.registry.peer_sessions import PeerUnavailable
from holdfast.store.relations import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from holdfast.model.peers import Peer
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.registry.peer_sessions import PeerSession
    from holdfast.store.contents import Held

ALL = frozenset(range(2 * BUCKETS))
REFERENCES_AT_ONCE = 1000  # in one read
MOST_PAGES = 10_000  # of a list that a peer tells
MOST_HELD = 1_000_000  # images and tags of it
TAG_CHARACTERS = 300  # of the longest tag that we keep
ASKED_AT_ONCE = 4  # images and tags of a peer that has to be asked for each
ASKED_BETWEEN = 64  # of them, between two looks whether that is still wanted


class Copy(NamedTuple):
    """What a copy holds of some buckets."""

    images: AbstractSet[str]
    tags: Mapping[str, str]


def compare(
    on: Backends, repository: Repository, peer: Peer, here: Tree, held: Iterator[Held], look: Callable[[], None]
) -> tuple[Collection[int], Copy]:
    """The buckets in which a peer differs, or may, and what it has in them. Refuses if it cannot be asked.

    A peer that is asked for each image takes its time; `look` is called meanwhile.
    """
    session = on.peers.of(on, peer)
    session.require_up()
    name = peer.name_of(repository.name)
    try:
        if peer.kind is not Kind.HOLDFAST:
            copy = _asked(session, name, held, look)
            unlisted = _unlisted(on, repository, session, name, copy.images, look)
            return ALL, Copy(copy.images - unlisted, copy.tags)
        buckets = here.differing(_tree(session, name))
        return buckets, _told(session, name, sorted(buckets)) if buckets else Copy(frozenset(), {})
    except RemoteFault as fault:
        session.failed(fault)
        raise PeerUnavailable(str(fault)) from None


def _asked(session: PeerSession, name: str, held: Iterator[Held], look: Callable[[], None]) -> Copy:
    """Which of our images and tags a peer has."""
    images: set[str] = set()
    tags: dict[str, str] = {}
    while some := list(islice(held, ASKED_BETWEEN)):
        look()
        named = require_all(several(ASKED_AT_ONCE, lambda one: _named(session, name, *one), some))
        for (_, tag), digest in zip(some, named, strict=True):
            if digest is not None and tag:
                tags[tag] = digest
            elif digest is not None:
                images.add(digest)
    return Copy(images, tags)


def _named(session: PeerSession, name: str, digest: str, tag: str) -> str | None:
    """What an image or a tag of ours is at a peer."""
    try:
        found = session.pusher.stat_manifest(name, tag or digest)
    except NotThere:
        return None
    if tag and peer_referrers.is_list(session, name, tag, found.digest, found.media_type):
        return digest  # it has entries of others as well, and needs them
    return found.digest


def _unlisted(
    on: Backends,
    repository: Repository,
    session: PeerSession,
    name: str,
    images: AbstractSet[str],
    look: Callable[[], None],
) -> set[str]:
    """Those of our images at a peer that it lets nobody find by what they refer to: they count as missing."""
    unlisted: set[str] = set()
    after, found = Reference("", ""), None
    subject, listed = "", None
    while found is None or len(found) == REFERENCES_AT_ONCE:
        with on.database.snapshot() as tx:
            found = store.relations.referring(tx, repository, after, REFERENCES_AT_ONCE)
        for after in found:
            if after.digest not in images:
                continue
            if session.lists_referrers(name, after.subject):
                return unlisted
            if after.subject != subject:
                look()
                subject = after.subject
                kept = peer_referrers.find(session, name, referrer_lists.tag_of(subject))
                listed = None if kept is None else set(kept.digests)
            if listed is not None and after.digest not in listed:
                unlisted.add(after.digest)
    return unlisted


def _tree(session: PeerSession, name: str) -> Tree:
    try:
        told = session.call("GetRepositoryContentDigest", {"repositoryName": name}, ecr_api.HOLDFAST)
    except NotThere:
        return EMPTY
    buckets = told.get("bucketDigests")
    if not isinstance(buckets, list) or len(buckets) != 2 * BUCKETS or not all(isinstance(one, str) for one in buckets):
        raise Lied(f"{session.peer.url} does not tell {2 * BUCKETS} digests of {name}")
    return Tree(tuple(buckets), 0)


def _told(session: PeerSession, name: str, buckets: list[int]) -> Copy:
    images: set[str] = set()
    tags: dict[str, str] = {}
    token: dict[str, str] = {}
    for _ in range(MOST_PAGES):
        wanted = {"repositoryName": name, "buckets": buckets, **token}
        try:
            told = session.call("ListRepositoryContent", wanted, ecr_api.HOLDFAST)
        except NotThere:
            return Copy(frozenset(), {})
        if not isinstance(content := told.get("content") or [], list):
            raise Lied(f"{session.peer.url} lists something that is no list")
        for digest, tag in map(_entry, content):
            if tag:
                tags[tag] = digest
            else:
                images.add(digest)
        if len(images) + len(tags) > MOST_HELD:
            break
        if not isinstance(told.get("nextToken"), str):
            return Copy(images, tags)
        token = {"nextToken": told["nextToken"]}
    raise Lied(f"{session.peer.url} has a list without end")


def _entry(told: Any) -> tuple[str, str]:
    digest, tag = (told.get("imageDigest"), told.get("imageTag") or "") if isinstance(told, dict) else (None, "")
    if (
        not isinstance(digest, str)
        or not digests.is_digest(digest)
        or not isinstance(tag, str)
        or len(tag) > TAG_CHARACTERS
    ):
        raise Lied("a peer lists something that is no image")
    return digest, tag
