"""Keys of objects, for whoever compares them with a blob store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select

from holdfast.store.statements import Statement
from holdfast.store.tables import blobs, objects, upload_parts

if TYPE_CHECKING:
    from collections.abc import Collection

    from holdfast.store.database import Transaction

_key: Any = objects.c.key
HELD = objects.c.sealed.is_(None) & (_key.in_(select(blobs.c.object_key)) | _key.in_(select(upload_parts.c.object_key)))
_KNOWN = Statement(select(_key).where(_key.in_(bindparam("keys", expanding=True))))
_OUTSIDE = Statement(select(_key).where(_key.in_(bindparam("keys", expanding=True)), objects.c.sealed.is_(None)))
_HELD = Statement(select(_key).where(HELD, _key > bindparam("after")).order_by(_key).limit(bindparam("limit")))
_IS_HELD = Statement(select(_key).where(HELD, _key == bindparam("which")))


def known(tx: Transaction, keys: Collection[str]) -> set[str]:
    """Those keys that are in the database."""
    return set(tx.column(_KNOWN, keys=list(keys))) if keys else set()


def outside(tx: Transaction, keys: Collection[str]) -> set[str]:
    """Those keys whose bytes are not in the database itself."""
    return set(tx.column(_OUTSIDE, keys=list(keys))) if keys else set()


def held(tx: Transaction, after: str, limit: int) -> list[str]:
    """Up to `limit` keys of objects outside the database that a blob or an upload needs, beginning after one."""
    return tx.column(_HELD, after=after, limit=limit)


def is_held(tx: Transaction, key: str) -> bool:
    """Whether a blob or an upload needs an object outside the database."""
    return tx.first(_IS_HELD, which=key) is not None
