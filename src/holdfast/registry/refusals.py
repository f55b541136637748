"""Why requests were refused: noted in memory, written down by each process once a second, found by request id.

A flood of refusals must not become a flood of writes: what does not fit is counted and not kept.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from holdfast import store
from holdfast.model.errors import NotFound
from holdfast.registry.iam import messages

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.callers import Caller
    from holdfast.model.iam import Decision
    from holdfast.registry.backends import Backends
    from holdfast.store.refusals import Refused

log = logging.getLogger(__name__)

MOST_NOTES = 1000  # at once, which is a second's
MOST_OF_ONE = 300  # of one account in a minute: whoever is refused without end must not take the place of others
OF_THE_OWNER = {"resource", "registry"}  # types of policies
RESOURCE_TAG = ":resourcetag/"
SEALED_CHARACTERS = 4096  # of a header; clients and proxies read no more than 8 KiB of all of them
SHOWN_CHARACTERS = 1000  # of a value that the client chose


class NoSuchRefusal(NotFound):
    """No request of that id was refused, or it was long ago."""

    def __init__(self, request_id: str) -> None:
        super().__init__(
            f"No refusal of the request '{request_id}' is known. They are kept for a week, and are written down within "
            "a second"
        )


class Refusals:
    """What was refused since it was last written down; one a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._notes: list[tuple[str, Caller, Decision, datetime]] = []
        self._minute = 0
        self._of_accounts: Counter[str] = Counter()  # in that minute
        self._dropped = 0

    def note(self, request_id: str, caller: Caller, decision: Decision, now: datetime) -> None:
        """Note a refusal."""
        asked = decision.request
        log.info("request %s: %s may not %s on %s: %s", request_id, caller.arn, asked.action, asked.resource,
                 decision.outcome)  # fmt: skip
        minute = int(now.timestamp()) // 60
        with self._lock:
            if minute != self._minute:
                self._minute, self._of_accounts = minute, Counter()
            if len(self._notes) < MOST_NOTES and self._of_accounts[caller.account_id] < MOST_OF_ONE:
                self._of_accounts[caller.account_id] += 1
                self._notes.append((request_id, caller, decision, now))
            else:
                self._dropped += 1

    def take(self) -> list[tuple[str, Caller, Decision, datetime]]:
        """What was noted, which is forgotten."""
        with self._lock:
            notes, self._notes = self._notes, []
            dropped, self._dropped = self._dropped, 0
        if dropped:
            log.warning("%d refusals are not kept for `holdfast explain`: there were too many", dropped)
        return notes


def record(on: Backends) -> None:
    """Write down what was refused."""
    notes = on.refusals.take()
    if notes:
        with on.database.transaction(durable=False, within=["refusals"]) as tx:
            for request_id, caller, decision, now in notes:
                account = decision.request.resource_account
                store.refusals.add(tx, request_id, account, caller.arn, explanation(decision), now)


def explanation(decision: Decision) -> dict[str, Any]:
    """A decision for people: what was asked, which statements had their part in it, and what was missing."""
    asked = decision.request
    return {
        "outcome": decision.outcome,
        "principal": asked.principal.arn,
        "action": asked.action,
        "resource": asked.resource,
        "reason": decision.reason,
        "statements": [
            {"type": one.type, "source": one.source, "statement": one.sid, "effect": one.effect}
            for one in decision.statements
        ],
        "missing": list(decision.missing),
        "context": {key: _shortened(value) for key, value in sorted(asked.context.items())},
    }


def _shortened(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    return f"{value[:SHOWN_CHARACTERS]}…" if isinstance(value, str) and len(value) > SHOWN_CHARACTERS else value


def sealed(on: Backends, decision: Decision) -> str | None:
    """Why somebody was refused, for his own account to decode; None if he has none.

    Of what another account owns it is not told which of that account's policies decided, nor how it is tagged.
    """
    account = decision.request.principal.account_id
    if account is None:
        return None
    told = explanation(decision)
    if account != decision.request.resource_account:
        told["statements"] = [one for one in told["statements"] if one["type"] not in OF_THE_OWNER]
        told["context"] = {key: value for key, value in told["context"].items() if RESOURCE_TAG not in key}
    return messages.encode(on, account, told, SEALED_CHARACTERS)


def get(on: Backends, request_id: str) -> Refused:
    """Why a request was refused, or `NoSuchRefusal`."""
    with on.database.snapshot() as tx:
        found = store.refusals.find(tx, request_id)
    if found is None:
        raise NoSuchRefusal(request_id)
    return found
