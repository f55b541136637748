"""Images that come from upstreams: on their way, here, stale, and what of them is being fetched by whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, func, select, update

from holdfast.model.images import ACTIVE, Blob
from holdfast.model.uploads import Part
from holdfast.store.statements import Statement, batches, insertion, replacement, upsert
from holdfast.store.tables import (
    blobs,
    cache_blobs,
    cache_fetches,
    cache_images,
    cache_imports,
    cache_parts,
    manifest_references,
    manifests,
    registries,
    repositories,
    repository_blobs,
    tags,
)

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from holdfast.model.names import Registry
    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction

FAILURE_CHARACTERS = 1000

_import_here = cache_imports.c.repository_id == bindparam("in_repository")
_BY_TAG = Statement(
    select(cache_imports)
    .where(_import_here, cache_imports.c.tag == bindparam("tag"))
    .order_by(cache_imports.c.id.desc())
    .limit(1)
)
_BY_DIGEST = Statement(
    select(cache_imports)
    .where(_import_here, cache_imports.c.digest == bindparam("digest"))
    .order_by(cache_imports.c.failure.is_not(None))
    .limit(1)
)
_EXACT = Statement(
    select(cache_imports).where(
        _import_here, cache_imports.c.tag == bindparam("tag"), cache_imports.c.digest == bindparam("digest")
    )
)
_ADD = insertion(cache_imports)
_FORGET_TAG = Statement(
    delete(cache_imports).where(_import_here, cache_imports.c.tag == bindparam("which"), cache_imports.c.tag != "")
)
_FORGET = Statement(
    delete(cache_imports).where(
        _import_here, cache_imports.c.tag == bindparam("which"), cache_imports.c.digest == bindparam("what")
    )
)
_GIVE_UP = Statement(
    update(cache_imports)
    .where(_import_here, cache_imports.c.tag == bindparam("which"), cache_imports.c.digest == bindparam("what"))
    .values(failure=bindparam("why"))
)
_OLD = (
    select(cache_imports.c.id)
    .where(cache_imports.c.requested_at < bindparam("before"))
    .order_by(cache_imports.c.requested_at)
    .limit(bindparam("limit"))
)
_ON_THEIR_WAY = Statement(
    select(
        func.count().label("number"), func.coalesce(func.sum(func.length(cache_imports.c.body)), 0).label("size_bytes")
    ).where(_import_here, cache_imports.c.failure.is_(None))
)
_FORGET_OLD = Statement(delete(cache_imports).where(cache_imports.c.id.in_(_OLD)))
_HELD = Statement(
    select(manifests.c.digest).where(
        manifests.c.repository_id == bindparam("in_repository"),
        manifests.c.digest.in_(bindparam("digests", expanding=True)),
    )
)
_SET_STALE = Statement(
    update(tags)
    .where(tags.c.repository_id == bindparam("in_repository"), tags.c.name == bindparam("tag"))
    .values(stale_at=bindparam("at"))
)
_IS_PUSHED = Statement(
    select(tags.c.name).where(
        tags.c.repository_id == bindparam("in_repository"), tags.c.name == bindparam("tag"), tags.c.stale_at.is_(None)
    )
)
_MARK = replacement(cache_images)
_UNMARK = Statement(delete(cache_images).where(cache_images.c.manifest_id == bindparam("which")))
_IS_CACHED = Statement(select(cache_images.c.referrers_at).where(cache_images.c.manifest_id == bindparam("which")))
_REFERRERS_ASKED = Statement(
    update(cache_images).where(cache_images.c.manifest_id == bindparam("which")).values(referrers_at=bindparam("now"))
)
_SENT = Statement(
    select(blobs.c.size_bytes, blobs.c.object_key)
    .join(cache_blobs, cache_blobs.c.blob_id == blobs.c.id)
    .where(
        cache_blobs.c.registry_id == bindparam("registry_id"),
        cache_blobs.c.prefix == bindparam("prefix"),
        blobs.c.key_scope == bindparam("scope"),
        blobs.c.digest == bindparam("digest"),
        blobs.c.damaged_at.is_(None),
    )
)
_NOTE_SENT = Statement(
    upsert(cache_blobs)
    .from_select(
        ["blob_id", "registry_id", "prefix"],
        select(
            repository_blobs.c.blob_id,
            bindparam("in_registry", type_=cache_blobs.c.registry_id.type),
            bindparam("by_prefix", type_=cache_blobs.c.prefix.type),
        ).where(
            repository_blobs.c.repository_id == bindparam("in_repository"),
            repository_blobs.c.digest == bindparam("digest"),
        ),
    )
    .on_conflict_do_nothing()
)
_fetch = cache_fetches.c.key == bindparam("which")
_FETCH = Statement(select(cache_fetches).where(_fetch))
_BUSY = Statement(
    select(func.count()).where(
        cache_fetches.c.registry_id == bindparam("registry_id"),
        cache_fetches.c.prefix == bindparam("prefix"),
        cache_fetches.c.expires_at > bindparam("now"),
        cache_fetches.c.size_bytes > 0,
    )
)
_CLAIM = replacement(cache_fetches)
_END = Statement(delete(cache_fetches).where(_fetch, cache_fetches.c.owner == bindparam("by")))
_FAIL = Statement(
    update(cache_fetches)
    .where(_fetch, cache_fetches.c.owner == bindparam("by"))
    .values(expires_at=bindparam("now"), failure=bindparam("why"))
)
_HOLD = Statement(
    update(cache_fetches)
    .where(_fetch, cache_fetches.c.owner == bindparam("by"), cache_fetches.c.failure.is_(None))
    .values(expires_at=bindparam("until"), received_bytes=bindparam("received"), size_bytes=bindparam("size"))
)
_WANT = Statement(update(cache_fetches).where(_fetch).values(is_wanted=True))
_WANTED = Statement(
    select(cache_fetches.c.key).where(cache_fetches.c.owner == bindparam("by"), cache_fetches.c.is_wanted)
)
_ADD_PART = insertion(cache_parts)
_PARTS = Statement(
    select(cache_parts)
    .where(
        cache_parts.c.key == bindparam("which"),
        cache_parts.c.owner == bindparam("by"),
        cache_parts.c.first_byte >= bindparam("start"),
    )
    .order_by(cache_parts.c.first_byte)
)
_TAKE_FAILURE = Statement(delete(cache_fetches).where(_fetch, cache_fetches.c.failure.is_not(None)))
_FORGET_FETCHES = Statement(delete(cache_fetches).where(cache_fetches.c.expires_at < bindparam("before")))
_of_registry = (registries.c.account_id == bindparam("account_id"), registries.c.region == bindparam("region"))
_FETCHES = Statement(
    select(cache_fetches).join(registries).where(*_of_registry).order_by(cache_fetches.c.started_at).limit(1000)
)
_IMPORTS = Statement(
    select(repositories.c.name, cache_imports.c.tag, cache_imports.c.digest, cache_imports.c.requested_at,
           cache_imports.c.failure)
    .join(repositories, repositories.c.id == cache_imports.c.repository_id)
    .join(registries, registries.c.id == repositories.c.registry_id)
    .where(*_of_registry)
    .order_by(cache_imports.c.id)
    .limit(1000)
)  # fmt: skip
_by_rule = (cache_images.c.registry_id == bindparam("registry_id"), cache_images.c.prefix == bindparam("prefix"))
_needed = (
    select(manifest_references.c.repository_id, manifest_references.c.digest)
    .join(cache_images, cache_images.c.manifest_id == manifest_references.c.manifest_id)
    .where(*_by_rule, ~manifest_references.c.is_manifest)
    .distinct()
    .subquery()
)
_BYTES = Statement(
    select(func.coalesce(func.sum(blobs.c.size_bytes), 0))
    .select_from(_needed)
    .join(
        repository_blobs,
        (repository_blobs.c.repository_id == _needed.c.repository_id) & (repository_blobs.c.digest == _needed.c.digest),
    )
    .join(blobs, blobs.c.id == repository_blobs.c.blob_id)
)
_COUNT = Statement(select(func.count()).where(*_by_rule))
_listed = (
    select(manifest_references.c.manifest_id)
    .where(
        manifest_references.c.repository_id == manifests.c.repository_id,
        manifest_references.c.digest == manifests.c.digest,
        manifest_references.c.is_manifest,
    )
    .exists()
)
_others, _marks = manifests.alias(), cache_images.alias()
_referred_to = (  # by what somebody pushed, which goes with its subject
    select(_others.c.id)
    .where(
        _others.c.repository_id == manifests.c.repository_id,
        _others.c.subject == manifests.c.digest,
        ~select(_marks.c.manifest_id).where(_marks.c.manifest_id == _others.c.id).exists(),
    )
    .exists()
)
_used_at = func.coalesce(manifests.c.pulled_at, cache_images.c.cached_at)
_may_go = (
    select(repositories.c.name, manifests.c.digest, manifests.c.size_bytes)
    .select_from(cache_images)
    .join(manifests, manifests.c.id == cache_images.c.manifest_id)
    .join(repositories, repositories.c.id == manifests.c.repository_id)
    .where(manifests.c.status == ACTIVE, repositories.c.deleted_at.is_(None), ~_listed, ~_referred_to)
)
_LEAST_USED = Statement(_may_go.where(*_by_rule).order_by(_used_at, manifests.c.id).limit(bindparam("limit")))
_MAY_GO = Statement(_may_go.where(manifests.c.id == bindparam("which")))


@dataclass(frozen=True, slots=True)
class Import:
    """An image on its way."""

    id: int
    repository_id: int
    tag: str
    digest: str
    media_type: str
    body: bytes
    requested_at: datetime
    failure: str | None


@dataclass(frozen=True, slots=True)
class Fetch:
    """Something that is being fetched, or could not be."""

    key: str
    registry_id: int
    prefix: str
    repository_name: str
    reference: str
    owner: str
    started_at: datetime
    expires_at: datetime
    received_bytes: int
    size_bytes: int
    failure: str | None
    is_wanted: bool = False


# ---- Images on their way


def on_its_way(
    tx: Transaction, repository: Repository, *, tag: str | None = None, digest: str | None = None
) -> Import | None:
    """An image on its way under a tag, or of a digest."""
    by_tag = tag is not None
    name, value = ("tag", tag) if by_tag else ("digest", digest)
    row = tx.first(_BY_TAG if by_tag else _BY_DIGEST, in_repository=repository.id, **{name: value})
    return Import(**row) if row else None


def begin_import(
    tx: Transaction, repository: Repository, tag: str, digest: str, media_type: str, body: bytes, now: datetime
) -> None:
    """Let an image be on its way, under a tag or none; a tag brings the latest only."""
    tx.run(_FORGET_TAG, in_repository=repository.id, which=tag)
    tx.run(_FORGET, in_repository=repository.id, which=tag, what=digest)
    tx.run(_ADD, repository_id=repository.id, tag=tag, digest=digest, media_type=media_type, body=body,
           requested_at=now, failure=None)  # fmt: skip


def find_import(tx: Transaction, repository: Repository, tag: str, digest: str) -> Import | None:
    """An image on its way under exactly that tag, or none, and of that digest."""
    row = tx.first(_EXACT, in_repository=repository.id, tag=tag, digest=digest)
    return Import(**row) if row else None


def on_their_way(tx: Transaction, repository: Repository) -> tuple[int, int]:
    """How many images are on their way to a repository, and how many bytes their manifests have."""
    row = tx.first(_ON_THEIR_WAY, in_repository=repository.id)
    assert row is not None, "it counts"
    return int(row["number"]), int(row["size_bytes"])


def end_import(tx: Transaction, repository: Repository, tag: str, digest: str) -> None:
    """An image has come."""
    tx.run(_FORGET, in_repository=repository.id, which=tag, what=digest)


def give_up_import(tx: Transaction, repository: Repository, tag: str, digest: str, why: str) -> None:
    """Say why an image does not come; what is there of it is served as long as the upstream has the rest."""
    tx.run(_GIVE_UP, in_repository=repository.id, which=tag, what=digest, why=_cut(why))


def forget_imports(tx: Transaction, before: datetime, limit: int) -> int:
    """Forget images that were on their way for too long."""
    return tx.run(_FORGET_OLD, before=before, limit=limit)


def held(tx: Transaction, repository: Repository, digests: Collection[str]) -> set[str]:
    """Those manifests that a repository holds."""
    found: set[str] = set()
    for wanted in batches(list(digests)):
        found.update(tx.column(_HELD, in_repository=repository.id, digests=wanted))
    return found


# ---- Images that came


def set_stale_at(tx: Transaction, repository: Repository, tag: str, at: datetime | None) -> bool:
    """Say from when on a tag's upstream is to be asked; False if there is no such tag."""
    tx.outdate(repository.ref)
    return tx.run(_SET_STALE, in_repository=repository.id, tag=tag, at=at) == 1


