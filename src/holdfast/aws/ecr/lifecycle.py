"""Lifecycle policies: put, get, delete, and see what one would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws import pages
from holdfast.aws.ecr.images import TAG_STATUS, requested_ids
from holdfast.aws.json_protocol import EPOCH
from holdfast.aws.operations import Call, Shape, operation, the_repository

if TYPE_CHECKING:
    from holdfast.model.names import RepositoryRef
    from holdfast.store.lifecycle import Preview, PreviewResult, StoredPolicy


@operation(on=the_repository)
def put_lifecycle_policy(call: Call, request: Shape) -> Shape:
    """Create or replace the rules by which images expire or are archived."""
    at = the_repository(call, request)
    text = registry.lifecycle.put(call.on, at, request["lifecyclePolicyText"])
    return {**_place(at), "lifecyclePolicyText": text}


@operation(on=the_repository)
def get_lifecycle_policy(call: Call, request: Shape) -> Shape:
    """The rules, and when they were last followed."""
    at = the_repository(call, request)
    return _rendered_policy(at, registry.lifecycle.get(call.on, at))


@operation(on=the_repository)
def delete_lifecycle_policy(call: Call, request: Shape) -> Shape:
    """Take the rules away."""
    at = the_repository(call, request)
    return _rendered_policy(at, registry.lifecycle.delete(call.on, at))


@operation(on=the_repository)
def start_lifecycle_policy_preview(call: Call, request: Shape) -> Shape:
    """Begin to find out what rules would do."""
    at = the_repository(call, request)
    text = registry.lifecycle.start_preview(call.on, at, request.get("lifecyclePolicyText"))
    return {**_place(at), "lifecyclePolicyText": text, "status": "IN_PROGRESS"}


@operation(on=the_repository)
def get_lifecycle_policy_preview(call: Call, request: Shape) -> Shape:
    """What the rules of the latest preview would do."""
    at = the_repository(call, request)
    if "imageIds" in request:
        pages.refuse_with(request, "imageIds")
        preview, found = registry.lifecycle.find_preview_of(call.on, at, requested_ids(request))
        wanted = TAG_STATUS[request.get("filter", {}).get("tagStatus", "ANY")]
        return _rendered(at, preview, [one for one in found if wanted in {None, one.is_tagged}], None)
    tagged = TAG_STATUS[request.get("filter", {}).get("tagStatus", "ANY")]
    preview, found, more = registry.lifecycle.find_preview(
        call.on, at, pages.after(request, 0), pages.size(request), tagged=tagged
    )
    return _rendered(at, preview, found, pages.token(found[-1].position) if more else None)


def _place(at: RepositoryRef) -> Shape:
    return {"registryId": at.registry.account_id, "repositoryName": at.name}


def _rendered_policy(at: RepositoryRef, policy: StoredPolicy) -> Shape:
    return {**_place(at), "lifecyclePolicyText": policy.text, "lastEvaluatedAt": policy.evaluated_at or EPOCH}


def _rendered(at: RepositoryRef, preview: Preview, found: list[PreviewResult], token: str | None) -> Shape:
    is_over = preview.status == "COMPLETE"
    moving = [{"targetStorageClass": "ARCHIVE", "imageTotalCount": preview.transitioning}]
    return {
        **_place(at),
        "lifecyclePolicyText": preview.text,
        "status": preview.status,
        "previewResults": [_rendered_result(one) for one in found],
        "nextToken": token,
        "summary": {
            "expiringImageTotalCount": preview.expiring,
            "transitioningImageTotalCounts": moving if preview.transitioning else [],
        }
        if is_over
        else None,
    }


def _rendered_result(one: PreviewResult) -> Shape:
    return {
        "imageTags": one.tags,
        "imageDigest": one.digest,
        "imagePushedAt": one.pushed_at,
        "action": {"type": one.action, "targetStorageClass": "ARCHIVE" if one.action == "TRANSITION" else None},
        "appliedRulePriority": one.rule_priority,
        "storageClass": one.storage_class,
    }
