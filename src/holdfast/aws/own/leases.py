"""Images that run: say so, see who says so, and take it back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws import pages
from holdfast.aws.operations import Call, Shape, operation, the_repository
from holdfast.model.errors import InvalidParameter
from holdfast.model.images import ImageId
from holdfast.model.leases import USUAL
from holdfast.registry.leases import Wish

if TYPE_CHECKING:
    from holdfast.model.leases import Lease


@operation(on=the_repository)
def put_image_lease(call: Call, request: Shape) -> Shape:
    """Say that images run, and until when that is to be believed: they are not deleted meanwhile."""
    at = the_repository(call, request)
    wishes = [
        Wish(ImageId(one.get("imageDigest"), one.get("imageTag")), one.get("detail", "")) for one in request["images"]
    ]
    if any(wish.id == ImageId() for wish in wishes):
        raise InvalidParameter("images", "both tag and digest cannot be null")
    lifetime = timedelta(seconds=request["leaseSeconds"]) if "leaseSeconds" in request else USUAL
    taken, missing = registry.leases.put(
        call.on, at, request["holder"], request.get("kind", "OTHER"), call.caller.arn, lifetime, wishes
    )
    return {
        "registryId": at.registry.account_id,
        "repositoryName": at.name,
        "leases": [rendered(one.lease) | {"imageStatus": one.status} for one in taken],
        "failures": [
            {
                "imageDigest": id_.digest,
                "imageTag": id_.tag,
                "failureCode": "ImageNotFound",
                "failureReason": refusal.message,
            }
            for id_, refusal in missing
        ],
    }


@operation(on=the_repository)
def list_image_leases(call: Call, request: Shape) -> Shape:
    """Which images of a repository are in use, by what and until when."""
    at, after = the_repository(call, request), pages.after(request, 0)
    wanted = {"digest": request.get("imageDigest"), "holder": request.get("holder")}
    found, more = registry.leases.page(call.on, at, after, pages.size(request), **wanted)
    return {
        "leases": [rendered(one) for one in found],
        "nextToken": pages.token(found[-1].id) if more else None,
    }


@operation(on=the_repository)
def release_image_lease(call: Call, request: Shape) -> Shape:
    """End leases of a holder before their time."""
    at = the_repository(call, request)
    return {"releasedCount": registry.leases.release(call.on, at, request["holder"], request.get("imageDigests"))}


@operation(on=the_repository)
def list_lifecycle_policy_preview_failures(call: Call, request: Shape) -> Shape:
    """Images that the rules of the latest preview would let go, and that a lease or an index holds."""
    at, after = the_repository(call, request), pages.after(request, 0)
    found, more = registry.lifecycle.preview_failures(call.on, at, after, pages.size(request))
    return {
        "registryId": at.registry.account_id,
        "repositoryName": at.name,
        "failures": [
            {
                "imageDigest": one.digest,
                "imageTags": one.tags or None,
                "appliedRulePriority": one.rule_priority,
                "failureCode": one.failure,
                "failureReason": one.reason,
            }
            for one in found
        ],
        "nextToken": pages.token(found[-1].position) if more else None,
    }


def rendered(lease: Lease) -> Shape:
    """A lease as every answer has it."""
    return {
        "imageDigest": lease.digest,
        "holder": lease.holder,
        "kind": lease.kind,
        "detail": lease.detail or None,
        "owner": lease.owner,
        "createdAt": lease.created_at,
        "renewedAt": lease.renewed_at,
        "expiresAt": lease.expires_at,
    }
