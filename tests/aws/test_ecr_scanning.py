"""What is scanned when, and how scans stand, as AWS's own client sees it."""

import pytest
from botocore.exceptions import WaiterError

from tests import builders
from tests.aws.regions import Region, bare, eventually
from tests.callers import refusal

ACCOUNT = "000000000000"
OTHER = "111122223333"
DIGEST = "sha256:" + "0" * 64
NO_ENGINE = "The image was not scanned: The configuration tells of 0 layers, and the manifest of 1."


@pytest.fixture
def region(product, request):
    return Region(product, request.node.nodeid)


def filters(*patterns):
    return [{"filter": pattern, "filterType": "WILDCARD"} for pattern in patterns]


def rule(frequency, *patterns):
    return {"scanFrequency": frequency, "repositoryFilters": filters(*patterns)}


def configuration(region):
    return region.ecr.get_registry_scanning_configuration()["scanningConfiguration"]


def invalid(field, constraint):
    return (
        "InvalidParameterException",
        f"Invalid parameter at '{field}' failed to satisfy constraint: '{constraint}'",
    )


# ---- The registry's configuration


def test_a_registry_scans_nothing_by_default(region):
    answer = region.ecr.get_registry_scanning_configuration()

    assert bare(answer) == {"registryId": ACCOUNT, "scanningConfiguration": {"scanType": "BASIC", "rules": []}}


@pytest.mark.parametrize(
    "wanted",
    [
        {"scanType": "BASIC", "rules": []},
        {"scanType": "BASIC", "rules": [rule("SCAN_ON_PUSH", "prod", "*", "a*b/c")]},
        {"scanType": "BASIC", "rules": [rule("MANUAL", "a"), rule("SCAN_ON_PUSH", "b")]},
        {"scanType": "ENHANCED", "rules": [rule("CONTINUOUS_SCAN", "prod"), rule("SCAN_ON_PUSH", "*")]},
        {"scanType": "ENHANCED", "rules": [rule("SCAN_ON_PUSH")]},
        {"scanType": "BASIC", "rules": [rule("SCAN_ON_PUSH", *(f"{n:03}{'x' * 252}" for n in range(100)))]},
    ],
    ids=["none", "basic", "manual", "enhanced", "no filters", "largest"],
)
def test_a_configuration_is_answered_as_it_was_put(region, wanted):
    put = region.ecr.put_registry_scanning_configuration(**wanted)

    assert put["registryScanningConfiguration"] == wanted
    assert configuration(region) == wanted


def test_a_configuration_is_replaced_as_a_whole(region):
    region.ecr.put_registry_scanning_configuration(scanType="ENHANCED", rules=[rule("CONTINUOUS_SCAN", "*")])

    region.ecr.put_registry_scanning_configuration()

    assert configuration(region) == {"scanType": "BASIC", "rules": []}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"scanType": "DEEP"}, invalid("scanType", "Member must satisfy enum value set: [BASIC, ENHANCED]")),
        (
            {"rules": [rule("DAILY", "a")]},
            invalid("scanFrequency", "Member must satisfy enum value set: [SCAN_ON_PUSH, CONTINUOUS_SCAN, MANUAL]"),
        ),
        (
            {"rules": [rule("SCAN_ON_PUSH", "a"), rule("MANUAL", "a"), rule("CONTINUOUS_SCAN", "a")]},
            invalid("rules", "Member must have length less than or equal to 2"),
        ),
        (
            {"rules": [rule("SCAN_ON_PUSH", *map(str, range(101)))]},
            invalid("repositoryFilters", "Member must have length less than or equal to 100"),
        ),
        (
            {"rules": [rule("SCAN_ON_PUSH", "x" * 256)]},
            invalid("filter", "Member must have length less than or equal to 255"),
        ),
        (
            {"rules": [rule("SCAN_ON_PUSH", "")]},
            invalid("filter", "Member must have length greater than or equal to 1"),
        ),
        (
            {
                "rules": [
                    {"scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": [{"filter": "a", "filterType": "GLOB"}]}
                ]
            },
            invalid("filterType", "Member must satisfy enum value set: [WILDCARD]"),
        ),
        ({"rules": [{"scanFrequency": "SCAN_ON_PUSH"}]}, invalid("repositoryFilters", "Member must not be null")),
        ({"rules": [{"repositoryFilters": []}]}, invalid("scanFrequency", "Member must not be null")),
        (
            {"rules": [rule("CONTINUOUS_SCAN", "a")]},
            invalid("scanFrequency", "CONTINUOUS_SCAN is not supported when scanType is BASIC"),
        ),
        (
            {"scanType": "ENHANCED", "rules": [rule("MANUAL", "a")]},
            invalid("scanFrequency", "MANUAL is not supported when scanType is ENHANCED"),
        ),
        (
            {"rules": [rule("SCAN_ON_PUSH", "a"), rule("SCAN_ON_PUSH", "b")]},
            invalid("rules", "Each scanFrequency can be used by one rule only"),
        ),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_and_changes_nothing(region, members, expected):
    kept = {"scanType": "ENHANCED", "rules": [rule("SCAN_ON_PUSH", "kept")]}
    region.ecr.put_registry_scanning_configuration(**kept)

    refused = region.aws().refusal("PutRegistryScanningConfiguration", members)

    assert refused == expected
    assert configuration(region) == kept


