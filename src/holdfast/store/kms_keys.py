"""Keys that repositories may name where no key service is asked, and their aliases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, update

from holdfast.model.kms import KmsKey
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import kms_aliases, kms_keys

if TYPE_CHECKING:
    from holdfast.model.names import Registry
    from holdfast.store.database import Transaction

_the_key = kms_keys.c.arn == bindparam("which")
_columns = [kms_keys.c.arn, kms_keys.c.description, kms_keys.c.is_enabled, kms_keys.c.created_at]
_FIND = Statement(select(*_columns).where(_the_key))
_LIST = Statement(select(*_columns).order_by(kms_keys.c.arn))
_INSERT = insertion(kms_keys)
_SET_ENABLED = Statement(update(kms_keys).where(_the_key).values(is_enabled=bindparam("enabled")))
_FIND_ALIAS = Statement(
    select(kms_aliases.c.key_arn).where(
        kms_aliases.c.account_id == bindparam("account_id"),
        kms_aliases.c.region == bindparam("in_region"),
        kms_aliases.c.name == bindparam("alias"),
    )
)
_ALIASES = Statement(select(kms_aliases.c.key_arn, kms_aliases.c.name).order_by(kms_aliases.c.name))
_INSERT_ALIAS = insertion(kms_aliases)


def find(tx: Transaction, arn: str) -> KmsKey | None:
    """A key by its ARN."""
    row = tx.first(_FIND, which=arn)
    return KmsKey(**row) if row else None


def list_all(tx: Transaction) -> list[tuple[KmsKey, list[str]]]:
    """Every key with its aliases."""
    aliases: dict[str, list[str]] = {}
    for row in tx.all(_ALIASES):
        aliases.setdefault(row["key_arn"], []).append(row["name"])
    return [(KmsKey(**row), aliases.get(row["arn"], [])) for row in tx.all(_LIST)]


def insert(tx: Transaction, registry: Registry, key: KmsKey) -> None:
    """Keep a new key of an account and region."""
    tx.run(
        _INSERT,
        arn=key.arn,
        account_id=registry.account_id,
        region=registry.region,
        description=key.description,
        is_enabled=key.is_enabled,
        created_at=key.created_at,
    )


def set_enabled(tx: Transaction, arn: str, *, is_enabled: bool) -> bool:
    """Let a key be used or not; False if there is none of that ARN."""
    return tx.run(_SET_ENABLED, which=arn, enabled=is_enabled) == 1


def find_alias(tx: Transaction, registry: Registry, name: str) -> str | None:
    """The ARN of the key that an alias names."""
    arn: str | None = tx.value(_FIND_ALIAS, account_id=registry.account_id, in_region=registry.region, alias=name)
    return arn


def insert_alias(tx: Transaction, registry: Registry, name: str, arn: str) -> None:
    """Let an alias name a key."""
    tx.run(_INSERT_ALIAS, account_id=registry.account_id, region=registry.region, name=name, key_arn=arn)
