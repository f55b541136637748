"""Another Holdfast in the part of Amazon ECR, and one that follows it."""

from __future__ import annotations

import json

import pytest

from tests import builders
from tests.callers import Registry
from tests.conftest import Product

MARK = "holdfast:shadow-of"
THERE = "000000000000/us-east-1"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Sid": "pull", "Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}],
}
RULES = {
    "rules": [
        {
            "rulePriority": 1,
            "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 500},
            "action": {"type": "expire"},
        }
    ]
}


@pytest.fixture(scope="module")
def follower(tmp_path_factory):
    """The registry that follows."""
    product = Product(tmp_path_factory.mktemp("follower") / "data")
    yield product
    product.kill()


@pytest.fixture
def shadow(product, follower, name):
    """One pass over the repositories of the test."""
    key_id, secret = product.credentials()

    def run(*flags, **environment):
        credentials = {"AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": secret} | environment
        return follower.cli(
            "shadow", "--from", "us-east-1", "--endpoint-url", product.url, "--repositories", name, "--once",
            "--upstream-allow", "127.0.0.0/8", *flags, **credentials,
        )  # fmt: skip

    return run


def images_of(product, name):
    """Each image of a repository with its tags."""
    pages = product.ecr().get_paginator("describe_images").paginate(repositoryName=name)
    return {one["imageDigest"]: set(one.get("imageTags", ())) for page in pages for one in page["imageDetails"]}


def tags_of(product, name):
    """The resource tags of a repository."""
    [found] = product.ecr().describe_repositories(repositoryNames=[name])["repositories"]
    told = product.ecr().list_tags_for_resource(resourceArn=found["repositoryArn"])["tags"]
    return {tag["Key"]: tag["Value"] for tag in told}


def names_of(product, prefix):
    """The repositories whose names begin so."""
    pages = product.ecr().get_paginator("describe_repositories").paginate()
    names = [one["repositoryName"] for page in pages for one in page["repositories"]]
    return [one for one in names if one.startswith(prefix)]


