"""Lifecycle policies through the front door."""

import json
import time
from datetime import UTC, datetime

import pytest
from botocore.exceptions import WaiterError

from tests.callers import refusal

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PATIENCE_SECONDS = 60
KEEP_ONE = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1}
OLD = {"tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 9}


def text(*selections, action=None):
    """A policy of these selections, in the order of their priority."""
    rules = [
        {"rulePriority": number, "selection": selection, "action": action or {"type": "expire"}}
        for number, selection in enumerate(selections, 1)
    ]
    return json.dumps({"rules": rules})


def with_images(product, name, count):
    """A repository of some images; their digests from the oldest to the newest."""
    repository = product.registry(name)
    digests = []
    for number in range(count):
        manifest = repository.push_image(seed=str(number))
        repository.push_manifest(manifest, f"v{number}")
        digests.append(manifest.digest)
    return digests


def preview(ecr, name, **members):
    """Start a preview and wait for it."""
    ecr.start_lifecycle_policy_preview(repositoryName=name, **members)
    ecr.get_waiter("lifecycle_policy_preview_complete").wait(
        repositoryName=name, WaiterConfig={"Delay": 1, "MaxAttempts": PATIENCE_SECONDS}
    )


def until_evaluated(ecr, name):
    """Wait for the policy to be followed; the answer that tells so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        answer = ecr.get_lifecycle_policy(repositoryName=name)
        if answer["lastEvaluatedAt"] != EPOCH:
            return answer
    raise AssertionError(f"the policy was not followed in {PATIENCE_SECONDS} s")


# ---- The policy


def test_a_policy_is_kept_in_compact_form(product, name):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name)
    spacious = json.dumps(json.loads(text(OLD)), indent=4)

    put = ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=spacious)
    got = ecr.get_lifecycle_policy(repositoryName=name)

    compact = json.dumps(json.loads(spacious), separators=(",", ":"))
    assert put["lifecyclePolicyText"] == got["lifecyclePolicyText"] == compact
    assert (put["registryId"], put["repositoryName"]) == ("000000000000", name)
    assert set(put) - {"ResponseMetadata"} == {"registryId", "repositoryName", "lifecyclePolicyText"}


def test_a_policy_replaces_the_one_before(product, name):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name)
    ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=text(OLD))

    ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=text(KEEP_ONE))

    assert "imageCountMoreThan" in ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"]


def test_a_deleted_policy_is_answered_once_more(product, name):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name)
    put = ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=text(OLD))

    deleted = ecr.delete_lifecycle_policy(repositoryName=name)

    assert deleted["lifecyclePolicyText"] == put["lifecyclePolicyText"]
    assert "lastEvaluatedAt" in deleted
    code, message = refusal(ecr.get_lifecycle_policy, repositoryName=name)
    assert code == "LifecyclePolicyNotFoundException"
    assert message == (
        f"Lifecycle policy does not exist for the repository with name '{name}' in the registry with id '000000000000'"
    )
    assert refusal(ecr.delete_lifecycle_policy, repositoryName=name)[0] == "LifecyclePolicyNotFoundException"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("{" + " " * 100, "Could not map policyString into LifecyclePolicy."),
        (text({**OLD, "countNumber": 0}), "numeric instance is lower than the required minimum (minimum: 1, found: 0)"),
        (text(OLD, OLD), "Rule for tagStatus=ANY must have the lowest priority per storage class"),
    ],
)
def test_a_wrong_policy_is_refused_and_changes_nothing(product, name, wrong, words):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name)
    before = ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=text(OLD))["lifecyclePolicyText"]

    code, message = refusal(ecr.put_lifecycle_policy, repositoryName=name, lifecyclePolicyText=wrong)

    assert code == "InvalidParameterException"
    assert message.startswith(
        "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure:"
    )
    assert words in message
    assert ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"] == before


@pytest.mark.parametrize("operation", ["PutLifecyclePolicy", "StartLifecyclePolicyPreview"])
@pytest.mark.parametrize("length", [99, 30721])
def test_a_policy_has_a_length(product, name, operation, length):
    product.ecr().create_repository(repositoryName=name)

    answer = product.aws()(operation, {"repositoryName": name, "lifecyclePolicyText": "x" * length})

    assert answer.json()["__type"] == "InvalidParameterException"
    assert "lifecyclePolicyText" in answer.json()["message"]


@pytest.mark.parametrize(
    ("call", "members"),
    [
        ("put_lifecycle_policy", {"lifecyclePolicyText": text(OLD)}),
        ("get_lifecycle_policy", {}),
        ("delete_lifecycle_policy", {}),
        ("start_lifecycle_policy_preview", {"lifecyclePolicyText": text(OLD)}),
        ("get_lifecycle_policy_preview", {}),
    ],
)
def test_an_absent_repository_has_no_policy(product, name, call, members):
    code, _ = refusal(getattr(product.ecr(), call), repositoryName=name, **members)

    assert code == "RepositoryNotFoundException"


# ---- Followed


def test_the_background_follows_a_policy(product, name):
    ecr, digests = product.ecr(), with_images(product, name, 4)
    keep_two = {**KEEP_ONE, "countNumber": 2}
    assert ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=text(keep_two))

    answer = until_evaluated(ecr, name)

    left = {image["imageDigest"] for image in ecr.list_images(repositoryName=name)["imageIds"]}
    assert left == set(digests[2:])
    assert abs((datetime.now(UTC) - answer["lastEvaluatedAt"]).total_seconds()) < PATIENCE_SECONDS


def test_the_background_archives_by_a_policy(product, name):
    ecr, digests = product.ecr(), with_images(product, name, 3)
    action = {"type": "transition", "targetStorageClass": "archive"}
    ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=text(KEEP_ONE, action=action))

    until_evaluated(ecr, name)

    archived = ecr.describe_images(repositoryName=name, filter={"imageStatus": "ARCHIVED"})["imageDetails"]
    assert {image["imageDigest"] for image in archived} == set(digests[:2])
    assert all("lastArchivedAt" in image for image in archived)


# ---- Previews


def test_a_preview_of_a_given_policy(product, name):
    ecr, digests = product.ecr(), with_images(product, name, 3)

    started = ecr.start_lifecycle_policy_preview(repositoryName=name, lifecyclePolicyText=text(KEEP_ONE))
    ecr.get_waiter("lifecycle_policy_preview_complete").wait(
        repositoryName=name, WaiterConfig={"Delay": 1, "MaxAttempts": PATIENCE_SECONDS}
    )
    got = ecr.get_lifecycle_policy_preview(repositoryName=name)

    assert started["status"] == "IN_PROGRESS"
    assert started["lifecyclePolicyText"] == got["lifecyclePolicyText"]
    assert got["status"] == "COMPLETE"
    assert got["summary"] == {"expiringImageTotalCount": 2, "transitioningImageTotalCounts": []}
    [first, second] = got["previewResults"]
    assert {first["imageDigest"], second["imageDigest"]} == set(digests[:2])
    assert first["action"] == {"type": "EXPIRE"}
    assert first["appliedRulePriority"] == 1
    assert first["storageClass"] == "STANDARD"
    assert first["imageTags"] == ["v0"]
    assert isinstance(first["imagePushedAt"], datetime)
    assert len(ecr.list_images(repositoryName=name)["imageIds"]) == 3


def test_a_preview_tells_what_goes_to_the_archive(product, name):
    ecr = product.ecr()
    with_images(product, name, 2)
    action = {"type": "transition", "targetStorageClass": "archive"}

    preview(ecr, name, lifecyclePolicyText=text(KEEP_ONE, action=action))
    got = ecr.get_lifecycle_policy_preview(repositoryName=name)

    assert got["previewResults"][0]["action"] == {"type": "TRANSITION", "targetStorageClass": "ARCHIVE"}
    assert got["summary"] == {
        "expiringImageTotalCount": 0,
        "transitioningImageTotalCounts": [{"targetStorageClass": "ARCHIVE", "imageTotalCount": 1}],
    }


def test_a_preview_of_the_repositorys_own_policy(product, name):
    ecr = product.ecr()
    with_images(product, name, 1)
    ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=text(OLD))

    preview(ecr, name)

    got = ecr.get_lifecycle_policy_preview(repositoryName=name)
    assert got["previewResults"] == []
    assert got["lifecyclePolicyText"] == ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"]


def test_without_a_policy_there_is_nothing_to_preview(product, name):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name)

    assert refusal(ecr.start_lifecycle_policy_preview, repositoryName=name)[0] == "LifecyclePolicyNotFoundException"
    assert (
        refusal(ecr.get_lifecycle_policy_preview, repositoryName=name)[0] == "LifecyclePolicyPreviewNotFoundException"
    )


def test_a_preview_waits_for_the_one_before(start, tmp_path):
    idle = start("--background", "off")
    ecr = idle.ecr()
    ecr.create_repository(repositoryName="some")
    ecr.start_lifecycle_policy_preview(repositoryName="some", lifecyclePolicyText=text(OLD))

    code, message = refusal(ecr.start_lifecycle_policy_preview, repositoryName="some", lifecyclePolicyText=text(OLD))

    assert code == "LifecyclePolicyPreviewInProgressException"
    assert "'some'" in message
    running = ecr.get_lifecycle_policy_preview(repositoryName="some")
    assert (running["status"], running["previewResults"]) == ("IN_PROGRESS", [])
    assert "summary" not in running
    with pytest.raises(WaiterError):
        ecr.get_waiter("lifecycle_policy_preview_complete").wait(
            repositoryName="some", WaiterConfig={"Delay": 0, "MaxAttempts": 2}
        )


def test_a_preview_is_paged(product, name):
    ecr, digests = product.ecr(), with_images(product, name, 6)
    preview(ecr, name, lifecyclePolicyText=text(KEEP_ONE))

    pages = list(
        ecr.get_paginator("get_lifecycle_policy_preview").paginate(
            repositoryName=name, PaginationConfig={"PageSize": 2}
        )
    )

    assert [len(page["previewResults"]) for page in pages] == [2, 2, 1]
    assert {one["imageDigest"] for page in pages for one in page["previewResults"]} == set(digests[:-1])
    assert all(page["summary"]["expiringImageTotalCount"] == 5 for page in pages)


def test_a_preview_is_asked_for_some_images(product, name):
    ecr, digests = product.ecr(), with_images(product, name, 4)
    preview(ecr, name, lifecyclePolicyText=text(KEEP_ONE))

    ids = [{"imageDigest": digests[0]}, {"imageTag": "v1"}, {"imageDigest": digests[3]}, {"imageTag": "none"}]
    got = ecr.get_lifecycle_policy_preview(repositoryName=name, imageIds=ids)

    assert {one["imageDigest"] for one in got["previewResults"]} == {digests[0], digests[1]}


def test_a_preview_is_asked_for_tagged_or_untagged_images(product, name):
    ecr, repository = product.ecr(), product.registry(name)
    for seed, tags in [("a", ["v1"]), ("b", []), ("c", ["v2"])]:
        manifest = repository.push_image(seed=seed)
        for tag in tags:
            repository.push_manifest(manifest, tag)
    preview(ecr, name, lifecyclePolicyText=text(KEEP_ONE))

    counts = {
        status: len(
            ecr.get_lifecycle_policy_preview(repositoryName=name, filter={"tagStatus": status})["previewResults"]
        )
        for status in ("TAGGED", "UNTAGGED", "ANY")
    }

    assert counts == {"TAGGED": 1, "UNTAGGED": 1, "ANY": 2}


@pytest.mark.parametrize(
    "members",
    [
        {"imageIds": [{"imageTag": "v1"}], "maxResults": 5},
        {"imageIds": [{}]},
        {"maxResults": 101},
        {"nextToken": "nonsense"},
    ],
)
def test_a_preview_cannot_be_asked_for_so(product, name, members):
    product.ecr().create_repository(repositoryName=name)

    answer = product.aws()("GetLifecyclePolicyPreview", {"repositoryName": name, **members})

    assert answer.status == 400
    assert answer.json()["__type"] == "InvalidParameterException"


def test_the_command_line_explains_every_image(product, name, tmp_path):
    digests = with_images(product, name, 3)
    policy = tmp_path / "policy.json"
    policy.write_text(text(KEEP_ONE))

    told = product.cli("lifecycle", "explain", name, "--policy", str(policy))

    assert told.returncode == 0, told.stderr
    *lines, last = told.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["expire", "expire", "keep"]
    assert all(digest[:19] in told.stdout for digest in digests)
    assert "rule 1" in lines[0]
    assert last == "3 images: 2 would expire, 0 would be archived."


def test_the_command_line_explains_why_it_cannot(product, name):
    absent = product.cli("lifecycle", "explain", name)
    product.ecr().create_repository(repositoryName=name)
    without = product.cli("lifecycle", "explain", name)

    assert (absent.returncode, without.returncode) == (1, 1)
    assert "does not exist" in absent.stderr
    assert "Lifecycle policy does not exist" in without.stderr
