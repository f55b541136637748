"""Who pulled what, and when: noted in memory by the reads, written down by the background.

ECR's own record may lag behind by a day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.registry.notebook import MOST_NOTES, Notebook

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from holdfast.model.names import RepositoryRef
    from holdfast.registry.backends import Backends

RESOLUTION_SECONDS = 60.0  # a pull so soon after one that is written down need not be


class Pulls(Notebook[tuple["RepositoryRef", int, str], "datetime"]):
    """When each principal last pulled what, by repository, image and principal."""

    def __init__(self) -> None:
        super().__init__()
        self._noted: dict[tuple[int, str], float] = {}  # when each principal's last pull of an image was noted

    def note(self, at: RepositoryRef, image_id: int, principal_arn: str, now: datetime) -> None:
        """Note a pull, unless one of the same principal almost as late was noted."""
        key, seconds = (image_id, principal_arn), now.timestamp()
        if seconds - self._noted.get(key, 0.0) >= RESOLUTION_SECONDS:
            if len(self._noted) >= MOST_NOTES:
                self._noted.clear()
            self._noted[key] = seconds
            self._put((at, image_id, principal_arn), now)


def record(on: Backends) -> None:
    """Write down who pulled what, and that it was used, unless it was by a principal whose pulls do not count."""
    with on.pulls.taken() as notes:
        if not notes:
            return
        with on.database.snapshot() as tx:
            registries = {at.registry for at, _, _ in notes}
            excluded = {registry: store.pull_exclusions.arns(tx, registry) for registry in registries}
        pulls: dict[RepositoryRef, list[tuple[int, str, datetime]]] = {}
        for (at, image_id, arn), pulled_at in notes.items():
            pulls.setdefault(at, []).append((image_id, arn, pulled_at))
        for at, of_repository in pulls.items():
            used: dict[int, datetime] = {}
            with on.database.transaction(durable=False, within=[at]) as tx:
                for image_id, arn, pulled_at in of_repository:
                    store.image_pullers.put(tx, image_id, _without_session(arn), pulled_at)
                    if not _is_excluded(arn, excluded[at.registry]):
                        used[image_id] = max(pulled_at, used.get(image_id, pulled_at))
                for image_id, pulled_at in used.items():
                    store.images.pulled(tx, image_id, pulled_at)


def _is_excluded(arn: str, excluded: Collection[str]) -> bool:
    """Whether a principal is excluded itself, or by the role whose session it is."""
    return bool(excluded) and (arn in excluded or _role(arn) in {_role(one) for one in excluded} - {None})


def _without_session(arn: str) -> str:
    """The ARN of a role's sessions without their name: each job has another one."""
    head, is_session, role = arn.partition(":assumed-role/")
    return f"{head}{is_session}{role.partition('/')[0]}" if is_session else arn


def _role(arn: str) -> tuple[str, str] | None:
    """Account and name of the role that an ARN is of, or a session of; a role's path is not part of its sessions'."""
    account, _, what = arn.removeprefix("arn:").partition("::")[2].partition(":")
    kind, _, path = what.partition("/")
    if kind == "role":
        return account, path.rpartition("/")[2]
    return (account, path.partition("/")[0]) if kind == "assumed-role" else None
