"""Whom to tell what happens: make a target, look at it, try it, replay what it missed, and forget it."""

from __future__ import annotations

import base64
import re
import threading
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from holdfast import store
from holdfast.model import event_messages, event_patterns
from holdfast.model.errors import DeadLetterNotFound, EventTargetNotFound, InvalidParameter, LimitExceeded
from holdfast.model.event_targets import EVERY, MOST_AT_ONCE, Envelope, Fault, Kind, Message, Scope, Target, Wishes
from holdfast.model.events import Event, Told
from holdfast.model.names import Registry
from holdfast.model.work import DeliverEvents
from holdfast.outbound.posting import is_called
from holdfast.registry.event_senders import Secrets, open_sender
from holdfast.registry.events import PLACING, place_some

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.event_targets import DeadLetter
    from holdfast.registry.backends import Backends

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{32,88}={0,2}", re.ASCII)  # 24 to 64 bytes, as Standard Webhooks wants
HEADER = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
HEADER_VALUE = re.compile(r"[ -~]{0,2000}", re.ASCII)
RESERVED = ("host", "content-", "transfer-", "connection", "webhook-", "ce-", "accept-encoding", "expect")
MOST_HEADERS = 20
FORGOTTEN = 500  # dead letters in one transaction
OVERLAP = timedelta(days=1)  # of the secret that signs and the one before
BUS_ARN = re.compile(r"arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9._/-]{1,256}", re.ASCII)
TOPIC_ARN = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?", re.ASCII)
TEST = "Holdfast Event Target Test"
_one_test = threading.Lock()  # at a time: it may take a while, and requests have few threads


@dataclass(frozen=True, slots=True)
class Standing:
    """A target, and what it did not get."""

    target: Target
    dead_letters: int
    waiting_since: datetime | None  # when the first event occurred that it was not told yet


def put(on: Backends, scope: Scope, wishes: Wishes, secrets: Secrets | None) -> tuple[Target, str | None]:
    """Make a target, or change the one of the name; with the secret that was made for it, if one was.

    Without secrets it keeps those that it has. It is told what happens from now on.
    """
    _check(wishes)
    if secrets is not None:
        _check_secrets(wishes, secrets)
    with on.database.transaction(within=[PLACING]) as tx:
        known = store.event_targets.find(tx, scope, wishes.name)
        made = None
        if known is None and store.event_targets.count(tx, scope.account_id) >= on.limits.event_targets:
            raise LimitExceeded(f"The account cannot have more than {on.limits.event_targets} event targets")
        if secrets is None and known is not None:
            if not _is_same_place(known.wishes, wishes):
                raise InvalidParameter("address", "A target that is to be elsewhere needs its secrets again")
            sealed = known.sealed
        else:
            given, made = _completed(on, wishes, secrets or Secrets(), known)
            sealed = on.keys.wrap(msgspec.json.encode(given), context(scope, wishes.name))
        if known is None:
            while place_some(on, tx):  # it is not told what happened before
                pass
            target_id = store.event_targets.add(tx, scope, wishes, sealed, store.events.last(tx), on.clock())
        else:
            target_id = known.id
            store.event_targets.change(tx, known, wishes, sealed)
            store.event_targets.begin_at(tx, known, known.cursor)  # what was wrong may be right now
        store.work.add(tx, DeliverEvents(target_id, scope.account_id), on.clock())
        target = store.event_targets.find_by_id(tx, target_id)
    assert target is not None
    return target, made


def get(on: Backends, scope: Scope, name: str) -> Standing:
    """A target, and how it stands."""
    with on.database.snapshot() as tx:
        target = _found(store.event_targets.find(tx, scope, name), name)
        waiting = store.events.first_after(tx, target.cursor)
        return Standing(target, store.event_targets.count_dead(tx, target), waiting)


def page(on: Backends, scope: Scope, after: str, limit: int) -> tuple[list[Standing], bool]:
    """Targets of exactly a scope by their names, beginning after one, and whether there are more."""
    with on.database.snapshot() as tx:
        found = store.event_targets.page(tx, scope, after, limit + 1)
        return [
            Standing(one, store.event_targets.count_dead(tx, one), store.events.first_after(tx, one.cursor))
            for one in found[:limit]
        ], len(found) > limit


def all_there_are(on: Backends) -> list[Standing]:
    """Every target of the installation."""
    with on.database.snapshot() as tx:
        return [
            Standing(one, store.event_targets.count_dead(tx, one), store.events.first_after(tx, one.cursor))
            for one in store.event_targets.all_there_are(tx)
        ]


def delete(on: Backends, scope: Scope, name: str) -> None:
    """Forget a target, and what it did not get."""
    with on.database.transaction() as tx:
        target = _found(store.event_targets.find(tx, scope, name), name)
        store.event_targets.remove(tx, target)
        store.work.cancel_work(tx, DeliverEvents(target.id, scope.account_id))