@pytest.mark.parametrize("pattern", ["A", "a b", "/a", "a..b", "a*/", "a\n", "a" * 200 + "!", "ä"])
def test_a_filter_must_be_like_a_name_with_stars(region, pattern):
    code, message = region.aws().refusal("PutRegistryScanningConfiguration", {"rules": [rule("SCAN_ON_PUSH", pattern)]})

    assert code == "InvalidParameterException"
    assert "'filter' failed to satisfy constraint: 'must satisfy regular expression" in message


# ---- Repositories


def test_a_repository_scans_on_push_if_it_says_so(product, name):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name)

    for wanted in (True, False):
        answer = ecr.put_image_scanning_configuration(
            repositoryName=name, registryId=ACCOUNT, imageScanningConfiguration={"scanOnPush": wanted}
        )

        [described] = ecr.describe_repositories(repositoryNames=[name])["repositories"]
        assert described["imageScanningConfiguration"] == {"scanOnPush": wanted}
        assert bare(answer) == {
            "registryId": ACCOUNT,
            "repositoryName": name,
            "imageScanningConfiguration": {"scanOnPush": wanted},
        }


def test_a_repository_that_says_nothing_does_not_scan_on_push(product, name):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name, imageScanningConfiguration={"scanOnPush": True})

    answer = ecr.put_image_scanning_configuration(repositoryName=name, imageScanningConfiguration={})

    assert answer["imageScanningConfiguration"] == {"scanOnPush": False}


def test_scanning_cannot_be_set_on_what_is_not_there(product, name):
    members = {"repositoryName": name, "imageScanningConfiguration": {"scanOnPush": True}}
    text = f"The repository with name '{name}' does not exist in the registry with id '{ACCOUNT}'"

    assert refusal(product.ecr().put_image_scanning_configuration, **members) == ("RepositoryNotFoundException", text)
    code, _ = product.aws().refusal("PutImageScanningConfiguration", {"repositoryName": name})
    assert code == "InvalidParameterException"


def test_the_configuration_of_repositories_says_what_is_done_with_them(region):
    for repository, own in (("prod/a", False), ("prod/b", True), ("dev/a", False), ("dev/b", True)):
        region.ecr.create_repository(repositoryName=repository, imageScanningConfiguration={"scanOnPush": own})
    named = ["prod/a", "dev/b", "dev/a", "prod/b", "dev/a", "no/such"]

    def described():
        answer = region.ecr.batch_get_repository_scanning_configuration(repositoryNames=named)
        assert [failure["repositoryName"] for failure in answer["failures"]] == ["no/such"]
        return {
            item["repositoryName"]: (item["scanOnPush"], item["scanFrequency"], item["appliedScanFilters"])
            for item in answer["scanningConfigurations"]
        }

    alone = described()
    region.ecr.put_registry_scanning_configuration(rules=[rule("SCAN_ON_PUSH", "prod", "x", "*/a")])
    ruled = described()

    assert alone == {
        "prod/a": (False, "MANUAL", []),
        "dev/b": (True, "SCAN_ON_PUSH", []),
        "dev/a": (False, "MANUAL", []),
        "prod/b": (True, "SCAN_ON_PUSH", []),
    }
    assert list(alone) == list(dict.fromkeys(named))[:-1]
    assert ruled == {
        "prod/a": (False, "SCAN_ON_PUSH", filters("prod", "*/a")),
        "dev/b": (True, "MANUAL", []),
        "dev/a": (False, "SCAN_ON_PUSH", filters("*/a")),
        "prod/b": (True, "SCAN_ON_PUSH", filters("prod")),
    }


