"""Say that an image runs, and that it runs no more."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.model.errors import RepositoryNotFound
from holdfast.model.images import ImageId
from holdfast.registry.leases import DELETED, Wish
from holdfast.simulation.errands.marks import image_of
from holdfast.simulation.registers import sees
from holdfast.simulation.things import REPOSITORIES, name_of

if TYPE_CHECKING:
    from holdfast.simulation.client import Client

HOLDER = "cluster"


def put(client: Client, repository: str, digest: str, minutes: int) -> None:
    """Hold an image for some minutes; `store.invariants` says what that means."""
    wish, lifetime = Wish(ImageId(digest), ""), timedelta(minutes=minutes)
    deed, result = client.call(
        f"hold {name_of(digest)} of {repository}",
        lambda on: registry.leases.put(on, REPOSITORIES[repository], HOLDER, "OTHER", HOLDER, lifetime, [wish]),
    )
    if isinstance(result, tuple):
        taken, _ = result
        deed.mark(("repository", repository), sees(True))
        deed.mark(image_of(repository, digest), sees(bool(taken) and taken[0].status != DELETED))
    elif isinstance(result, RepositoryNotFound):
        deed.mark(("repository", repository), sees(False))


def release(client: Client, repository: str) -> None:
    """Hold nothing of a repository any longer."""
    client.call(
        f"release what is held of {repository}",
        lambda on: registry.leases.release(on, REPOSITORIES[repository], HOLDER, None),
    )
