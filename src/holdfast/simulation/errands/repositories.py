"""Make, delete and restore repositories, and say what expires there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.model.errors import (
    ImageInUse,
    LifecyclePolicyNotFound,
    Refusal,
    RepositoryAlreadyExists,
    RepositoryNotEmpty,
    RepositoryNotFound,
)
from holdfast.simulation import ground
from holdfast.simulation.errands.access import grant_of
from holdfast.simulation.errands.marks import blob_of, image_of, tag_of
from holdfast.simulation.registers import becomes, comes_back, is_buried, sees
from holdfast.simulation.things import BLOBS, REPOSITORIES, TAGS, THINGS

if TYPE_CHECKING:
    from holdfast.simulation.client import Client
    from holdfast.simulation.history import Deed
    from holdfast.simulation.registers import Step

UNTAGGED_GO = (
    '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"untagged","countType":"imageCountMoreThan",'
    '"countNumber":1},"action":{"type":"expire"}}]}'
)


def create(client: Client, repository: str) -> None:
    """Make a repository."""
    deed, result = client.call(f"create {repository}", lambda on: ground.create(on, repository))
    if isinstance(result, RepositoryAlreadyExists):
        deed.mark(("repository", repository), sees(True))
    else:
        deed.is_kept = deed.is_known
        deed.mark(("repository", repository), becomes(True, was=(False,)))


def delete(client: Client, repository: str, *, force: bool) -> None:
    """Remove a repository, with its images only by force."""
    deed, result = client.call(
        f"delete {repository}{' by force' if force else ''}",
        lambda on: registry.repositories.delete(on, REPOSITORIES[repository], force=force),
    )
    if isinstance(result, RepositoryNotFound | RepositoryNotEmpty | ImageInUse):
        deed.mark(("repository", repository), sees(not isinstance(result, RepositoryNotFound)))
        return
    deed.is_kept = deed.is_known
    deed.mark(("repository", repository), lambda value: is_buried(False)(value) if value[0] else ())
    _mark_all(deed, repository, is_buried(None), is_buried(False))


def restore(client: Client, repository: str) -> None:
    """Let the repository that was deleted last live again, with all that it holds."""
    deed, result = client.call(
        f"restore {repository}", lambda on: registry.undelete.restore_repository(on, REPOSITORIES[repository])
    )
    if isinstance(result, Refusal):
        if isinstance(result, RepositoryAlreadyExists):
            deed.mark(("repository", repository), sees(True))
        return
    deed.is_kept = deed.is_known
    deed.mark(("repository", repository), lambda value: () if value[0] else comes_back()(value))
    _mark_all(deed, repository, comes_back(), comes_back())


def _mark_all(deed: Deed, repository: str, of_tags: Step, of_others: Step) -> None:
    for tag in TAGS:
        deed.mark(tag_of(repository, tag), of_tags)
    for digest in THINGS:
        deed.mark(image_of(repository, digest), of_others)
    for digest in BLOBS:
        deed.mark(blob_of(repository, digest), of_others)
    deed.mark(grant_of(repository), of_others)


def put_policy(client: Client, repository: str) -> None:
    """Let untagged images expire."""
    client.call(
        f"put a lifecycle policy on {repository}",
        lambda on: registry.lifecycle.put(on, REPOSITORIES[repository], UNTAGGED_GO),
    )


def delete_policy(client: Client, repository: str) -> None:
    """Let them stay again."""

    def delete(on: registry.Backends) -> None:
        try:
            registry.lifecycle.delete(on, REPOSITORIES[repository])
        except LifecyclePolicyNotFound:
            return

    client.call(f"delete the lifecycle policy of {repository}", delete)
