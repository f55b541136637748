"""Which key service an operator means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.model.key_urls import AwsKmsAt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.model.key_urls import VaultAt
    from holdfast.outbound.key_service import KeyService


def open_service(at: AwsKmsAt | VaultAt, environment: Mapping[str, str]) -> KeyService:
    """The service that an operator named; nothing is asked of it yet. Raises `KeyServiceDown`."""
    if isinstance(at, AwsKmsAt):
        from holdfast.outbound.aws_kms import AwsKms

        return AwsKms(at)
    from holdfast.outbound.vault import Vault

    return Vault(at, environment)
