"""Who pulled what, and when: noted in memory by the reads, written down by the background.

ECR's own record may lag behind by a day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.registry.notebook import Notebook

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from holdfast.model.names import RepositoryRef
    from holdfast.registry.backends import Backends

RESOLUTION_SECONDS = 60.0  # a pull so soon after one that is written down need not be


class Pulls(Notebook[tuple["RepositoryRef", int, str], "datetime"]):
    """When each principal last pulled what, by repository, image and principal."""

    def note(self, at: RepositoryRef, image_id: int, principal_arn: str, now: datetime, known_us: int | None) -> None:
        """Note a pull, unless one almost as late is known; `known_us` is microseconds since 1970."""
        if known_us is None or now.timestamp() - known_us / 1e6 >= RESOLUTION_SECONDS:
            self._put((at, image_id, principal_arn), now)


def record(on: Backends) -> None:
    """Write down what was pulled, but for those principals whose pulls do not count."""
    with on.pulls.taken() as notes:
        if not notes:
            return
        with on.database.snapshot() as tx:
            registries = {at.registry for at, _, _ in notes}
            excluded = {registry: store.pull_exclusions.arns(tx, registry) for registry in registries}
        counted: dict[RepositoryRef, dict[int, datetime]] = {}
        for (at, image_id, arn), pulled_at in notes.items():
            if not _is_excluded(arn, excluded[at.registry]):
                counted.setdefault(at, {})[image_id] = pulled_at
        for at, images in counted.items():
            with on.database.transaction(durable=False, within=[at]) as tx:
                for image_id, pulled_at in images.items():
                    store.images.pulled(tx, image_id, pulled_at)


def _is_excluded(arn: str, excluded: Collection[str]) -> bool:
    """Whether a principal is excluded itself, or by the role whose session it is."""
    return bool(excluded) and (arn in excluded or _role(arn) in {_role(one) for one in excluded} - {None})


def _role(arn: str) -> tuple[str, str] | None:
    """Account and name of the role that an ARN is of, or a session of; a role's path is not part of its sessions'."""
    account, _, what = arn.removeprefix("arn:").partition("::")[2].partition(":")
    kind, _, path = what.partition("/")
    if kind == "role":
        return account, path.rpartition("/")[2]
    return (account, path.partition("/")[0]) if kind == "assumed-role" else None
