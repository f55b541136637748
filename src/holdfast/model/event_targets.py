"""Where events are delivered to: a target, what it wants, and how long it is tried.

         ┌─ taken ──────────────────────────► the cursor moves on
event ───┼─ the target has trouble ─► pause ─► again, until the event is too old or was tried too often ─┐
         └─ the target refuses it ──► pause ─► again, twice                                            ─┴─► dead letter
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from holdfast.model import event_patterns
from holdfast.model.events import is_pull

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.model.names import Registry

EVERY = "*"  # account, or region
REFUSED_ATTEMPTS = 3  # of what a target refuses: whoever says no twice more means it
MOST_AT_ONCE = 8  # posts to one webhook
FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=5)


class Kind(StrEnum):
    """What a target is."""

    WEBHOOK = "WEBHOOK"
    EVENTBRIDGE = "EVENTBRIDGE"
    SNS = "SNS"
    SQS = "SQS"


class Envelope(StrEnum):
    """How an event is written down."""

    EVENTBRIDGE = "EVENTBRIDGE"
    CLOUDEVENTS = "CLOUDEVENTS"  # structured: one document
    CLOUDEVENTS_BINARY = "CLOUDEVENTS_BINARY"  # its attributes are headers of HTTP


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose events are meant: `EVERY` stands for all accounts, or all regions."""

    account_id: str
    region: str

    def holds(self, home: Registry) -> bool:
        """Whether a registry's events are among them."""
        return self.account_id in {EVERY, home.account_id} and self.region in {EVERY, home.region}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a target is, without its secrets."""

    name: str
    kind: Kind
    address: str  # a URL, or an ARN
    envelope: Envelope = Envelope.EVENTBRIDGE
    pattern: str | None = None
    wants_pulls: bool = False
    paths: dict[str, str] | None = None  # of the template: what it calls them, by their places in the event
    template: str | None = None
    endpoint: str | None = None  # of an AWS API that is not Amazon's own
    region: str | None = None  # of a queue whose URL does not tell it
    source: str | None = None  # for EventBridge, where only Amazon may say `aws.…`
    maximum_age_seconds: int = 86_400  # of an event, after which it is given up
    maximum_retries: int = 185
    is_of_the_machine: bool = False  # AWS is called with whatever credentials the process has
    at_once: int = MOST_AT_ONCE  # posts to a webhook


@dataclass(frozen=True)
class Target:
    """A target, and how far it is."""

    id: int
    scope: Scope
    wishes: Wishes
    sealed: bytes
    cursor: int  # the position of the last event that needs no more of it
    taken: tuple[int, ...]  # positions after it that need no more either
    attempts: int  # of what comes next
    refusals: int  # among them
    failures: int  # in a row
    failing_since: datetime | None
    resting_until: datetime | None
    fault: str | None
    delivered: int
    failed: int
    created_at: datetime

    @cached_property
    def _matches(self) -> event_patterns.Matcher:
        return event_patterns.compiled(self.wishes.pattern) if self.wishes.pattern else bool

    def wants(self, home: Registry, envelope: dict[str, Any]) -> bool:
        """Whether an event goes to it."""
        if not self.scope.holds(home) or (is_pull(envelope) and not self.wishes.wants_pulls):
            return False
        return self._matches(envelope)

    def pause(self, failures: int, chance: float) -> timedelta:
        """How long to wait after so many failures in a row; chance is from 0 to 1, so that not all come at once."""
        longest: timedelta = min(FIRST_PAUSE * 2 ** min(failures - 1, 20), LONGEST_PAUSE)
        return longest * (0.5 + chance / 2)

    def is_over(self, attempts: int, refusals: int, occurred_at: datetime, now: datetime) -> bool:
        """Whether an event that failed is given up."""
        is_tried = attempts > self.wishes.maximum_retries or refusals >= REFUSED_ATTEMPTS
        return is_tried or self.is_too_old(occurred_at, now)

    def is_too_old(self, occurred_at: datetime, now: datetime) -> bool:
        """Whether an event is not tried again."""
        return now - occurred_at > timedelta(seconds=self.wishes.maximum_age_seconds)


@dataclass(frozen=True, slots=True)
class Message:
    """An event on its way to a target."""

    number: int  # its position; of a dead letter that is tried again, the number of that
    envelope: dict[str, Any]
    occurred_at: datetime

    @property
    def id(self) -> str:
        """The id of the event, by which a consumer knows it again."""
        return str(self.envelope["id"])


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that a target did not get."""

    id: int
    target: str
    scope: Scope
    envelope: dict[str, Any]
    reason: str
    attempts: int
    died_at: datetime
    is_wanted_again: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a message was not taken."""

    reason: str
    is_refused: bool = False  # the target said no to this very message; else it has trouble with everything
    retry_after: float = 0.0  # seconds, if it said so


UNTRIED = Fault("What comes before it was not taken")  # it was not sent, and nothing counts against it


def chains(messages: Sequence[Message]) -> list[list[int]]:
    """Which of some messages, by their places, follow each other: those about one image, or one tag."""
    found: list[tuple[set[object], list[int]]] = []
    for place, message in enumerate(messages):
        names = _subjects(message.envelope)
        places = [place]
        for chain in [chain for chain in found if not chain[0].isdisjoint(names)]:
            found.remove(chain)
            names, places = names | chain[0], sorted([*chain[1], *places])
        found.append((names, places))
    return [places for _, places in found]


def _subjects(envelope: dict[str, Any]) -> set[object]:
    """What an event is about: an image and its tags; or whatever else its kind of events is about."""
    detail = envelope["detail"]
    home = (envelope["account"], envelope["region"], detail.get("repository-name"))
    tags = [detail.get("image-tag"), *(detail.get("image-tags") or ())]
    names: set[object] = {(*home, name) for name in (detail.get("image-digest"), *tags) if isinstance(name, str)}
    return names or {(*home, envelope["detail-type"])}