def is_pushed(tx: Transaction, repository: Repository, tag: str) -> bool:
    """Whether a tag is there that no upstream is asked for: somebody pushed it, or it may not be moved."""
    return tx.first(_IS_PUSHED, in_repository=repository.id, tag=tag) is not None


def mark(tx: Transaction, image_id: int, repository: Repository, prefix: str, now: datetime, never: datetime) -> None:
    """Note that an image is a copy of what an upstream has."""
    tx.run(_MARK, manifest_id=image_id, registry_id=repository.registry_id, prefix=prefix, cached_at=now,
           referrers_at=never)  # fmt: skip


def unmark(tx: Transaction, image_id: int) -> None:
    """Note that somebody pushed an image, whoever else has it."""
    tx.run(_UNMARK, which=image_id)


def referrers_at(tx: Transaction, image_id: int) -> datetime | None:
    """When it was last asked what refers to a cached image; None if it is not cached."""
    found: datetime | None = tx.value(_IS_CACHED, which=image_id)
    return found


def referrers_asked(tx: Transaction, image_id: int, now: datetime) -> None:
    """Note that it was asked what refers to an image."""
    tx.run(_REFERRERS_ASKED, which=image_id, now=now)


def note_sent(tx: Transaction, repository: Repository, digest: str, prefix: str) -> None:
    """Note that the upstream of a rule has sent the bytes of a blob that a repository holds."""
    tx.run(_NOTE_SENT, in_repository=repository.id, digest=digest, in_registry=repository.registry_id, by_prefix=prefix)


