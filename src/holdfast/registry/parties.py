"""Who asks and what is asked for: which policies hold for a caller or a resource, and what the context says of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from holdfast import store
from holdfast.model import access_key_ids, iam
from holdfast.model.callers import SCANNER
from holdfast.model.circumstances import tag_keys
from holdfast.model.iam import CompiledPolicy, Principal
from holdfast.model.names import AllRepositories, Arn, Registry, RepositoryRef
from holdfast.model.policies import SETTING
from holdfast.model.secrets import read_arn
from holdfast.registry.iam.principals import policies_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from holdfast.model.callers import Caller
    from holdfast.store import Transaction

Resource = Registry | RepositoryRef | AllRepositories | Arn
Context = dict[str, "str | tuple[str, ...]"]

COMPILED_CHARACTERS = 8 * 1024 * 1024  # of policies that are kept ready to be asked
EVERYTHING = iam.stored(
    '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}', "the root of the account"
)
TYPES = {"root": "Account", "user": "User", "session": "AssumedRole", "federated-user": "FederatedUser",
         "anonymous": "Anonymous"}  # fmt: skip


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
class Place:
    """What is known of a resource: its policies, and what the context says of it."""

    arn: str
    account_id: str
    resource: CompiledPolicy | None
    registry: CompiledPolicy | None
    context: Context
    keys: frozenset[str]

    @property
    def bare(self) -> Place:
        """The same if nothing was there, and its account had no policies."""
        context = {key: value for key, value in self.context.items() if ":resourcetag/" not in key}
        return replace(self, resource=None, registry=None, context=context)


class Tagged(Protocol):
    """Something that has an ARN and tags."""

    @property
    def arn(self) -> str:
        """Its ARN."""

    @property
    def tags(self) -> Mapping[str, str]:
        """Its tags."""


class Parties:
    """Reads what decides about callers and resources; keeps policies compiled."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, str], CompiledPolicy] = {}
        self._compiled_characters = 0

    def caller(self, tx: Transaction, caller: Caller) -> Known | None:
        """Read what decides about a caller."""
        if caller.kind == SCANNER:
            return None  # no policy is about it
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
            identity = (EVERYTHING,)
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

    def place(self, tx: Transaction, resource: Resource) -> Place:
        """Read what decides about a resource, whether or not it exists."""
        if isinstance(resource, Arn):
            account = resource.account_id
            tags = _tags_of(tx, resource)
            service = "secretsmanager" if _is_secret(resource) else "iam"
            told = tag_keys("aws:resourcetag", tags.items()) | tag_keys(f"{service}:resourcetag", tags.items())
            told["aws:resourceaccount"] = account
            return Place(resource.arn, account, None, None, told, frozenset())
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
        return Place(arn, home.account_id, own, whole, context, keys)

    def _compile(self, text: str, source: str) -> CompiledPolicy:
        found = self._compiled.get((source, text))
        if found is None:
            if self._compiled_characters > COMPILED_CHARACTERS:
                self._compiled, self._compiled_characters = {}, 0
            found = self._compiled[source, text] = iam.stored(text, source)
            self._compiled_characters += len(text)
        return found


def _is_secret(resource: Arn) -> bool:
    return resource.arn.startswith("arn:") and resource.arn.split(":")[2] == "secretsmanager"


def _tags_of(tx: Transaction, resource: Arn) -> Mapping[str, str]:
    """The tags of a secret or of an entity of IAM, if it is there."""
    if _is_secret(resource):
        named = read_arn(resource.arn)
        secret = store.account_secrets.find_named(tx, named) if named else None
        return secret.tags if secret is not None and secret.arn == resource.arn else {}
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
