"""The request would make something that is there already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.model.errors.families import AlreadyExists

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.model.names import Registry, RepositoryRef


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


class RepositoryDeletionProtected(AlreadyExists):
    """A repository that must not be deleted, by force or not."""

    def __init__(self, at: RepositoryRef) -> None:
        super().__init__(
            f"The repository with name '{at.name}' in registry with id '{at.registry.account_id}' is protected from "
            "deletion. Remove its tag 'holdfast:delete-protection' first"
        )


class ImageInUse(AlreadyExists):
    """A lease holds the image, or something that is nothing without it."""

    def __init__(self, at: RepositoryRef, digest: str, holder: str) -> None:
        super().__init__(
            f"The image with digest '{digest}' in the repository with name '{at.name}' in registry with id "
            f"'{at.registry.account_id}' is in use by {holder}. Stop it first, or release the lease"
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


class LifecyclePolicyPreviewInProgress(AlreadyExists):
    """A preview of that repository is still running."""

    def __init__(self, at: RepositoryRef) -> None:
        super().__init__(
            f"A lifecycle policy preview is in progress for the repository with name '{at.name}' "
            f"in the registry with id '{at.registry.account_id}'. Wait for it to complete"
        )


class PullThroughCacheRuleAlreadyExists(AlreadyExists):
    """The registry has a pull-through cache rule of that prefix."""

    def __init__(self, registry: Registry, prefix: str) -> None:
        super().__init__(
            f"A pull through cache rule with repository prefix '{prefix}' already exists "
            f"in the registry with id '{registry.account_id}'"
        )


class TemplateAlreadyExists(AlreadyExists):
    """The registry has a repository creation template of that prefix."""

    def __init__(self, registry: Registry, prefix: str) -> None:
        super().__init__(
            f"A repository creation template with prefix '{prefix}' already exists "
            f"in the registry with id '{registry.account_id}'"
        )


class ExclusionAlreadyExists(AlreadyExists):
    """A principal whose pulls are excluded already."""

    def __init__(self, principal_arn: str) -> None:
        super().__init__(f"The pull time update exclusion for the principal '{principal_arn}' already exists")


class ReplicationBackfillInProgress(AlreadyExists):
    """Another backfill to that destination is still running."""

    def __init__(self, region: str) -> None:
        super().__init__(f"A replication backfill to the region '{region}' is in progress. Wait for it, or stop it")


class ReplicatedSettingsCircle(AlreadyExists):
    """A repository whose settings would come from a copy that gets them from it."""

    def __init__(self, at: RepositoryRef) -> None:
        super().__init__(
            f"The settings of the repository with name '{at.name}' come from where they would go, and one of the two "
            "must lead: `holdfast replication settings REGION none` on one side ends it"
        )


class ReplicationBackfillInvalidStatus(AlreadyExists):
    """A backfill that is over, or being stopped, cannot be stopped."""

    def __init__(self, backfill_id: str, status: str) -> None:
        super().__init__(f"The replication backfill with id '{backfill_id}' is {status} and cannot be stopped")
