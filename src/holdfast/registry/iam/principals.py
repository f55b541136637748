"""What decides what a user or a role may do; and the ids and ARNs of those whom policies name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import iam_managed, iam_policies, iam_principals
from holdfast.model.iam import kinds
from holdfast.model.iam_principals import NoSuchPrincipal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from holdfast.store import Transaction


@dataclass(frozen=True, slots=True)
class Grant:
    """A policy that somebody has: a managed one by its ARN, or an inline one with whose it is."""

    name: str
    document: str
    holder: tuple[str, str] | None = None  # kind and name

    @property
    def source(self) -> str:
        """A name for whoever asks where it came from."""
        if self.holder is None:
            return self.name
        kind, name = self.holder
        return f"inline policy {self.name} of {kind} {name}"


@dataclass(frozen=True, slots=True)
class Found:
    """The policies of a user, group or role, each with a name for whoever asks where it came from; and its tags."""

    account_id: str
    arn: str
    name: str
    grants: tuple[Grant, ...]
    boundary: tuple[str, str] | None
    tags: Mapping[str, str]

    @property
    def identity(self) -> tuple[tuple[str, str], ...]:
        """The policies with their sources."""
        return tuple((grant.source, grant.document) for grant in self.grants)


def policies_of(tx: Transaction, kind: str, entity_id: str) -> Found | None:
    """What a user may do by itself and by its groups, or a role or a group; None if there is no such entity."""
    entity = _entity(tx, kind, entity_id)
    if entity is None:
        return None
    account_id, arn, name, boundary_arn, tags = entity
    rows = store.iam_attachments.granted(tx, entity_id)
    own = [
        Grant(row["name"], row["document"], ("group", row["group"]) if row["group"] else (kind, name))
        for row in rows
        if row["document"] is not None
    ]
    attached = dict.fromkeys(row["name"] for row in rows if row["document"] is None)
    documents = managed_documents(tx, account_id, {*attached, *([boundary_arn] if boundary_arn else [])})
    managed = [Grant(policy_arn, documents[policy_arn]) for policy_arn in attached if policy_arn in documents]
    # A boundary that is not there any more lets nothing through.
    boundary = (boundary_arn, documents.get(boundary_arn, iam_policies.NOTHING_GOES)) if boundary_arn else None
    return Found(account_id, arn, name, (*own, *managed), boundary, tags)


def managed_documents(tx: Transaction, account_id: str, policy_arns: Collection[str]) -> dict[str, str]:
    """What managed policies of an account, or of Amazon, say; those that are not there are left out."""
    documents = {arn: iam_managed.DOCUMENTS[arn] for arn in policy_arns if arn in iam_managed.DOCUMENTS}
    own = [iam_policies.read_arn(arn) for arn in policy_arns if arn not in documents]
    names = [arn.name for arn in own if arn.account_id == account_id]
    if names:
        found = store.iam_policies.default_documents(tx, account_id, names)
        documents |= {arn.text: found[arn.text] for arn in own if arn.text in found}
    return documents


def _entity(tx: Transaction, kind: str, entity_id: str) -> tuple[str, str, str, str | None, Mapping[str, str]] | None:
    """The account, ARN, name, boundary and tags of an entity."""
    if kind == "group":
        group = store.iam_entities.find_by_ids(tx, [entity_id]).get(entity_id)
        return (group.account_id, group.arn, group.name, None, {}) if group else None
    find = store.iam_users.find_by_id if kind == "user" else store.iam_roles.find_by_id
    found = find(tx, entity_id)
    return (found.account_id, found.arn, found.name, found.boundary_arn, found.tags) if found else None


# ---- Whom policies name


def resolve(tx: Transaction, text: str) -> str:
    """A policy with the ids of its principals, or `NoSuchPrincipal`; those of accounts elsewhere stay as they are."""

    def lookup(principal: str) -> str | None:
        named = iam_principals.read_arn(principal)
        if named is None:
            return principal if principal in store.iam_entities.find_by_ids(tx, [principal]) else None
        if not store.accounts.exists(tx, named.account_id):
            return principal
        entity = store.iam_entities.find(tx, named.kind, named.account_id, named.name)
        is_there = entity is not None and entity.kind != "group" and named.is_of(entity)
        return entity.id if entity and is_there else None

    return iam_principals.resolve(text, lookup)


def resolve_trust(tx: Transaction, text: str) -> str:
    """A trust policy with the ids of its principals, or the refusal of one that names who is not there."""
    try:
        return resolve(tx, text)
    except NoSuchPrincipal as fault:
        raise kinds.invalid_principal("AWS", fault.principal) from None


def shown(tx: Transaction, texts: Sequence[str]) -> list[str]:
    """Policies that were resolved, with the ARNs of their principals, or the ids of those who are gone."""
    ids = set().union(*map(iam_principals.ids_in, texts))
    arns = {id_: entity.arn for id_, entity in store.iam_entities.find_by_ids(tx, ids).items()} if ids else {}
    return [iam_principals.show(text, arns.get) for text in texts]
