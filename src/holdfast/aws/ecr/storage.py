"""Storage classes of images, and the images that refer to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws import pages
from holdfast.aws.operations import Call, Shape, operation, the_repository
from holdfast.model import digests
from holdfast.model.errors import InvalidParameter
from holdfast.model.images import ImageId

if TYPE_CHECKING:
    from holdfast.model.images import Image

REFERRERS = 20  # of a page, unless the caller wants another number


@operation(on=the_repository)
def update_image_storage_class(call: Call, request: Shape) -> Shape:
    """Archive or restore an image."""
    at, named = the_repository(call, request), request["imageId"]
    id_ = ImageId(named.get("imageDigest"), named.get("imageTag"))
    if id_ == ImageId():
        raise InvalidParameter("imageId", "both tag and digest cannot be null")
    image = registry.archive.set_storage_class(call.on, at, id_, request["targetStorageClass"])
    return {
        "registryId": at.registry.account_id,
        "repositoryName": at.name,
        "imageId": {"imageDigest": image.digest, "imageTag": id_.tag},
        "imageStatus": image.status,
    }


@operation(on=the_repository, action="BatchGetImage")
def list_image_referrers(call: Call, request: Shape) -> Shape:
    """The artifacts whose subject is a digest."""
    at, wish = the_repository(call, request), request.get("filter", {})
    subject = request["subjectId"]["imageDigest"]
    if not digests.is_digest(subject):
        raise InvalidParameter("imageDigest", "must be a digest of the algorithm sha256 or sha512")
    found, more = registry.referrers.page(
        call.on,
        at,
        subject,
        pages.after(request, 0),
        int(request.get("maxResults", REFERRERS)),
        kinds=wish.get("artifactTypes", ()),
        status=wish.get("artifactStatus", "ACTIVE"),
    )
    if not found:
        registry.pull_through.require_subject(call.on, at, subject)
    return {
        "referrers": [_rendered(image) for image in found],
        "nextToken": pages.token(found[-1].id) if more else None,
    }


def _rendered(image: Image) -> Shape:
    return {
        "digest": image.digest,
        "mediaType": image.media_type,
        "artifactType": image.artifact_type or image.config_media_type,
        "size": image.manifest_bytes,
        "annotations": image.annotations or None,
        "artifactStatus": image.status,
    }
