"""Become a role for a while: with credentials of one's own, or with the token of an identity provider."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.circumstances import neighbourhood, tag_keys
from holdfast.model.errors import StsAccessDenied, Validation
from holdfast.model.iam_roles import DEFAULT_SESSION_SECONDS
from holdfast.model.iam_session_limits import SessionPolicies, SessionTags
from holdfast.model.iam_sessions import (
    FEDERATED,
    PROVIDER,
    ROLE,
    SOURCE_IDENTITY,
    TRANSITIVE_KEYS,
    role_session_arn,
)
from holdfast.registry.iam import session_policies, sessions, trust, web_identity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.model.callers import Caller
    from holdfast.model.circumstances import Circumstances, Facts
    from holdfast.model.iam_roles import Role
    from holdfast.model.iam_sessions import Credentials, Fact, Session
    from holdfast.registry.backends import Backends
    from holdfast.registry.iam.web_identity import WebIdentity

LONGEST_CHAINED = 3600  # seconds


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a session."""

    name: str
    region: str
    seconds: int | None = None
    policies: SessionPolicies = field(default_factory=SessionPolicies)
    tags: SessionTags = field(default_factory=SessionTags)
    source_identity: str | None = None
    external_id: str | None = None

    def actions(self, first: str) -> tuple[str, ...]:
        """What the caller must be allowed to do to the role."""
        actions = [first]
        if self.tags.tags:
            actions.append(trust.TAG)
        if self.source_identity is not None:
            actions.append(trust.SET_SOURCE_IDENTITY)
        return tuple(actions)

    def facts(self) -> Facts:
        """What a trust policy may ask of it."""
        told: dict[str, str | None] = {
            "aws:requestedregion": self.region,
            "sts:rolesessionname": self.name,
            "sts:durationseconds": str(self.seconds or DEFAULT_SESSION_SECONDS),
            "sts:externalid": self.external_id,
            "sts:sourceidentity": self.source_identity,
        }
        facts: dict[str, str | tuple[str, ...]] = {key: value for key, value in told.items() if value is not None}
        facts |= tag_keys("aws:requesttag", self.tags.tags.items())
        if self.tags.tags:
            facts["aws:tagkeys"] = tuple(self.tags.tags)
        if self.tags.transitive:
            facts["sts:transitivetagkeys"] = self.tags.transitive
        return facts


@dataclass(frozen=True, slots=True)
class Assumed:
    """A session of a role as it is told to whoever asked for it."""

    credentials: Credentials
    role: Role
    name: str
    packed_percent: int | None
    source_identity: str | None

    @property
    def arn(self) -> str:
        """The ARN of the session."""
        return role_session_arn(self.role.account_id, self.role.name, self.name)

    @property
    def id(self) -> str:
        """What nobody else has: the id of the role and the name of the session."""
        return f"{self.role.id}:{self.name}"


def assume(on: Backends, caller: Caller, role_arn: str, wish: Wish, request: Circumstances) -> Assumed:
    """Become a role with credentials of one's own."""
    if caller.kind == "root":
        raise StsAccessDenied("Roles may not be assumed by root accounts.")
    with on.database.snapshot() as tx:
        own = store.iam_sessions.find(tx, caller.access_key_id)
        place = trust.find_role(tx, role_arn)
    if own is not None and own.kind == FEDERATED:
        raise StsAccessDenied("Cannot call AssumeRole with federated user credentials")
    wish = _with_inherited(wish, own)
    packed_percent = wish.policies.packed_percent(wish.tags.tags)
    role = trust.require(on, caller, wish.actions(trust.ASSUME), place, request, wish.facts())
    is_chained = own is not None and own.kind == ROLE
    if is_chained and (wish.seconds or 0) > LONGEST_CHAINED:
        raise Validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        )
    return _begin(on, role, wish, packed_percent, {})


def assume_with_web_identity(
    on: Backends, role_arn: str, token: str, wish: Wish, request: Circumstances
) -> tuple[Assumed, WebIdentity]:
    """Become a role with the token of an identity provider that the role's account trusts."""
    throttle = on.web_identity_throttle
    if throttle is not None:
        throttle.take(neighbourhood(request.peer), "", "address")
    with on.database.snapshot() as tx:
        place = trust.find_role(tx, role_arn)
    identity = web_identity.verify(on, place.account_id, token)
    if throttle is not None:  # only now, or forged tokens would use up what is the provider's
        throttle.take(place.account_id, identity.provider_arn, "provider")
    wish = Wish(
        wish.name,
        wish.region,
        wish.seconds,
        wish.policies,
        identity.tags,
        identity.source_identity,
    )
    packed_percent = wish.policies.packed_percent(wish.tags.tags)
    asker = trust.of_provider(identity.provider_arn, identity.facts)
    actions = wish.actions(trust.ASSUME_BY_TOKEN)
    role = trust.require_of_provider(on, asker, actions, place, request, wish.facts())
    lasting = {PROVIDER: identity.provider_arn, **identity.lasting_facts}
    return _begin(on, role, wish, packed_percent, lasting), identity


def _with_inherited(wish: Wish, own: Session | None) -> Wish:
    """A wish with what the session that asks hands on."""
    if own is None:
        return wish
    tags = wish.tags.with_inherited(SessionTags(own.tags, own.transitive_keys))
    before = own.source_identity
    if before is not None and wish.source_identity not in {None, before}:
        raise StsAccessDenied(
            f"The source identity {before} of the calling session cannot be changed by assuming another role"
        )
    source_identity = wish.source_identity or before
    return Wish(wish.name, wish.region, wish.seconds, wish.policies, tags, source_identity, wish.external_id)


def _begin(on: Backends, role: Role, wish: Wish, packed_percent: int | None, facts: Mapping[str, Fact]) -> Assumed:
    seconds = wish.seconds or DEFAULT_SESSION_SECONDS
    if seconds > role.max_session_seconds:
        raise Validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    lasting = dict(facts)
    if wish.source_identity is not None:
        lasting[SOURCE_IDENTITY] = wish.source_identity
    if wish.tags.transitive:
        lasting[TRANSITIVE_KEYS] = list(wish.tags.transitive)
    with on.database.transaction() as tx:
        credentials = sessions.begin(
            on,
            tx,
            account_id=role.account_id,
            kind=ROLE,
            entity_id=role.id,
            name=wish.name,
            lifetime=timedelta(seconds=seconds),
            policies=session_policies.texts(tx, role.account_id, wish.policies),
            tags=wish.tags.tags,
            facts=lasting,
        )
    return Assumed(credentials, role, wish.name, packed_percent, wish.source_identity)
