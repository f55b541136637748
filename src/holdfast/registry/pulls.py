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

    from holdfast.model.names import Registry
    from holdfast.registry.backends import Backends

RESOLUTION_SECONDS = 60.0  # a pull so soon after one that is written down need not be


class Pulls(Notebook[tuple["Registry", int, str], "datetime"]):
    """When each principal last pulled what, by registry, image and principal."""

    def note(self, registry: Registry, image_id: int, principal_arn: str, now: datetime, known_us: int | None) -> None:
        """Note a pull, unless one almost as late is known; `known_us` is microseconds since 1970."""
        if known_us is None or now.timestamp() - known_us / 1e6 >= RESOLUTION_SECONDS:
            self._put((registry, image_id, principal_arn), now)


def record(on: Backends) -> None:
    """Write down what was pulled, but for those principals whose pulls do not count."""
    with on.pulls.taken() as notes:
        if not notes:
            return
        with on.database.snapshot() as tx:
            excluded = {registry: store.pull_exclusions.arns(tx, registry) for registry in {key[0] for key in notes}}
        counted = {
            image_id: at for (registry, image_id, arn), at in notes.items() if not _is_excluded(arn, excluded[registry])
        }
        with on.database.transaction(durable=False) as tx:
            for image_id, at in counted.items():
                store.images.pulled(tx, image_id, at)


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
