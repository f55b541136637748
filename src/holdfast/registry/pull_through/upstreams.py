"""What one process knows of upstreams: who they are, what they said they have not, and which of them has a bad time."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
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
    Failing,
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
Place: TypeAlias = "tuple[Registry, str, str]"  # a rule, and its upstream
log = logging.getLogger(__name__)

ABSENT_SECONDS = 30.0  # for which it is believed that an upstream does not have something
FAILING_SECONDS = 5.0  # likewise, that it fails where it is asked for something, or refuses it
REST_SECONDS = 5.0  # for which an upstream that could not be reached is not asked
TRIAL_SECONDS = 60.0  # for which others wait for the first one who asks it then
SOON_SECONDS = 3.0  # a client that pushes waits no longer for an upstream that it does not need
SLOW_SECONDS = 30.0  # for which it is not asked again, for such a client
LOOK_SECONDS = 0.15  # between two looks at what somebody else asks
LONGEST_REST = 300.0  # whatever it asks for
KNOWN_SECONDS = 60.0  # after which credentials are read again
REMEMBERED = 10_000
AHEAD = 8  # images whose blobs are fetched before somebody asks for them, of this process
PUSHES = 32  # whose manifests wait for what they need, of this process
REQUESTS = 8  # small ones, to one upstream at the same time, of this process


@dataclass(slots=True)
class _Known:
    puller: Puller
    credentials: Credentials | None
    updated_at: object
    until: float


@dataclass(slots=True)
class _Soon:
    """What somebody says, if he says it in time."""

    is_over: threading.Event = field(default_factory=threading.Event)
    is_late: bool = False
    value: Any = None
    fault: Exception | None = None


class Upstreams:
    """One a process; it connects when it is first needed, so a process may fork after making it.

    What is known of an upstream is known of a rule: what one account is told, or brings about, is nothing to another.
    """

    def __init__(self, allowed: Collection[Network] = (), spool: Path | None = None) -> None:
        self.allowed = tuple(allowed)
        self.spool = spool
        self.room = Room()
        self._crew = Crew()
        self.ahead = threading.BoundedSemaphore(AHEAD)
        self.pushes = threading.BoundedSemaphore(PUSHES)
        self.flights: dict[str, Flight] = {}
        self.lock = threading.RLock()
        self.is_beating = False
        self.is_heard = False  # by siblings, who read what this process fetches
        self._owner = (0, "")
        self._asking: set[str] = set()
        self._known: dict[tuple[Registry, str], _Known] = {}
        self._said: dict[tuple[Place, str, str], tuple[float, RemoteFault]] = {}  # of one thing
        self._rests: dict[Place, tuple[float, RemoteFault]] = {}  # of all
        self._slow: dict[Place, float] = {}
        self._turns: dict[Place, threading.BoundedSemaphore] = {}
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

    def fly(self, flight: Flight, call: Callable[[], None]) -> None:
        """Have a thread bring a blob, in place of one that followed another process."""
        with self.lock:
            self.flights[flight.wanted.key] = flight
        try:
            self.begin(call)
        except BaseException:  # there is no thread for it: nobody shall wait for one
            self.landed(flight)
            raise

    def landed(self, flight: Flight) -> None:
        """A flight is over: whoever comes now looks for the blob."""
        with self.lock:
            if self.flights.get(flight.wanted.key) is flight:
                del self.flights[flight.wanted.key]

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
        puller = self.puller(on, rule)
        self.require_awake(on, rule, name, reference)
        try:
            found = call(puller)
        except RemoteFault as fault:
            self.failed(on, rule, name, reference, fault)
            raise
        self.answered(on, rule)
        return found

    def soon(self, on: Backends, rule: CacheRule, call: Callable[[], T | None]) -> T | None:
        """What a call that asks an upstream says, if it says so at once. Raises what it does.

        It is made again while it says nothing, because somebody else asks. An upstream that was slow is left alone.
        """
        place = _place(rule)
        if self._slow.get(place, 0.0) > on.monotonic():
            return None
        said = _Soon()

        def asked() -> None:
            try:
                while (found := call()) is None and not said.is_late:
                    on.sleep(LOOK_SECONDS)
                said.value = found
            except Exception as fault:  # noqa: BLE001 - whoever waits words it
                said.fault = fault
            finally:
                said.is_over.set()

        self.begin(asked)
        self.wait(said.is_over, SOON_SECONDS)
        if said.fault is not None:
            raise said.fault
        if not said.is_over.is_set():
            said.is_late = True
            self._slow[place] = on.monotonic() + SLOW_SECONDS
        found: T | None = said.value
        return found

    def require_awake(self, on: Backends, rule: CacheRule, name: str, reference: str) -> None:
        """Say again what an upstream said that has a bad time, or did not have something.

        When its rest is over, one request tries it, and the others are told the same until that was answered: what
        accepts connections and never answers would else hold a thread for each of them.
        """
        now = on.monotonic()
        with self.lock:
            until, fault = self._rests.get(_place(rule), (0.0, None))
            if fault is not None and until <= now:
                self._rests[_place(rule)] = now + TRIAL_SECONDS, fault
                fault = None
            if fault is None:
                until, fault = self._said.get((_place(rule), name, reference), (0.0, None))
                fault = fault if until > now else None
        if fault is not None:
            raise fault.with_traceback(None)

    def answered(self, on: Backends, rule: CacheRule) -> None:
        """Note that an upstream does well."""
        with self.lock:
            self._rests.pop(_place(rule), None)
        self._note(on, rule, None)

    def failed(self, on: Backends, rule: CacheRule, name: str, reference: str, fault: RemoteFault) -> None:
        """Remember what an upstream did wrong, for a while."""
        place, now = _place(rule), on.monotonic()
        with self.lock:
            if isinstance(fault, TooManyRequests):
                self._rests[place] = now + min(fault.retry_after_seconds or REST_SECONDS, LONGEST_REST), fault
            elif isinstance(fault, Unreachable) and not isinstance(fault, Failing):
                self._rests[place] = now + REST_SECONDS, fault
            else:
                self._rests.pop(place, None)  # it answers
            if isinstance(fault, NotThere | Failing | Refused):
                if len(self._said) >= REMEMBERED:
                    self._said.clear()
                seconds = ABSENT_SECONDS if isinstance(fault, NotThere) else FAILING_SECONDS
                self._said[place, name, reference] = now + seconds, fault
            known = self._known.get((rule.registry, rule.prefix))
            if isinstance(fault, Refused) and known is not None:
                known.until = now  # perhaps there are newer credentials by now
        if not isinstance(fault, NotThere):
            self._note(on, rule, str(fault))

    def forget(self, rule: CacheRule) -> None:
        """Ask an upstream anew, whatever it said."""
        place = _place(rule)
        with self.lock:
            self._rests.pop(place, None)
            self._slow.pop(place, None)
            self._said = {key: said for key, said in self._said.items() if key[0] != place}
            self._known.pop((rule.registry, rule.prefix), None)

    @contextmanager
    def turn(self, rule: CacheRule) -> Iterator[bool]:
        """A block in which a small request may be made; False if too many are made already."""
        with self.lock:
            turns = self._turns.setdefault(_place(rule), threading.BoundedSemaphore(REQUESTS))
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


def _place(rule: CacheRule) -> Place:
    return rule.registry, rule.prefix, rule.upstream.url


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
