"""What one process knows of upstreams: who they are, what they said they have not, and which of them has a bad time."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from holdfast import store
from holdfast.blobs.spool import Room
from holdfast.model.errors import (
    Refusal,
    UpstreamAccessDenied,
    UpstreamTooManyRequests,
    UpstreamUnavailable,
)
from holdfast.outbound.distribution import (
    NotThere,
    Puller,
    Refused,
    RemoteFault,
    TooManyRequests,
    Unreachable,
    Wire,
)
from holdfast.registry import secrets
from holdfast.registry.pull_through.crew import Crew

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from holdfast.model.caching import CacheRule
    from holdfast.model.names import Registry
    from holdfast.model.remotes import Credentials
    from holdfast.outbound import Network
    from holdfast.registry.backends import Backends
    from holdfast.registry.pull_through.flights import Flight

T = TypeVar("T")
log = logging.getLogger(__name__)

ABSENT_SECONDS = 30.0  # for which it is believed that an upstream does not have something
REST_SECONDS = 5.0  # for which an upstream that could not be reached is not asked
LONGEST_REST = 300.0  # whatever it asks for
KNOWN_SECONDS = 60.0  # after which credentials are read again
REMEMBERED = 10_000
AHEAD = 8  # images whose blobs are fetched before somebody asks for them, of this process
REQUESTS = 16  # small ones, to one upstream at the same time, of this process


@dataclass(slots=True)
class _Known:
    puller: Puller
    credentials: Credentials | None
    updated_at: object
    until: float


class Upstreams:
    """One a process; it connects when it is first needed, so a process may fork after making it."""

    def __init__(self, allowed: Collection[Network] = (), spool: Path | None = None) -> None:
        self.allowed = tuple(allowed)
        self.spool = spool
        self.room = Room()
        self._crew = Crew()
        self.ahead = threading.BoundedSemaphore(AHEAD)
        self.flights: dict[str, Flight] = {}
        self.lock = threading.RLock()
        self.is_beating = False
        self.is_heard = False  # by siblings, who read what this process fetches
        self._owner = (0, "")
        self._asking: set[str] = set()
        self._known: dict[tuple[Registry, str], _Known] = {}
        self._absent: dict[tuple[str, str, str], float] = {}
        self._rests: dict[str, tuple[float, RemoteFault]] = {}
        self._turns: dict[str, threading.BoundedSemaphore] = {}
        self._told: dict[tuple[Registry, str], tuple[str | None, float]] = {}

    @property
    def owner(self) -> str:
        """The name of this process, which its siblings do not have."""
        with self.lock:
            if self._owner[0] != os.getpid():
                self._owner = os.getpid(), uuid4().hex
            return self._owner[1]

    def begin(self, call: Callable[[], None]) -> None:
        """Have a thread do something."""
        self._crew.run(call)

    def wait(self, event: threading.Event, seconds: float | None = None) -> None:
        """Until something has happened, or for so long."""
        event.wait(seconds)

    @contextmanager
    def once(self, key: str) -> Iterator[bool]:
        """A block for one thread of this process at a time; False if another one is in it."""
        with self.lock:
            is_first = key not in self._asking
            self._asking.add(key)
        try:
            yield is_first
        finally:
            if is_first:
                with self.lock:
                    self._asking.discard(key)

    def puller(self, on: Backends, rule: CacheRule) -> Puller:
        """A client of a rule's upstream, in the name of its secret. Raises what reading the secret does."""
        key, now = (rule.registry, rule.prefix), on.monotonic()
        with self.lock:
            known = self._known.get(key)
        if known is not None and known.updated_at == rule.updated_at and known.until > now:
            return known.puller
        credentials = _credentials(on, rule)
        if known is not None and (known.updated_at, known.credentials) == (rule.updated_at, credentials):
            puller = known.puller  # with its connections and tokens
        else:
            puller = Puller(rule.remote, credentials, wire=Wire(self.allowed, rule.options.ca_pem))
        with self.lock:
            self._known[key] = _Known(puller, credentials, rule.updated_at, now + KNOWN_SECONDS)
        return puller

    def ask(self, on: Backends, rule: CacheRule, name: str, reference: str, call: Callable[[Puller], T]) -> T:
        """What an upstream says to something; a `RemoteFault` that it said a moment ago is said again."""
        url, now = rule.upstream.url, on.monotonic()
        self.require_awake(on, rule)
        if self._absent.get((url, name, reference), 0.0) > now:
            raise NotThere(f"{url} said a moment ago that it does not have {reference}")
        try:
            found = call(self.puller(on, rule))
        except RemoteFault as fault:
            self.failed(on, rule, name, reference, fault)
            raise
        self._note(on, rule, None)
        return found

    def require_awake(self, on: Backends, rule: CacheRule) -> None:
        """Say again what an upstream said that has a bad time."""
        until, fault = self._rests.get(rule.upstream.url, (0.0, None))
        if fault is not None and until > on.monotonic():
            raise fault

    def failed(self, on: Backends, rule: CacheRule, name: str, reference: str, fault: RemoteFault) -> None:
        """Remember what an upstream did wrong, for a while."""
        url, now = rule.upstream.url, on.monotonic()
        with self.lock:
            if isinstance(fault, NotThere):
                if len(self._absent) >= REMEMBERED:
                    self._absent.clear()
                self._absent[url, name, reference] = now + ABSENT_SECONDS
                return
            if isinstance(fault, TooManyRequests):
                self._rests[url] = now + min(fault.retry_after_seconds or REST_SECONDS, LONGEST_REST), fault
            elif isinstance(fault, Unreachable):
                self._rests[url] = now + REST_SECONDS, fault
            elif isinstance(fault, Refused):
                self._known.pop((rule.registry, rule.prefix), None)  # perhaps there are newer credentials by now
        self._note(on, rule, str(fault))

    def forget(self, rule: CacheRule) -> None:
        """Ask an upstream anew, whatever it said."""
        with self.lock:
            self._rests.pop(rule.upstream.url, None)
            self._absent = {key: until for key, until in self._absent.items() if key[0] != rule.upstream.url}
            self._known.pop((rule.registry, rule.prefix), None)

    @contextmanager
    def turn(self, rule: CacheRule) -> Iterator[bool]:
        """A block in which a small request may be made; False if too many are made already."""
        with self.lock:
            turns = self._turns.setdefault(rule.upstream.url, threading.BoundedSemaphore(REQUESTS))
        is_mine = turns.acquire(blocking=False)
        try:
            yield is_mine
        finally:
            if is_mine:
                turns.release()

    def _note(self, on: Backends, rule: CacheRule, failure: str | None) -> None:
        """Let everybody see how an upstream does; written down when that changes, and not often."""
        key, now = (rule.registry, rule.prefix), on.monotonic()
        with self.lock:
            told, at = self._told.get(key, (None, -KNOWN_SECONDS))
            if (failure is None) == (told is None) and (failure is None or now < at + KNOWN_SECONDS):
                return
            self._told[key] = failure, now
        if failure is not None:
            log.warning("the upstream of the pull through cache rule %s: %s", rule.prefix, failure)
        with on.database.transaction(durable=False) as tx:
            store.cache_rules.note_failure(tx, rule, failure, on.clock())


