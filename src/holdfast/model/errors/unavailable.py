"""The request was right, but it cannot be done now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.model.errors.families import Unavailable

if TYPE_CHECKING:
    from holdfast.model.names import RepositoryRef


class Kms(Unavailable):
    """A key cannot be used."""

    def __init__(self, message: str, kms_error: str) -> None:
        super().__init__(message, kmsError=kms_error)

    @classmethod
    def not_found(cls, key: str) -> Kms:
        """There is no such key, in the words of AWS KMS."""
        return cls(f"Key '{key}' does not exist", "NotFoundException")

    @classmethod
    def disabled(cls, arn: str) -> Kms:
        """The key is there and is not to be used, in the words of AWS KMS."""
        return cls(f"{arn} is disabled.", "DisabledException")


class KeysUnavailable(Unavailable):
    """The keys of the registry cannot be had at the moment."""

    def __init__(self) -> None:
        super().__init__("The keys under which this registry seals cannot be had at the moment. Try again later.")


class DatabaseUnavailable(Unavailable):
    """The database cannot be had at the moment, or others kept it busy for too long."""

    def __init__(self) -> None:
        super().__init__("The registry's database cannot be had at the moment. Try again.")


class ServerBusy(Unavailable):
    """There is no room for this request beside the others that arrive at the same time."""

    def __init__(self) -> None:
        super().__init__("The server receives too many large requests at once. Try again.")


class StorageFull(Unavailable):
    """There is no room to keep the bytes."""

    def __init__(self) -> None:
        super().__init__("The registry has no space left for this upload. Ask its operator to add storage, then retry.")


class StorageUnavailable(Unavailable):
    """The store of the bytes does not answer."""

    def __init__(self) -> None:
        super().__init__("The registry cannot reach its storage now. Try again; its log tells the operator why.")


class BytesDamaged(Unavailable):
    """Bytes of an upload that are missing or do not prove themselves."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"The stored bytes of '{digest}' are missing or damaged and are not served")


class UpstreamUnavailable(Unavailable):
    """An upstream that cannot be reached, or does not do what a registry does."""

    code_of_failure = "UpstreamUnavailable"

    def __init__(self, upstream_url: str, reason: str) -> None:
        super().__init__(f"The upstream registry {upstream_url} cannot give what was asked for: {reason}")


class UnableToGetUpstreamImage(Unavailable):
    """An image that is not cached, and its upstream does not give it."""

    def __init__(self, at: RepositoryRef, reason: str) -> None:
        super().__init__(
            f"The image is not in the repository with name '{at.name}' in the registry with id "
            f"'{at.registry.account_id}', and it cannot be pulled through. {reason}"
        )


class UnableToGetUpstreamLayer(Unavailable):
    """A layer that is not cached, and its upstream does not give it."""

    def __init__(self, at: RepositoryRef, reason: str) -> None:
        super().__init__(
            f"The layer is not in the repository with name '{at.name}' in the registry with id "
            f"'{at.registry.account_id}', and it cannot be pulled through. {reason}"
        )


class UnableToListUpstreamImageReferrers(Unavailable):
    """Referrers of an image that is not cached, and its upstream cannot be asked."""

    def __init__(self, at: RepositoryRef, upstream_url: str) -> None:
        super().__init__(
            f"The referrers of an image of the repository with name '{at.name}' in the registry with id "
            f"'{at.registry.account_id}' cannot be listed at its upstream registry {upstream_url}"
        )


class UnableToAccessSecret(Unavailable):
    """Credentials of an upstream that lie where this registry may not read."""

    def __init__(self, secret_arn: str) -> None:
        super().__init__(
            f"The secret '{secret_arn}' cannot be accessed: it must be of the same account and region as the rule"
        )
