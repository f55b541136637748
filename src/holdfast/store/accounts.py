"""Accounts, their registries and access keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, or_, select, update

from holdfast.model.callers import AccessKey, holder
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import access_keys, accounts, iam_users, registries

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.callers import Caller
    from holdfast.model.names import Registry
    from holdfast.store.database import Transaction

_the_key = access_keys.c.id == bindparam("key_id")
_FIND = Statement(select(accounts.c.created_at).where(accounts.c.id == bindparam("account_id")))
_INSERT = insertion(accounts)
_LIST = Statement(
    select(accounts.c.id, func.count(access_keys.c.id).label("keys"))
    .outerjoin(access_keys, access_keys.c.account_id == accounts.c.id)
    .group_by(accounts.c.id)
    .order_by(accounts.c.id)
)
_FIND_REGISTRY = Statement(
    select(registries.c.id)
    .where(registries.c.account_id == bindparam("account_id"))
    .where(registries.c.region == bindparam("region"))
)
_INSERT_REGISTRY = insertion(registries)
_FIND_KEY = Statement(select(access_keys).where(_the_key))
_FIND_HOLDER = Statement(  # who an active key speaks for; a key whose user is gone speaks for nobody
    select(access_keys.c.account_id, access_keys.c.user_id, access_keys.c.sealed_secret)
    .add_columns(iam_users.c.path, iam_users.c.name)
    .outerjoin(iam_users, iam_users.c.id == access_keys.c.user_id)
    .where(_the_key, access_keys.c.is_active)
    .where(or_(access_keys.c.user_id.is_(None), iam_users.c.id.is_not(None)))
)
_INSERT_KEY = insertion(access_keys)
_LIST_KEYS = select(*(column for column in access_keys.c if column.name != "sealed_secret"))
_KEYS = Statement(_LIST_KEYS.order_by(access_keys.c.account_id, access_keys.c.created_at))
_KEYS_OF_ACCOUNT = Statement(
    _LIST_KEYS.where(access_keys.c.account_id == bindparam("account_id")).order_by(access_keys.c.created_at)
)
# An account's root has no user, and the comparison with null finds it: IS in SQLite, IS NOT DISTINCT FROM elsewhere.
_of_holder = (
    access_keys.c.account_id == bindparam("account_id"),
    access_keys.c.user_id.is_not_distinct_from(bindparam("user_id")),
)
_KEYS_OF_HOLDER = Statement(
    _LIST_KEYS.where(*_of_holder, access_keys.c.id > bindparam("after"))
    .order_by(access_keys.c.id)
    .limit(bindparam("limit"))
)
_COUNT_OF_HOLDER = Statement(select(func.count()).select_from(access_keys).where(*_of_holder))
_SET_USED = Statement(
    update(access_keys)
    .where(_the_key, or_(access_keys.c.used_at.is_(None), access_keys.c.used_at < bindparam("moment")))
    .values(used_at=bindparam("moment"), used_for=bindparam("service"), used_in=bindparam("region"))
)
_SET_ACTIVE = Statement(update(access_keys).where(_the_key).values(is_active=bindparam("active")))
_DELETE_KEY = Statement(delete(access_keys).where(_the_key))


def ensure(tx: Transaction, account_id: str, now: datetime) -> bool:
    """Make an account; whether it was new."""
    if exists(tx, account_id):
        return False
    tx.run(_INSERT, id=account_id, created_at=now)
    return True


def exists(tx: Transaction, account_id: str) -> bool:
    """Whether there is such an account."""
    return created_at(tx, account_id) is not None


def created_at(tx: Transaction, account_id: str) -> datetime | None:
    """When an account was made; None if there is no such account."""
    moment: datetime | None = tx.value(_FIND, account_id=account_id)
    return moment


def list_all(tx: Transaction) -> list[tuple[str, int]]:
    """Every account with the number of its access keys."""
    return [(row["id"], row["keys"]) for row in tx.all(_LIST)]


def find_registry(tx: Transaction, registry: Registry) -> int | None:
    """The row of a registry, if it was ever used."""
    found: int | None = tx.value(_FIND_REGISTRY, account_id=registry.account_id, region=registry.region)
    return found


def registry_id(tx: Transaction, registry: Registry, now: datetime) -> int:
    """The row of a registry, which comes into being when first used."""
    found = find_registry(tx, registry)
    if found is None:
        place = {"account_id": registry.account_id, "region": registry.region}
        found = tx.value(_INSERT_REGISTRY, **place, created_at=now, repository_count=0)
    return int(found)


def add_key(tx: Transaction, key: AccessKey, sealed_secret: bytes) -> bool:
    """Keep an access key; False if its id is taken."""
    if tx.first(_FIND_KEY, key_id=key.id) is not None:
        return False
    tx.run(
        _INSERT_KEY,
        id=key.id,
        account_id=key.account_id,
        user_id=key.user_id,
        sealed_secret=sealed_secret,
        is_active=key.is_active,
        description=key.description,
        created_at=key.created_at,
        used_at=None,
        used_for=None,
        used_in=None,
    )
    return True


def find_key(tx: Transaction, access_key_id: str) -> tuple[AccessKey, bytes] | None:
    """An access key and its sealed secret."""
    row = tx.first(_FIND_KEY, key_id=access_key_id)
    if row is None:
        return None
    sealed: bytes = row.pop("sealed_secret")
    return AccessKey(**row), sealed


def find_holder(tx: Transaction, access_key_id: str) -> tuple[Caller, bytes] | None:
    """Whom an active access key speaks for, and its sealed secret."""
    row = tx.first(_FIND_HOLDER, key_id=access_key_id)
    if row is None:
        return None
    return holder(access_key_id, row["account_id"], row["user_id"], row["path"], row["name"]), row["sealed_secret"]


def list_keys(tx: Transaction, account_id: str | None = None) -> list[AccessKey]:
    """Access keys of one account, or of all."""
    rows = tx.all(_KEYS) if account_id is None else tx.all(_KEYS_OF_ACCOUNT, account_id=account_id)
    return [AccessKey(**row) for row in rows]


def keys_of(tx: Transaction, account_id: str, user_id: str | None, after: str, limit: int) -> list[AccessKey]:
    """Up to `limit` keys of a user, or of the root of an account, in the order of their ids, beginning after one."""
    rows = tx.all(_KEYS_OF_HOLDER, account_id=account_id, user_id=user_id, after=after, limit=limit)
    return [AccessKey(**row) for row in rows]


def count_keys_of(tx: Transaction, account_id: str, user_id: str | None) -> int:
    """How many keys a user has, or the root of an account."""
    return int(tx.value(_COUNT_OF_HOLDER, account_id=account_id, user_id=user_id))


def key_used(tx: Transaction, access_key_id: str, service: str, region: str, at: datetime) -> None:
    """Note what a key was last used for, unless a later use is known."""
    tx.run(_SET_USED, key_id=access_key_id, moment=at, service=service, region=region)


def set_key_active(tx: Transaction, access_key_id: str, *, is_active: bool) -> bool:
    """Switch a key on or off; False if there is no such key."""
    return tx.run(_SET_ACTIVE, key_id=access_key_id, active=is_active) == 1


def delete_key(tx: Transaction, access_key_id: str) -> bool:
    """Forget a key; False if there is no such key."""
    return tx.run(_DELETE_KEY, key_id=access_key_id) == 1
