"""Findings that do not count: decide it, list such decisions, and take one back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws import pages
from holdfast.aws.ecr import findings
from holdfast.aws.operations import (
    Call,
    Shape,
    operation,
    the_image,
    the_place,
    the_repository,
    the_repository_or_all,
)
from holdfast.model.image_findings import FIRST
from holdfast.model.severities import Severity
from holdfast.model.suppressions import Suppression

if TYPE_CHECKING:
    from holdfast.model.names import Registry, RepositoryRef
    from holdfast.model.verdicts import Suppressed, Verdict
    from holdfast.registry.scanning import Report


@operation(on=the_repository_or_all)
def put_finding_suppression(call: Call, request: Shape) -> Shape:
    """Let a vulnerability not count in a repository or all of them, by a reason; the caller is who decided it."""
    maximum = request.get("maximumSeverity")
    wanted = Suppression(
        0,
        request.get("repositoryName"),
        request["vulnerabilityId"],
        request.get("packageName"),
        request.get("packageVersion"),
        request.get("imageDigest"),
        Severity(maximum) if maximum else None,
        request["reason"],
        call.caller.arn,
        call.on.clock(),
        request["expiresAt"],
    )
    where = the_place(call, request)
    return _rendered(where, registry.suppressions.put(call.on, where, wanted))


@operation(on=the_repository_or_all)
def list_finding_suppressions(call: Call, request: Shape) -> Shape:
    """What does not count in a repository or in all of them, who decided that, why and until when."""
    where = the_place(call, request)
    found, more = registry.suppressions.page(call.on, where, pages.after(request, 0), pages.size(request))
    return {
        "suppressions": [_rendered(where, one) for one in found],
        "nextToken": pages.token(found[-1].id) if more else None,
    }


@operation(on=the_repository_or_all)
def delete_finding_suppression(call: Call, request: Shape) -> Shape:
    """Let what was suppressed count again."""
    registry.suppressions.delete(call.on, the_place(call, request), request["suppressionId"])
    return {}


@operation(on=the_repository)
def list_suppressed_findings(call: Call, request: Shape) -> Shape:
    """The findings of an image that do not count, each with whose word that is."""
    at = the_repository(call, request)
    after = pages.after(request, FIRST)
    report, found = registry.scanning.suppressed(call.on, at, the_image(request), after, pages.size(request))
    return {
        "registryId": at.registry.account_id,
        "repositoryName": at.name,
        "imageDigest": report.image.digest,
        "findings": [_rendered_finding(at, report, one) for one in found],
        "nextToken": pages.token(found[-1].finding.place) if report.has_more else None,
    }


def _rendered(where: Registry | RepositoryRef, one: Suppression) -> Shape:
    return {
        "registryId": registry.suppressions.told(where)[0],
        "repositoryName": one.repository,
        "suppressionId": one.id,
        "vulnerabilityId": one.vulnerability,
        "packageName": one.package,
        "packageVersion": one.version,
        "imageDigest": one.digest,
        "maximumSeverity": one.maximum.value if one.maximum else None,
        "reason": one.reason,
        "owner": one.owner,
        "createdAt": one.created_at,
        "expiresAt": one.expires_at,
    }


def _rendered_finding(at: RepositoryRef, report: Report, one: Suppressed) -> Shape:
    found = one.finding
    return {
        "vulnerabilityId": found.name,
        "aliases": list(found.aliases),
        "severity": found.severity.value,
        "status": "SUPPRESSED",
        "packageName": found.package,
        "packageVersion": found.version,
        "findingArn": findings.arn(at, report, found),
        "suppressedBy": [_rendered_verdict(some) for some in one.verdicts],
    }


def _rendered_verdict(one: Verdict) -> Shape:
    return {
        "type": one.kind,
        "suppressionId": one.number if one.kind == "SUPPRESSION" else None,
        "vexDocumentId": one.number if one.kind == "VEX" else None,
        "owner": one.owner,
        "reason": one.reason,
        "expiresAt": one.until,
        "vexStatus": one.status,
        "justification": one.justification,
        "author": one.author,
        "vexDocumentName": one.document,
    }