def test_a_repository_that_is_not_there_is_a_failure_of_its_own(region):
    region.ecr.create_repository(repositoryName="there")

    answer = region.ecr.batch_get_repository_scanning_configuration(repositoryNames=["not/there", "there"])

    [found] = answer["scanningConfigurations"]
    assert found["repositoryArn"] == f"arn:aws:ecr:{region.name}:{ACCOUNT}:repository/there"
    assert answer["failures"] == [
        {
            "repositoryName": "not/there",
            "failureCode": "REPOSITORY_NOT_FOUND",
            "failureReason": (
                f"The repository with name 'not/there' does not exist in the registry with id '{ACCOUNT}'"
            ),
        }
    ]


@pytest.mark.parametrize("names", [[], ["a"], ["Not/A/Name"], [f"r/{number}" for number in range(26)]])
def test_repositories_that_cannot_be_named_are_refused(product, names):
    code, _ = product.aws().refusal("BatchGetRepositoryScanningConfiguration", {"repositoryNames": names})

    assert code == "InvalidParameterException"


# ---- Scans


def start(ecr, name, **members):
    return ecr.start_image_scan(repositoryName=name, imageId=members or {"imageTag": "v1"})


def findings(ecr, name, **members):
    return ecr.describe_image_scan_findings(repositoryName=name, imageId=members or {"imageTag": "v1"})


def is_over(answer):
    return answer["imageScanStatus"]["status"] not in {"PENDING", "IN_PROGRESS"}


def test_a_scan_is_there_as_soon_as_it_is_started(product, name):
    image, ecr = product.registry(name).push_image("v1"), product.ecr()

    started = start(ecr, name)
    described = findings(ecr, name, imageDigest=image.digest)

    assert started["imageScanStatus"].pop("description")
    assert bare(started) == {
        "registryId": ACCOUNT,
        "repositoryName": name,
        "imageId": {"imageDigest": image.digest, "imageTag": "v1"},
        "imageScanStatus": {"status": "PENDING"},
    }
    assert described["imageId"] == {"imageDigest": image.digest}
    assert described["imageScanStatus"]["status"] in {"PENDING", "IN_PROGRESS", "FAILED"}
    assert "imageScanFindings" not in described


def test_a_scan_fails_for_want_of_an_engine_and_pretends_nothing(product, name):
    image, ecr = product.registry(name).push_image("v1"), product.ecr()
    start(ecr, name)

    answer = eventually(lambda: findings(ecr, name), is_over)

    assert bare(answer) == {
        "registryId": ACCOUNT,
        "repositoryName": name,
        "imageId": {"imageDigest": image.digest, "imageTag": "v1"},
        "imageScanStatus": {"status": "FAILED", "description": NO_ENGINE},
    }


def test_the_waiter_sees_that_a_scan_failed(product, name):
    product.registry(name).push_image("v1")
    ecr = product.ecr()
    start(ecr, name)

    with pytest.raises(WaiterError) as caught:
        ecr.get_waiter("image_scan_complete").wait(
            repositoryName=name, imageId={"imageTag": "v1"}, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
        )

    assert caught.value.last_response["imageScanStatus"] == {"status": "FAILED", "description": NO_ENGINE}


def test_the_paginator_walks_the_findings_of_a_scan(product, name):
    image, ecr = product.registry(name).push_image("v1"), product.ecr()
    start(ecr, name)
    members = {"repositoryName": name, "imageId": {"imageTag": "v1"}}

    pages = list(
        ecr.get_paginator("describe_image_scan_findings").paginate(**members, PaginationConfig={"PageSize": 1})
    )
    whole = ecr.get_paginator("describe_image_scan_findings").paginate(**members).build_full_result()

    assert len(pages) == 1
    assert whole["repositoryName"] == name
    assert whole["imageId"]["imageDigest"] == image.digest
    assert whole["imageScanStatus"]["status"] in {"PENDING", "IN_PROGRESS", "FAILED"}


def test_an_image_is_scanned_when_it_is_pushed_if_its_repository_wants_that(product, name):
    registry, ecr = product.registry(name), product.ecr()
    before = registry.push_image("v0")
    ecr.put_image_scanning_configuration(repositoryName=name, imageScanningConfiguration={"scanOnPush": True})

    registry.push_image("v1")

    eventually(lambda: findings(ecr, name), is_over)
    code, _ = refusal(findings, ecr=ecr, name=name, imageDigest=before.digest)
    assert code == "ScanNotFoundException"


def test_images_are_described_with_their_scans(product, name):
    registry, ecr = product.registry(name), product.ecr()
    scanned, other = registry.push_image("v1"), registry.push_image("v2")
    start(ecr, name)
    eventually(lambda: findings(ecr, name), is_over)

    details = ecr.describe_images(repositoryName=name)["imageDetails"]

    statuses = {detail["imageDigest"]: detail.get("imageScanStatus") for detail in details}
    assert statuses == {scanned.digest: {"status": "FAILED", "description": NO_ENGINE}, other.digest: None}


