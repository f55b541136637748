"""Who pulled what, and when: noted in memory by the reads, written down by the background.

ECR's own record may lag behind by a day.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from holdfast import store
from holdfast.model.events import pulled
from holdfast.registry import events
from holdfast.registry.notebook import MOST_NOTES, Notebook

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from holdfast.model.event_targets import Scope
    from holdfast.model.names import RepositoryRef
    from holdfast.registry.backends import Backends

RESOLUTION_SECONDS = 60.0  # a pull so soon after one that is written down need not be


class Pulled(NamedTuple):
    """What somebody pulled, and by which name."""

    at: RepositoryRef
    digest: str
    tag: str | None
    principal_arn: str
    is_missed: bool = False  # it is in the archive


class Pulls(Notebook[tuple["RepositoryRef", int, str], "datetime"]):
    """When each principal last pulled what, by repository, image and principal; and how often, if that is told."""

    def __init__(self) -> None:
        super().__init__()
        self._noted: dict[tuple[int, str], float] = {}  # when each principal's last pull of an image was noted
        self._told_of: tuple[Scope, ...] = ()
        self._counts = Counter[Pulled]()

    def tell_of(self, scopes: Sequence[Scope]) -> None:
        """Say whose pulls are told, which is seldom anybody's."""
        self._told_of = tuple(scopes)

    def counted(self) -> Counter[Pulled]:
        """What was pulled how often since this was asked last, of those whose pulls are told."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        return counts

    def count_again(self, counts: Counter[Pulled]) -> None:
        """Keep what could not be told."""
        with self._lock:
            self._counts.update(counts)

    def note(
        self, at: RepositoryRef, image_id: int, principal_arn: str, now: datetime, digest: str, tag: str | None
    ) -> None:
        """Note a pull, unless one of the same principal almost as late was noted."""
        if self._told_of and any(scope.holds(at.registry) for scope in self._told_of):
            self._count(Pulled(at, digest, tag, principal_arn))
        key, seconds = (image_id, principal_arn), now.timestamp()
        if seconds - self._noted.get(key, 0.0) >= RESOLUTION_SECONDS:
            if len(self._noted) >= MOST_NOTES:
                self._noted.clear()
            self._noted[key] = seconds
            self._put((at, image_id, principal_arn), now)

    def note_missed(self, at: RepositoryRef, principal_arn: str, digest: str, tag: str | None) -> None:
        """Note a pull of what is in the archive, where pulls are told."""
        if self._told_of and any(scope.holds(at.registry) for scope in self._told_of):
            self._count(Pulled(at, digest, tag, principal_arn, is_missed=True))

    def _count(self, pull: Pulled) -> None:
        with self._lock:
            if len(self._counts) < MOST_NOTES or pull in self._counts:
                self._counts[pull] += 1


def tell(on: Backends) -> None:
    """Tell what was pulled in the last second, where somebody wants to hear of it."""
    counts = on.pulls.counted()
    if not counts:
        return
    try:
        with on.database.transaction(durable=False, within=()) as tx:
            for (at, digest, tag, arn, is_missed), count in counts.items():
                event = pulled(at.name, digest, tag, arn, count, is_missed=is_missed)
                events.tell(on, tx, at.registry, event)
    except Exception:
        on.pulls.count_again(counts)
        raise


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
