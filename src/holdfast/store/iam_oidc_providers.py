"""Providers of identities: find, insert, list, change and delete them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select, update
from sqlalchemy import delete as delete_from

from holdfast.model.iam_oidc_providers import OidcProvider
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import iam_oidc_providers as providers

if TYPE_CHECKING:
    from holdfast.store.database import Transaction

_in_account = providers.c.account_id == bindparam("account")
_the_provider = (_in_account, providers.c.url == bindparam("issuer"))
_FIND = Statement(select(providers).where(*_the_provider))
_LIST = Statement(select(providers).where(_in_account).order_by(providers.c.url))
_COUNT = Statement(select(func.count()).select_from(providers).where(_in_account))
_INSERT = insertion(providers)
_SET = Statement(
    update(providers)
    .where(*_the_provider)
    .values(client_ids=bindparam("clients"), thumbprints=bindparam("prints"), tags=bindparam("all_tags"))
)
_DELETE = Statement(delete_from(providers).where(*_the_provider))


def find(tx: Transaction, account_id: str, url: str) -> OidcProvider | None:
    """A provider by the URL of the issuer, without https://."""
    row = tx.first(_FIND, account=account_id, issuer=url)
    return OidcProvider(**row) if row else None


def list_all(tx: Transaction, account_id: str) -> list[OidcProvider]:
    """Every provider of an account, by URL."""
    return [OidcProvider(**row) for row in tx.all(_LIST, account=account_id)]


def count(tx: Transaction, account_id: str) -> int:
    """How many providers an account has."""
    return int(tx.value(_COUNT, account=account_id))


def insert_new(tx: Transaction, provider: OidcProvider) -> bool:
    """Make a provider; False if the account has one of that URL."""
    if find(tx, provider.account_id, provider.url) is not None:
        return False
    tx.run(
        _INSERT,
        account_id=provider.account_id,
        url=provider.url,
        client_ids=list(provider.client_ids),
        thumbprints=list(provider.thumbprints),
        tags=dict(provider.tags),
        created_at=provider.created_at,
    )
    return True


def put(tx: Transaction, provider: OidcProvider) -> None:
    """Change what can be changed of a provider."""
    tx.run(
        _SET,
        account=provider.account_id,
        issuer=provider.url,
        clients=list(provider.client_ids),
        prints=list(provider.thumbprints),
        all_tags=dict(provider.tags),
    )


def delete(tx: Transaction, provider: OidcProvider) -> None:
    """Remove a provider."""
    tx.run(_DELETE, account=provider.account_id, issuer=provider.url)
