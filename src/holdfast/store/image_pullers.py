"""Who pulled which image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select

from holdfast.store.statements import Statement, batches, upsert
from holdfast.store.tables import image_pullers, manifests

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from holdfast.store.database import Transaction

_it = image_pullers.c
_now: Any = bindparam("now", type_=_it.last_pulled_at.type)
_put = upsert(image_pullers).from_select(  # from the image, which may be gone by now
    ["manifest_id", "principal", "first_pulled_at", "last_pulled_at"],
    select(manifests.c.id, bindparam("principal", type_=_it.principal.type), _now, _now).where(
        manifests.c.id == bindparam("which")
    ),
)
_PUT = Statement(
    _put.on_conflict_do_update(
        index_elements=[_it.manifest_id, _it.principal], set_={"last_pulled_at": _put.excluded.last_pulled_at}
    )
)
_OF_MANY = Statement(
    select(image_pullers)
    .where(_it.manifest_id.in_(bindparam("ids", expanding=True)), _it.last_pulled_at >= bindparam("since"))
    .order_by(_it.manifest_id, _it.last_pulled_at.desc(), _it.principal)
)


@dataclass(frozen=True, slots=True)
class Puller:
    """Somebody who pulled an image: an ARN, which of a session is that of its role."""

    principal: str
    first_pulled_at: datetime
    last_pulled_at: datetime


def put(tx: Transaction, image_id: int, principal: str, now: datetime) -> None:
    """Note that somebody pulled an image; it may be gone by now."""
    tx.run(_PUT, which=image_id, principal=principal, now=now)


def of_images(tx: Transaction, image_ids: Sequence[int], since: datetime) -> dict[int, list[Puller]]:
    """Who pulled each of some images since an instant, the latest first."""
    found: dict[int, list[Puller]] = {}
    for ids in batches(image_ids):
        for row in tx.all(_OF_MANY, ids=list(ids), since=since):
            found.setdefault(row.pop("manifest_id"), []).append(Puller(**row))
    return found
