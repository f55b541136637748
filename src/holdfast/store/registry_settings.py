"""What is set on a whole registry: one text a setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select

from holdfast.model.names import Registry
from holdfast.store import accounts
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import registries, registry_settings

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.store.database import Transaction

_FIND = Statement(
    select(registry_settings.c.value)
    .join(registries, registries.c.id == registry_settings.c.registry_id)
    .where(registries.c.account_id == bindparam("account_id"), registries.c.region == bindparam("region"))
    .where(registry_settings.c.name == bindparam("name"))
)
_it = (registry_settings.c.registry_id == bindparam("registry_id"), registry_settings.c.name == bindparam("name"))
_FIND_BY_ID = Statement(select(registry_settings.c.value).where(*_it))
_INSERT = insertion(registry_settings)
_DELETE = Statement(delete(registry_settings).where(*_it))
_WHERE_SET = Statement(
    select(registries.c.account_id, registries.c.region)
    .join(registry_settings, registry_settings.c.registry_id == registries.c.id)
    .where(registry_settings.c.name == bindparam("name"))
    .order_by(registries.c.account_id, registries.c.region)
)


def find(tx: Transaction, registry: Registry, name: str) -> str | None:
    """The text of a setting, if it was ever set."""
    text: str | None = tx.value(_FIND, account_id=registry.account_id, region=registry.region, name=name)
    return text


def find_by_id(tx: Transaction, registry_id: int, name: str) -> str | None:
    """The text of a setting of a registry's row: cheap enough for every push."""
    text: str | None = tx.value(_FIND_BY_ID, registry_id=registry_id, name=name)
    return text


def where_set(tx: Transaction, name: str) -> list[Registry]:
    """The registries that have a setting."""
    return [Registry(row["account_id"], row["region"]) for row in tx.all(_WHERE_SET, name=name)]


def put(tx: Transaction, registry: Registry, name: str, value: str, now: datetime) -> None:
    """Set a setting, whatever it was before."""
    registry_id = accounts.registry_id(tx, registry, now)
    tx.run(_DELETE, registry_id=registry_id, name=name)
    tx.run(_INSERT, registry_id=registry_id, name=name, value=value, updated_at=now)


def delete_setting(tx: Transaction, registry: Registry, name: str, now: datetime) -> bool:
    """Remove a setting; False if there was none."""
    return tx.run(_DELETE, registry_id=accounts.registry_id(tx, registry, now), name=name) == 1