def _credentials(on: Backends, rule: CacheRule) -> Credentials | None:
    """As whom an upstream is asked. Raises what reading the secret does."""
    upstream = rule.upstream
    if upstream.credential_arn is not None:
        found = secrets.value_of(on, upstream.credential_arn)
        return rule.credentials(found.username, found.access_token)
    if upstream.custom_role_arn is not None:
        raise UpstreamAccessDenied(
            upstream.url,
            f"the role {upstream.custom_role_arn} is assumed by an access key, and the rule has no secret with one",
        )
    return None


def refusal_of(rule: CacheRule, fault: RemoteFault) -> Refusal:
    """What a caller is told of a fault of an upstream; of what is not there he is told as of anything else."""
    url = rule.upstream.url
    if isinstance(fault, Refused):
        return UpstreamAccessDenied(url, str(fault))
    if isinstance(fault, TooManyRequests):
        return UpstreamTooManyRequests(url, str(fault), fault.retry_after_seconds)
    return UpstreamUnavailable(url, str(fault))


def validate(on: Backends, rule: CacheRule) -> str | None:
    """Try a rule's upstream with its credentials; why it cannot be had, if so."""
    on.upstreams.forget(rule)
    try:
        on.upstreams.puller(on, rule).ping()
    except (RemoteFault, Refusal) as fault:
        return fault.message if isinstance(fault, Refusal) else refusal_of(rule, fault).message
    return None
