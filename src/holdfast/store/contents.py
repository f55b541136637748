"""What a repository holds, as far as its copies have to agree with it: images by digest, and what its tags name."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, bindparam, case, select

from holdfast.model.replication import CANCELLED
from holdfast.store.statements import Statement, batches
from holdfast.store.tables import image_replications, manifests, tags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.model.names import Registry
    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction

Held = tuple[str, str]  # a digest, and a tag that names it, or nothing for the image itself: there may be many of these

_here = manifests.c.repository_id == bindparam("repository_id")
_IMAGES = Statement(
    select(manifests.c.digest)
    .where(_here, manifests.c.digest > bindparam("after"))
    .order_by(manifests.c.digest)
    .limit(bindparam("limit"))
)
_TAGS = Statement(
    select((manifests.c.digest + " " + tags.c.name).label("line"))  # one text is read in half the time of two
    .select_from(tags.join(manifests, manifests.c.id == tags.c.manifest_id))
    .where(tags.c.repository_id == bindparam("repository_id"), tags.c.name > bindparam("after"))
    .order_by(tags.c.name)
    .limit(bindparam("limit"))
)
_mine = and_(
    image_replications.c.manifest_id == manifests.c.id,
    image_replications.c.region == bindparam("region"),
    image_replications.c.account_id == bindparam("account_id"),
)
_status = case((image_replications.c.failure_code == CANCELLED, None), else_=image_replications.c.status)
_STANDING = Statement(
    select(manifests.c.id.label("image_id"), manifests.c.digest, _status.label("status"))
    .select_from(manifests.outerjoin(image_replications, _mine))
    .where(_here, manifests.c.digest.in_(bindparam("digests", expanding=True)))
)


class Standing(NamedTuple):
    """How the copying of an image to a destination stands."""

    image_id: int
    status: str | None  # None if it never was to be copied there, or shall not


def images(tx: Transaction, repository: Repository, after: str, limit: int) -> list[Held]:
    """Up to `limit` images in the order of their digests, beginning after one."""
    return list(zip(tx.column(_IMAGES, repository_id=repository.id, after=after, limit=limit), repeat("")))


def tagged(tx: Transaction, repository: Repository, after: str, limit: int) -> list[Held]:
    """Up to `limit` tags in the order of their names, beginning after one."""
    lines = tx.column(_TAGS, repository_id=repository.id, after=after, limit=limit)
    return [(digest, tag) for digest, tag in (line.split(" ") for line in lines)]  # neither of the two has a space


def standings(tx: Transaction, repository: Repository, to: Registry, digests: Sequence[str]) -> dict[str, Standing]:
    """How the copying of images to a destination stands, by digest; of those that are here."""
    place = {"repository_id": repository.id, "region": to.region, "account_id": to.account_id}
    rows = [row for chosen in batches(digests) for row in tx.all(_STANDING, **place, digests=chosen)]
    return {row["digest"]: Standing(row["image_id"], row["status"]) for row in rows}
