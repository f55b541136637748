"""How the images of a repository hang together: what an index lists, what refers to what, and by which tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, bindparam, select, tuple_

from holdfast.model.images import ACTIVE
from holdfast.store import images
from holdfast.store.statements import Statement, batches
from holdfast.store.tables import image_replications, manifest_references, manifests, tags

if TYPE_CHECKING:
    from collections.abc import Collection

    from holdfast.model.names import Registry
    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction

_TAGS = Statement(select(tags.c.name).where(tags.c.manifest_id == bindparam("which")).order_by(tags.c.name))

_wanted: Any = bindparam("digests", expanding=True)
_parents = manifests.alias()
_MEMBERS = Statement(
    select(manifest_references.c.digest)
    .join(manifests, manifests.c.id == manifest_references.c.manifest_id)
    .where(manifests.c.repository_id == bindparam("repository_id"), manifests.c.digest.in_(_wanted))
    .where(manifest_references.c.is_manifest)
)
_REFERRERS = Statement(
    select(manifests.c.digest).where(
        manifests.c.repository_id == bindparam("repository_id"), manifests.c.subject.in_(_wanted)
    )
)

_REFERRING = Statement(
    select(manifests.c.subject, manifests.c.digest)
    .where(manifests.c.repository_id == bindparam("repository_id"))
    .where(tuple_(manifests.c.subject, manifests.c.digest) > tuple_(bindparam("subject"), bindparam("after")))
    .order_by(manifests.c.subject, manifests.c.digest)
    .limit(bindparam("limit"))
)

_known = and_(
    image_replications.c.manifest_id == manifests.c.id,
    image_replications.c.region == bindparam("region"),
    image_replications.c.account_id == bindparam("account_id"),
)
_here = manifests.c.repository_id == bindparam("repository_id")
_is_new = (manifests.c.status == ACTIVE, image_replications.c.manifest_id.is_(None))
_NEW_MEMBERS = Statement(
    select(manifests.c.id.label("image_id"), manifests.c.digest.label("place"))
    .select_from(
        manifests.join(manifest_references, manifest_references.c.digest == manifests.c.digest)
        .join(_parents, _parents.c.id == manifest_references.c.manifest_id)
        .outerjoin(image_replications, _known)
    )
    .where(_here, _parents.c.repository_id == bindparam("repository_id"), _parents.c.digest == bindparam("digest"))
    .where(manifest_references.c.is_manifest, *_is_new, manifest_references.c.digest > bindparam("after"))
    .order_by(manifest_references.c.digest)  # of few rows, and not of all images
    .limit(bindparam("limit"))
)
_NEW_REFERRERS = Statement(
    select(manifests.c.id.label("image_id"), manifests.c.digest.label("place"))
    .select_from(manifests.outerjoin(image_replications, _known))
    .where(_here, manifests.c.subject == bindparam("digest"), *_is_new, manifests.c.digest > bindparam("after"))
    .order_by(manifests.c.digest)
    .limit(bindparam("limit"))
)
_NEW_BY_TAG = Statement(
    select(manifests.c.id.label("image_id"), tags.c.name.label("place"))
    .select_from(tags.join(manifests, manifests.c.id == tags.c.manifest_id).outerjoin(image_replications, _known))
    .where(tags.c.repository_id == bindparam("repository_id"), *_is_new)
    .where(tags.c.name > bindparam("after"), tags.c.name >= bindparam("digest"), tags.c.name < bindparam("end"))
    .order_by(tags.c.name)
    .limit(bindparam("limit"))
)


class Node(NamedTuple):
    """What an image hangs on."""

    tags: list[str]
    subject: str | None


def find(tx: Transaction, repository: Repository, digest: str) -> Node | None:
    """The tags and the subject of an image, if the repository has it."""
    image = images.find(tx, repository, digest=digest)
    return Node(tx.column(_TAGS, which=image.id), image.subject) if image is not None else None


def hanging_on(tx: Transaction, repository: Repository, digests: Collection[str]) -> set[str]:
    """The digests that some images list, and those of what refers to them by its subject."""
    found: set[str] = set()
    for chosen in batches(list(digests)):
        for statement in (_MEMBERS, _REFERRERS):
            found.update(tx.column(statement, repository_id=repository.id, digests=chosen))
    return found


class Reference(NamedTuple):
    """An image that refers to another one, or to one that is not there."""

    subject: str
    digest: str


def referring(tx: Transaction, repository: Repository, after: Reference, limit: int) -> list[Reference]:
    """Up to `limit` images with a subject, those of one after those of another, beginning after a place."""
    place = {"repository_id": repository.id, "subject": after.subject, "after": after.digest, "limit": limit}
    return [Reference(**row) for row in tx.all(_REFERRING, **place)]


class Dependent(NamedTuple):
    """An image that hangs on another one, and was never to be copied to a destination."""

    image_id: int
    place: str  # after which a list goes on: its digest, or the tag by which it refers


def new_members(
    tx: Transaction, repository: Repository, digest: str, to: Registry, after: str, limit: int
) -> list[Dependent]:
    """Up to `limit` of those that an index lists."""
    return [Dependent(**row) for row in tx.all(_NEW_MEMBERS, digest=digest, **_place(repository, to, after, limit))]


def new_referrers(
    tx: Transaction, repository: Repository, digest: str, to: Registry, after: str, limit: int
) -> list[Dependent]:
    """Up to `limit` of those that refer to an image by their subject."""
    return [Dependent(**row) for row in tx.all(_NEW_REFERRERS, digest=digest, **_place(repository, to, after, limit))]


def new_by_tag(
    tx: Transaction, repository: Repository, digest: str, to: Registry, after: str, limit: int
) -> list[Dependent]:
    """Up to `limit` of those that refer to an image by a tag."""
    begin = digest.replace(":", "-")
    place = _place(repository, to, after, limit)
    return [Dependent(**row) for row in tx.all(_NEW_BY_TAG, digest=begin, end=f"{begin}/", **place)]


def _place(repository: Repository, to: Registry, after: str, limit: int) -> dict[str, object]:
    place = {"region": to.region, "account_id": to.account_id}
    return {"repository_id": repository.id, **place, "after": after, "limit": limit}
