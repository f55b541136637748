"""Findings that do not count: decide it, list such decisions, and take one back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws import pages
from holdfast.aws.operations import Call, Shape, operation, the_repository
from holdfast.model.severities import Severity
from holdfast.model.suppressions import Suppression

if TYPE_CHECKING:
    from holdfast.model.names import RepositoryRef


@operation(on=the_repository)
def put_finding_suppression(call: Call, request: Shape) -> Shape:
    """Let a vulnerability not count in a repository until a time, by a reason; the caller is who decided it."""
    at = the_repository(call, request)
    maximum = request.get("maximumSeverity")
    wanted = Suppression(
        0,
        request["vulnerabilityId"],
        request.get("packageName"),
        request.get("imageDigest"),
        Severity(maximum) if maximum else None,
        request["reason"],
        call.caller.arn,
        call.on.clock(),
        request["expiresAt"],
    )
    return _rendered(at, registry.suppressions.put(call.on, at, wanted))


@operation(on=the_repository)
def list_finding_suppressions(call: Call, request: Shape) -> Shape:
    """What does not count in a repository, who decided that, why and until when."""
    at = the_repository(call, request)
    found, more = registry.suppressions.page(call.on, at, pages.after(request, 0), pages.size(request))
    return {
        "suppressions": [_rendered(at, one) for one in found],
        "nextToken": pages.token(found[-1].id) if more else None,
    }


@operation(on=the_repository)
def delete_finding_suppression(call: Call, request: Shape) -> Shape:
    """Let what was suppressed count again."""
    registry.suppressions.delete(call.on, the_repository(call, request), request["suppressionId"])
    return {}


def _rendered(at: RepositoryRef, one: Suppression) -> Shape:
    return {
        "registryId": at.registry.account_id,
        "repositoryName": at.name,
        "suppressionId": one.id,
        "vulnerabilityId": one.vulnerability,
        "packageName": one.package,
        "imageDigest": one.digest,
        "maximumSeverity": one.maximum.value if one.maximum else None,
        "reason": one.reason,
        "owner": one.owner,
        "createdAt": one.created_at,
        "expiresAt": one.expires_at,
    }
