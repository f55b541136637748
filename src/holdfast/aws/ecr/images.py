"""Put, get, list, describe and delete images."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from holdfast import registry
from holdfast.aws import pages, service_models
from holdfast.aws.ecr.scanning import rendered_status, rendered_summary
from holdfast.aws.operations import Again, Call, Shape, operation, pull_leave, the_repository
from holdfast.aws.service_models import DIGEST_PATTERN
from holdfast.model import digests, manifests, vex
from holdfast.model.circumstances import IMAGE_DIGEST_KEY, IMAGE_TAG_KEY
from holdfast.model.errors import (
    ImageAlreadyExists,
    ImageDigestDoesNotMatch,
    InvalidParameter,
    LayersNotFound,
    ManifestInvalid,
    ManifestTooLarge,
    ReferencedImagesNotFound,
    Unsupported,
)
from holdfast.model.images import ACTIVE, ImageId
from holdfast.registry.images import Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.model.images import Image
    from holdfast.model.names import RepositoryRef
    from holdfast.model.scanning import Scan

IMAGE_TAG_PATTERN = r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,299}"
IMAGE_TAG = re.compile(IMAGE_TAG_PATTERN, re.ASCII)
TAG_STATUS = {"TAGGED": True, "UNTAGGED": False, "ANY": None}


def _image_tag_told(request: Shape) -> list[dict[str, str]]:
    return [{IMAGE_TAG_KEY: request["imageTag"]} if "imageTag" in request else {}]


def _image_tags_told(request: Shape) -> list[dict[str, str]]:
    """What each image of a batch is asked leave for by itself, so that none hides behind another."""
    tags = dict.fromkeys(item.get("imageTag") for item in request["imageIds"])
    return [{} if tag is None else {IMAGE_TAG_KEY: tag} for tag in tags]


def _images_told(request: Shape) -> list[dict[str, str]]:
    keys = {"imageTag": IMAGE_TAG_KEY, "imageDigest": IMAGE_DIGEST_KEY}
    return [{key: item[member] for member, key in keys.items() if member in item} for item in request["imageIds"]]


@operation(on=the_repository, facts=_image_tag_told)
def put_image(call: Call, request: Shape) -> Shape | Again:
    """Keep a manifest and point a tag at it."""
    at, tag, wanted = the_repository(call, request), request.get("imageTag"), request.get("imageDigest")
    if tag is not None and not IMAGE_TAG.fullmatch(tag):
        raise InvalidParameter("imageTag", f"must satisfy regular expression '{IMAGE_TAG_PATTERN}'")
    manifest = _parse(request, wanted)
    if wanted is not None and not digests.same(manifest.digest, wanted):
        raise ImageDigestDoesNotMatch(at, wanted)
    try:
        return _put(call, at, manifest, tag)
    except (LayersNotFound, ReferencedImagesNotFound) as refusal:
        parts = registry.pull_through.Parts(call.on, at, manifest, pull_leave(call, at), refusal)

    def go_on() -> Shape | Again:
        return _put(call, at, manifest, tag) if parts.go_on() else Again(go_on, registry.pull_through.LOOK_SECONDS)

    return Again(go_on)


def _put(call: Call, at: RepositoryRef, manifest: manifests.Manifest, tag: str | None) -> Shape:
    tags = [tag] if tag is not None else []
    put = registry.images.put(call.on, at, manifest, tags)
    if vex.is_referrer(manifest, tags) and call.may(registry.vex.ACTION, at):
        registry.vex.pushed(call.on, at, manifest, tags, call.caller.arn)
    if not (put.is_new or put.is_tagged):
        raise ImageAlreadyExists(at, manifest.digest, tag)
    return {"image": _rendered(at, ImageId(manifest.digest, tag), manifest.body, manifest.media_type)}


def _parse(request: Shape, wanted: str | None) -> manifests.Manifest:
    algorithm = digests.algorithm(wanted) if wanted is not None and digests.is_digest(wanted) else "sha256"
    body = request["imageManifest"].encode()
    try:
        return manifests.parse(body, request.get("imageManifestMediaType"), algorithm)
    except (ManifestInvalid, Unsupported, ManifestTooLarge) as refusal:
        raise InvalidParameter("ImageManifest", refusal.message if _is_json(body) else "Invalid JSON syntax") from None


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


@operation(on=the_repository, facts=_images_told)
def batch_get_image(call: Call, request: Shape) -> Shape | Again:
    """Manifests by tag or digest; what cannot be had is told one by one, and what only an upstream has is brought."""
    at = the_repository(call, request)
    ids, failures = _identifiers(request)
    batch = registry.pull_through.Batch(call.on, at, ids, puller=call.caller.arn, leave=pull_leave(call, at))
    accepted = frozenset(request.get("acceptedMediaTypes", ()))

    def answered() -> Shape | Again:
        if not batch.is_whole:
            return Again(go_on)
        found, missing = batch.images()
        return {
            "images": [_converted(at, id_, stored, media_type, accepted) for id_, media_type, stored in found],
            "failures": [_rendered_failure(failure) for failure in (*failures, *missing)],
        }

    def go_on() -> Shape | Again:
        return answered() if batch.go_on() else Again(go_on, registry.pull_through.LOOK_SECONDS)

    return answered()


def _converted(at: RepositoryRef, id_: ImageId, body: bytes, media_type: str, accepted: frozenset[str]) -> Shape:
    if id_.tag is not None and accepted:
        body, media_type = manifests.convert(body, media_type, accepted) or (body, media_type)
    return _rendered(at, id_, body, media_type)


@operation(on=the_repository, facts=_image_tags_told)
def batch_delete_image(call: Call, request: Shape) -> Shape:
    """Remove tags, or whole images by digest."""
    at = the_repository(call, request)
    ids, failures = _identifiers(request)
    whole = [id_.digest for id_ in ids if id_.digest is not None and id_.tag is None]
    for tag in registry.images.tags_of(call.on, at, whole):
        call.require("ecr:BatchDeleteImage", at, {IMAGE_TAG_KEY: tag})
    removed, missing = registry.images.delete(call.on, at, ids)
    return {
        "imageIds": [_rendered_id(id_) for id_ in removed],
        "failures": [_rendered_failure(failure) for failure in (*failures, *missing)],
    }


@operation(on=the_repository)
def list_images(call: Call, request: Shape) -> Shape:
    """Digest and tag of every tag, and the digest of every untagged image."""
    at, wish = the_repository(call, request), request.get("filter", {})
    after, tagged = pages.after(request, (0, "")), TAG_STATUS[wish.get("tagStatus", "ANY")]
    status = wish.get("imageStatus", ACTIVE)
    found, more = registry.images.identifiers(call.on, at, after, pages.size(request), tagged=tagged, status=status)
    return {
        "imageIds": [_rendered_id(ImageId(digest, tag)) for _, digest, tag in found],
        "nextToken": pages.token((found[-1][0], found[-1][2] or "")) if more else None,
    }


@operation(on=the_repository)
def describe_images(call: Call, request: Shape) -> Shape:
    """What is known about images."""
    at, wish = the_repository(call, request), request.get("filter", {})
    if "imageIds" in request:
        pages.refuse_with(request, "imageIds")
        found = registry.images.describe(call.on, at, requested_ids(request))
        return {"imageDetails": _details(call, at, found)}
    tagged, status = TAG_STATUS[wish.get("tagStatus", "ANY")], wish.get("imageStatus", ACTIVE)
    after = pages.after(request, 0)
    found, more = registry.images.page(call.on, at, after, pages.size(request), tagged=tagged, status=status)
    return {
        "imageDetails": _details(call, at, found),
        "nextToken": pages.token(found[-1].id) if more else None,
    }


def requested_ids(request: Shape) -> list[ImageId]:
    """The images that a request names, each by digest, tag or both."""
    ids = [ImageId(item.get("imageDigest"), item.get("imageTag")) for item in request["imageIds"]]
    if ImageId() in ids:
        raise InvalidParameter("imageIds", "both tag and digest cannot be null")
    return ids


def _identifiers(request: Shape) -> tuple[list[ImageId], list[Failure]]:
    """The well-formed items of a batch, each once, and what is wrong with the others."""
    ids, failures = [], []
    for item in request["imageIds"]:
        id_ = ImageId(item.get("imageDigest"), item.get("imageTag"))
        if id_ == ImageId():
            text = "Invalid request parameters: both tag and digest cannot be null"
            failures.append(Failure(id_, "MissingDigestAndTag", text))
        elif id_.digest is not None and not service_models.matches(DIGEST_PATTERN, id_.digest):
            text = f"Invalid request parameters: image digest should satisfy the regex '{DIGEST_PATTERN}'"
            failures.append(Failure(id_, "InvalidImageDigest", text))
        elif id_.tag is not None and not IMAGE_TAG.fullmatch(id_.tag):
            text = f"Invalid request parameters: image tag should satisfy the regex '{IMAGE_TAG_PATTERN}'"
            failures.append(Failure(id_, "InvalidImageTag", text))
        else:
            ids.append(id_)
    return list(dict.fromkeys(ids)), failures


def _rendered(at: RepositoryRef, id_: ImageId, body: bytes, media_type: str) -> Shape:
    return {
        "registryId": at.registry.account_id,
        "repositoryName": at.name,
        "imageId": _rendered_id(id_),
        "imageManifest": body.decode(),
        "imageManifestMediaType": media_type,
    }


def _rendered_id(id_: ImageId) -> Shape:
    return {"imageDigest": id_.digest, "imageTag": id_.tag}


def _rendered_failure(failure: Failure) -> Shape:
    return {
        "imageId": _rendered_id(failure.id),
        "failureCode": failure.code,
        "failureReason": failure.reason,
    }


def _details(call: Call, at: RepositoryRef, images: Sequence[Image]) -> list[Shape]:
    scans = registry.scanning.of_images(call.on, at, images)
    return [_detail(at, image, scans.get(image.id)) for image in images]


def _detail(at: RepositoryRef, image: Image, scan: Scan | None) -> Shape:
    return {
        "registryId": at.registry.account_id,
        "repositoryName": at.name,
        "imageDigest": image.digest,
        "imageTags": list(image.tags) or None,
        "imageSizeInBytes": image.size_bytes,
        "imagePushedAt": image.pushed_at,
        "imageManifestMediaType": image.media_type,
        "artifactMediaType": image.artifact_type or image.config_media_type,
        "subjectManifestDigest": image.subject,
        "imageScanStatus": rendered_status(scan) if scan else None,
        "imageScanFindingsSummary": rendered_summary(scan) if scan else None,
        "lastRecordedPullTime": image.pulled_at,
        "imageStatus": image.status,
        "lastArchivedAt": image.archived_at,
        "lastActivatedAt": image.activated_at,
    }
