"""List, restore and purge what was deleted, and what tags named before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws import pages
from holdfast.aws.operations import Call, Shape, operation, the_registry, the_repositories, the_repository
from holdfast.model.circumstances import IMAGE_TAG_KEY
from holdfast.model.names import RepositoryRef

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.deleted import DeletedImage, DeletedRepository
    from holdfast.model.images import Image


@operation(on=the_repositories)
def list_deleted_repositories(call: Call, request: Shape) -> Shape:
    """Repositories that were deleted and can be restored."""
    after, home = pages.after(request, 0), the_registry(call, request)
    found, more = registry.undelete.repositories(call.on, home, after, pages.size(request))
    return {
        "deletedRepositories": [_repository(call, one) for one in found],
        "nextToken": pages.token(found[-1].id) if more else None,
    }


@operation(on=the_repository)
def restore_repository(call: Call, request: Shape) -> Shape:
    """Restore a deleted repository with all that it holds, under its name or another one."""
    at, under = the_repository(call, request), None
    if "newRepositoryName" in request:
        under = RepositoryRef(at.registry, request["newRepositoryName"])
        call.require("ecr:RestoreRepository", under)
    repository = registry.undelete.restore_repository(
        call.on, at, repository_id=request.get("deletedRepositoryId"), under=under
    )
    return {
        "registryId": at.registry.account_id,
        "repositoryName": repository.name,
        "repositoryArn": repository.ref.arn,
    }


@operation(on=the_repository)
def purge_deleted_repository(call: Call, request: Shape) -> Shape:
    """Remove a deleted repository for good."""
    at, id_ = the_repository(call, request), request.get("deletedRepositoryId")
    return {"deletedRepository": _repository(call, registry.undelete.purge_repository(call.on, at, repository_id=id_))}


@operation(on=the_repository)
def list_deleted_images(call: Call, request: Shape) -> Shape:
    """Images of a repository that were deleted and can be restored."""
    at, after = the_repository(call, request), pages.after(request, 0)
    found, more = registry.undelete.deleted_images(call.on, at, after, pages.size(request))
    return {
        "deletedImages": [_image(call, at, one) for one in found],
        "nextToken": pages.token(found[-1].id) if more else None,
    }


@operation(on=the_repository)
def restore_image(call: Call, request: Shape) -> Shape:
    """Restore a deleted image, what it lists, and its tags that are free."""
    at, with_referrers = the_repository(call, request), request.get("includeReferrers", False)
    found = registry.undelete.restore_image(call.on, at, request["imageDigest"], with_referrers=with_referrers)
    return {"images": [_restored(at, image) for image in found]}


@operation(on=the_repository)
def purge_deleted_image(call: Call, request: Shape) -> Shape:
    """Remove a deleted image for good."""
    at, digest = the_repository(call, request), request["imageDigest"]
    registry.undelete.purge_image(call.on, at, digest)
    return {"registryId": at.registry.account_id, "repositoryName": at.name, "imageDigest": digest}


@operation(on=the_repository)
def list_image_tag_history(call: Call, request: Shape) -> Shape:
    """What a tag, or every tag, of a repository named before."""
    at, after = the_repository(call, request), pages.after(request, 0)
    found, more = registry.undelete.taggings(call.on, at, request.get("imageTag"), after, pages.size(request))
    return {
        "imageTagHistory": [
            {"imageTag": one.name, "imageDigest": one.digest, "taggedAt": one.tagged_at, "untilAt": one.until_at}
            for one in found
        ],
        "nextToken": pages.token(found[-1].id) if more else None,
    }


@operation(on=the_repository, facts=lambda request: [{IMAGE_TAG_KEY: request["imageTag"]}])
def restore_image_tag(call: Call, request: Shape) -> Shape:
    """Let a tag name again what it named at a time, or before its last change."""
    at = the_repository(call, request)
    return {"image": _restored(at, registry.undelete.restore_tag(call.on, at, request["imageTag"], request.get("at")))}


def _kept_until(call: Call, deleted_at: datetime) -> datetime:
    return deleted_at + call.on.limits.deleted_lifetime


def _repository(call: Call, deleted: DeletedRepository) -> Shape:
    return {
        "registryId": deleted.ref.registry.account_id,
        "repositoryName": deleted.ref.name,
        "deletedRepositoryId": deleted.id,
        "imageCount": deleted.image_count,
        "deletedAt": deleted.deleted_at,
        "keptUntil": _kept_until(call, deleted.deleted_at),
    }


def _image(call: Call, at: RepositoryRef, deleted: DeletedImage) -> Shape:
    return {
        "registryId": at.registry.account_id,
        "repositoryName": at.name,
        "imageDigest": deleted.digest,
        "imageTags": list(deleted.tags) or None,
        "imageSizeInBytes": deleted.size_bytes,
        "imageManifestMediaType": deleted.media_type,
        "subjectManifestDigest": deleted.subject,
        "imagePushedAt": deleted.pushed_at,
        "deletedAt": deleted.deleted_at,
        "keptUntil": _kept_until(call, deleted.deleted_at),
    }


def _restored(at: RepositoryRef, image: Image) -> Shape:
    return {
        "registryId": at.registry.account_id,
        "repositoryName": at.name,
        "imageDigest": image.digest,
        "imageTags": list(image.tags) or None,
    }
