"""How much of everything there may be; from four fifths on, the operator is told."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from holdfast.model.errors import LimitExceeded
from holdfast.model.quotas import QUOTAS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.model.names import Registry
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends, Limits

log = logging.getLogger(__name__)


def with_quotas(limits: Limits, quotas: Mapping[str, int]) -> Limits:
    """Limits with other quotas, by the operator's names for them."""
    changed: dict[str, Any] = {QUOTAS[name][0]: number * QUOTAS[name][1] for name, number in quotas.items()}
    return replace(limits, **changed)


def check_repositories(on: Backends, registry: Registry, count: int) -> None:
    """Refuse one repository too many in a registry."""
    limit = on.limits.repositories
    _check(count, limit, f"the registry {registry.account_id} in {registry.region} may have repositories",
           f"The registry with id '{registry.account_id}' already has the maximum allowed number of repositories "
           f"which is '{limit}'")  # fmt: skip


def check_images(on: Backends, repository: Repository, count: int) -> None:
    """Refuse one image too many in a repository."""
    limit = on.limits.images
    _check(count, limit, f"the repository {repository.name} may have images",
           f"The repository with name '{repository.name}' in registry with id '{repository.registry.account_id}' "
           f"already has the maximum allowed number of images which is '{limit}'")  # fmt: skip


def check_tags(on: Backends, count: int) -> None:
    """Refuse one tag too many on an image."""
    limit = on.limits.tags_per_image
    if count > limit:
        raise LimitExceeded(f"The image cannot have more than {limit} tags")


def _check(count: int, limit: int, what: str, refusal: str) -> None:
    if count > limit:
        raise LimitExceeded(refusal)
    if count == limit * 4 // 5:
        log.warning("%d of %d that %s: ask yourself whether to raise the quota or to clean up", count, limit, what)
