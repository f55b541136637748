"""The request cannot be right, whatever is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.model.errors.families import Invalid

if TYPE_CHECKING:
    from holdfast.model.names import RepositoryRef


class InvalidParameter(Invalid):
    """A member of the request breaks its constraint."""

    def __init__(self, field: str, constraint: str) -> None:
        super().__init__(f"Invalid parameter at '{field}' failed to satisfy constraint: '{constraint}'")


class Validation(Invalid):
    """A member of the request breaks its constraint, in the words of newer operations."""


class InvalidTagParameter(Invalid):
    """A resource tag has a key or value that is not allowed."""


class NameInvalid(Invalid):
    """A repository name that cannot exist."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The repository name '{name[:300]}' is not valid")


class DigestInvalid(Invalid):
    """A digest that cannot exist, or that does not match the bytes it names."""


class RangeInvalid(Invalid):
    """A chunk that does not continue where the upload stands."""


class SizeInvalid(Invalid):
    """A body that is not as long as it was announced."""


class ManifestInvalid(Invalid):
    """A manifest that does not say what a manifest must say."""


class TagInvalid(Invalid):
    """A tag that cannot exist."""

    def __init__(self, tag: str) -> None:
        super().__init__(f"The image tag '{tag[:300]}' is not valid")


class Unsupported(Invalid):
    """A kind of thing that this registry does not keep."""


class InvalidLayer(Invalid):
    """The uploaded bytes have none of the digests the caller named."""

    def __init__(self) -> None:
        super().__init__("None of the provided layer digests match the calculated layer digest")


class InvalidLayerPart(Invalid):
    """A part that does not continue where the upload stands."""

    def __init__(self, at: RepositoryRef, upload_id: str, last_byte_received: int, first_byte: int) -> None:
        expected = last_byte_received + 1
        super().__init__(
            f"First byte of the layer part is {first_byte} instead of {expected}",
            registryId=at.registry.account_id,
            repositoryName=at.name,
            uploadId=upload_id,
            lastValidByteReceived=max(last_byte_received, 0),
        )


class LayerPartTooSmall(Invalid):
    """Only the last part of a layer may be small."""

    def __init__(self, minimum: int) -> None:
        super().__init__(f"Layer parts must be at least {minimum} bytes in size, except for the last part")


class EmptyUpload(Invalid):
    """An upload completed before its first byte."""

    def __init__(self, at: RepositoryRef, upload_id: str) -> None:
        super().__init__(
            f"The upload with id '{upload_id}' in the repository with name '{at.name}' "
            f"in the registry with id '{at.registry.account_id}' has no layer parts"
        )


class ImageDigestDoesNotMatch(Invalid):
    """The digest beside a manifest is not that of the manifest."""

    def __init__(self, at: RepositoryRef, digest: str) -> None:
        super().__init__(
            f"The image with digest '{digest}' in repository '{at.name}' and registry ID '{at.registry.account_id}' "
            "does not match the image digest that Amazon ECR has calculated."
        )


class UnsupportedImageType(Invalid):
    """An image that cannot be scanned: a list, or an artifact that is no image."""

    def __init__(self, at: RepositoryRef, digest: str) -> None:
        super().__init__(
            f"The image with digest '{digest}' in the repository with name '{at.name}' in the registry "
            f"with id '{at.registry.account_id}' is of a type that cannot be scanned"
        )


class UnsupportedUpstreamRegistry(Invalid):
    """An upstream that cannot be cached, or not without credentials."""

    def __init__(self, url: str) -> None:
        super().__init__(f"The upstream registry URL {url[:300]} is invalid.")


class ImageArchived(Invalid):
    """An image in the archive, of which this cannot be asked."""

    def __init__(self, at: RepositoryRef, digest: str) -> None:
        super().__init__(
            f"The image with digest '{digest}' in the repository with name '{at.name}' in the registry "
            f"with id '{at.registry.account_id}' is archived. Restore it first"
        )


class ImageStorageClassUpdateNotSupported(Invalid):
    """An image that cannot go to that storage class as it is."""

    def __init__(self, at: RepositoryRef, digest: str, why: str) -> None:
        super().__init__(
            f"The storage class of the image with digest '{digest}' in the repository with name '{at.name}' "
            f"in the registry with id '{at.registry.account_id}' cannot be changed: {why}"
        )
