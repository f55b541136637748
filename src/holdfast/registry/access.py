"""May this caller do this to that? The one place that answers, for every door.

    require(on, caller, action, resource, request) ──► on.access.decide ──► model.iam.evaluate
                                                          │  policies of the caller, of the repository, of the registry
                                                          └─ remembered until something that decides is changed

What decides is counted: every change of users, roles, policies, keys and repository tags bumps the number of its
account in its transaction, and every decision first asks whether the numbers moved of the accounts that have a say: the
caller's, and the one that owns what he asks for. So a change holds for the very next request, on every worker, and
slows down no other account.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from holdfast.model import iam
from holdfast.model.callers import SCANNER
from holdfast.model.circumstances import NOTHING, surroundings
from holdfast.model.errors import AccessDenied
from holdfast.model.iam import Decision, Policies, Principal
from holdfast.model.names import Arn, Registry
from holdfast.registry import gates
from holdfast.registry.parties import EVERYTHING, Context, Parties, Resource

if TYPE_CHECKING:
    from holdfast.model.callers import Caller
    from holdfast.model.circumstances import Circumstances, Facts
    from holdfast.model.names import RepositoryRef
    from holdfast.registry.backends import Backends
    from holdfast.registry.parties import Known, Place

__all__ = ["Access", "Resource", "may", "require", "would"]

REMEMBERED = 20_000  # decisions, callers and resources of a process, all together
VARIANTS = 64  # of one decision, by the values of the keys that its policies ask for
VALUE_CHARACTERS = 1000  # of all these values together; a decision by longer ones is not remembered
PULLS = frozenset({"ecr:BatchGetImage", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer"})
NEVER_THE_SAME = frozenset({"aws:currenttime", "aws:epochtime"})


def require(
    on: Backends,
    caller: Caller,
    action: str,
    resource: Resource,
    request: Circumstances,
    facts: Facts = NOTHING,
) -> None:
    """Return if the caller may, refuse with `AccessDenied` if not.

    `facts` are condition keys, in lower case, that the operation itself tells, such as the tags it would set.
    """
    decision = on.access.decide(on, caller, action, resource, request, facts)
    if not decision.is_allowed:
        on.refusals.note(request.id, caller, decision, on.clock())
        told = on.access.told(on, caller, resource, request, facts, decision)
        raise AccessDenied(caller.arn, action, told.request.resource, told.reason, told)


def may(
    on: Backends,
    caller: Caller,
    action: str,
    resource: Resource,
    request: Circumstances,
    facts: Facts = NOTHING,
) -> bool:
    """Whether `require` would return."""
    return on.access.decide(on, caller, action, resource, request, facts).is_allowed


def would(on: Backends, caller: Caller, action: str, at: RepositoryRef, request: Circumstances, policy: str) -> bool:
    """Whether the caller might if the repository had another policy."""
    return on.access.under(on, caller, action, at, request, policy).is_allowed


@dataclass(slots=True)
class _Remembered:
    """Decisions on one action of one caller on one resource, by the values of the keys that may change them."""

    keys: tuple[str, ...]
    by_values: dict[tuple[object, ...], Decision] = field(default_factory=dict)


class _Memory:
    """What was read and decided of callers of one account and resources of one, since either was last changed.

    Whoever works with one that was replaced meanwhile puts what he finds into it, where nobody looks any more.
    """

    def __init__(self, versions: tuple[int, int]) -> None:
        self.versions = versions
        self.size = 1
        self.callers: dict[Caller, Known | None] = {}
        self.places: dict[Resource, Place] = {}
        self.decisions: dict[tuple[Caller, str, Resource], _Remembered] = {}


class Access:
    """Decides, and remembers; one a process."""

    def __init__(self) -> None:
        self._memories: dict[tuple[str, str], _Memory] = {}  # by the accounts of caller and resource
        self._size = 0  # of all of them
        self._lock = threading.Lock()
        self._parties = Parties()

    def decide(
        self, on: Backends, caller: Caller, action: str, resource: Resource, request: Circumstances, facts: Facts
    ) -> Decision:
        """The decision, and what decided it."""
        if caller.kind == SCANNER:
            return self._of_scanner(on, caller, action, resource, request, facts)
        memory = self._fresh(on, caller, _owner(resource))
        remembered = memory.decisions.get((caller, action, resource))
        if remembered is not None:
            facts = gates.with_findings(on, action, resource, facts, remembered.keys)
            values = tuple([_value(key, request, facts) for key in remembered.keys]) if remembered.keys else ()
            decision = remembered.by_values.get(values)
            if decision is not None:
                if decision.is_allowed:
                    return decision
                known, place = self._known(on, memory, caller), self._place(on, memory, resource)
                return replace(decision, request=_asked(on, caller, known, action, place, request, facts))
        known, place = self._known(on, memory, caller), self._place(on, memory, resource)
        keys = (known.keys if known else frozenset()) | place.keys
        facts = gates.with_findings(on, action, resource, facts, keys)
        decision = _evaluate(on, caller, known, action, place, request, facts)
        if known is not None and not keys & NEVER_THE_SAME:
            changing = tuple(sorted(key for key in keys if key not in known.context and key not in place.context))
            values = tuple([_value(key, request, facts) for key in changing])
            entry = memory.decisions.setdefault((caller, action, resource), _Remembered(changing))
            if len(entry.by_values) < VARIANTS and len(repr(values)) < VALUE_CHARACTERS:
                # What this request tells besides is not told by the next one.
                entry.by_values[values] = replace(decision, request=replace(decision.request, context={}))
                self._grown(memory)
        return decision

    def _of_scanner(
        self, on: Backends, caller: Caller, action: str, resource: Resource, request: Circumstances, facts: Facts
    ) -> Decision:
        """The registry's own scanner may pull from one repository, and no policy says otherwise.

        One that admits only images that were scanned would else keep them from being scanned.
        """
        place = self._place(on, self._fresh(on, caller, _owner(resource)), resource)
        asked = _asked(on, caller, None, action, place, request, facts)
        is_its_own = action in PULLS and place.arn == caller.entity_id
        return Decision("allow", asked) if is_its_own else Decision("implicit_deny", asked, (), ("identity",))

    def told(
        self,
        on: Backends,
        caller: Caller,
        resource: Resource,
        request: Circumstances,
        facts: Facts,
        decision: Decision,
    ) -> Decision:
        """A refusal as the caller may know it.

        Who is of another account, and not let in by the owner's, is told what he would be told if nothing was there:
        a Deny of the owner, or a policy of his own that asks for the resource's tags, must not tell him what is.
        """
        asked = decision.request
        memory = self._fresh(on, caller, asked.resource_account)
        known = self._known(on, memory, caller)
        if known is None or asked.principal.account_id == asked.resource_account:
            return decision
        place = self._place(on, memory, resource)
        boundary = EVERYTHING if known.boundary else None
        owners = Policies((EVERYTHING,), boundary, (EVERYTHING,), place.resource, place.registry)
        if iam.evaluate(asked, owners, public=on.public_repositories).is_allowed:
            return decision
        return _evaluate(on, caller, known, asked.action, place.bare, request, facts)

    def under(
        self, on: Backends, caller: Caller, action: str, at: RepositoryRef, request: Circumstances, policy: str
    ) -> Decision:
        """The decision if a repository had another policy."""
        memory = self._fresh(on, caller, at.registry.account_id)
        place = replace(self._place(on, memory, at), resource=iam.stored(policy, "the new repository policy"))
        return _evaluate(on, caller, self._known(on, memory, caller), action, place, request, NOTHING)

    def known(self, on: Backends, caller: Caller) -> Known | None:
        """What is known of a caller, for whoever simulates or explains; None if he is gone."""
        return self._known(on, self._fresh(on, caller, caller.account_id), caller)

    def _fresh(self, on: Backends, caller: Caller, owner: str) -> _Memory:
        """What is remembered of two accounts, if nothing that decides was changed in them since; else nothing yet."""
        account_id, hot = caller.account_id, on.database.hot
        version = hot.access_version(account_id)  # before anything is read: what is read then is as new or newer
        versions = version, (version if owner == account_id else hot.access_version(owner))
        memory = self._memories.get((account_id, owner))
        if memory is None or memory.versions != versions or self._size > REMEMBERED:
            memory = self._begun_anew((account_id, owner), memory, versions)
        return memory

    def _begun_anew(self, pair: tuple[str, str], outdated: _Memory | None, versions: tuple[int, int]) -> _Memory:
        memory = _Memory(versions)
        with self._lock:
            if self._size > REMEMBERED:
                self._memories, self._size = {}, 0
            elif outdated is not None and self._memories.get(pair) is outdated:
                self._size -= outdated.size
            self._memories[pair] = memory
            self._size += memory.size
        return memory

    def _grown(self, memory: _Memory) -> None:
        memory.size += 1
        self._size += 1

    def _known(self, on: Backends, memory: _Memory, caller: Caller) -> Known | None:
        if caller in memory.callers:
            return memory.callers[caller]
        with on.database.snapshot() as tx:
            found = memory.callers[caller] = self._parties.caller(tx, caller)
        self._grown(memory)
        return found

    def _place(self, on: Backends, memory: _Memory, resource: Resource) -> Place:
        place = memory.places.get(resource)
        if place is None:
            with on.database.snapshot() as tx:
                place = memory.places[resource] = self._parties.place(tx, resource)
            self._grown(memory)
        return place


def _owner(resource: Resource) -> str:
    """The account that owns what is asked for."""
    return resource.account_id if isinstance(resource, Registry | Arn) else resource.registry.account_id


def _evaluate(
    on: Backends,
    caller: Caller,
    known: Known | None,
    action: str,
    place: Place,
    request: Circumstances,
    facts: Facts,
) -> Decision:
    asked = _asked(on, caller, known, action, place, request, facts)
    if known is None:  # gone since he was authenticated
        return Decision("implicit_deny", asked, (), ("identity",))
    policies = Policies(known.identity, known.boundary, known.session, place.resource, place.registry, known.guardrails)
    return iam.evaluate(asked, policies, public=on.public_repositories)


def _asked(
    on: Backends,
    caller: Caller,
    known: Known | None,
    action: str,
    place: Place,
    request: Circumstances,
    facts: Facts,
) -> iam.Request:
    """What is asked, with all that may decide it."""
    if known is None:
        principal, context = Principal("user", caller.arn, caller.account_id, caller.entity_id), Context()
    else:
        principal = known.principal
        context = {**surroundings(request, on.clock()), **place.context, **facts, **known.context}
    return iam.Request(principal, action, place.arn, place.account_id, context)


def _value(key: str, request: Circumstances, facts: Facts) -> object:
    """The value that a key has in a request, as far as it may be another one in the next."""
    match key:
        case "aws:sourceip":
            return request.peer
        case "aws:securetransport":
            return request.is_secure
        case "aws:useragent" | "aws:referer":
            return request.header(key.removeprefix("aws:").replace("useragent", "user-agent"))
    return facts.get(key)
