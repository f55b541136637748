"""Accounts, their registries and access keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from holdfast.model.callers import AccessKey
from holdfast.store.tables import access_keys, accounts, registries

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.names import Registry
    from holdfast.store.database import Transaction


def ensure(tx: Transaction, account_id: str, now: datetime) -> bool:
    """Make an account; whether it was new."""
    if tx.execute(select(accounts.c.id).where(accounts.c.id == account_id)).scalar() is not None:
        return False
    tx.execute(insert(accounts).values(id=account_id, created_at=now))
    return True


def exists(tx: Transaction, account_id: str) -> bool:
    """Whether there is such an account."""
    return tx.execute(select(accounts.c.id).where(accounts.c.id == account_id)).scalar() is not None


def list_all(tx: Transaction) -> list[tuple[str, int]]:
    """Every account with the number of its access keys."""
    statement = (
        select(accounts.c.id, func.count(access_keys.c.id))
        .outerjoin(access_keys, access_keys.c.account_id == accounts.c.id)
        .group_by(accounts.c.id)
        .order_by(accounts.c.id)
    )
    return [(account_id, keys) for account_id, keys in tx.execute(statement)]


def registry_id(tx: Transaction, registry: Registry, now: datetime) -> int:
    """The row of a registry, which comes into being when first used."""
    found = find_registry(tx, registry)
    if found is not None:
        return found
    values = {"account_id": registry.account_id, "region": registry.region, "created_at": now}
    return int(tx.execute(insert(registries).values(values).returning(registries.c.id)).scalar_one())


def find_registry(tx: Transaction, registry: Registry) -> int | None:
    """The row of a registry, if it was ever used."""
    statement = select(registries.c.id).where(
        registries.c.account_id == registry.account_id, registries.c.region == registry.region
    )
    return tx.execute(statement).scalar()


def add_key(tx: Transaction, key: AccessKey, sealed_secret: bytes) -> bool:
    """Keep an access key; False if its id is taken."""
    values = {
        "id": key.id,
        "account_id": key.account_id,
        "sealed_secret": sealed_secret,
        "is_active": key.is_active,
        "description": key.description,
        "created_at": key.created_at,
    }
    try:
        with tx.begin_nested():
            tx.execute(insert(access_keys).values(values))
    except IntegrityError:
        return False
    return True


def find_key(tx: Transaction, access_key_id: str) -> tuple[AccessKey, bytes] | None:
    """An access key and its sealed secret."""
    row = tx.execute(select(access_keys).where(access_keys.c.id == access_key_id)).mappings().first()
    if row is None:
        return None
    values = dict(row)
    sealed: bytes = values.pop("sealed_secret")
    return AccessKey(**values), sealed


def list_keys(tx: Transaction, account_id: str | None = None) -> list[AccessKey]:
    """Access keys of one account, or of all."""
    columns = [column for column in access_keys.c if column.name != "sealed_secret"]
    statement = select(*columns).order_by(access_keys.c.account_id, access_keys.c.created_at)
    if account_id is not None:
        statement = statement.where(access_keys.c.account_id == account_id)
    return [AccessKey(**row) for row in tx.execute(statement).mappings()]


def set_key_active(tx: Transaction, access_key_id: str, *, is_active: bool) -> bool:
    """Switch a key on or off; False if there is no such key."""
    statement = update(access_keys).where(access_keys.c.id == access_key_id).values(is_active=is_active)
    return tx.execute(statement).rowcount == 1


def delete_key(tx: Transaction, access_key_id: str) -> bool:
    """Forget a key; False if there is no such key."""
    return tx.execute(delete(access_keys).where(access_keys.c.id == access_key_id)).rowcount == 1