def find_sent(tx: Transaction, repository: Repository, digest: str, prefix: str) -> Blob | None:
    """A sound blob of the key scope of a repository whose bytes the upstream of a rule has sent before.

    Any other is fetched, be it here: an upstream that only says that it has a digest could else have it served.
    """
    scope = repository.encryption.key_scope
    row = tx.first(_SENT, registry_id=repository.registry_id, prefix=prefix, scope=scope, digest=digest)
    return Blob(digest, row["size_bytes"], row["object_key"]) if row else None


def bytes_of(tx: Transaction, registry_id: int, prefix: str) -> int:
    """How many bytes the cached images of a rule need, each layer once for each repository."""
    return int(tx.value(_BYTES, registry_id=registry_id, prefix=prefix))


def count_of(tx: Transaction, registry_id: int, prefix: str) -> int:
    """How many images of a rule are cached."""
    return int(tx.value(_COUNT, registry_id=registry_id, prefix=prefix))


def least_used(tx: Transaction, registry_id: int, prefix: str, limit: int) -> list[tuple[str, str, int]]:
    """Repositories, digests and sizes of cached images that may go, those first that nobody pulled for longest."""
    rows = tx.all(_LEAST_USED, registry_id=registry_id, prefix=prefix, limit=limit)
    return [(row["name"], row["digest"], row["size_bytes"]) for row in rows]


