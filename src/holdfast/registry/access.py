"""May this caller do this to that? The one place that answers, for every door.

    require(on, caller, action, resource, request) ──► on.access.decide ──► model.iam.evaluate
                                                          │  policies of the caller, of the repository, of the registry
                                                          └─ remembered until something that decides is changed

What decides is counted: every change of users, roles, policies, keys and repository tags bumps one number in its
transaction, and every decision first asks whether that number moved. So a change holds for the very next request, on
every worker.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from holdfast import store
from holdfast.model import access_key_ids, iam
from holdfast.model.callers import Caller
from holdfast.model.circumstances import NOTHING, surroundings, tag_keys
from holdfast.model.errors import AccessDenied
from holdfast.model.iam import CompiledPolicy, Decision, Policies, Principal
from holdfast.model.names import AllRepositories, Arn, Registry, RepositoryRef
from holdfast.model.policies import SETTING
from holdfast.registry.iam.principals import policies_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from holdfast.model.circumstances import Circumstances, Facts
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

Resource = Registry | RepositoryRef | AllRepositories | Arn
Context = dict[str, "str | tuple[str, ...]"]
ANONYMOUS = Caller("anonymous", "", kind="anonymous", own_arn="anonymous")  # without any credentials

REMEMBERED = 20_000  # decisions, callers and resources of a process, all together
VARIANTS = 64  # of one decision, by the values of the keys that its policies ask for
VALUE_CHARACTERS = 1000  # of all these values together; a decision by longer ones is not remembered
COMPILED_CHARACTERS = 8 * 1024 * 1024  # of policies that are kept ready to be asked
NEVER_THE_SAME = frozenset({"aws:currenttime", "aws:epochtime"})
EVERYTHING = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
TYPES = {"root": "Account", "user": "User", "session": "AssumedRole", "federated-user": "FederatedUser",
         "anonymous": "Anonymous"}  # fmt: skip


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
        raise AccessDenied(caller.arn, action, decision.request.resource, decision.reason, decision)


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
class Known:
    """What is known of a caller: who he is to policies, which hold for him, and what the context says of him."""

    principal: Principal
    identity: tuple[CompiledPolicy, ...]
    boundary: CompiledPolicy | None
    session: tuple[CompiledPolicy, ...] | None
    context: Context
    keys: frozenset[str]
    guardrails: tuple[tuple[CompiledPolicy, ...], ...] = ()  # level by level


@dataclass(frozen=True, slots=True)
class _Place:
    """What is known of a resource: its policies, and what the context says of it."""

    arn: str
    account_id: str
    resource: CompiledPolicy | None
    registry: CompiledPolicy | None
    context: Context
    keys: frozenset[str]


@dataclass(slots=True)
class _Remembered:
    """Decisions on one action of one caller on one resource, by the values of the keys that may change them."""

    keys: tuple[str, ...]
    by_values: dict[tuple[object, ...], Decision] = field(default_factory=dict)


class Tagged(Protocol):
    """Something that has an ARN and tags."""

    @property
    def arn(self) -> str:
        """Its ARN."""

    @property
    def tags(self) -> Mapping[str, str]:
        """Its tags."""


class _Memory:
    """What was read and decided since what decides was last changed.

    Whoever works with one that was replaced meanwhile puts what he finds into it, where nobody looks any more.
    """

    def __init__(self, version: int) -> None:
        self.version = version
        self.size = 0
        self.callers: dict[Caller, Known | None] = {}
        self.places: dict[Resource, _Place] = {}
        self.decisions: dict[tuple[Caller, str, Resource], _Remembered] = {}


class Access:
    """Decides, and remembers; one a process."""

    def __init__(self) -> None:
        self._memory = _Memory(-1)
        self._compiled: dict[tuple[str, str], CompiledPolicy] = {}
        self._compiled_characters = 0

    def decide(
        self, on: Backends, caller: Caller, action: str, resource: Resource, request: Circumstances, facts: Facts
    ) -> Decision:
        """The decision, and what decided it."""
        memory = self._fresh(on)
        remembered = memory.decisions.get((caller, action, resource))
        if remembered is not None:
            values = tuple([_value(key, request, facts) for key in remembered.keys]) if remembered.keys else ()
            decision = remembered.by_values.get(values)
            if decision is not None:
                if decision.is_allowed:
                    return decision
                known, place = self._known(on, memory, caller), self._place(on, memory, resource)
                return replace(decision, request=_asked(on, caller, known, action, place, request, facts))
        known, place = self._known(on, memory, caller), self._place(on, memory, resource)
        decision = _evaluate(on, caller, known, action, place, request, facts)
        keys = (known.keys if known else frozenset()) | place.keys
        if known is not None and not keys & NEVER_THE_SAME:
            changing = tuple(sorted(key for key in keys if key not in known.context and key not in place.context))
            values = tuple([_value(key, request, facts) for key in changing])
            entry = memory.decisions.setdefault((caller, action, resource), _Remembered(changing))
            if len(entry.by_values) < VARIANTS and len(repr(values)) < VALUE_CHARACTERS:
                # What this request tells besides is not told by the next one.
                entry.by_values[values] = replace(decision, request=replace(decision.request, context={}))
                memory.size += 1
        return decision

    def under(
        self, on: Backends, caller: Caller, action: str, at: RepositoryRef, request: Circumstances, policy: str
    ) -> Decision:
        """The decision if a repository had another policy."""
        memory = self._fresh(on)
        place = replace(self._place(on, memory, at), resource=iam.stored(policy, "the new repository policy"))
        return _evaluate(on, caller, self._known(on, memory, caller), action, place, request, NOTHING)

    def known(self, on: Backends, caller: Caller) -> Known | None:
        """What is known of a caller, for whoever simulates or explains; None if he is gone."""
        return self._known(on, self._fresh(on), caller)

    def _fresh(self, on: Backends) -> _Memory:
        """The memory, if nothing that decides was changed since; else an empty one."""
        memory = self._memory
        version = on.database.hot.access_version()  # before anything is read: what is read then is as new or newer
        if version != memory.version or memory.size > REMEMBERED:
            memory = self._memory = _Memory(version)
        return memory

    def _known(self, on: Backends, memory: _Memory, caller: Caller) -> Known | None:
        if caller in memory.callers:
            return memory.callers[caller]
        with on.database.snapshot() as tx:
            found = memory.callers[caller] = self._look_up(tx, caller)
        memory.size += 1
        return found

    def _place(self, on: Backends, memory: _Memory, resource: Resource) -> _Place:
        place = memory.places.get(resource)
        if place is None:
            with on.database.snapshot() as tx:
                place = memory.places[resource] = self._look_at(tx, resource)
            memory.size += 1
        return place

    def _look_up(self, tx: Transaction, caller: Caller) -> Known | None:
        """Read what decides about a caller."""
        account = caller.account_id
        context: Context = {"aws:principaltype": TYPES[caller.kind]}
        if caller.kind == "anonymous":
            context["aws:userid"] = "anonymous"
            return Known(Principal("anonymous", "anonymous"), (), None, None, context, frozenset())
        is_temporary = caller.access_key_id.startswith(access_key_ids.TEMPORARY)
        session = store.iam_sessions.find(tx, caller.access_key_id) if is_temporary else None
        if session is None and (caller.kind in {"session", "federated-user"} or (is_temporary and caller.entity_id)):
            return None  # nor are the policies that narrow it
        context |= {"aws:principalaccount": account, "aws:principalarn": caller.arn}
        context["aws:principalisawsservice"] = "false"
        found = None
        if caller.entity_id is not None:
            found = policies_of(tx, "role" if caller.kind == "session" else "user", caller.entity_id)
            if found is None:
                return None
            context |= tag_keys("aws:principaltag", found.tags.items())
        limits = None
        if session is not None:
            context |= tag_keys("aws:principaltag", session.tags.items())
            context |= {key: fact if isinstance(fact, str) else tuple(fact) for key, fact in session.facts.items()}
            if session.policies:
                limits = tuple(self._compile(text, "the session policy") for text in session.policies)
        principal = self._principal(caller, session.name if session else "", found.arn if found else None, context)
        if found is not None and caller.kind == "user":
            context["aws:username"] = found.name
        identity = tuple(self._compile(text, source) for source, text in found.identity) if found else ()
        if caller.kind == "federated-user" and caller.entity_id is None:  # the account's root is behind it
            identity = (self._compile(EVERYTHING, "the root of the account"),)
        boundary = self._compile(found.boundary[1], found.boundary[0]) if found and found.boundary else None
        levels = tuple(
            tuple(self._compile(one.document, one.arn) for one in level)
            for level in store.guardrails.for_account(tx, account)
        )
        policies = (*identity, *((boundary,) if boundary else ()), *(limits or ()), *chain.from_iterable(levels))
        keys = frozenset().union(*(policy.keys_used for policy in policies))
        return Known(principal, identity, boundary, limits, context, keys, levels)

    @staticmethod
    def _principal(caller: Caller, session_name: str, entity_arn: str | None, context: Context) -> Principal:
        account = caller.account_id
        match caller.kind:
            case "root":
                context["aws:userid"] = account
                return Principal("root", caller.arn, account)
            case "session":
                context |= {"aws:userid": f"{caller.entity_id}:{session_name}", "aws:principalarn": entity_arn or ""}
                return Principal("session", caller.arn, account, f"{caller.entity_id}:{session_name}", entity_arn)
            case "federated-user":
                context["aws:userid"] = f"{account}:{session_name}"
                return Principal("federated-user", caller.arn, account, f"{account}:{session_name}",
                                 user_arn=entity_arn, user_id=caller.entity_id)  # fmt: skip
        context["aws:userid"] = caller.entity_id or ""
        return Principal("user", caller.arn, account, caller.entity_id)

    def _look_at(self, tx: Transaction, resource: Resource) -> _Place:
        """Read what decides about a resource, whether or not it exists."""
        if isinstance(resource, Arn):
            account = resource.account_id
            tags = _tags_of(tx, resource)
            told = tag_keys("aws:resourcetag", tags.items()) | tag_keys("iam:resourcetag", tags.items())
            told["aws:resourceaccount"] = account
            return _Place(resource.arn, account, None, None, told, frozenset())
        home = resource if isinstance(resource, Registry) else resource.registry
        context: Context = {"aws:resourceaccount": home.account_id, "aws:requestedregion": home.region}
        text = store.registry_settings.find(tx, home, SETTING)
        whole = self._compile(text, "the registry policy") if text else None
        arn, own = "*", None
        if isinstance(resource, AllRepositories):
            arn = resource.arn
        elif isinstance(resource, RepositoryRef):
            arn = resource.arn
            repository = store.repositories.find(tx, resource)
            if repository is not None:
                text = store.repositories.policy(tx, repository)
                own = self._compile(text, "the repository policy") if text else None
                tags = store.repositories.resource_tags(tx, repository)
                context |= tag_keys("aws:resourcetag", tags.items()) | tag_keys("ecr:resourcetag", tags.items())
        keys = frozenset().union(*(policy.keys_used for policy in (whole, own) if policy))
        return _Place(arn, home.account_id, own, whole, context, keys)

    def _compile(self, text: str, source: str) -> CompiledPolicy:
        found = self._compiled.get((source, text))
        if found is None:
            if self._compiled_characters > COMPILED_CHARACTERS:
                self._compiled, self._compiled_characters = {}, 0
            found = self._compiled[source, text] = iam.stored(text, source)
            self._compiled_characters += len(text)
        return found


def _tags_of(tx: Transaction, resource: Arn) -> Mapping[str, str]:
    """The tags of an entity of IAM, if it is there."""
    kind, _, path = resource.arn.rpartition(":")[2].partition("/")
    finds: dict[str, Callable[[Transaction, str, str], Tagged | None]] = {
        "user": store.iam_users.find,
        "role": store.iam_roles.find,
        "policy": store.iam_policies.find,
        "instance-profile": store.iam_instance_profiles.find,
        "oidc-provider": store.iam_oidc_providers.find,
    }
    name = path if kind == "oidc-provider" else path.rpartition("/")[2]
    found = finds[kind](tx, resource.account_id, name) if name and kind in finds else None
    return found.tags if found is not None and found.arn == resource.arn else {}


def _evaluate(
    on: Backends,
    caller: Caller,
    known: Known | None,
    action: str,
    place: _Place,
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
    place: _Place,
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
