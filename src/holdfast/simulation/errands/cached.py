"""What is pulled through a cache: the bytes are right or do not come, whatever the upstream does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.model.errors import RepositoryNotFound
from holdfast.simulation.client import check_bytes
from holdfast.simulation.history import Violation
from holdfast.simulation.things import CACHED, REMOTE_BLOBS, REMOTE_THINGS, TAGS, name_of

if TYPE_CHECKING:
    from holdfast.registry import Backends
    from holdfast.simulation.client import Client
    from holdfast.simulation.things import Thing


def pull(client: Client, reference: str) -> Thing | None:
    """A manifest by tag or digest; None if it does not come."""
    what = f"pull {name_of(reference)} through the cache"
    _, reply = client.ask(what, "GET", f"/v2/{CACHED.name}/manifests/{reference}", may_fail=True)
    if reply.status != 200:
        return None
    digest = reply.header("docker-content-digest")
    check_bytes(digest, reply.body)
    if reference not in TAGS and digest != reference:
        raise Violation(f"{name_of(reference)} is answered with {name_of(digest)}")
    return REMOTE_THINGS[digest]


def pull_blob(client: Client, digest: str) -> bool:
    """A blob; False if it does not come, or not whole."""
    what = f"pull {name_of(digest)} through the cache"
    _, reply = client.ask(what, "GET", f"/v2/{CACHED.name}/blobs/{digest}", may_fail=True)
    if reply.status == 200:
        check_bytes(digest, reply.body)
    return reply.status == 200


def evict(client: Client) -> None:
    """Make room for one image."""
    client.call("evict what was cached", registry.pull_through.evicting.evict_all)


def require_whole(on: Backends) -> None:
    """Every image that is here is here with all that it needs, without asking anybody."""
    try:
        found, _ = registry.images.page(on, CACHED, 0, 1000)
    except RepositoryNotFound:
        return
    here = {image.digest for image in found}
    for image in found:
        thing = REMOTE_THINGS[image.digest]
        if not here.issuperset(thing.children):
            raise Violation(f"{thing.name} is cached without its members")
        for digest in thing.blobs:
            if b"".join(registry.layers.pieces(on, CACHED, digest)) != REMOTE_BLOBS[digest]:
                raise Violation(f"{name_of(digest)} of {thing.name} is cached with other bytes")
