"""What was deleted, through every door: boto3, the registry protocol and the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from tests import builders
from tests.aws.regions import own_client
from tests.callers import refusal
from tests.grants import allow, docker


@pytest.fixture(scope="module")
def own(product):
    """boto3, which was told of our own operations."""
    client = own_client(product, "us-east-1")
    yield client
    client.close()


def _push(repository, *tags):
    document = repository.push_image(tags[0])
    for tag in tags[1:]:
        repository.push_manifest(document, tag)
    return document.digest


def cli(product, *arguments):
    ended = product.cli(*arguments)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_a_deleted_image_is_listed_and_restored(product, own, name):
    repository, ecr = product.registry(name), product.ecr()
    digest = _push(repository, "latest", "v1")
    before = ecr.describe_images(repositoryName=name)["imageDetails"]
    ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageDigest": digest}])
    assert repository("GET", f"/manifests/{digest}").status == 404

    [deleted] = own.list_deleted_images(repositoryName=name)["deletedImages"]
    [restored] = own.restore_image(repositoryName=name, imageDigest=digest)["images"]

    assert (deleted["imageDigest"], deleted["imageTags"]) == (digest, ["latest", "v1"])
    assert deleted["keptUntil"] - deleted["deletedAt"] == timedelta(days=7)
    assert restored["imageTags"] == ["latest", "v1"]
    assert ecr.describe_images(repositoryName=name)["imageDetails"] == before
    assert repository("GET", "/manifests/v1").headers["docker-content-digest"] == digest


def test_a_deleted_repository_is_listed_and_restored_under_another_name(product, own, name):
    repository, ecr = product.registry(name), product.ecr()
    digest = repository.push_image("latest").digest
    ecr.delete_repository(repositoryName=name, force=True)
    ecr.create_repository(repositoryName=name)

    listed = own.list_deleted_repositories(maxResults=1000)["deletedRepositories"]
    taken = refusal(own.restore_repository, repositoryName=name)
    own.restore_repository(repositoryName=name, newRepositoryName=f"{name}-old")

    assert [one["imageCount"] for one in listed if one["repositoryName"] == name] == [1]
    assert taken[0] == "RepositoryAlreadyExistsException"
    assert ecr.describe_images(repositoryName=f"{name}-old")["imageDetails"][0]["imageDigest"] == digest
    assert refusal(own.restore_repository, repositoryName=name)[0] == "DeletedRepositoryNotFoundException"


def test_what_is_purged_does_not_come_back(product, own, name):
    repository, ecr = product.registry(name), product.ecr()
    digest = repository.push_image("latest").digest
    repository("DELETE", f"/manifests/{digest}")
    own.purge_deleted_image(repositoryName=name, imageDigest=digest)
    ecr.delete_repository(repositoryName=name, force=True)
    own.purge_deleted_repository(repositoryName=name)

    ecr.create_repository(repositoryName=name)

    assert refusal(own.restore_image, repositoryName=name, imageDigest=digest)[0] == "DeletedImageNotFoundException"
    assert refusal(own.restore_repository, repositoryName=name)[0] == "DeletedRepositoryNotFoundException"


def test_a_protected_repository_is_not_deleted(product, name):
    ecr = product.ecr()
    arn = ecr.create_repository(repositoryName=name, tags=[{"Key": "holdfast:delete-protection", "Value": "true"}])[
        "repository"
    ]["repositoryArn"]

    code, message = refusal(ecr.delete_repository, repositoryName=name, force=True)
    wrong = refusal(ecr.tag_resource, resourceArn=arn, tags=[{"Key": "holdfast:delete-protection", "Value": "on"}])
    ecr.untag_resource(resourceArn=arn, tagKeys=["holdfast:delete-protection"])

    assert code == "RepositoryDeletionProtectedException"
    assert "holdfast:delete-protection" in message
    assert wrong[0] == "InvalidTagParameterException"
    ecr.delete_repository(repositoryName=name)


# ---- Tags


def spelled(instant):
    return f"{instant:%Y-%m-%dT%H:%M:%S.%fZ}"


def test_a_tag_is_resolved_as_of_a_time(product, own, name):
    repository = product.registry(name)
    first = repository.push_image("latest")
    between = datetime.now(UTC)
    second = repository.push_image("latest", seed="2")

    then = repository("GET", f"/manifests/latest@{spelled(between)}")
    now = repository("HEAD", f"/manifests/latest@{spelled(datetime.now(UTC))}")
    [history] = own.list_image_tag_history(repositoryName=name, imageTag="latest")["imageTagHistory"]

    assert (then.status, then.body) == (200, first.body)
    assert now.headers["docker-content-digest"] == second.digest
    assert history["imageDigest"] == first.digest


@pytest.mark.parametrize("text", ["2000-01-01T00:00:00Z", "yesterday", "2026-13-01T00:00:00Z", ""])
def test_a_time_of_which_nothing_is_known_is_not_found(product, name, text):
    repository = product.registry(name)
    repository.push_image("latest")

    answer = repository("GET", f"/manifests/latest@{text}")

    assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")


def test_a_deleted_image_is_not_served_by_a_time(product, name):
    repository = product.registry(name)
    digest = repository.push_image("latest").digest
    then = datetime.now(UTC)
    repository("DELETE", f"/manifests/{digest}")

    assert repository("GET", f"/manifests/latest@{spelled(then)}").status == 404


def test_who_may_not_pull_a_tag_may_not_pull_it_as_of_a_time(product, account, name):
    account.client("ecr").create_repository(repositoryName=name)
    puller = account.a_user("puller", [allow("ecr:GetAuthorizationToken"), allow(
        "ecr:BatchGetImage", Condition={"StringNotEqualsIfExists": {"ecr:ImageTag": "secret"}})])  # fmt: skip
    everything = account.a_user("everything", [allow("*")])
    document = docker(account, everything, name).push_image("secret")
    docker(account, everything, name).push_manifest(document, "open")
    then = spelled(datetime.now(UTC))

    reader = docker(account, puller, name)

    assert reader("GET", f"/manifests/open@{then}").body == document.body
    assert reader("GET", f"/manifests/secret@{then}").status == 403


def test_a_tag_is_restored(product, own, name):
    repository = product.registry(name)
    digest = repository.push_image("latest").digest
    repository("DELETE", "/manifests/latest")

    own.restore_image_tag(repositoryName=name, imageTag="latest")

    assert repository("GET", "/manifests/latest").headers["docker-content-digest"] == digest
    with pytest.raises(ClientError, match="ImageTagHistoryNotFound"):
        own.restore_image_tag(repositoryName=name, imageTag="other")


# ---- The command line


def test_the_command_line_lists_restores_and_purges(product, name):
    repository, ecr = product.registry(name), product.ecr()
    digest = repository.push_image("latest").digest
    repository("DELETE", f"/manifests/{digest}")

    [line] = cli(product, "deleted", "list", name, "--json").splitlines()
    cli(product, "deleted", "restore", name, "--digest", digest)
    ecr.delete_repository(repositoryName=name, force=True)
    assert name in cli(product, "deleted", "list")
    assert cli(product, "deleted", "restore", name) == f"The repository {name} is restored.\n"
    then = spelled(datetime.now(UTC))

    assert json.loads(line)["digest"] == digest
    assert cli(product, "deleted", "at", f"{name}:latest@{then}") == f"{digest}\n"
    ended = product.cli("deleted", "purge", name, "--digest", builders.digest(b"never"))
    assert (ended.returncode, ended.stderr.partition(" with")[0]) == (1, "holdfast: No deleted image")
