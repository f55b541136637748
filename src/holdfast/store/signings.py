"""How the signing of each image with each profile stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select

from holdfast.model.signing import Signing
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import image_signings

if TYPE_CHECKING:
    from holdfast.store.database import Transaction

_of_image = image_signings.c.manifest_id == bindparam("which")
_OF_IMAGE = Statement(select(image_signings).where(_of_image).order_by(image_signings.c.profile_arn))
_INSERT = insertion(image_signings)
_DELETE = Statement(delete(image_signings).where(_of_image, image_signings.c.profile_arn == bindparam("profile")))


def of_image(tx: Transaction, image_id: int) -> list[Signing]:
    """With which profiles an image was to be signed, and how each signing stands."""
    return [
        Signing(row["profile_arn"], row["status"], row["failure_code"], row["failure_reason"])
        for row in tx.all(_OF_IMAGE, which=image_id)
    ]


def put(tx: Transaction, image_id: int, signing: Signing) -> None:
    """Keep how the signing of an image with a profile stands, whatever was before."""
    tx.run(_DELETE, which=image_id, profile=signing.profile_arn)
    tx.run(
        _INSERT,
        manifest_id=image_id,
        profile_arn=signing.profile_arn,
        status=signing.status,
        failure_code=signing.failure_code,
        failure_reason=signing.failure_reason,
    )
