"""What the registry does by itself, because a policy says so: nobody calls for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.model import audit_lifecycle
from holdfast.model.audit import OURSELVES, Note
from holdfast.model.audit_lifecycle import EVALUATED, PREVIEWED

EXPORTED, IMPORTED = "BundleExportEvent", "BundleImportEvent"

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from holdfast.model.audit import Shown
    from holdfast.model.lifecycle import Verdict
    from holdfast.model.names import Registry, RepositoryRef
    from holdfast.registry.backends import Backends


def evaluated(
    on: Backends, at: RepositoryRef, text: str, revision: int, before: datetime | None, verdicts: Sequence[Verdict]
) -> None:
    """Note what a lifecycle policy did; `before` is when it was evaluated the last time."""
    _note(on, EVALUATED, at, text, revision, before, verdicts)


def previewed(on: Backends, at: RepositoryRef, text: str, verdicts: Sequence[Verdict]) -> None:
    """Note what a lifecycle policy would do."""
    _note(on, PREVIEWED, at, text, 0, None, verdicts)


def carried(on: Backends, event: str, home: Registry, details: Shown) -> None:
    """Note that somebody on the command line exported or imported a bundle."""
    if not on.audit.is_on:
        return
    who = {"accountId": home.account_id, "invokedBy": OURSELVES}
    on.audit.note(
        on,
        Note(on.clock(), who, "ecr", event, home.region, home.account_id, request_id="", peer="", agent=None,
             host=None, read_only=event == EXPORTED, resource=None, parameters=None, details=details),
    )  # fmt: skip


def _note(
    on: Backends,
    event: str,
    at: RepositoryRef,
    text: str,
    revision: int,
    before: datetime | None,
    verdicts: Sequence[Verdict],
) -> None:
    if not on.audit.is_on:
        return
    home = at.registry
    who = {"accountId": home.account_id, "invokedBy": OURSELVES}
    for details in audit_lifecycle.details(at.name, text, revision, before, verdicts):
        on.audit.note(
            on,
            Note(on.clock(), who, "ecr", event, home.region, home.account_id, request_id="", peer="", agent=None,
                 host=None, read_only=True, resource=at, parameters=None, details=details),
        )  # fmt: skip
