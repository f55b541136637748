"""Lists of images, tags and referrers, a page at a time.

No page costs more because there are more rows. Each filter of a list is made of ranges of one index, (repository,
status, tagged, id); a page merges the heads of its ranges.
"""

from __future__ import annotations

from itertools import accumulate, product
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, or_, select, union_all

from holdfast.model.images import ACTIVE, ANY, STATUSES
from holdfast.store import tags as image_tags
from holdfast.store.images import COLUMNS, image_of
from holdfast.store.statements import Statement
from holdfast.store.tables import manifests, tags

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy import Column, ColumnElement, Select, Subquery

    from holdfast.model.images import Image
    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction

REFERRER_BYTES = 4 * 1024 * 1024  # what a client must take of a list (distribution-spec, "Listing Referrers")

_limit: Any = bindparam("limit")
_images_limit: Any = bindparam("images")
_after: Any = bindparam("after")
_here = manifests.c.repository_id == bindparam("repository_id")
_STATUS_FILTERS = {**{status: (status,) for status in STATUSES}, ANY: STATUSES}
_TAG_FILTERS = {None: (True, False), True: (True,), False: (False,)}


def _merged(
    columns: Sequence[Column[Any]],
    ranges: Iterable[Sequence[ColumnElement[bool]]],
    beyond: ColumnElement[bool],
    limit: Any = _limit,
) -> Subquery:
    """The first rows of several ranges together, each of which is read from its own beginning only."""
    heads = [
        select(*columns).where(_here, *wish, beyond).order_by(manifests.c.id).limit(_limit).subquery()
        for wish in ranges
    ]
    whole = union_all(*(select(one) for one in heads)).subquery()
    return select(whole).order_by(whole.c.id).limit(limit).subquery()


def _images(status: str, tagged: bool | None) -> Iterable[Sequence[ColumnElement[bool]]]:
    for one, flag in product(_STATUS_FILTERS[status], _TAG_FILTERS[tagged]):
        yield manifests.c.status == one, manifests.c.is_tagged.is_(flag)


def _page(status: str, tagged: bool | None) -> Select[Any]:
    found = _merged(COLUMNS, _images(status, tagged), manifests.c.id > _after)
    return select(found).order_by(found.c.id)


def _identifiers(status: str, tagged: bool | None) -> Select[Any]:
    columns = [manifests.c.id, manifests.c.digest]
    found = _merged(columns, _images(status, tagged), manifests.c.id >= _after, _images_limit)
    return (
        select(found.c.id, found.c.digest, tags.c.name)
        .select_from(found.outerjoin(tags, tags.c.manifest_id == found.c.id))
        .where(or_(found.c.id > _after, tags.c.name > bindparam("after_tag")))
        .order_by(found.c.id, tags.c.name)
        .limit(_limit)
    )


_kind = func.coalesce(manifests.c.artifact_type, manifests.c.config_media_type)


def _referrers(columns: Sequence[Column[Any]], status: str, *, typed: bool) -> Select[Any]:
    of_subject = manifests.c.subject == bindparam("subject")
    of_kind = (_kind.in_(bindparam("kinds", expanding=True)),) if typed else ()
    ranges = [(of_subject, manifests.c.status == one, *of_kind) for one in _STATUS_FILTERS[status]]
    found = _merged(columns, ranges, manifests.c.id > _after)
    return select(found).order_by(found.c.id)


_PAGES = {key: Statement(_page(*key)) for key in product(_STATUS_FILTERS, _TAG_FILTERS)}
_IDENTIFIERS = {key: Statement(_identifiers(*key)) for key in product(_STATUS_FILTERS, _TAG_FILTERS)}
_REFERRERS = {
    key: Statement(_referrers([*COLUMNS, manifests.c.annotations], key[0], typed=key[1]))
    for key in product(_STATUS_FILTERS, (False, True))
}
_REFERRER_SIZES = {
    key: Statement(_referrers([manifests.c.manifest_bytes, manifests.c.id], key[0], typed=key[1]))
    for key in product(_STATUS_FILTERS, (False, True))
}
_ANY_REFERRER = Statement(select(manifests.c.id).where(_here, manifests.c.subject == bindparam("subject")).limit(1))
_TAG_NAMES = Statement(
    select(tags.c.name)
    .where(tags.c.repository_id == bindparam("repository_id"), tags.c.is_active.is_(True), tags.c.name > _after)
    .order_by(tags.c.name)
    .limit(_limit)
)


def page(
    tx: Transaction, repository: Repository, after: int, limit: int, *, tagged: bool | None = None, status: str = ACTIVE
) -> list[Image]:
    """Up to `limit` images with their tags in the order of their push, beginning after one; `status` may be ANY."""
    rows = tx.all(_PAGES[status, tagged], repository_id=repository.id, after=after, limit=limit)
    return image_tags.of_images(tx, [image_of(row) for row in rows])


def identifiers(
    tx: Transaction,
    repository: Repository,
    after: tuple[int, str],
    limit: int,
    *,
    tagged: bool | None = None,
    status: str = ACTIVE,
) -> list[tuple[int, str, str | None]]:
    """Up to `limit` triples of row, digest and tag, beginning after one; an untagged image gives one without a tag."""
    # One image more: of the first, every tag may have been told already.
    place = {
        "repository_id": repository.id, "after": after[0], "after_tag": after[1], "limit": limit, "images": limit + 1
    }  # fmt: skip
    return [(row["id"], row["digest"], row["name"]) for row in tx.all(_IDENTIFIERS[status, tagged], **place)]


def tag_names(tx: Transaction, repository: Repository, after: str, limit: int) -> list[str]:
    """Up to `limit` tags of a repository in order, beginning after one; those of archived images are left out."""
    return tx.column(_TAG_NAMES, repository_id=repository.id, after=after, limit=limit)


def referrers(
    tx: Transaction,
    repository: Repository,
    subject: str,
    after: int,
    limit: int,
    *,
    kinds: Collection[str] = (),
    status: str = ACTIVE,
) -> tuple[list[Image], bool]:
    """Images whose subject is a digest, in the order of their push, beginning after one, and whether there are more.

    There are up to `limit`, and no more than have manifests of `REFERRER_BYTES` together: their annotations are shown.
    """
    place: dict[str, Any] = {"repository_id": repository.id, "subject": subject, "after": after}
    if kinds:
        place["kinds"] = list(kinds)
    key = status, bool(kinds)
    sizes = tx.column(_REFERRER_SIZES[key], **place, limit=limit + 1)
    count = sum(total <= REFERRER_BYTES for total in accumulate(sizes[:limit])) or min(len(sizes), 1)
    rows = tx.all(_REFERRERS[key], **place, limit=count) if count else []
    return [image_of(row) for row in rows], count < len(sizes)


def has_referrers(tx: Transaction, repository: Repository, subject: str) -> bool:
    """Whether any image, in whatever status, has a digest as its subject."""
    return tx.first(_ANY_REFERRER, repository_id=repository.id, subject=subject) is not None