def may_go(tx: Transaction, image_id: int) -> bool:
    """Whether an image is still a copy of what an upstream has, and nothing here needs it."""
    return tx.first(_MAY_GO, which=image_id) is not None


# ---- What is being fetched


def claim(tx: Transaction, wanted: Fetch, now: datetime, most: int | None) -> bool:
    """Take a fetch, unless somebody has it, or the rule has as many of blobs as it may."""
    if not may_claim(tx, wanted.key, wanted.registry_id, wanted.prefix, now, most):
        return False
    values: dict[str, Any] = {name: getattr(wanted, name) for name in Fetch.__slots__}
    tx.run(_CLAIM, **values)
    return True


def may_claim(tx: Transaction, key: str, registry_id: int, prefix: str, now: datetime, most: int | None) -> bool:
    """Whether nobody has a fetch, and the rule has fewer of blobs than it may."""
    row = tx.first(_FETCH, which=key)
    if row is not None and row["expires_at"] > now:
        return False
    return most is None or int(tx.value(_BUSY, registry_id=registry_id, prefix=prefix, now=now)) < most


def find_fetch(tx: Transaction, key: str) -> Fetch | None:
    """A fetch by its key."""
    row = tx.first(_FETCH, which=key)
    return Fetch(**row) if row else None


def hold_fetch(tx: Transaction, key: str, owner: str, until: datetime, received_bytes: int, size_bytes: int) -> None:
    """Lengthen the lease of a fetch."""
    tx.run(_HOLD, which=key, by=owner, until=until, received=received_bytes, size=size_bytes)


