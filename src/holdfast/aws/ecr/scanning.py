"""Which images are scanned, scans that are asked for, and what they found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws import pages
from holdfast.aws.ecr import findings
from holdfast.aws.operations import Call, Shape, operation, the_image, the_registry, the_repositories, the_repository
from holdfast.model.errors import RepositoryNotFound
from holdfast.model.image_findings import FIRST
from holdfast.model.names import RepositoryRef
from holdfast.model.scanning import Configuration, Frequency, Rule, ScanType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.model.images import Image, ImageId
    from holdfast.model.repositories import Repository
    from holdfast.model.scanning import Effective, Scan


@operation(on=the_registry)
def put_registry_scanning_configuration(call: Call, request: Shape) -> Shape:
    """Replace the rules by which a registry's images are scanned."""
    rules = tuple(
        Rule(Frequency(item["scanFrequency"]), tuple(wish["filter"] for wish in item["repositoryFilters"]))
        for item in request.get("rules", [])
    )
    configuration = Configuration(ScanType(request.get("scanType", ScanType.BASIC)), rules)
    registry.scanning.configure(call.on, the_registry(call, request), configuration)
    return {"registryScanningConfiguration": _rendered(configuration)}


@operation(on=the_registry)
def get_registry_scanning_configuration(call: Call, request: Shape) -> Shape:
    """The rules by which a registry's images are scanned."""
    home = the_registry(call, request)
    return {
        "registryId": home.account_id,
        "scanningConfiguration": _rendered(registry.scanning.configuration(call.on, home)),
    }


@operation(on=the_repositories)
def batch_get_repository_scanning_configuration(call: Call, request: Shape) -> Shape:
    """How each of some repositories is scanned; one that is missing is told."""
    home = the_registry(call, request)
    named = [RepositoryRef(home, name) for name in dict.fromkeys(request["repositoryNames"])]
    found, missing = registry.scanning.of_repositories(call.on, named)
    return {
        "scanningConfigurations": [_rendered_effective(repository, effective) for repository, effective in found],
        "failures": [
            {
                "repositoryName": at.name,
                "failureCode": "REPOSITORY_NOT_FOUND",
                "failureReason": RepositoryNotFound(at).message,
            }
            for at in missing
        ],
    }


@operation(on=the_repository)
def put_image_scanning_configuration(call: Call, request: Shape) -> Shape:
    """Say whether a repository's images are scanned when they come, where the registry has no rules."""
    at = the_repository(call, request)
    is_on_push = request["imageScanningConfiguration"].get("scanOnPush", False)
    registry.repositories.set_scan_on_push(call.on, at, is_on_push)
    return {
        "registryId": at.registry.account_id,
        "repositoryName": at.name,
        "imageScanningConfiguration": {"scanOnPush": is_on_push},
    }


@operation(on=the_repository)
def start_image_scan(call: Call, request: Shape) -> Shape:
    """Ask for a scan of an image."""
    at, id_ = the_repository(call, request), the_image(request)
    image, scan = registry.scanning.start(call.on, at, id_)
    return _rendered_scan(at, id_, image, scan)


@operation(on=the_repository)
def describe_image_scan_findings(call: Call, request: Shape) -> Shape:
    """How the latest scan of an image stands, and once it looked at the image, what it found."""
    at, id_ = the_repository(call, request), the_image(request)
    after = pages.after(request, FIRST)
    report = registry.scanning.report(call.on, at, id_, after, pages.size(request))
    answer = _rendered_scan(at, id_, report.image, report.scan)
    summary = rendered_summary(report.scan)
    if summary is None:
        return answer
    if report.scan.type is ScanType.ENHANCED:
        found = {"enhancedFindings": [findings.enhanced(at, report, one) for one in report.findings]}
    else:
        found = {"findings": [findings.basic(one) for one in report.findings]}
    answer["imageScanFindings"] = {**summary, **found}
    if report.has_more:
        answer["nextToken"] = pages.token(report.findings[-1].place)
    return answer


def rendered_status(scan: Scan) -> Shape:
    """How a scan stands."""
    return {"status": scan.status, "description": scan.description}


def rendered_summary(scan: Scan) -> Shape | None:
    """How much a scan found, if it looked at the image."""
    if not scan.has_findings:
        return None
    return {
        "imageScanCompletedAt": scan.completed_at,
        "vulnerabilitySourceUpdatedAt": scan.source_updated_at,
        "findingSeverityCounts": {severity.value: number for severity, number in (scan.counts or {}).items()},
    }


def _rendered(configuration: Configuration) -> Shape:
    rules = [
        {"scanFrequency": rule.frequency, "repositoryFilters": _rendered_filters(rule.filters)}
        for rule in configuration.rules
    ]
    return {"scanType": configuration.type, "rules": rules}


def _rendered_filters(filters: Iterable[str]) -> list[Shape]:
    return [{"filter": pattern, "filterType": "WILDCARD"} for pattern in filters]


def _rendered_effective(repository: Repository, effective: Effective) -> Shape:
    return {
        "repositoryArn": repository.ref.arn,
        "repositoryName": repository.name,
        "scanOnPush": repository.scan_on_push,
        "scanFrequency": effective.frequency,
        "appliedScanFilters": _rendered_filters(effective.filters),
    }


def _rendered_scan(at: RepositoryRef, id_: ImageId, image: Image, scan: Scan) -> Shape:
    return {
        "registryId": at.registry.account_id,
        "repositoryName": at.name,
        "imageId": {"imageDigest": image.digest, "imageTag": id_.tag},
        "imageScanStatus": rendered_status(scan),
    }
