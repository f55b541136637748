"""Quotas and rates as an operator sets them."""

from __future__ import annotations

import time

import pytest

from holdfast.model.errors import Throttling
from holdfast.registry.throttle import BURST_SECONDS, Throttle
from tests.callers import refusal
from tests.conftest import Product

ACCOUNT = "000000000000"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A product that may hold little."""
    running = Product(
        tmp_path_factory.mktemp("small") / "data",
        "--quotas", "images=2, tags=3, repositories=12, layer-parts=1, lifecycle-rules=1, layer-mib=1",
    )  # fmt: skip
    yield running
    assert running.stop() == 0


def test_a_repository_takes_no_more_images_than_its_quota(small, name):
    repository = small.registry(name)
    images = [repository.push_image(f"v{number}", seed=str(number)) for number in range(2)]
    code, message = refusal(
        small.ecr().put_image,
        repositoryName=name,
        imageManifest=images[0].body.decode().replace('"schemaVersion": 2', '"schemaVersion":2'),
        imageTag="v3",
    )

    assert code == "LimitExceededException"
    assert message == (
        f"The repository with name '{name}' in registry with id '{ACCOUNT}' "
        "already has the maximum allowed number of images which is '2'"
    )
    assert len(small.ecr().list_images(repositoryName=name)["imageIds"]) == 2
    assert repository.push_manifest(images[0], "another").status == 201


def test_deleted_images_make_room(small, name):
    repository = small.registry(name)
    for seed in ("a", "b"):
        repository.push_image(seed, seed=seed)

    small.ecr().batch_delete_image(repositoryName=name, imageIds=[{"imageTag": "a"}])

    repository.push_image("c", seed="c")
    assert "UNKNOWN" not in small.log.read_text()


def test_docker_is_refused_the_image_that_is_too_many(small, name):
    repository = small.registry(name)
    for seed in ("a", "b"):
        repository.push_image(seed, seed=seed)
    from tests import builders

    third = builders.an_image(repository.push_blob, seed="c")
    answer = repository.push_manifest(third, "c")

    assert (answer.status, answer.code) == (403, "DENIED")
    assert "maximum allowed number of images" in answer.message


def test_an_image_takes_no_more_tags_than_its_quota(small, name):
    repository = small.registry(name)
    image = repository.push_image("v0", seed="a")
    for tag in ("v1", "v2"):
        repository.push_manifest(image, tag)

    answer = repository.push_manifest(image, "v3")

    assert (answer.status, answer.code) == (403, "DENIED")
    assert repository("GET", "/tags/list").json()["tags"] == ["v0", "v1", "v2"]


def test_a_registry_takes_no_more_repositories_than_its_quota(small):
    ecr = small.ecr("eu-quota-1")  # every region is a registry of its own
    for number in range(12):
        ecr.create_repository(repositoryName=f"some-{number}")

    code, message = refusal(ecr.create_repository, repositoryName="one-more")
    ecr.delete_repository(repositoryName="some-0")
    ecr.create_repository(repositoryName="one-more")

    assert code == "LimitExceededException"
    assert message.endswith("already has the maximum allowed number of repositories which is '12'")
    assert len(ecr.describe_repositories()["repositories"]) == 12


def test_a_quota_is_told_before_it_is_reached(small):
    ecr = small.ecr("eu-quota-2")

    for number in range(9):
        ecr.create_repository(repositoryName=f"some-{number}")

    assert "9 of 12 that the registry 000000000000 in eu-quota-2 may have repositories" in small.log.read_text()


def test_a_layer_takes_no_more_parts_than_its_quota(small, name):
    ecr = small.ecr()
    ecr.create_repository(repositoryName=name)
    upload = {"repositoryName": name, "uploadId": ecr.initiate_layer_upload(repositoryName=name)["uploadId"]}
    ecr.upload_layer_part(**upload, partFirstByte=0, partLastByte=3, layerPartBlob=b"some")

    code, _ = refusal(ecr.upload_layer_part, **upload, partFirstByte=4, partLastByte=7, layerPartBlob=b"more")

    assert code == "LimitExceededException"


def test_a_lifecycle_policy_takes_no_more_rules_than_its_quota(small, name):
    from tests.aws.test_ecr_lifecycle import KEEP_ONE, OLD, text

    ecr = small.ecr()
    ecr.create_repository(repositoryName=name)
    tagged = {**OLD, "tagStatus": "tagged", "tagPrefixList": ["v"]}

    code, _ = refusal(ecr.put_lifecycle_policy, repositoryName=name, lifecyclePolicyText=text(tagged, KEEP_ONE))
    ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=text(KEEP_ONE))

    assert code == "InvalidParameterException"


# ---- Rates


def test_a_throttled_operation_is_refused_at_both_doors_and_others_are_not(start):
    product = start("--throttle", "DescribeImages=0.001,BatchGetImage=0.001")
    repository = product.registry("some")
    repository.push_image("v1", seed="a")
    ecr = product.ecr()
    ecr.describe_images(repositoryName="some")
    repository("GET", "/manifests/v1")

    code, message = refusal(ecr.describe_images, repositoryName="some")
    answer = repository("GET", "/manifests/v1")

    assert (code, message) == ("ThrottlingException", "Rate exceeded")
    assert (answer.status, answer.code, answer.message) == (429, "TOOMANYREQUESTS", "Rate exceeded")
    assert ecr.list_images(repositoryName="some")["imageIds"]
    assert product.ecr("eu-central-1").describe_repositories()["repositories"] == []


def test_workers_share_a_rate(start):
    product = start("--workers", "3", "--throttle", "*=0.001")

    # Each on a connection of its own, which may reach any worker.
    answers = [product.aws()("DescribeRepositories", {}).status for _ in range(12)]

    assert answers.count(200) == 1


def test_nothing_is_throttled_unless_somebody_wants_it(product):
    began = time.monotonic()
    calls = 0

    while time.monotonic() - began < 1:
        product.ecr().describe_registry()
        calls += 1

    assert calls > 10  # ECR lets ten PutImages through a second; we hold nobody up


def test_a_bucket_fills_with_time_and_only_so_far():
    now = [100.0]
    throttle = Throttle({"PutImage": 5.0}, lambda: now[0])

    def taken():
        count = 0
        while True:
            try:
                throttle.take(ACCOUNT, "us-east-1", "PutImage")
            except Throttling:
                return count
            count += 1

    first = taken()
    now[0] += 1
    after_a_second = taken()
    now[0] += 1000
    after_long = taken()

    assert (first, after_a_second, after_long) == (5 * BURST_SECONDS, 5, 5 * BURST_SECONDS)


def test_accounts_regions_and_operations_have_buckets_of_their_own():
    throttle = Throttle({"PutImage": 0.001, "*": 0.001}, lambda: 0.0)

    for place in [(ACCOUNT, "a", "PutImage"), ("111122223333", "a", "PutImage"), (ACCOUNT, "b", "PutImage"),
                  (ACCOUNT, "a", "ListImages")]:  # fmt: skip
        throttle.take(*place)

    for place in [(ACCOUNT, "a", "PutImage"), (ACCOUNT, "a", "ListImages"), (ACCOUNT, "a", "DescribeImages")]:
        with pytest.raises(Throttling):
            throttle.take(*place)


def test_more_buckets_than_there_is_room_for_are_no_fault():
    throttle = Throttle({"*": 1.0}, lambda: 0.0)

    for number in range(20_000):
        throttle.take(f"{number:012}", "us-east-1", "ListImages")
