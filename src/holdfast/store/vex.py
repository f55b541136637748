"""VEX documents that count, and what they say of vulnerabilities."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, bindparam, delete, exists, func, literal, or_, select

from holdfast.model.vex import Form, Kept, Statement
from holdfast.store import statements as sql
from holdfast.store.statements import batches, insertion
from holdfast.store.tables import (
    advisory_matches,
    advisory_names,
    deleted_images,
    image_package_sets,
    manifests,
    package_set_members,
    repositories,
    tags,
    vex_documents,
    vex_statements,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction
    from holdfast.store.statements import Row

_table = vex_documents
_registry_id: Any = bindparam("registry_id")
_repository_id: Any = bindparam("repository_id")
_ids: Any = bindparam("ids", expanding=True)
_digests: Any = bindparam("digests", expanding=True)
_FIELDS = ("id", "repository", "digest", "form", "ident", "version", "author", "issued_at", "owner", "created_at",
           "expires_at", "statement_count", "left_out", "origin_digest")  # fmt: skip
_named = select(_table, repositories.c.name.label("repository")).outerjoin(
    repositories, repositories.c.id == _table.c.repository_id
)
_is_tagged = exists().where(tags.c.manifest_id == manifests.c.id, tags.c.name == _table.c.origin_tag)
_is_there = or_(
    _table.c.origin_digest.is_(None),
    exists().where(
        manifests.c.repository_id == _table.c.repository_id,
        manifests.c.digest == _table.c.origin_digest,
        or_(_table.c.origin_tag.is_(None), _is_tagged),
    ),
)
_holds = and_(or_(_table.c.expires_at.is_(None), _table.c.expires_at > bindparam("now")), _is_there)
_of_registry = and_(_table.c.registry_id == _registry_id, _table.c.repository_id.is_(None))
_here = _table.c.repository_id == _repository_id
_INSERT = insertion(_table)
_INSERT_STATEMENT = insertion(vex_statements)
_WIDE = sql.Statement(
    _named.where(
        or_(_of_registry, and_(_table.c.registry_id == _registry_id, _here, _table.c.digest.is_(None))), _holds
    ).order_by(_table.c.id)
)
_OF_IMAGES = sql.Statement(
    _named.where(_table.c.registry_id == _registry_id, _here, _table.c.digest.in_(_digests), _holds)
    .order_by(_table.c.id)
)  # fmt: skip
_HAS_OF_IMAGES = sql.Statement(
    select(literal(1))
    .select_from(_table)
    .where(_table.c.registry_id == _registry_id, _here, _table.c.digest.is_not(None))
    .limit(1)
)
_all_here = or_(_of_registry, and_(_table.c.registry_id == _registry_id, repositories.c.deleted_at.is_(None)))
_rest = (_table.c.id > bindparam("after"), _is_there)
_PAGE_OF_ALL = sql.Statement(_named.where(_all_here, *_rest).order_by(_table.c.id).limit(bindparam("limit")))
_PAGE = sql.Statement(
    _named.where(_table.c.registry_id == _registry_id, _here, *_rest).order_by(_table.c.id).limit(bindparam("limit"))
)
_FIND = sql.Statement(_named.where(_table.c.registry_id == _registry_id, _table.c.id == bindparam("which")))
_scope: Any = and_(
    func.coalesce(_table.c.repository_id, 0) == func.coalesce(_repository_id, 0),
    func.coalesce(_table.c.digest, "") == func.coalesce(bindparam("digest"), ""),
)
_ALIKE = sql.Statement(
    _named.add_columns(_table.c.fingerprint).where(
        _table.c.registry_id == _registry_id, _scope, _table.c.ident == bindparam("ident"),
        _table.c.origin_digest.is_(None),
    )
)  # fmt: skip
_COUNT = sql.Statement(
    select(func.count())
    .select_from(_table)
    .where(_table.c.registry_id == _registry_id, _table.c.origin_digest.is_(None))
)
_DELETE = sql.Statement(delete(_table).where(_table.c.id.in_(_ids)))
_FROM = sql.Statement(
    select(_table.c.id).where(
        _here, _table.c.digest == bindparam("digest"),
        or_(_table.c.origin_digest == bindparam("origin"), _table.c.origin_tag == bindparam("tag")),
    )
)  # fmt: skip
_COUNT_OF_REFERRERS = sql.Statement(
    select(func.count())
    .select_from(_table)
    .where(_here, _table.c.digest == bindparam("digest"), _table.c.origin_digest.is_not(None))
)
_ORPHANS = sql.Statement(
    select(_table.c.id)
    .where(
        _here, _table.c.origin_digest.is_not(None), ~_is_there,
        ~exists().where(
            deleted_images.c.repository_id == _table.c.repository_id, deleted_images.c.digest == _table.c.origin_digest
        ),
    )
    .limit(100)
)  # fmt: skip
_SAID = sql.Statement(
    select(vex_statements.c.document_id, vex_statements.c.name, vex_statements.c.statement)
    .where(vex_statements.c.document_id.in_(_ids), vex_statements.c.name.in_(bindparam("names", expanding=True)))
    .order_by(vex_statements.c.document_id, vex_statements.c.position)
)
_TOUCHED = sql.Statement(
    select(image_package_sets.c.manifest_id)
    .distinct()
    .join(package_set_members, package_set_members.c.set_id == image_package_sets.c.set_id)
    .join(advisory_matches, advisory_matches.c.package_version_id == package_set_members.c.package_version_id)
    .join(advisory_names, advisory_names.c.advisory_id == advisory_matches.c.advisory_id)
    .join(vex_statements, vex_statements.c.name == advisory_names.c.name)
    .where(image_package_sets.c.manifest_id.in_(bindparam("images", expanding=True)),
           vex_statements.c.document_id.in_(_ids))
)  # fmt: skip
_DECODER = msgspec.msgpack.Decoder(Statement)


def pack(statements: Iterable[Statement]) -> list[Row]:
    """Statements as they are kept, which takes longer than a transaction should."""
    rows = []
    for position, one in enumerate(statements):
        packed = zlib.compress(msgspec.msgpack.encode(one))
        rows += [{"name": name, "position": position, "statement": packed} for name in one.names]
    return rows


def add(
    tx: Transaction,
    registry_id: int,
    repository: Repository | None,
    kept: Kept,
    packed: Sequence[Row],
    fingerprint: str,
    origin_tag: str | None = None,
) -> int:
    """Keep a document with its packed statements; its number, whatever number it has."""
    row = {name: getattr(kept, name) for name in _FIELDS if name not in {"id", "repository"}}
    number = int(
        tx.value(
            _INSERT, registry_id=registry_id, repository_id=repository.id if repository else None,
            fingerprint=fingerprint, origin_tag=origin_tag, **{**row, "form": kept.form.value},
        )
    )  # fmt: skip
    if packed:
        tx.run_each(_INSERT_STATEMENT, [{"document_id": number, **one} for one in packed])
    return number


def wide(tx: Transaction, repository: Repository, now: datetime) -> list[Kept]:
    """Documents of a repository and of its registry that count at a moment, but for those of one image."""
    rows = tx.all(_WIDE, registry_id=repository.registry_id, repository_id=repository.id, now=now)
    return [_kept(row) for row in rows]


def has_of_images(tx: Transaction, repository: Repository) -> bool:
    """Whether any document of a repository is of one image."""
    place = {"registry_id": repository.registry_id, "repository_id": repository.id}
    return tx.value(_HAS_OF_IMAGES, **place) is not None


def of_images(tx: Transaction, repository: Repository, digests: Collection[str], now: datetime) -> list[Kept]:
    """Documents of some images that count at a moment."""
    place = {"registry_id": repository.registry_id, "repository_id": repository.id}
    return [
        _kept(row)
        for some in batches(sorted(digests))
        for row in tx.all(_OF_IMAGES, **place, digests=some, now=now)
    ]  # fmt: skip


def page(tx: Transaction, registry_id: int, repository: Repository | None, after: int, limit: int) -> list[Kept]:
    """Up to `limit` documents of a repository, or of a registry with all its repositories, beginning after one.

    Those that are over are among them, and those of referrers that are gone are not.
    """
    if repository is None:
        rows = tx.all(_PAGE_OF_ALL, registry_id=registry_id, after=after, limit=limit)
    else:
        rows = tx.all(_PAGE, registry_id=registry_id, repository_id=repository.id, after=after, limit=limit)
    return [_kept(row) for row in rows]


def find(tx: Transaction, registry_id: int, number: int) -> Kept | None:
    """A document of a registry by its number."""
    row = tx.first(_FIND, registry_id=registry_id, which=number)
    return _kept(row) if row else None


def alike(
    tx: Transaction, registry_id: int, repository: Repository | None, digest: str | None, ident: str
) -> list[tuple[Kept, str]]:
    """Documents of the same name that were put to the same place, each with its fingerprint."""
    repository_id = repository.id if repository else None
    rows = tx.all(_ALIKE, registry_id=registry_id, repository_id=repository_id, digest=digest, ident=ident)
    return [(_kept(row), row["fingerprint"]) for row in rows]


def count(tx: Transaction, registry_id: int) -> int:
    """How many a registry has, but for those of referrers."""
    return int(tx.value(_COUNT, registry_id=registry_id))


def count_of_referrers(tx: Transaction, repository: Repository, digest: str) -> int:
    """How many an image has from its referrers."""
    return int(tx.value(_COUNT_OF_REFERRERS, repository_id=repository.id, digest=digest))


def come_from(tx: Transaction, repository: Repository, digest: str, origin: str, tag: str | None) -> list[int]:
    """The numbers of documents of an image that came as a referrer, or under a tag of cosign."""
    return tx.column(_FROM, repository_id=repository.id, digest=digest, origin=origin, tag=tag)


def orphans(tx: Transaction, repository: Repository) -> list[int]:
    """The numbers of some documents of a repository whose referrers can never come back."""
    return tx.column(_ORPHANS, repository_id=repository.id)


def forget(tx: Transaction, numbers: Sequence[int]) -> None:
    """Forget documents with all that they say."""
    for some in batches(numbers):
        tx.run(_DELETE, ids=some)


def said(tx: Transaction, numbers: Sequence[int], names: Collection[str]) -> list[tuple[int, str, Statement]]:
    """What documents say of vulnerabilities by some names: the document, the name, the statement."""
    return [
        (row["document_id"], row["name"], _DECODER.decode(zlib.decompress(row["statement"])))
        for some in batches(numbers)
        for chosen in batches(sorted(names))
        for row in tx.all(_SAID, ids=some, names=chosen)
    ]


def touched(tx: Transaction, image_ids: Sequence[int], numbers: Sequence[int]) -> set[int]:
    """Those images in which any vulnerability may be that some documents speak of."""
    found: set[int] = set()
    for some in batches(image_ids):
        for chosen in batches(numbers):
            found.update(tx.column(_TOUCHED, images=some, ids=chosen))
    return found


def _kept(row: Row) -> Kept:
    told = {name: row[name] for name in _FIELDS}
    return Kept(**{**told, "form": Form(row["form"])})
