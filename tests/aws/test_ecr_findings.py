"""What scans find, as AWS's own client shows it."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from tests import builders, feeds, grants, layers
from tests.aws.regions import Region, bare, eventually
from tests.callers import refusal

SYSTEM = {
    "etc/os-release": layers.os_release(),
    "var/lib/dpkg/status": layers.dpkg(("libssl3", "3.0.1-1", "openssl"), ("openssl", "3.0.1-1")),
}
LANGUAGE = {"app/node_modules/lodash/package.json": '{"name": "lodash", "version": "4.17.10"}'}
IMAGE = {"repositoryName": "app", "imageId": {"imageTag": "v1"}}
NAMES = ["CVE-2024-0727", "CVE-2010-0928", "CVE-2023-5678"]


@pytest.fixture(scope="module")
def told(product):
    """A product that has advisories."""
    npm, kev = feeds.archive(feeds.LODASH), feeds.kev("CVE-2019-10744")
    epss = b"cve,epss,percentile\nCVE-2024-0727,0.00123,0.5\n"
    feeds.load_into(product, debian=feeds.debian(**feeds.OPENSSL), npm=npm, kev=kev, epss=epss)
    return product


@pytest.fixture
def region(told, request):
    return Region(told, request.node.nodeid)


def push(repository, *contents, tag="v1"):
    """Push an image of layers, each given by its files."""
    archives = [layers.tar(files) for files in contents]
    packed = [layers.packed(archive) for archive in archives]
    rootfs = {"type": "layers", "diff_ids": [layers.diff_id(archive) for archive in archives]}
    config = json.dumps({"os": "linux", "rootfs": rootfs}).encode()
    for data in (config, *packed):
        repository.push_blob(data)
    document = builders.document(
        builders.OCI_MANIFEST,
        config=builders.descriptor(builders.OCI_CONFIG, config),
        layers=[builders.descriptor(f"{layers.OCI_LAYER}+gzip", data) for data in packed],
    )
    assert repository.push_manifest(document, tag).status == 201
    return document


def counts(found):
    """How many findings there are of each severity."""
    severities = [one["severity"] for one in found]
    return {severity: severities.count(severity) for severity in severities}


def test_a_basic_scan_has_findings_in_ecrs_shape(region):
    ecr = region.ecr
    image = push(region.registry("app"), SYSTEM, LANGUAGE)

    ecr.start_image_scan(**IMAGE)
    ecr.get_waiter("image_scan_complete").wait(**IMAGE, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    answer = bare(ecr.describe_image_scan_findings(**IMAGE))
    [detail] = ecr.describe_images(repositoryName="app")["imageDetails"]
    again = refusal(ecr.start_image_scan, **IMAGE)

    found = answer["imageScanFindings"]
    assert answer["imageId"] == {"imageDigest": image.digest, "imageTag": "v1"}
    assert answer["imageScanStatus"] == {
        "status": "COMPLETE",
        "description": "The scan was completed successfully.",
    }
    assert [one["name"] for one in found["findings"]] == NAMES
    assert found["findings"][0] == {
        "name": "CVE-2024-0727",
        "description": "About openssl.",
        "uri": "https://security-tracker.debian.org/tracker/CVE-2024-0727",
        "severity": "MEDIUM",
        "attributes": [
            {"key": "package_name", "value": "openssl"},
            {"key": "package_version", "value": "3.0.1-1"},
            {"key": "EPSS_SCORE", "value": "0.00123"},
            {"key": "EPSS_PERCENTILE", "value": "0.5"},
        ],
    }
    assert found["findingSeverityCounts"] == counts(found["findings"])
    assert isinstance(found["vulnerabilitySourceUpdatedAt"], datetime)
    assert detail["imageScanStatus"] == answer["imageScanStatus"]
    assert detail["imageScanFindingsSummary"] == {key: one for key, one in found.items() if key != "findings"}
    assert again[0] == "LimitExceededException"


def test_findings_are_paged(region):
    ecr = region.ecr
    push(region.registry("app"), SYSTEM)
    ecr.start_image_scan(**IMAGE)
    ecr.get_waiter("image_scan_complete").wait(**IMAGE, WaiterConfig={"Delay": 1, "MaxAttempts": 60})

    pages = ecr.get_paginator("describe_image_scan_findings").paginate(**IMAGE, PaginationConfig={"PageSize": 1})
    listed = [[one["name"] for one in page["imageScanFindings"]["findings"]] for page in pages]

    assert listed == [[name] for name in NAMES]


def test_an_enhanced_scan_has_findings_in_inspectors_shape(region):
    ecr = region.ecr
    rules = [{"scanFrequency": "CONTINUOUS_SCAN", "repositoryFilters": [{"filter": "*", "filterType": "WILDCARD"}]}]
    ecr.put_registry_scanning_configuration(scanType="ENHANCED", rules=rules)
    image = push(region.registry("app"), SYSTEM, LANGUAGE)

    answer = eventually(
        lambda: ecr.describe_image_scan_findings(**IMAGE), lambda one: one["imageScanStatus"]["status"] == "ACTIVE"
    )
    [detail] = ecr.describe_images(repositoryName="app")["imageDetails"]

    found = answer["imageScanFindings"]
    assert "findings" not in found
    assert [one["packageVulnerabilityDetails"]["vulnerabilityId"] for one in found["enhancedFindings"]] == [
        "CVE-2019-10744",
        *NAMES,
    ]
    assert found["findingSeverityCounts"] == counts(found["enhancedFindings"])
    assert detail["imageScanFindingsSummary"]["findingSeverityCounts"] == found["findingSeverityCounts"]
    lodash, openssl = found["enhancedFindings"][:2]
    instants = {key: lodash.pop(key) for key in ("firstObservedAt", "lastObservedAt", "updatedAt")}
    assert all(isinstance(one, datetime) for one in instants.values())
    vector, arn = (
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:H",
        f"arn:aws:ecr:{region.name}:000000000000:repository/app",
    )
    details = lodash.pop("packageVulnerabilityDetails")
    resources = lodash.pop("resources")
    assert lodash.pop("findingArn").startswith(f"arn:aws:inspector2:{region.name}:000000000000:finding/")
    assert lodash == {
        "awsAccountId": "000000000000",
        "type": "PACKAGE_VULNERABILITY",
        "status": "ACTIVE",
        "title": "CVE-2019-10744 - lodash",
        "description": "Versions of `lodash` before 4.17.12 are vulnerable to Prototype Pollution.",
        "severity": "CRITICAL",
        "score": 9.1,
        "scoreDetails": {
            "cvss": {
                "adjustments": [],
                "score": 9.1,
                "scoreSource": "GITHUB",
                "scoringVector": vector,
                "version": "3.1",
            }
        },
        "fixAvailable": "YES",
        "exploitAvailable": "YES",
        "remediation": {"recommendation": {"text": "Upgrade lodash to 4.17.12"}},
    }
    assert details["relatedVulnerabilities"] == ["GHSA-jf85-cpcp-j695"]
    assert details["vulnerablePackages"] == [
        {
            "name": "lodash",
            "version": "4.17.10",
            "packageManager": "NODEPKG",
            "filePath": "app/node_modules/lodash/package.json",
            "sourceLayerHash": image.json()["layers"][1]["digest"],
            "fixedInVersion": "4.17.12",
        }
    ]
    assert [
        (one["name"], one["epoch"], one["version"], one["release"], one["arch"], one["packageManager"])
        for one in openssl["packageVulnerabilityDetails"]["vulnerablePackages"]
    ] == [("libssl3", 0, "3.0.1", "1", "amd64", "OS"), ("openssl", 0, "3.0.1", "1", "amd64", "OS")]
    [resource] = resources
    assert resource["id"] == f"{arn}/{image.digest}"
    container = resource["details"]["awsEcrContainerImage"]
    assert isinstance(container.pop("pushedAt"), datetime)
    assert container == {
        "architecture": "amd64",
        "imageHash": image.digest,
        "imageTags": ["v1"],
        "platform": "DEBIAN_12",
        "registry": "000000000000",
        "repositoryName": "app",
    }


def test_a_policy_keeps_bad_images_from_all_but_who_may_break_the_glass(told, region):
    ecr, iam = region.ecr, told.aws_client("iam")
    repository = region.registry("app")
    image = push(repository, SYSTEM)
    ecr.start_image_scan(**IMAGE)
    ecr.get_waiter("image_scan_complete").wait(**IMAGE, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    mender = iam.create_user(UserName="mender")["User"]
    iam.put_user_policy(UserName="mender", PolicyName="all", PolicyDocument=grants.policy(grants.allow("ecr:*")))
    key = iam.create_access_key(UserName="mender")["AccessKey"]

    def keep_from_all_but_mender(*severities):
        condition = {
            "StringEquals": {"ecr:ImageSeverity": list(severities)},
            "ArnNotEquals": {"aws:PrincipalArn": mender["Arn"]},
        }
        gate = grants.grant("*", "ecr:BatchGetImage", Condition=condition) | {"Effect": "Deny"}
        ecr.set_repository_policy(repositoryName="app", policyText=grants.policy(gate))

    def pulls():
        by_tag, by_digest = repository("GET", "/manifests/v1"), repository("GET", f"/manifests/{image.digest}")
        return by_tag.status, by_digest.status

    keep_from_all_but_mender("CRITICAL", "HIGH")
    open_ = pulls()
    keep_from_all_but_mender("CRITICAL", "HIGH", "MEDIUM")
    shut = pulls()
    by_api = refusal(ecr.batch_get_image, repositoryName="app", imageIds=[{"imageDigest": image.digest}])
    by_mender = told.ecr(region.name, key_id=key["AccessKeyId"], secret=key["SecretAccessKey"]).batch_get_image(
        repositoryName="app", imageIds=[{"imageTag": "v1"}]
    )
    push(repository, LANGUAGE, tag="v1")
    keep_from_all_but_mender("UNKNOWN")

    assert open_ == (200, 200)
    assert shut == (403, 403)
    assert by_api[0] == "AccessDeniedException"
    assert len(by_mender["images"]) == 1
    assert pulls() == (403, 200), "nobody looked at the new image"
