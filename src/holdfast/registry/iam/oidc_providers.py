"""Create, describe, change and delete the providers of identities that an account trusts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from holdfast import store
from holdfast.model import iam_entities, iam_oidc_providers
from holdfast.model.errors import EntityAlreadyExists, NoSuchEntity
from holdfast.model.iam_oidc_providers import OidcProvider, once
from holdfast.registry.iam import quotas

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from holdfast.model.iam_oidc_providers import OidcProviderArn
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction


def create(
    on: Backends,
    account_id: str,
    url: str,
    *,
    client_ids: Sequence[str] = (),
    thumbprints: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
) -> OidcProvider:
    """Trust the tokens of an issuer that are meant for some clients."""
    issuer = iam_oidc_providers.read_url(url)
    provider = OidcProvider(account_id, issuer, once(client_ids), once(thumbprints), on.clock(), tags or {})
    with on.database.transaction() as tx:
        if not store.iam_oidc_providers.insert_new(tx, provider):
            raise EntityAlreadyExists("oidc provider", url)
        count = store.iam_oidc_providers.count(tx, account_id)
        quotas.check("OpenIdConnectProvidersPerAccount", count, on.limits.oidc_providers)
        store.counters.bump_access(tx, provider.account_id)
    return provider


def get(on: Backends, named: OidcProviderArn) -> OidcProvider:
    """A provider by its ARN."""
    with on.database.snapshot() as tx:
        return _get(tx, named)


def list_all(on: Backends, account_id: str) -> list[OidcProvider]:
    """Every provider of an account, by URL."""
    with on.database.snapshot() as tx:
        return store.iam_oidc_providers.list_all(tx, account_id)


def delete(on: Backends, named: OidcProviderArn) -> None:
    """Trust an issuer no longer."""
    with on.database.transaction() as tx:
        store.iam_oidc_providers.delete(tx, _get(tx, named))
        store.counters.bump_access(tx, named.account_id)


def add_client(on: Backends, named: OidcProviderArn, client_id: str) -> None:
    """Trust the tokens for one client more; that they are trusted is no fault."""
    with on.database.transaction() as tx:
        provider = _get(tx, named)
        _change(tx, provider, client_ids=once([*provider.client_ids, client_id]))


def remove_client(on: Backends, named: OidcProviderArn, client_id: str) -> None:
    """Trust the tokens for a client no longer; that they are not is no fault."""
    with on.database.transaction() as tx:
        provider = _get(tx, named)
        _change(tx, provider, client_ids=[one for one in provider.client_ids if one != client_id])


def set_thumbprints(on: Backends, named: OidcProviderArn, thumbprints: Sequence[str]) -> None:
    """Note other certificates of an issuer."""
    with on.database.transaction() as tx:
        _change(tx, _get(tx, named), thumbprints=once(thumbprints))


def tag(on: Backends, named: OidcProviderArn, tags: Mapping[str, str]) -> None:
    """Add tags, or overwrite those of the same keys."""
    with on.database.transaction() as tx:
        provider = _get(tx, named)
        _change(tx, provider, tags=iam_entities.tagged(provider.tags, tags))


def untag(on: Backends, named: OidcProviderArn, keys: Collection[str]) -> None:
    """Remove tags; absent ones are no fault."""
    with on.database.transaction() as tx:
        provider = _get(tx, named)
        _change(tx, provider, tags=iam_entities.untagged(provider.tags, keys))


def _get(tx: Transaction, named: OidcProviderArn) -> OidcProvider:
    provider = store.iam_oidc_providers.find(tx, named.account_id, named.url)
    if provider is None or provider.arn != named.text:
        raise NoSuchEntity("oidc provider", named.text)
    return provider


def _change(tx: Transaction, provider: OidcProvider, **changed: Any) -> None:
    store.iam_oidc_providers.put(tx, replace(provider, **changed))
    store.counters.bump_access(tx, provider.account_id)