def test_an_image_is_scanned_once_a_day(product, name):
    product.registry(name).push_image("v1")
    start(product.ecr(), name)

    refused = refusal(start, ecr=product.ecr(), name=name)

    assert refused == ("LimitExceededException", "The scan quota per image has been exceeded. Wait and try again.")


def test_lists_cannot_be_scanned(product, name):
    registry = product.registry(name)
    index = builders.an_index(registry.push_image("v1"))
    registry.push_manifest(index, "list")

    code, message = refusal(start, ecr=product.ecr(), name=name, imageTag="list")

    assert code == "UnsupportedImageTypeException"
    assert index.digest in message


def test_archived_images_cannot_be_scanned(product, name):
    image, ecr = product.registry(name).push_image("v1"), product.ecr()
    ecr.update_image_storage_class(repositoryName=name, imageId={"imageTag": "v1"}, targetStorageClass="ARCHIVE")

    code, message = refusal(start, ecr=ecr, name=name)

    assert code == "ImageArchivedException"
    assert image.digest in message


def test_scans_are_not_started_where_they_are_enhanced(region):
    region.registry("some").push_image("v1")
    region.ecr.put_registry_scanning_configuration(scanType="ENHANCED")

    code, message = refusal(start, ecr=region.ecr, name="some")

    assert code == "ValidationException"
    assert "not supported when enhanced scanning" in message
    assert refusal(findings, ecr=region.ecr, name="some")[0] == "ScanNotFoundException"


@pytest.mark.parametrize("deed", [start, findings])
def test_what_is_not_there_has_no_scan(product, name, deed):
    ecr = product.ecr()
    missing = refusal(deed, ecr=ecr, name=name)
    product.registry(name).push_image("v1")

    by_tag = refusal(deed, ecr=ecr, name=name, imageTag="v2")
    by_digest = refusal(deed, ecr=ecr, name=name, imageDigest=DIGEST)
    by_none = product.aws().refusal(
        "StartImageScan" if deed is start else "DescribeImageScanFindings", {"repositoryName": name, "imageId": {}}
    )

    where = f"in the registry with id '{ACCOUNT}'"
    text = f"The image with imageId {{}} does not exist within the repository with name '{name}' {where}"
    assert missing == ("RepositoryNotFoundException", f"The repository with name '{name}' does not exist {where}")
    assert by_tag == ("ImageNotFoundException", text.format("{imageDigest:'null', imageTag:'v2'}"))
    assert by_digest == ("ImageNotFoundException", text.format(f"{{imageDigest:'{DIGEST}', imageTag:'null'}}"))
    assert by_none == invalid("imageId", "both tag and digest cannot be null")


@pytest.mark.parametrize("members", [{"imageTag": "v1"}, {"imageDigest": ...}, {"imageTag": "v1", "imageDigest": ...}])
def test_an_image_that_was_never_scanned_says_so(product, name, members):
    image = product.registry(name).push_image("v1")
    members = {key: image.digest if value is ... else value for key, value in members.items()}

    refused = refusal(findings, ecr=product.ecr(), name=name, **members)

    digest, tag = members.get("imageDigest", "null"), members.get("imageTag", "null")
    assert refused == (
        "ScanNotFoundException",
        (
            f"Image scan does not exist for the image with '{{imageDigest:'{digest}', imageTag:'{tag}'}}' "
            f"in the repository with name '{name}' in the registry with id '{ACCOUNT}'"
        ),
    )


@pytest.mark.parametrize(
    "members",
    [{"nextToken": "no token of ours"}, {"nextToken": "LTE="}, {"maxResults": 0}, {"maxResults": 1001}],
)
def test_pages_of_findings_that_cannot_be_are_refused(product, name, members):
    product.registry(name).push_image("v1")
    start(product.ecr(), name)

    code, message = product.aws().refusal(
        "DescribeImageScanFindings", {"repositoryName": name, "imageId": {"imageTag": "v1"}, **members}
    )

    assert code == "InvalidParameterException"
    assert f"'{next(iter(members))}'" in message


@pytest.mark.parametrize("operation", ["PutImageScanningConfiguration", "StartImageScan", "DescribeImageScanFindings"])
def test_the_scans_of_another_account_are_out_of_reach(product, name, operation):
    members = {"imageId": {"imageTag": "v1"}, "imageScanningConfiguration": {"scanOnPush": True}}

    code, _ = product.aws().refusal(operation, {"registryId": OTHER, "repositoryName": name, **members})

    assert code == "AccessDeniedException"
