"""Everything that is wrapped under a key of some version: data keys of objects, secrets, and the wrapping keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, func, select, update
from sqlalchemy import delete as delete_from

from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import access_keys, objects, secrets, wrapping_keys

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from holdfast.store.database import Transaction

HEAD_BYTES = 512  # of a small object, enough for its header

_in_scope = objects.c.key_scope == bindparam("scope")
_STALE = Statement(
    select(objects.c.key, objects.c.key_version, objects.c.wrapped_key)
    .add_columns(func.substr(objects.c.sealed, 1, HEAD_BYTES, type_=objects.c.sealed.type).label("head"))
    .where(_in_scope, objects.c.key_version < bindparam("newest"))
    .where(objects.c.key.not_in(bindparam("but", expanding=True)))
    .limit(bindparam("limit"))
)
_RENEW = Statement(
    update(objects)
    .where(objects.c.key == bindparam("object_key"), objects.c.key_version == bindparam("before"))
    .values(key_version=bindparam("after"), wrapped_key=bindparam("wrapped"))
)
_BY_VERSION = Statement(
    select(objects.c.key_version, func.count().label("objects")).where(_in_scope).group_by(objects.c.key_version)
)
_ANY_OF_VERSION = Statement(
    select(objects.c.key).where(_in_scope, objects.c.key_version == bindparam("which")).limit(1)
)
_ACCESS_KEYS = Statement(
    select(access_keys.c.id, access_keys.c.sealed_secret)
    .where(access_keys.c.id > bindparam("after"))
    .order_by(access_keys.c.id)
    .limit(bindparam("limit"))
)
_RENEW_ACCESS_KEY = Statement(
    update(access_keys)
    .where(access_keys.c.id == bindparam("key_id"), access_keys.c.sealed_secret == bindparam("before"))
    .values(sealed_secret=bindparam("after"))
)
_SECRETS = Statement(select(secrets.c.name, secrets.c.version, secrets.c.sealed))
_RENEW_SECRET = Statement(
    update(secrets)
    .where(secrets.c.name == bindparam("which"), secrets.c.version == bindparam("number"))
    .values(sealed=bindparam("after"))
)
_WRAPPING_KEYS = Statement(
    select(wrapping_keys).order_by(wrapping_keys.c.scope, wrapping_keys.c.version, wrapping_keys.c.layer)
)
_INSERT_WRAPPING_KEY = insertion(wrapping_keys)
_the_wrapping_key = (
    wrapping_keys.c.scope == bindparam("scope"),
    wrapping_keys.c.layer == bindparam("on_layer"),
    wrapping_keys.c.version == bindparam("number"),
)
_RENEW_WRAPPING_KEY = Statement(
    update(wrapping_keys).where(*_the_wrapping_key).values(sealed=bindparam("after"), sealed_by=bindparam("by"))
)
_HAS_SCOPE = Statement(select(wrapping_keys.c.version).where(wrapping_keys.c.scope == bindparam("scope")).limit(1))
_REMOVE_WRAPPING_KEYS = Statement(
    delete_from(wrapping_keys).where(
        wrapping_keys.c.scope == bindparam("scope"), wrapping_keys.c.version == bindparam("number")
    )
)


# ---- Objects


class StaleObject(NamedTuple):
    """An object whose data keys are wrapped under an older key."""

    key: str
    key_version: int
    wrapped_key: bytes | None
    head: bytes | None  # of a small one


def stale_objects(tx: Transaction, scope: str, newest: int, but: Sequence[str], limit: int) -> list[StaleObject]:
    """Objects of a scope that are not under its newest key, without some."""
    return [StaleObject(**row) for row in tx.all(_STALE, scope=scope, newest=newest, but=list(but), limit=limit)]


def renew_objects(tx: Transaction, renewed: Sequence[tuple[StaleObject, bytes]], version: int) -> None:
    """Keep newly wrapped data keys; one that somebody else renewed meanwhile stays as it is."""
    rows = [
        {"object_key": old.key, "before": old.key_version, "after": version, "wrapped": wrapped}
        for old, wrapped in renewed
    ]
    if rows:
        tx.run_each(_RENEW, rows)


def objects_by_version(tx: Transaction, scope: str) -> dict[int, int]:
    """How many objects of a scope are under each version of its key; 0 is one that only they themselves tell."""
    return {row["key_version"]: row["objects"] for row in tx.all(_BY_VERSION, scope=scope)}


def has_objects(tx: Transaction, scope: str, version: int) -> bool:
    """Whether objects of a scope are under a version of its key."""
    return tx.first(_ANY_OF_VERSION, scope=scope, which=version) is not None


# ---- Secrets


def access_keys_after(tx: Transaction, after: str, limit: int) -> list[tuple[str, bytes]]:
    """Ids and sealed secrets of access keys, beginning after an id."""
    return [(row["id"], row["sealed_secret"]) for row in tx.all(_ACCESS_KEYS, after=after, limit=limit)]


def renew_access_key(tx: Transaction, key_id: str, before: bytes, after: bytes) -> None:
    """Keep the newly sealed secret of an access key, unless it was changed meanwhile."""
    tx.run(_RENEW_ACCESS_KEY, key_id=key_id, before=before, after=after)


def all_secrets(tx: Transaction) -> list[tuple[str, int, bytes]]:
    """Name, version and sealed bytes of each secret of the installation."""
    return [(row["name"], row["version"], row["sealed"]) for row in tx.all(_SECRETS)]


def renew_secret(tx: Transaction, name: str, version: int, after: bytes) -> None:
    """Keep a newly sealed secret of the installation; its plaintext never changes."""
    tx.run(_RENEW_SECRET, which=name, number=version, after=after)


# ---- Wrapping keys


class WrappingKey(NamedTuple):
    """One version of the key of a layer of a scope."""

    scope: str
    layer: int
    version: int
    sealed: bytes
    sealed_by: str
    made_at: datetime


def wrapping_keys_of_all(tx: Transaction) -> list[WrappingKey]:
    """Every wrapping key there is, by scope and version."""
    return [WrappingKey(**row) for row in tx.all(_WRAPPING_KEYS)]


def has_scope(tx: Transaction, scope: str) -> bool:
    """Whether a scope has wrapping keys."""
    return tx.first(_HAS_SCOPE, scope=scope) is not None


def add_wrapping_key(tx: Transaction, key: WrappingKey) -> None:
    """Keep another wrapping key."""
    tx.run(_INSERT_WRAPPING_KEY, **key._asdict())


def renew_wrapping_key(tx: Transaction, key: WrappingKey, sealed: bytes, sealed_by: str) -> None:
    """Keep a newly sealed wrapping key; its plaintext never changes."""
    tx.run(_RENEW_WRAPPING_KEY, scope=key.scope, on_layer=key.layer, number=key.version, after=sealed, by=sealed_by)


def remove_wrapping_keys(tx: Transaction, scope: str, version: int) -> None:
    """Forget a version of the keys of a scope."""
    tx.run(_REMOVE_WRAPPING_KEYS, scope=scope, number=version)
