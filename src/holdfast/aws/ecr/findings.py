"""Findings in the two shapes that ECR has for them: its own of basic scans, and Inspector's of enhanced ones."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from holdfast.model.image_findings import is_of_system
from holdfast.model.packages import OS_TYPES

if TYPE_CHECKING:
    from holdfast.aws.operations import Shape
    from holdfast.model.image_findings import ImageFinding, Vulnerable
    from holdfast.model.names import RepositoryRef
    from holdfast.registry.scanning import Report

VALUE_CHARACTERS = 256  # of an attribute
_CVE = re.compile(r"CVE-\d{4}-\d{4,}", re.ASCII)
# Inspector's packageManager.
_MANAGERS = {
    "cargo": "CARGO",
    "composer": "COMPOSER",
    "gem": "GEMSPEC",
    "golang": "GOBINARY",
    "maven": "JAR",
    "npm": "NODEPKG",
    "nuget": "DOTNET_CORE",
    "pypi": "PYTHONPKG",
}
# Inspector's names of sources, by feed; what it does not have goes by the name of the feed.
_SOURCES = {
    "Alpine": "ALPINE_SECDB",
    "Debian": "DEBIAN_CVE",
    "Red Hat": "REDHAT_CVE",
    "Ubuntu": "UBUNTU_CVE",
    "alpine": "ALPINE_SECDB",
    "amazon": "AMAZON_CVE",
    "debian": "DEBIAN_CVE",
    "redhat": "REDHAT_CVE",
}


def basic(found: ImageFinding) -> Shape:
    """ECR's ImageScanFinding: each value of its attributes is a text."""
    attributes = {"package_name": found.package, "package_version": found.version}
    for version, vector, score in found.cvss:
        kind = f"CVSS{version[0]}"
        if f"{kind}_VECTOR" in attributes:
            continue
        attributes[f"{kind}_VECTOR"] = vector
        if score is not None:
            attributes[f"{kind}_SCORE"] = str(score)
    for key, number in (("EPSS_SCORE", found.likelihood), ("EPSS_PERCENTILE", found.percentile)):
        if number is not None:  # an extension
            attributes[key] = str(number)
    return {
        "name": found.name,
        "description": found.description or found.title or None,
        "uri": _uri(found),
        "severity": found.severity.value,
        "attributes": [
            {"key": key, "value": value[:VALUE_CHARACTERS]} for key, value in attributes.items() if value
        ],
    }  # fmt: skip


def enhanced(at: RepositoryRef, report: Report, found: ImageFinding) -> Shape:
    """ECR's EnhancedImageScanFinding, which is Inspector's Finding."""
    completed_at, updated_at = report.scan.completed_at, report.scan.source_updated_at
    seen_at = max((one for one in (found.first_seen_at, completed_at) if one is not None), default=None)
    names = ", ".join(dict.fromkeys(package.name for package in found.packages))
    scored = next(((version, vector, score) for version, vector, score in found.cvss if score is not None), None)
    source = _source(found.feed)
    return {
        "awsAccountId": at.registry.account_id,
        "findingArn": arn(at, report, found),
        "type": "PACKAGE_VULNERABILITY",
        "status": "ACTIVE",
        "title": f"{found.name} - {names}",
        "description": found.description or found.title or None,
        "severity": found.severity.value,
        "score": scored[2] if scored else None,
        "scoreDetails": scored and {
            "cvss": {"adjustments": [], "score": scored[2], "scoreSource": source, "scoringVector": scored[1],
                     "version": scored[0]}
        },
        "firstObservedAt": seen_at,
        "lastObservedAt": max((one for one in (seen_at, updated_at) if one is not None), default=None),
        "updatedAt": max((one for one in (seen_at, found.modified_at) if one is not None), default=None),
        "fixAvailable": found.fix_available,
        "exploitAvailable": "YES" if found.exploited_since else "NO",
        "remediation": {"recommendation": {"text": _advice(found)}},
        "packageVulnerabilityDetails": {
            "vulnerabilityId": found.name,
            "source": source,
            "sourceUrl": _uri(found),
            "vendorSeverity": found.severity.value,
            "vendorCreatedAt": found.published_at,
            "vendorUpdatedAt": found.modified_at,
            "cvss": [
                {"baseScore": score, "scoringVector": vector, "source": source, "version": version}
                for version, vector, score in found.cvss
            ],
            "referenceUrls": list(found.references),
            "relatedVulnerabilities": list(found.aliases),
            "vulnerablePackages": [_package(package) for package in found.packages],
        },
        "resources": [_resource(at, report)],
    }  # fmt: skip


def _package(one: Vulnerable) -> Shape:
    epoch, version, release = _parts(one)
    return {
        "name": one.name,
        "version": version,
        "epoch": epoch,
        "release": release,
        "arch": one.architecture or None,
        "packageManager": "OS" if one.type in OS_TYPES else _MANAGERS.get(one.type, one.type.upper()),
        "filePath": None if one.type in OS_TYPES else one.path,
        "sourceLayerHash": one.layer_digest,
        "fixedInVersion": one.fixed or "NotAvailable",
    }


def _parts(one: Vulnerable) -> tuple[int | None, str, str | None]:
    """Epoch, version and release; only system packages have them apart."""
    if one.type not in OS_TYPES:
        return None, one.version, None
    epoch, colon, rest = one.version.partition(":")
    if not colon or not epoch.isdecimal() or len(epoch) > 9:
        epoch, rest = "0", one.version
    version, dash, release = rest.rpartition("-")
    return int(epoch), version if dash else rest, release if dash else None


def _resource(at: RepositoryRef, report: Report) -> Shape:
    image = report.image
    details = {
        "architecture": report.architecture,
        "imageHash": image.digest,
        "imageTags": list(image.tags),
        "platform": report.platform,
        "pushedAt": image.pushed_at,
        "lastInUseAt": image.pulled_at,
        "registry": at.registry.account_id,
        "repositoryName": at.name,
    }
    return {
        "id": f"{at.arn}/{image.digest}",
        "type": "AWS_ECR_CONTAINER_IMAGE",
        "tags": {},
        "details": {"awsEcrContainerImage": details},
    }


def arn(at: RepositoryRef, report: Report, found: ImageFinding) -> str:
    """An ARN that a finding keeps for as long as the image has it."""
    name = hashlib.sha256(f"{at.arn}/{report.image.digest}/{found.name}".encode()).hexdigest()[:32]
    return f"arn:aws:inspector2:{at.registry.region}:{at.registry.account_id}:finding/{name}"


def _advice(found: ImageFinding) -> str:
    wanted = dict.fromkeys(f"{one.name} to {one.fixed}" for one in found.packages if one.fixed)
    return f"Upgrade {', '.join(wanted)}" if wanted else "None Provided"


def _source(feed: str) -> str:
    kind, _, rest = feed.partition("/")
    if kind == "osv" and not is_of_system(rest):
        return "GITHUB"
    return _SOURCES.get(rest if kind == "osv" else kind, feed.upper())


def _uri(found: ImageFinding) -> str | None:
    if found.url:
        return found.url
    if found.feed in {"debian", "osv/Debian"}:
        return f"https://security-tracker.debian.org/tracker/{found.name}"
    if _CVE.fullmatch(found.name):
        return f"https://nvd.nist.gov/vuln/detail/{found.name}"
    return f"https://osv.dev/vulnerability/{found.name}"