def test(on: Backends, scope: Scope, name: str) -> Fault | None:
    """Tell a target that it is being tried; what is wrong, if it did not take that."""
    with on.database.snapshot() as tx:
        target = _found(store.event_targets.find(tx, scope, name), name)
    home = Registry(
        on.home.account_id if scope.account_id == EVERY else scope.account_id,
        on.home.region if scope.region == EVERY else scope.region,
    )
    told = Told(0, on.new_id(), home, on.clock(), Event(TEST, {"result": "SUCCESS", "target-name": name}))
    if not _one_test.acquire(blocking=False):
        raise LimitExceeded("Another event target is being tested; try again when that is over")
    try:
        sender = open_sender(on, target, secrets_of(on, target))
        try:
            [fault] = sender.send([Message(0, told.envelope, told.occurred_at)])
        finally:
            sender.close()
    finally:
        _one_test.release()
    return fault


def dead_letters(on: Backends, scope: Scope, name: str, after: int, limit: int) -> tuple[list[DeadLetter], bool]:
    """What a target did not get, beginning after a number, and whether there is more."""
    with on.database.snapshot() as tx:
        target = _found(store.event_targets.find(tx, scope, name), name)
        found = store.event_targets.dead_page(tx, target, after, limit + 1)
    return found[:limit], len(found) > limit


def forget_dead(on: Backends, scope: Scope, name: str, number: int | None = None) -> int:
    """Forget a dead letter, or all that a target has by now; how many."""
    gone, after, more = 0, 0, True
    while more:
        with on.database.transaction(within=()) as tx:
            target = _found(store.event_targets.find(tx, scope, name), name)
            if number is not None:
                found = [one.id for one in store.event_targets.dead_page(tx, target, number - 1, 1) if one.id == number]
                if not found:
                    raise DeadLetterNotFound(name, number)
            else:
                found = [one.id for one in store.event_targets.dead_page(tx, target, after, FORGOTTEN)]
            store.event_targets.bury(tx, found)
        gone, after, more = gone + len(found), found[-1] if found else 0, len(found) == FORGOTTEN
    return gone


def replay_dead(on: Backends, scope: Scope, name: str, number: int | None = None) -> int:
    """Let a dead letter, or all of a target, be tried once more; how many."""
    with on.database.transaction() as tx:
        target = _found(store.event_targets.find(tx, scope, name), name)
        count = store.event_targets.want_again(tx, target, number)
        if number is not None and not count:
            raise DeadLetterNotFound(name, number)
        _try_now(on, tx, target, target.cursor)
    return count


def replay_since(on: Backends, scope: Scope, name: str, since: datetime) -> datetime | None:
    """Let a target be told again what happened since an instant; when the first of that occurred, if anything did."""
    with on.database.transaction(within=[PLACING]) as tx:
        target = _found(store.event_targets.find(tx, scope, name), name)
        first = store.events.first_since(tx, since)
        if first is None:
            return None
        _try_now(on, tx, target, first - 1)
        return store.events.first_after(tx, first - 1)


def _try_now(on: Backends, tx: store.Transaction, target: Target, cursor: int) -> None:
    store.event_targets.begin_at(tx, target, cursor)
    store.work.add(tx, DeliverEvents(target.id, target.scope.account_id), on.clock())


def secrets_of(on: Backends, target: Target) -> Secrets:
    """With what a target is told."""
    opened = on.keys.unwrap(target.sealed, context(target.scope, target.wishes.name))
    return msgspec.json.decode(opened, type=Secrets)


def context(scope: Scope, name: str) -> str:
    """What the secrets of a target are sealed for."""
    return f"holdfast event target {scope.account_id} {scope.region} {name}"


def _found(target: Target | None, name: str) -> Target:
    if target is None:
        raise EventTargetNotFound(name)
    return target


# ---- What a target may be


def _check(wishes: Wishes) -> None:
    """Refuse what cannot be right."""
    if not NAME.fullmatch(wishes.name):
        raise InvalidParameter("name", "It must be 1 to 64 letters, digits, dots, underscores and hyphens")
    if not 60 <= wishes.maximum_age_seconds <= 604_800:
        raise InvalidParameter("maximumEventAgeInSeconds", "It must be from 60 to 604800")
    if not 0 <= wishes.maximum_retries <= 1000:
        raise InvalidParameter("maximumRetryAttempts", "It must be from 0 to 1000")
    if not 1 <= wishes.at_once <= MOST_AT_ONCE or (wishes.kind is not Kind.WEBHOOK and wishes.at_once != MOST_AT_ONCE):
        raise InvalidParameter("maximumConcurrency", f"It must be from 1 to {MOST_AT_ONCE}, and is for webhooks only")
    if wishes.endpoint is not None and (wishes.kind is Kind.WEBHOOK or not is_called(wishes.endpoint)):
        raise InvalidParameter("endpoint", "It must be an http or https URL, and is for AWS APIs only")
    _check_address(wishes)
    _check_texts(wishes)


