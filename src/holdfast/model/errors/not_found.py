"""The request names something that is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.model.errors.families import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.model.names import Registry, RepositoryRef


class RepositoryNotFound(NotFound):
    """No such repository in that registry."""

    def __init__(self, at: RepositoryRef) -> None:
        super().__init__(
            f"The repository with name '{at.name}' does not exist in the registry with id '{at.registry.account_id}'"
        )


class ImageNotFound(NotFound):
    """No such image in that repository."""

    def __init__(self, at: RepositoryRef, digest: str | None, tag: str | None) -> None:
        named = f"{{imageDigest:'{(digest or 'null')[:300]}', imageTag:'{tag or 'null'}'}}"
        super().__init__(
            f"The image with imageId {named} does not exist within the repository with name '{at.name}' "
            f"in the registry with id '{at.registry.account_id}'"
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


class LayerDamaged(NotFound):
    """A layer whose kept bytes are missing or damaged: it counts as absent, so that a push brings it back."""

    def __init__(self, at: RepositoryRef, digest: str) -> None:
        super().__init__(
            f"The kept bytes of the layer with digest '{digest}' in the repository with name '{at.name}' in the "
            f"registry with id '{at.registry.account_id}' are missing or damaged and are not served. "
            "Push the image again to repair it"
        )


class ImageDamaged(NotFound):
    """An image whose kept manifest is damaged: it counts as absent, so that a push brings it back."""

    def __init__(self, at: RepositoryRef, digest: str) -> None:
        super().__init__(
            f"The kept manifest of the image with digest '{digest}' in the repository with name '{at.name}' in the "
            f"registry with id '{at.registry.account_id}' is damaged and is not served. "
            "Push the image again to repair it"
        )


class UploadNotFound(NotFound):
    """No such upload in progress."""

    def __init__(self, at: RepositoryRef, upload_id: str) -> None:
        super().__init__(
            f"The upload with id '{upload_id}' does not exist in the repository with name '{at.name}' "
            f"in the registry with id '{at.registry.account_id}'"
        )


class RepositoryPolicyNotFound(NotFound):
    """The repository has no policy."""

    def __init__(self, at: RepositoryRef) -> None:
        super().__init__(
            f"Repository policy does not exist for the repository with name '{at.name}' "
            f"in the registry with id '{at.registry.account_id}'"
        )


class RegistryPolicyNotFound(NotFound):
    """The registry has no policy."""

    def __init__(self, registry: Registry) -> None:
        super().__init__(f"Registry policy does not exist in the registry with id '{registry.account_id}'")


class LifecyclePolicyNotFound(NotFound):
    """The repository has no lifecycle policy."""

    def __init__(self, at: RepositoryRef) -> None:
        super().__init__(
            f"Lifecycle policy does not exist for the repository with name '{at.name}' "
            f"in the registry with id '{at.registry.account_id}'"
        )


class LifecyclePolicyPreviewNotFound(NotFound):
    """Nobody asked for a preview in that repository."""

    def __init__(self, at: RepositoryRef) -> None:
        super().__init__(
            f"Lifecycle policy preview does not exist for the repository with name '{at.name}' "
            f"in the registry with id '{at.registry.account_id}'"
        )


class PullThroughCacheRuleNotFound(NotFound):
    """The registry has no pull-through cache rule of that prefix."""

    def __init__(self, registry: Registry, prefix: str) -> None:
        super().__init__(
            f"The pull through cache rule with repository prefix '{prefix}' does not exist "
            f"in the registry with id '{registry.account_id}'"
        )


class TemplateNotFound(NotFound):
    """The registry has no repository creation template of that prefix."""

    def __init__(self, registry: Registry, prefix: str) -> None:
        super().__init__(
            f"The repository creation template with prefix '{prefix}' does not exist "
            f"in the registry with id '{registry.account_id}'"
        )


class ScanNotFound(NotFound):
    """An image that was never scanned."""

    def __init__(self, at: RepositoryRef, digest: str | None, tag: str | None) -> None:
        super().__init__(
            f"Image scan does not exist for the image with '{{imageDigest:'{digest or 'null'}', "
            f"imageTag:'{tag or 'null'}'}}' in the repository with name '{at.name}' "
            f"in the registry with id '{at.registry.account_id}'"
        )


class SigningConfigurationNotFound(NotFound):
    """The registry has no signing configuration."""

    def __init__(self, registry: Registry) -> None:
        super().__init__(f"Signing configuration does not exist in the registry with id '{registry.account_id}'")


class ExclusionNotFound(NotFound):
    """A principal whose pulls are not excluded."""

    def __init__(self, principal_arn: str) -> None:
        super().__init__(f"The pull time update exclusion for the principal '{principal_arn}' does not exist")


class ReplicationBackfillNotFound(NotFound):
    """No such backfill, or it ended long ago."""

    def __init__(self, registry: Registry, backfill_id: str) -> None:
        super().__init__(
            f"The replication backfill with id '{backfill_id}' does not exist "
            f"in the registry with id '{registry.account_id}'"
        )


class DeletedRepositoryNotFound(NotFound):
    """No deleted repository of that name can be restored."""

    def __init__(self, at: RepositoryRef) -> None:
        super().__init__(
            f"No deleted repository with name '{at.name}' can be restored in the registry with id "
            f"'{at.registry.account_id}': there was none, or it was purged"
        )


class SuppressionNotFound(NotFound):
    """No suppression of that number is in the repository, or in the registry by itself."""

    def __init__(self, number: int, account_id: str, repository_name: str | None) -> None:
        super().__init__(f"The suppression {number} does not exist in {_place(account_id, repository_name)}")


class VexDocumentNotFound(NotFound):
    """No VEX document of that number is in the repository, or in the registry by itself."""

    def __init__(self, number: int, account_id: str, repository_name: str | None) -> None:
        super().__init__(f"The VEX document {number} does not exist in {_place(account_id, repository_name)}")


class EventTargetNotFound(NotFound):
    """No target of events of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The event target with name '{name}' does not exist in this account and region")


class DeadLetterNotFound(NotFound):
    """No dead letter of that number."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(f"The event target with name '{name}' has no dead letter {number}")


class DeletedImageNotFound(NotFound):
    """No deleted image of that digest can be restored."""

    def __init__(self, at: RepositoryRef, digest: str) -> None:
        super().__init__(
            f"No deleted image with digest '{digest}' can be restored in the repository with name '{at.name}' "
            f"in the registry with id '{at.registry.account_id}': there was none, or it was purged"
        )


class ImageTagHistoryNotFound(NotFound):
    """It is not known what a tag named then."""

    def __init__(self, at: RepositoryRef, tag: str, then: str) -> None:
        super().__init__(
            f"It is not known what the image tag '{tag}' named {then} in the repository with name '{at.name}' "
            f"in the registry with id '{at.registry.account_id}'"
        )


def _place(account_id: str, repository_name: str | None) -> str:
    home = f"the registry with id '{account_id}'"
    return home if repository_name is None else f"the repository with name '{repository_name}' in {home}"
