"""What a repository holds, as far as its copies have to agree with it: images by digest, and what its tags name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, bindparam, case, select

from holdfast.model.replication import CANCELLED
from holdfast.store.statements import Statement
from holdfast.store.tables import image_replications, manifests, tags

if TYPE_CHECKING:
    from holdfast.model.names import Registry
    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction

_mine = and_(
    image_replications.c.manifest_id == manifests.c.id,
    image_replications.c.region == bindparam("region"),
    image_replications.c.account_id == bindparam("account_id"),
)
_copied = case((image_replications.c.failure_code == CANCELLED, None), else_=image_replications.c.status)
_told = (manifests.c.id, manifests.c.digest, _copied.label("copied"))
_IMAGES = Statement(
    select(*_told)
    .select_from(manifests.outerjoin(image_replications, _mine))
    .where(manifests.c.repository_id == bindparam("repository_id"), manifests.c.digest > bindparam("after"))
    .order_by(manifests.c.digest)
    .limit(bindparam("limit"))
)
_TAGS = Statement(
    select(tags.c.name, *_told)
    .select_from(tags.join(manifests, manifests.c.id == tags.c.manifest_id).outerjoin(image_replications, _mine))
    .where(tags.c.repository_id == bindparam("repository_id"), tags.c.name > bindparam("after"))
    .order_by(tags.c.name)
    .limit(bindparam("limit"))
)


class Held(NamedTuple):
    """An image, or a tag of one."""

    image_id: int
    digest: str
    tag: str  # empty: the image itself
    copied: (
        str | None
    )  # how its copying to the destination stands that was asked for; None if it never was to be, or shall not

    @property
    def place(self) -> str:
        """After which a list goes on."""
        return self.tag or self.digest


def images(tx: Transaction, repository: Repository, to: Registry, after: str, limit: int) -> list[Held]:
    """Up to `limit` images in the order of their digests, beginning after one."""
    rows = tx.all(_IMAGES, **_place(repository, to, after, limit))
    return [Held(row["id"], row["digest"], "", row["copied"]) for row in rows]


def tagged(tx: Transaction, repository: Repository, to: Registry, after: str, limit: int) -> list[Held]:
    """Up to `limit` tags in the order of their names, beginning after one."""
    rows = tx.all(_TAGS, **_place(repository, to, after, limit))
    return [Held(row["id"], row["digest"], row["name"], row["copied"]) for row in rows]


def _place(repository: Repository, to: Registry, after: str, limit: int) -> dict[str, object]:
    place = {"region": to.region, "account_id": to.account_id}
    return {"repository_id": repository.id, **place, "after": after, "limit": limit}
