"""What others' SBOMs tell of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, delete, select

from holdfast.model.supplied_sboms import Supplied
from holdfast.store.statements import Statement, replacement
from holdfast.store.tables import image_sboms

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.store.database import Transaction

_it: Any = image_sboms.c.manifest_id == bindparam("which")
_FIND = Statement(select(image_sboms.c.supplied).where(_it))
_PUT = replacement(image_sboms)
_DELETE = Statement(delete(image_sboms).where(_it))


def find(tx: Transaction, image_id: int) -> Supplied | None:
    """What was supplied for an image."""
    found = tx.value(_FIND, which=image_id)
    return None if found is None else msgspec.convert(found, Supplied)


def put(tx: Transaction, image_id: int, supplied: Supplied, now: datetime) -> None:
    """Keep what was supplied for an image, in place of what was before."""
    tx.run(_PUT, manifest_id=image_id, supplied=msgspec.to_builtins(supplied), supplied_at=now)


def forget(tx: Transaction, image_id: int) -> None:
    """Forget what was supplied for an image."""
    tx.run(_DELETE, which=image_id)
