"""What tags named before: a row each time that one was moved or removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select

from holdfast.model.deleted import Tagging
from holdfast.store.statements import Statement
from holdfast.store.tables import manifests, tag_history, tags

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.images import Image
    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction

_COPIED = ["repository_id", "name", "digest", "tagged_at", "until_at"]
_now = bindparam("now", type_=tag_history.c.until_at.type)
_ending = select(tags.c.repository_id, tags.c.name, manifests.c.digest, tags.c.tagged_at, _now).join(
    manifests, manifests.c.id == tags.c.manifest_id
)
_of_repository = tag_history.c.repository_id == bindparam("repository_id")
_of_tag = (_of_repository, tag_history.c.name == bindparam("tag"))
_END = Statement(
    insert(tag_history).from_select(
        _COPIED, _ending.where(tags.c.repository_id == bindparam("repository_id"), tags.c.name == bindparam("tag"))
    )
)
_END_ALL = Statement(
    insert(tag_history).from_select(_COPIED, _ending.where(tags.c.manifest_id == bindparam("manifest_id")))
)
_columns = [tag_history.c[name] for name in ("id", "name", "digest", "tagged_at", "until_at")]
_after = (tag_history.c.id > bindparam("after"), tag_history.c.until_at > bindparam("since"))
_PAGE = Statement(select(*_columns).where(_of_repository, *_after).order_by(tag_history.c.id).limit(bindparam("limit")))
_PAGE_OF_TAG = Statement(
    select(*_columns).where(*_of_tag, *_after).order_by(tag_history.c.id).limit(bindparam("limit"))
)
_AT = Statement(
    select(tag_history.c.digest)
    .where(*_of_tag, tag_history.c.tagged_at <= bindparam("instant"), tag_history.c.until_at > bindparam("instant"))
    .order_by(tag_history.c.id.desc())
    .limit(1)
)
_SINCE = Statement(
    select(manifests.c.digest)
    .join(tags, tags.c.manifest_id == manifests.c.id)
    .where(tags.c.repository_id == bindparam("repository_id"), tags.c.name == bindparam("tag"))
    .where(tags.c.tagged_at <= bindparam("instant"))
)
_LAST = Statement(
    select(*_columns)
    .where(*_of_tag, tag_history.c.until_at > bindparam("since"))
    .order_by(tag_history.c.id.desc())
    .limit(1)
)
_DIGESTS = Statement(
    select(tag_history.c.digest).where(*_of_tag).order_by(tag_history.c.id.desc()).limit(bindparam("limit"))
)
_OLD = select(tag_history.c.id).where(tag_history.c.until_at <= bindparam("before")).limit(bindparam("limit"))
_FORGET = Statement(delete(tag_history).where(tag_history.c.id.in_(_OLD)))
_OF_REPOSITORY = select(tag_history.c.id).where(_of_repository).limit(bindparam("limit"))
_FORGET_OF = Statement(delete(tag_history).where(tag_history.c.id.in_(_OF_REPOSITORY)))


def end(tx: Transaction, repository: Repository, tag: str, now: datetime) -> None:
    """Note what a tag names, before it is moved or removed."""
    tx.run(_END, repository_id=repository.id, tag=tag, now=now)


def end_all(tx: Transaction, image: Image, now: datetime) -> None:
    """Note all tags of an image, before they go with it."""
    tx.run(_END_ALL, manifest_id=image.id, now=now)


def page(
    tx: Transaction, repository: Repository, tag: str | None, after: int, limit: int, *, since: datetime
) -> list[Tagging]:
    """What a tag, or every tag, of a repository named until some time after an instant, beginning after a row."""
    place = {"repository_id": repository.id, "after": after, "limit": limit, "since": since}
    rows = tx.all(_PAGE, **place) if tag is None else tx.all(_PAGE_OF_TAG, **place, tag=tag)
    return [Tagging(**row) for row in rows]


def at(tx: Transaction, repository: Repository, tag: str, instant: datetime) -> str | None:
    """The digest that a tag named at an instant, as far as it is known."""
    place = {"repository_id": repository.id, "tag": tag, "instant": instant}
    digest: str | None = tx.value(_AT, **place) or tx.value(_SINCE, **place)
    return digest


def last(tx: Transaction, repository: Repository, tag: str, *, since: datetime) -> Tagging | None:
    """What a tag named before the last change of it."""
    row = tx.first(_LAST, repository_id=repository.id, tag=tag, since=since)
    return Tagging(**row) if row else None


def digests(tx: Transaction, repository: Repository, tag: str, limit: int) -> list[str]:
    """What a tag named before, the last first, as far as that is kept."""
    return tx.column(_DIGESTS, repository_id=repository.id, tag=tag, limit=limit)


def forget(tx: Transaction, before: datetime, limit: int) -> int:
    """Forget what ended by then; how many rows went."""
    return tx.run(_FORGET, before=before, limit=limit)


def forget_of(tx: Transaction, repository_id: int, limit: int) -> int:
    """Forget what the tags of a repository named; how many rows went."""
    return tx.run(_FORGET_OF, repository_id=repository_id, limit=limit)
