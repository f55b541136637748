"""The request would make something that is there already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.model.errors.families import AlreadyExists

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.model.names import RepositoryRef


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