def _check_texts(wishes: Wishes) -> None:
    if wishes.pattern is not None:
        event_patterns.compiled(wishes.pattern)
    if wishes.template is not None:
        event_messages.check_template(wishes.template, wishes.paths or {})
    elif wishes.paths:
        raise InvalidParameter("inputPathsMap", "It says nothing without an input template")
    if wishes.envelope is Envelope.CLOUDEVENTS_BINARY and wishes.kind is not Kind.WEBHOOK:
        raise InvalidParameter("envelope", "CLOUDEVENTS_BINARY is for webhooks: its attributes are headers of HTTP")
    if wishes.kind is Kind.EVENTBRIDGE and (wishes.envelope is not Envelope.EVENTBRIDGE or wishes.template):
        raise InvalidParameter("envelope", "A bus has an envelope of its own")
    if wishes.source is not None and (wishes.kind is not Kind.EVENTBRIDGE or not 1 <= len(wishes.source) <= 256):
        raise InvalidParameter("source", "It is for EVENTBRIDGE only, and has 1 to 256 characters")


def _check_address(wishes: Wishes) -> None:
    kind, address = wishes.kind, wishes.address
    if kind in {Kind.WEBHOOK, Kind.SQS}:
        if len(address) > 2048 or not is_called(address):
            what = "of a queue" if kind is Kind.SQS else "of a webhook"
            raise InvalidParameter("address", f"It must be the http or https URL {what}, without a user or a fragment")
    elif not (BUS_ARN if kind is Kind.EVENTBRIDGE else TOPIC_ARN).fullmatch(address):
        what = "an event bus" if kind is Kind.EVENTBRIDGE else "a topic"
        raise InvalidParameter("address", f"It must be the ARN of {what}")


def _check_secrets(wishes: Wishes, secrets: Secrets) -> None:
    if wishes.kind is not Kind.WEBHOOK and (secrets.signing or secrets.headers):
        raise InvalidParameter("secret", "Secrets and headers are for webhooks only")
    if wishes.kind is Kind.WEBHOOK and (secrets.key_id or secrets.secret or secrets.token):
        raise InvalidParameter("accessKeyId", "Access keys are for AWS APIs only")
    if secrets.signing and not SECRET.fullmatch(secrets.signing):
        raise InvalidParameter("secret", "It must be whsec_ and 24 to 64 bytes in base64")
    try:
        base64.b64decode(secrets.signing.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise InvalidParameter("secret", "It must be whsec_ and 24 to 64 bytes in base64") from None
    if len(secrets.headers) > MOST_HEADERS:
        raise InvalidParameter("headers", f"There may be {MOST_HEADERS} at most")
    for name, value in secrets.headers.items():
        if not HEADER.fullmatch(name) or not HEADER_VALUE.fullmatch(value) or name.lower().startswith(RESERVED):
            raise InvalidParameter("headers", f"The header '{name[:64]}' cannot be set")


def _require_credentials(wishes: Wishes, secrets: Secrets) -> None:
    """Refuse an AWS API without an access key: that of the machine would lead whoever asks where only it may go."""
    is_aws = wishes.kind is not Kind.WEBHOOK
    if is_aws and not wishes.is_of_the_machine and not (secrets.key_id and secrets.secret):
        raise InvalidParameter("accessKeyId", "An access key and its secret are needed to call this API")


def _is_same_place(known: Wishes, wishes: Wishes) -> bool:
    """Whether secrets that somebody cannot see stay where they are sent to."""
    return (known.kind, known.address, known.endpoint, known.is_of_the_machine) == (
        wishes.kind, wishes.address, wishes.endpoint, wishes.is_of_the_machine
    )  # fmt: skip


def _completed(on: Backends, wishes: Wishes, given: Secrets, known: Target | None) -> tuple[Secrets, str | None]:
    """The secrets of a target, and that with which it is signed if it was made for it.

    One that takes the place of another stands beside it for a day, so that nobody has to change both sides at once.
    """
    if wishes.kind is not Kind.WEBHOOK:
        _require_credentials(wishes, given)
        return given, None
    old = secrets_of(on, known) if known is not None and _is_same_place(known.wishes, wishes) else Secrets()
    made = None
    signing = given.signing or old.signing
    if not signing:
        signing = made = "whsec_" + base64.b64encode(on.random_bytes(32)).decode()
    if old.signing and old.signing != signing:
        given = replace(given, previous=old.signing, previous_until=(on.clock() + OVERLAP).timestamp())
    return replace(given, signing=signing, headers=given.headers or old.headers), made