def want_fetch(tx: Transaction, key: str) -> None:
    """Let whoever fetches something know that it is read along elsewhere."""
    tx.run(_WANT, which=key)


def wanted(tx: Transaction, owner: str) -> set[str]:
    """The keys of what a process fetches and is read along elsewhere."""
    return set(tx.column(_WANTED, by=owner))


def add_part(tx: Transaction, key: str, owner: str, whole_bytes: int, part: Part) -> None:
    """Let others have a part of what is being fetched."""
    tx.run(_ADD_PART, object_key=part.object_key, key=key, owner=owner, first_byte=part.first_byte,
           size_bytes=part.size_bytes, sha256=part.sha256, whole_bytes=whole_bytes)  # fmt: skip


def parts(tx: Transaction, key: str, owner: str, start: int) -> list[tuple[Part, int]]:
    """The parts that there are from a position on, without a gap; with each, how many bytes the whole has."""
    found = []
    for row in tx.all(_PARTS, which=key, by=owner, start=start):
        if row["first_byte"] != start:
            break
        start += row["size_bytes"]
        found.append((Part(row["first_byte"], row["size_bytes"], row["object_key"], row["sha256"]), row["whole_bytes"]))
    return found


def end_fetch(tx: Transaction, key: str, owner: str) -> None:
    """A fetch is done."""
    tx.run(_END, which=key, by=owner)


def fail_fetch(tx: Transaction, key: str, owner: str, why: str, now: datetime) -> None:
    """Say why a fetch came to nothing; anybody may try again."""
    tx.run(_FAIL, which=key, by=owner, why=_cut(why), now=now)


def take_failure(tx: Transaction, key: str) -> None:
    """Forget a failure that was seen."""
    tx.run(_TAKE_FAILURE, which=key)


def forget_fetches(tx: Transaction, before: datetime) -> int:
    """Forget fetches whose leases ended long ago."""
    return tx.run(_FORGET_FETCHES, before=before)


def fetches(tx: Transaction, registry: Registry) -> list[Fetch]:
    """What is being fetched for a registry, and what could not be."""
    return [Fetch(**row) for row in tx.all(_FETCHES, account_id=registry.account_id, region=registry.region)]


def imports(tx: Transaction, registry: Registry) -> list[dict[str, Any]]:
    """Images of a registry that are on their way, and those that were given up."""
    return tx.all(_IMPORTS, account_id=registry.account_id, region=registry.region)


def _cut(text: str) -> str:
    return text[:FAILURE_CHARACTERS].replace("\0", "")
