"""Keys of the installation itself, such as the one that login tokens are made with, each sealed by the key provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select

from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import secrets

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.store.database import Transaction

_FIND = Statement(select(secrets.c.version, secrets.c.sealed).where(secrets.c.name == bindparam("name")))
_MADE_AT = Statement(select(secrets.c.version, secrets.c.created_at).where(secrets.c.name == bindparam("name")))
_INSERT = insertion(secrets)
_DELETE = Statement(delete(secrets).where(secrets.c.name == bindparam("which"), secrets.c.version == bindparam("old")))


def find_all(tx: Transaction, name: str) -> dict[int, bytes]:
    """Every version of a secret, still sealed."""
    return {row["version"]: row["sealed"] for row in tx.all(_FIND, name=name)}


def add(tx: Transaction, name: str, version: int, sealed: bytes, now: datetime) -> None:
    """Keep a new version of a secret."""
    tx.run(_INSERT, name=name, version=version, sealed=sealed, created_at=now)


def made_at(tx: Transaction, name: str) -> dict[int, datetime]:
    """When each version of a secret was made."""
    return {row["version"]: row["created_at"] for row in tx.all(_MADE_AT, name=name)}


def remove(tx: Transaction, name: str, version: int) -> None:
    """Forget a version of a secret, and with it all that was made with it."""
    tx.run(_DELETE, which=name, old=version)
