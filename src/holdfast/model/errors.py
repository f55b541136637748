"""Every refusal, named as AWS names it.

    Refusal
    ├── Invalid          the request cannot be right, whatever is stored
    ├── NotFound         it names something that is not there
    ├── AlreadyExists    it would make something that is there
    ├── Denied           the caller may not
    ├── LimitExceeded    a quota or a size is exhausted
    └── Unavailable      it was right, but we cannot do it now

A class composes its own message; whoever raises it passes facts. The AWS code of a class is its name with the suffix
`Exception`. Messages are those of the real service where one has been captured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.model.names import RepositoryRef


class Refusal(Exception):
    """Something a caller asked for that will not be done, and why."""

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    @property
    def code(self) -> str:
        """The AWS error code, such as `RepositoryNotFoundException`."""
        return f"{type(self).__name__}Exception"


class Invalid(Refusal):
    """The request cannot be right, whatever is stored."""


class NotFound(Refusal):
    """The request names something that is not there."""


class AlreadyExists(Refusal):
    """The request would make something that is there already."""


class Denied(Refusal):
    """The caller may not do this."""


class LimitExceeded(Refusal):
    """A quota or a size is exhausted."""


class Unavailable(Refusal):
    """The request was right, but it cannot be done now."""


# ---- Invalid


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


# ---- NotFound


class RepositoryNotFound(NotFound):
    """No such repository in that registry."""

    def __init__(self, at: RepositoryRef) -> None:
        super().__init__(
            f"The repository with name '{at.name}' does not exist in the registry with id '{at.registry.account_id}'"
        )


class ImageNotFound(NotFound):
    """No such image in that repository."""

    def __init__(self, at: RepositoryRef, digest: str | None, tag: str | None) -> None:
        super().__init__(
            f"The image with imageId {{imageDigest:'{digest or 'null'}', imageTag:'{tag or 'null'}'}} does not exist "
            f"within the repository with name '{at.name}' in the registry with id '{at.registry.account_id}'"
        )


class ReferencedImagesNotFound(NotFound):
    """An index names images that the repository does not hold."""

    def __init__(self, at: RepositoryRef, digests: Iterable[str]) -> None:
        super().__init__(
            f"Images with digests '[{', '.join(digests)}]' required for pushing image into repository "
            f"with name '{at.name}' in the registry with id '{at.registry.account_id}' do not exist"
        )


class LayersNotFound(NotFound):
    """An image names layers that the repository does not hold."""

    def __init__(self, at: RepositoryRef, digests: Iterable[str]) -> None:
        super().__init__(
            f"Layers with digests '[{', '.join(digests)}]' required for pushing image into repository "
            f"with name '{at.name}' in the registry with id '{at.registry.account_id}' do not exist"
        )


class LayerInaccessible(NotFound):
    """A layer that no image of the repository uses."""

    def __init__(self, at: RepositoryRef, digest: str) -> None:
        super().__init__(
            f"The layer with digest '{digest}' is not referenced by an image in the repository with name '{at.name}' "
            f"in the registry with id '{at.registry.account_id}'"
        )


class BlobNotFound(NotFound):
    """No such blob in that repository."""

    def __init__(self, at: RepositoryRef, digest: str) -> None:
        super().__init__(
            f"The layer with digest '{digest}' does not exist in the repository with name '{at.name}' "
            f"in the registry with id '{at.registry.account_id}'"
        )


class UploadNotFound(NotFound):
    """No such upload in progress."""

    def __init__(self, at: RepositoryRef, upload_id: str) -> None:
        super().__init__(
            f"The upload with id '{upload_id}' does not exist in the repository with name '{at.name}' "
            f"in the registry with id '{at.registry.account_id}'"
        )


# ---- AlreadyExists


class RepositoryAlreadyExists(AlreadyExists):
    """The registry has a repository of that name."""

    def __init__(self, at: RepositoryRef) -> None:
        super().__init__(
            f"The repository with name '{at.name}' already exists in the registry with id '{at.registry.account_id}'"
        )


class RepositoryNotEmpty(AlreadyExists):
    """Only `force` deletes a repository that holds images."""

    def __init__(self, at: RepositoryRef) -> None:
        super().__init__(
            f"The repository with name '{at.name}' in registry with id '{at.registry.account_id}' "
            "cannot be deleted because it still contains images"
        )


class ImageAlreadyExists(AlreadyExists):
    """The repository has this very image under this very tag."""

    def __init__(self, at: RepositoryRef, digest: str, tag: str | None) -> None:
        super().__init__(
            f"Image with digest '{digest}' and tag '{tag or 'null'}' already exists in the repository "
            f"with name '{at.name}' in registry with id '{at.registry.account_id}'"
        )


class ImageTagAlreadyExists(AlreadyExists):
    """The tag names another image and may not be moved."""

    def __init__(self, at: RepositoryRef, tag: str) -> None:
        super().__init__(
            f"The image tag '{tag}' already exists in the '{at.name}' repository and cannot be overwritten "
            "because the tag is immutable."
        )


class ImageReferencedByManifestList(AlreadyExists):
    """An image cannot go before the indexes that list it."""

    def __init__(self, parents: Iterable[str]) -> None:
        super().__init__(f"Requested image referenced by manifest list: [{', '.join(parents)}]")


class LayerReferenced(AlreadyExists):
    """A layer cannot go before the images that use it."""

    def __init__(self, at: RepositoryRef, digest: str) -> None:
        super().__init__(
            f"The layer with digest '{digest}' is used by an image in the repository with name '{at.name}'; "
            "delete the image first"
        )


class LayerAlreadyExists(AlreadyExists):
    """The repository holds this layer already: the bytes are safe."""

    def __init__(self, at: RepositoryRef, digest: str) -> None:
        super().__init__(
            f"The layer with digest '{digest}' already exists in the repository with name '{at.name}' "
            f"in the registry with id '{at.registry.account_id}'"
        )


# ---- Denied


class AccessDenied(Denied):
    """The policies that apply do not allow the action."""

    def __init__(self, principal_arn: str, action: str, resource_arn: str, reason: str) -> None:
        super().__init__(
            f"User: {principal_arn} is not authorized to perform: {action} on resource: {resource_arn} {reason}"
        )


class Unauthenticated(Denied):
    """No credentials, or credentials that nobody was given."""

    def __init__(self) -> None:
        super().__init__("Not Authorized")


class TokenExpired(Denied):
    """A login token past its time."""

    def __init__(self) -> None:
        super().__init__("Your authorization token has expired. Reauthenticate and try again.")


class UnrecognizedClient(Denied):
    """An access key that is unknown or inactive."""

    def __init__(self) -> None:
        super().__init__("The security token included in the request is invalid.")


# ---- LimitExceeded


class TooManyTags(LimitExceeded):
    """More resource tags than a repository may carry."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The resource cannot have more than {limit} tags")


class ManifestTooLarge(LimitExceeded):
    """A manifest over the size that this registry keeps."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The manifest is larger than {limit} bytes")


class RequestTooLarge(LimitExceeded):
    """A request with more bytes than any operation takes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The request is larger than {limit} bytes")


class LayerTooLarge(LimitExceeded):
    """A layer over the size that this registry keeps."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The layer is larger than {limit} bytes")


# ---- Unavailable


class Kms(Unavailable):
    """A key cannot be used."""

    def __init__(self, message: str, kms_error: str) -> None:
        super().__init__(message, kmsError=kms_error)


class StorageFull(Unavailable):
    """There is no room to keep the bytes."""

    def __init__(self) -> None:
        super().__init__("The registry has no space left for this upload. Ask its operator to add storage, then retry.")


class BytesDamaged(Unavailable):
    """Kept bytes that are missing or do not prove themselves; they are never served."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"The stored bytes of '{digest}' are missing or damaged and are not served")
