"""The request names something that is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.model.errors.families import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.model.names import RepositoryRef


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
