"""Blobs and manifests whose kept bytes are not what was pushed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, case, delete, func, select, update

from holdfast.model.damage import Kept, KeptManifest
from holdfast.model.names import Registry, RepositoryRef
from holdfast.model.uploads import SMALL_BYTES
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import (
    EPOCH,
    blobs,
    damaged_objects,
    manifest_bodies,
    manifests,
    objects,
    registries,
    repositories,
    repository_blobs,
)

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction
    from holdfast.store.statements import Row

_which: Any = bindparam("which")
_limit: Any = bindparam("limit")

KEPT = select(
    blobs.c.id, blobs.c.registry_id, registries.c.account_id, registries.c.region, blobs.c.key_scope, blobs.c.digest,
    blobs.c.size_bytes, blobs.c.object_key, blobs.c.verified_at, blobs.c.damaged_at, blobs.c.damage,
).join(registries, registries.c.id == blobs.c.registry_id)  # fmt: skip
KEPT_MANIFESTS = (
    select(
        manifests.c.id, registries.c.account_id, registries.c.region, repositories.c.name.label("repository_name"),
        manifests.c.digest, manifests.c.verified_at, manifests.c.damaged_at,
    )
    .join(repositories, repositories.c.id == manifests.c.repository_id)
    .join(registries, registries.c.id == repositories.c.registry_id)
)  # fmt: skip
_BY_OBJECT = Statement(KEPT.where(blobs.c.object_key == bindparam("object_key")))
_COPIES = Statement(
    KEPT.where(blobs.c.digest == bindparam("digest"), blobs.c.id != _which, blobs.c.damaged_at.is_(None))
    .order_by(blobs.c.id)
    .limit(_limit)
)
_DAMAGED = Statement(
    KEPT.where(blobs.c.damaged_at.is_not(None), blobs.c.id > bindparam("after")).order_by(blobs.c.id).limit(_limit)
)
_like = (
    blobs.c.id != _which,
    blobs.c.damaged_at.is_(None),
    case((blobs.c.size_bytes > SMALL_BYTES, 1), else_=0) == bindparam("is_large"),
)
_OLDEST_OTHERS = Statement(
    select(blobs.c.object_key, blobs.c.size_bytes).where(*_like).order_by(blobs.c.id).limit(_limit)
)
_NEWEST_OTHERS = Statement(
    select(blobs.c.object_key, blobs.c.size_bytes).where(*_like).order_by(blobs.c.id.desc()).limit(_limit)
)
_MARK = Statement(
    update(blobs)
    .where(blobs.c.id == _which, blobs.c.object_key == bindparam("lying"), blobs.c.damaged_at.is_(None))
    .values(damaged_at=bindparam("now"), damage=bindparam("what"))
)
_CLEAR = Statement(
    update(blobs)
    .where(blobs.c.id == _which, blobs.c.object_key == bindparam("lying"), blobs.c.damaged_at.is_not(None))
    .values(damaged_at=None, damage=None, verified_at=bindparam("now"))
)
_SUSPECT = Statement(update(blobs).where(blobs.c.object_key == bindparam("lying")).values(verified_at=EPOCH))
_IS_DAMAGED = Statement(
    select(blobs.c.id)
    .join(repository_blobs, repository_blobs.c.blob_id == blobs.c.id)
    .where(repository_blobs.c.repository_id == bindparam("repository_id"))
    .where(repository_blobs.c.digest == bindparam("digest"), blobs.c.damaged_at.is_not(None))
)
_HOLDERS = Statement(
    select(repositories.c.name)
    .join(repository_blobs, repository_blobs.c.repository_id == repositories.c.id)
    .where(repository_blobs.c.blob_id == _which, repositories.c.deleted_at.is_(None))
    .order_by(repositories.c.name)
    .limit(_limit)
)
_COUNT = Statement(select(func.count()).select_from(blobs).where(blobs.c.damaged_at.is_not(None)))
_COUNT_MANIFESTS = Statement(select(func.count()).select_from(manifests).where(manifests.c.damaged_at.is_not(None)))
_SET_APART = insertion(damaged_objects)
_COUNT_APART = Statement(select(func.count()).select_from(damaged_objects))
_old = select(damaged_objects.c.object_key).where(damaged_objects.c.replaced_at < bindparam("before")).limit(_limit)
_OLD = Statement(_old)
_LET_GO = Statement(
    update(objects)
    .where(objects.c.key.in_(bindparam("keys", expanding=True)), objects.c.expires_at.is_(None))
    .values(expires_at=bindparam("now"))
)
_FORGET_APART = Statement(
    delete(damaged_objects).where(damaged_objects.c.object_key.in_(bindparam("keys", expanding=True)))
)

_DAMAGED_MANIFESTS = Statement(
    KEPT_MANIFESTS.where(manifests.c.damaged_at.is_not(None), manifests.c.id > bindparam("after"))
    .order_by(manifests.c.id)
    .limit(_limit)
)
_IS_MANIFEST_DAMAGED = Statement(select(manifests.c.damaged_at).where(manifests.c.id == _which))
_BODY = Statement(select(manifest_bodies.c.body).where(manifest_bodies.c.manifest_id == _which))
_MARK_MANIFEST = Statement(
    update(manifests)
    .where(manifests.c.id == _which, manifests.c.damaged_at.is_(None))
    .values(damaged_at=bindparam("now"))
)
_CLEAR_MANIFEST = Statement(
    update(manifests).where(manifests.c.id == _which).values(damaged_at=None, verified_at=bindparam("now"))
)
_SET_BODY = Statement(
    update(manifest_bodies).where(manifest_bodies.c.manifest_id == _which).values(body=bindparam("new"))
)
_NEW_BODY = insertion(manifest_bodies)
_OTHER_BODIES = Statement(
    select(manifest_bodies.c.manifest_id)
    .join(manifests, manifests.c.id == manifest_bodies.c.manifest_id)
    .where(manifests.c.digest == bindparam("digest"), manifests.c.id != _which, manifests.c.damaged_at.is_(None))
    .limit(_limit)
)


def find_by_object(tx: Transaction, object_key: str) -> Kept | None:
    """The blob that an object is, if it still is."""
    row = tx.first(_BY_OBJECT, object_key=object_key)
    return kept(row) if row else None


def page(tx: Transaction, after: int, limit: int) -> list[Kept]:
    """Up to `limit` damaged blobs, beginning after one."""
    return [kept(row) for row in tx.all(_DAMAGED, after=after, limit=limit)]


def copies(tx: Transaction, blob: Kept, limit: int) -> list[Kept]:
    """The same bytes in other registries and key scopes, as far as they are not known to be damaged."""
    return [kept(row) for row in tx.all(_COPIES, digest=blob.digest, which=blob.id, limit=limit)]


def others(tx: Transaction, blob: Kept, limit: int) -> list[tuple[str, int]]:
    """Object key and size in bytes of some other blobs that are kept where this one is: the oldest and the newest."""
    like = {"which": blob.id, "is_large": int(blob.size_bytes > SMALL_BYTES), "limit": limit}
    rows = tx.all(_OLDEST_OTHERS, **like) + tx.all(_NEWEST_OTHERS, **like)
    return list({row["object_key"]: (row["object_key"], row["size_bytes"]) for row in rows}.values())


def mark(tx: Transaction, blob: Kept, damage: str, now: datetime) -> bool:
    """Let a blob be damaged; False if it is already, or has other bytes by now."""
    return tx.run(_MARK, which=blob.id, lying=blob.object_key, what=damage, now=now) == 1


def clear(tx: Transaction, blob: Kept, now: datetime) -> bool:
    """Let a blob be sound again, whose bytes were seen to be right after all."""
    return tx.run(_CLEAR, which=blob.id, lying=blob.object_key, now=now) == 1


def suspect(tx: Transaction, object_key: str) -> None:
    """Let an object be verified before all others."""
    tx.run(_SUSPECT, lying=object_key)


def is_damaged(tx: Transaction, repository: Repository, digest: str) -> bool:
    """Whether a repository holds a blob whose bytes are damaged."""
    return tx.first(_IS_DAMAGED, repository_id=repository.id, digest=digest) is not None


def holders(tx: Transaction, blob: Kept, limit: int) -> list[str]:
    """Names of repositories that hold a blob."""
    return tx.column(_HOLDERS, which=blob.id, limit=limit)


def count(tx: Transaction) -> tuple[int, int]:
    """How many blobs and manifests are damaged."""
    return int(tx.value(_COUNT)), int(tx.value(_COUNT_MANIFESTS))


def set_apart(
    tx: Transaction, object_key: str, registry_id: int, digest: str, size_bytes: int, damage: str, now: datetime
) -> None:
    """Keep damaged bytes that are a blob no more, for whoever examines them."""
    tx.run(
        _SET_APART, object_key=object_key, registry_id=registry_id, digest=digest, size_bytes=size_bytes,
        damage=damage, replaced_at=now,
    )  # fmt: skip


def count_apart(tx: Transaction) -> int:
    """How many damaged objects are kept apart."""
    return int(tx.value(_COUNT_APART))


def let_go(tx: Transaction, before: datetime, now: datetime, limit: int) -> int:
    """Let objects that were set apart before an instant be swept; how many."""
    keys = tx.column(_OLD, before=before, limit=limit)
    if keys:
        tx.run(_FORGET_APART, keys=keys)
        tx.run(_LET_GO, keys=keys, now=now)
    return len(keys)


def kept(row: Row) -> Kept:
    """The blob that a row of `KEPT` tells of."""
    return Kept(registry=Registry(row.pop("account_id"), row.pop("region")), **row)


# ---- Manifests


def manifests_page(tx: Transaction, after: int, limit: int) -> list[KeptManifest]:
    """Up to `limit` manifests with a damaged body, beginning after one."""
    return [kept_manifest(row) for row in tx.all(_DAMAGED_MANIFESTS, after=after, limit=limit)]


def is_manifest_damaged(tx: Transaction, manifest_id: int) -> bool:
    """Whether the body of a manifest is known to be damaged."""
    return tx.value(_IS_MANIFEST_DAMAGED, which=manifest_id) is not None


def body(tx: Transaction, manifest_id: int) -> bytes | None:
    """The body of a manifest as it is kept, whatever became of it; None if there is none."""
    found = tx.value(_BODY, which=manifest_id)
    return None if found is None else bytes(found)


def mark_manifest(tx: Transaction, manifest: KeptManifest, now: datetime) -> bool:
    """Let a manifest be damaged, whoever remembers it; False if it is already, or gone."""
    if not manifest.repository_name.startswith("~"):  # what is in a deleted repository nobody remembers
        tx.outdate(RepositoryRef(manifest.registry, manifest.repository_name))
    return tx.run(_MARK_MANIFEST, which=manifest.id, now=now) == 1


def replace_body(tx: Transaction, manifest_id: int, body: bytes, now: datetime) -> None:
    """Give a manifest its right body again."""
    if tx.run(_SET_BODY, which=manifest_id, new=body) == 0:
        tx.run(_NEW_BODY, manifest_id=manifest_id, body=body)
    tx.run(_CLEAR_MANIFEST, which=manifest_id, now=now)


def other_bodies(tx: Transaction, manifest: KeptManifest, limit: int) -> list[int]:
    """Manifests of the same digest in other repositories."""
    return tx.column(_OTHER_BODIES, digest=manifest.digest, which=manifest.id, limit=limit)


def kept_manifest(row: Row) -> KeptManifest:
    """The manifest that a row of `KEPT_MANIFESTS` tells of."""
    return KeptManifest(registry=Registry(row.pop("account_id"), row.pop("region")), **row)