def test_a_repository_comes_with_its_settings_and_its_images(product, follower, shadow, name):
    ecr = product.ecr()
    ecr.create_repository(
        repositoryName=name,
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "latest*"}],
        imageScanningConfiguration={"scanOnPush": True},
        tags=[{"Key": "team", "Value": "blue"}],
    )
    ecr.set_repository_policy(repositoryName=name, policyText=json.dumps(POLICY))
    ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=json.dumps(RULES))
    there = Registry(product.http(), name)
    one = there.push_image("1.0")
    there.push_manifest(one, "latest")
    there.push_image()

    ended = shadow()

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "1 repository, 1 of them new; 2 images" in ended.stdout
    assert images_of(follower, name) == images_of(product, name)
    assert tags_of(follower, name) == {"team": "blue", MARK: THERE}
    [found] = follower.ecr().describe_repositories(repositoryNames=[name])["repositories"]
    assert found["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
    assert found["imageScanningConfiguration"] == {"scanOnPush": True}
    assert json.loads(follower.ecr().get_repository_policy(repositoryName=name)["policyText"]) == POLICY
    assert json.loads(follower.ecr().get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"]) == RULES
    here = Registry(follower.http(), name)
    assert here("GET", "/manifests/latest").body == one.body
    for layer in json.loads(one.body)["layers"]:
        assert builders.digest(here("GET", f"/blobs/{layer['digest']}").body) == layer["digest"]


def test_indexes_and_referrers_come_whole(product, follower, shadow, name):
    there = product.registry(name)
    arm, intel = there.push_image(seed="arm"), there.push_image(seed="intel")
    index = builders.an_index(arm, intel)
    there.push_manifest(index, "1.0")
    signature = there.push_image(seed="signature", subject=index.descriptor, artifactType="application/x-signature")

    assert shadow().returncode == 0

    assert images_of(follower, name) == images_of(product, name)
    found = Registry(follower.http(), name)("GET", f"/referrers/{index.digest}").json()
    assert [one["digest"] for one in found["manifests"]] == [signature.digest]


def test_a_further_pass_brings_what_changed_and_nothing_else(product, follower, shadow, name):
    there = product.registry(name)
    there.push_image("latest", seed="old")
    shadow()
    there.push_image("latest", seed="new")
    product.ecr().put_image_tag_mutability(repositoryName=name, imageTagMutability="IMMUTABLE")
    product.ecr().set_repository_policy(repositoryName=name, policyText=json.dumps(POLICY))
    shadow()

    ended = shadow()

    assert images_of(follower, name) == images_of(product, name)
    assert json.loads(follower.ecr().get_repository_policy(repositoryName=name)["policyText"]) == POLICY
    assert "0 of them new; 0 images with 0 B came, 0 tags were set, 0 things were removed" in ended.stdout


def test_a_tag_that_may_not_move_here_follows_one_that_was_made_anew_there(product, follower, shadow, name):
    there = product.registry(name)
    product.ecr().put_image_tag_mutability(repositoryName=name, imageTagMutability="IMMUTABLE")
    there.push_image("1.0", seed="first")
    shadow()
    product.ecr().batch_delete_image(repositoryName=name, imageIds=[{"imageTag": "1.0"}])
    second = there.push_image("1.0", seed="second")

    assert shadow().returncode == 0

    assert Registry(follower.http(), name)("GET", "/manifests/1.0").body == second.body


def test_what_went_there_stays_here_unless_deletions_are_followed(product, follower, shadow, name):
    there = product.registry(name)
    kept, gone = there.push_image("kept"), there.push_image("gone")
    there.push_manifest(kept, "also")
    product.registry(f"{name}-two")
    shadow()
    product.ecr().batch_delete_image(repositoryName=name, imageIds=[{"imageDigest": gone.digest}, {"imageTag": "also"}])
    product.ecr().delete_repository(repositoryName=f"{name}-two")

    shadow()
    assert images_of(follower, name) == {kept.digest: {"kept", "also"}, gone.digest: {"gone"}}
    assert names_of(follower, name) == [name, f"{name}-two"]

    ended = shadow("--follow-deletions")
    assert images_of(follower, name) == {kept.digest: {"kept"}}
    assert names_of(follower, name) == [name]
    assert "3 things were removed" in ended.stdout


def test_what_is_archived_there_is_not_gone(product, follower, shadow, name):
    there = product.registry(name)
    kept, archived = there.push_image("kept"), there.push_image("archived")
    shadow()
    product.ecr().update_image_storage_class(
        repositoryName=name, imageId={"imageDigest": archived.digest}, targetStorageClass="ARCHIVE"
    )

    ended = shadow("--follow-deletions")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert images_of(follower, name) == {kept.digest: {"kept"}, archived.digest: {"archived"}}


def test_more_than_half_of_a_repository_goes_only_when_that_is_confirmed(product, follower, shadow, name):
    there = product.registry(name)
    digests = [there.push_image(f"v{number}").digest for number in range(11)]
    shadow()
    product.ecr().batch_delete_image(repositoryName=name, imageIds=[{"imageDigest": digest} for digest in digests])

    ended = shadow("--follow-deletions")
    assert ended.returncode == 1
    assert "has lost 11 of 11 images; they stay here unless --confirm-deletions lets them go" in ended.stderr
    assert len(images_of(follower, name)) == 11

    assert shadow("--follow-deletions", "--confirm-deletions").returncode == 0
    assert images_of(follower, name) == {}


def test_a_repository_of_our_own_is_left_alone(product, follower, shadow, name):
    product.registry(name).push_image("theirs")
    ours = follower.registry(name).push_image("ours")
    product.registry(f"{name}-two").push_image("theirs")

    ended = shadow("--follow-deletions")

    assert ended.returncode == 1
    assert f"the resource tag {MARK}={THERE} would let it follow this source" in ended.stderr
    assert images_of(follower, name) == {ours.digest: {"ours"}}
    assert images_of(follower, f"{name}-two") == images_of(product, f"{name}-two")


def test_a_policy_that_means_nobody_here_is_left_out_and_told(product, follower, shadow, name):
    product.registry(name).push_image("1.0")
    product.aws_client("iam").create_user(UserName="shadowed")
    [statement] = POLICY["Statement"]
    named = POLICY | {"Statement": [statement | {"Principal": {"AWS": "arn:aws:iam::000000000000:user/shadowed"}}]}
    product.ecr().set_repository_policy(repositoryName=name, policyText=json.dumps(named))

    ended = shadow()

    assert ended.returncode == 1
    assert f"{name}: its policy:" in ended.stderr
    assert images_of(follower, name) == images_of(product, name)


def test_credentials_that_are_refused_are_told_without_a_secret(product, shadow):
    key_id, _ = product.credentials()

    ended = shadow(AWS_ACCESS_KEY_ID=key_id, AWS_SECRET_ACCESS_KEY="not-the-secret")

    assert ended.returncode == 1
    assert ended.stderr.startswith("holdfast: GetAuthorizationToken: InvalidSignatureException: ")
    assert "not-the-secret" not in ended.stderr


def test_a_source_in_a_network_that_is_not_allowed_is_not_asked_for_images(product, shadow, name):
    product.registry(name).push_image("1.0")

    ended = shadow("--upstream-allow", "")

    assert ended.returncode == 1
    assert "--upstream-allow" in ended.stderr
