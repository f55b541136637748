"""Secrets that accounts keep; their values are sealed by the key provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, delete, func, or_, select, update

from holdfast.model.names import Registry
from holdfast.model.secrets import Secret, Version
from holdfast.store.statements import Statement, insertion, replacement
from holdfast.store.tables import account_secret_versions, account_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from holdfast.model.secrets import Named
    from holdfast.store.database import Transaction

_table, _versions = account_secrets, account_secret_versions
_in_registry = (_table.c.account_id == bindparam("account"), _table.c.region == bindparam("place"))
_it = _table.c.id == bindparam("which")
_of_it = _versions.c.secret_id == bindparam("which")

_FIND = Statement(select(_table).where(*_in_registry, _table.c.name == bindparam("known_as")))
_LIST = Statement(select(_table).where(*_in_registry).order_by(_table.c.name))
_COUNT = Statement(select(func.count()).select_from(_table).where(*_in_registry))
_INSERT = insertion(_table)
_CHANGE = Statement(
    update(_table)
    .where(_it)
    .values(
        description=bindparam("words"),
        tags=bindparam("labels", type_=_table.c.tags.type),
        changed_at=bindparam("changed", type_=_table.c.changed_at.type),
        gone_at=bindparam("gone", type_=_table.c.gone_at.type),
    )
)
_USE = Statement(
    update(_table)
    .where(_it, or_(_table.c.used_at.is_(None), _table.c.used_at < bindparam("day", type_=_table.c.used_at.type)))
    .values(used_at=bindparam("day", type_=_table.c.used_at.type))
)
_DELETE = Statement(delete(_table).where(_it))
_GONE = Statement(select(_table.c.id).where(_table.c.gone_at <= bindparam("now")).limit(bindparam("limit")))
_VERSIONS = Statement(
    select(_versions.c.secret_id, _versions.c.id, _versions.c.stages, _versions.c.created_at)
    .where(_versions.c.secret_id.in_(bindparam("ids", expanding=True)))
    .order_by(_versions.c.secret_id, _versions.c.created_at, _versions.c.id)
)
_SEALED = Statement(select(_versions.c.sealed).where(_of_it, _versions.c.id == bindparam("version")))
_PUT_VERSION = replacement(_versions)
_LABEL = Statement(
    update(_versions)
    .where(_of_it, _versions.c.id == bindparam("version"))
    .values(stages=bindparam("labels", type_=_versions.c.stages.type))
)
_DELETE_VERSION = Statement(delete(_versions).where(_of_it, _versions.c.id == bindparam("version")))
_DELETE_VERSIONS = Statement(delete(_versions).where(_of_it))
_SEALED_AFTER = Statement(
    select(_versions.c.secret_id, _versions.c.id, _versions.c.sealed)
    .where(
        or_(
            _versions.c.secret_id > bindparam("after"),
            and_(_versions.c.secret_id == bindparam("after"), _versions.c.id > bindparam("after_version")),
        )
    )
    .order_by(_versions.c.secret_id, _versions.c.id)
    .limit(bindparam("limit"))
)
_RENEW = Statement(
    update(_versions)
    .where(_of_it, _versions.c.id == bindparam("version"), _versions.c.sealed == bindparam("before"))
    .values(sealed=bindparam("renewed"))
)


def find(tx: Transaction, registry: Registry, name: str) -> Secret | None:
    """A secret by its name."""
    row = tx.first(_FIND, account=registry.account_id, place=registry.region, known_as=name)
    return _secret(row) if row else None


def find_named(tx: Transaction, named: Named) -> Secret | None:
    """The secret that an id names."""
    for name, suffix in named.candidates:
        found = find(tx, named.registry, name)
        if found is not None and suffix in {None, found.suffix}:
            return found
    return None


def list_all(tx: Transaction, registry: Registry) -> list[Secret]:
    """Every secret of a registry, by name; there are not many."""
    return [_secret(row) for row in tx.all(_LIST, account=registry.account_id, place=registry.region)]


def count(tx: Transaction, registry: Registry) -> int:
    """How many secrets a registry has."""
    return int(tx.value(_COUNT, account=registry.account_id, place=registry.region))


def add(tx: Transaction, secret: Secret) -> int:
    """Keep a secret; its number, whatever number it has."""
    row = {name: getattr(secret, name) for name in Secret.__slots__ if name not in {"id", "registry", "tags"}}
    home = {"account_id": secret.registry.account_id, "region": secret.registry.region}
    return int(tx.value(_INSERT, **row, **home, tags=dict(secret.tags)))


def change(tx: Transaction, secret: Secret) -> None:
    """Keep what is said of a secret."""
    tx.run(_CHANGE, which=secret.id, words=secret.description, labels=dict(secret.tags),
           changed=secret.changed_at, gone=secret.gone_at)  # fmt: skip


def use(tx: Transaction, secret_id: int, day: datetime) -> None:
    """Note on which day a value of a secret was read."""
    tx.run(_USE, which=secret_id, day=day)


def remove(tx: Transaction, secret_id: int) -> None:
    """Forget a secret with all its values."""
    tx.run(_DELETE_VERSIONS, which=secret_id)
    tx.run(_DELETE, which=secret_id)


def forget(tx: Transaction, now: datetime, limit: int) -> int:
    """Forget up to `limit` secrets that can be restored no more; how many."""
    gone = tx.column(_GONE, now=now, limit=limit)
    for secret_id in gone:
        remove(tx, secret_id)
    return len(gone)


# ---- Values


def versions(tx: Transaction, secret_ids: Sequence[int]) -> dict[int, list[Version]]:
    """The versions of some secrets, the oldest first."""
    found: dict[int, list[Version]] = {secret_id: [] for secret_id in secret_ids}
    for row in tx.all(_VERSIONS, ids=list(secret_ids)):
        found[row.pop("secret_id")].append(Version(**row))
    return found


def sealed(tx: Transaction, secret_id: int, version_id: str) -> bytes:
    """A value as it is sealed; the version is there."""
    value: bytes = tx.value(_SEALED, which=secret_id, version=version_id)
    return value


def put_version(tx: Transaction, secret_id: int, version: Version, sealed: bytes) -> None:
    """Keep a value."""
    tx.run(_PUT_VERSION, secret_id=secret_id, id=version.id, stages=list(version.stages), sealed=sealed,
           created_at=version.created_at)  # fmt: skip


def label(tx: Transaction, secret_id: int, version_id: str, stages: Sequence[str]) -> None:
    """Give a version other labels."""
    tx.run(_LABEL, which=secret_id, version=version_id, labels=list(stages))


def remove_version(tx: Transaction, secret_id: int, version_id: str) -> None:
    """Forget a value."""
    tx.run(_DELETE_VERSION, which=secret_id, version=version_id)


def sealed_after(tx: Transaction, after: tuple[int, str], limit: int) -> list[tuple[int, str, bytes]]:
    """Secret, version and sealed value of versions of all accounts, beginning after one."""
    rows = tx.all(_SEALED_AFTER, after=after[0], after_version=after[1], limit=limit)
    return [(row["secret_id"], row["id"], row["sealed"]) for row in rows]


def renew(tx: Transaction, secret_id: int, version_id: str, before: bytes, after: bytes) -> None:
    """Keep a newly sealed value, unless it was changed meanwhile."""
    tx.run(_RENEW, which=secret_id, version=version_id, before=before, renewed=after)


def _secret(row: dict[str, object]) -> Secret:
    registry = Registry(str(row.pop("account_id")), str(row.pop("region")))
    return Secret(**row, registry=registry)  # type: ignore[arg-type]
