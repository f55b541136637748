"""Two installations that copy to each other: whatever is done on either side, both come to rest, and nothing is lost.

They are two regions of one server that only know each other as peers, over HTTP.
"""

from __future__ import annotations

import json

import pytest

from tests.aws.regions import Region, eventually, own_client
from tests.conftest import Product

ACCOUNT = "000000000000"
OTHER = "111122223333"  # under which each knows the other: no account of this installation
NAME = "app"
KINDS = {"ReplicateImage", "PushImage", "ReplicateDeletion", "PushDeletion", "ReplicateSettings", "SpreadSettings",
         "VerifyReplica "}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Product(tmp_path_factory.mktemp("circle") / "data", "--upstream-allow", "127.0.0.0/8")
    yield running
    assert running.stop() == 0
    text = running.log.read_text()
    assert "Traceback" not in text, text


@pytest.fixture
def sides(server, request):
    """Two registries that copy to each other, deletions too; settings go from the first to the second."""
    here, there = (Region(server, f"{request.node.nodeid} {side}") for side in ("here", "there"))
    key_id, secret = server.credentials()
    for side, other in ((here, there), (there, here)):
        arn = server.aws_client("secretsmanager", side.name).create_secret(
            Name="ecr-replication/other", SecretString=json.dumps({"username": key_id, "accessToken": secret})
        )["ARN"]
        own = own_client(server, side.name)
        to = {"region": other.name, "registryId": OTHER}
        own.put_replication_peer(destination=to, kind="HOLDFAST", url=server.url, credentialArn=arn)
        rule = {"destinations": [to], "deleteReplication": {"enabled": True}}
        side.ecr.put_replication_configuration(replicationConfiguration={"rules": [rule]})
        if side is here:
            own.put_replicated_settings(destination=to, settings=["TAG_MUTABILITY", "RESOURCE_TAGS"])
        own.close()
        side.ecr.create_repository(repositoryName=NAME)
    return here, there


def images_of(side):
    found = side.ecr.describe_images(repositoryName=NAME)["imageDetails"]
    return {one["imageDigest"]: set(one.get("imageTags", ())) for one in found}


def at_rest(server, *sides):
    """What both sides hold once nothing waits any more."""

    def waiting():
        listed = server.cli("work", "list").stdout
        return {kind for kind in KINDS if kind in listed}

    eventually(waiting, lambda seen: not seen)
    first, second = (images_of(side) for side in sides)
    assert first == second
    return first


def events_of(server, *sides):
    told = map(json.loads, server.cli("events", "list").stdout.splitlines())
    names = {side.name for side in sides}
    return [one["detail"]["action-type"] for one in told if one["region"] in names and "action-type" in one["detail"]]


def test_pushes_retags_and_deletions_on_both_sides_come_to_rest(server, sides):
    here, there = sides
    one, two = (side.existing(NAME) for side in sides)
    a, b = one.push_image("a", seed="a"), two.push_image("b", seed="b")
    assert at_rest(server, *sides) == {a.digest: {"a"}, b.digest: {"b"}}

    one.push_manifest(b, "latest")
    assert at_rest(server, *sides) == {a.digest: {"a"}, b.digest: {"b", "latest"}}
    two.push_manifest(a, "latest")
    one.push_manifest(a, "a2")
    assert at_rest(server, *sides) == {a.digest: {"a", "a2", "latest"}, b.digest: {"b"}}

    here.ecr.batch_delete_image(repositoryName=NAME, imageIds=[{"imageTag": "latest"}, {"imageDigest": b.digest}])
    there.ecr.batch_delete_image(repositoryName=NAME, imageIds=[{"imageTag": "a2"}])
    assert at_rest(server, *sides) == {a.digest: {"a"}}

    # a, b, latest twice and a2 were pushed and copied once each, and went once on each side.
    told = events_of(server, *sides)
    assert (told.count("PUSH"), told.count("REPLICATE"), told.count("DELETE")) == (5, 5, 6)


def test_a_tag_that_moves_on_while_it_is_copied_is_not_brought_back(server, sides):
    here, _ = sides
    images = [here.existing(NAME).push_image(seed=str(number)) for number in range(4)]
    for image in images:
        here.existing(NAME).push_manifest(image, "latest")

    found = at_rest(server, *sides)

    assert found == {image.digest: {"latest"} if image is images[-1] else set() for image in images}


def test_what_is_deleted_and_pushed_again_stays(server, sides):
    here, _ = sides
    image = here.existing(NAME).push_image("v1")
    at_rest(server, *sides)

    for _ in range(3):
        here.ecr.batch_delete_image(repositoryName=NAME, imageIds=[{"imageDigest": image.digest}])
        here.existing(NAME).push_image("v1")

    assert at_rest(server, *sides) == {image.digest: {"v1"}}


def test_settings_follow_the_side_that_leads(server, sides):
    here, there = sides
    arn = f"arn:aws:ecr:{here.name}:{ACCOUNT}:repository/{NAME}"
    here.ecr.tag_resource(resourceArn=arn, tags=[{"Key": "team", "Value": "red"}])
    here.ecr.put_image_tag_mutability(repositoryName=NAME, imageTagMutability="IMMUTABLE")

    at_rest(server, *sides)

    [found] = there.ecr.describe_repositories(repositoryNames=[NAME])["repositories"]
    tags = there.ecr.list_tags_for_resource(resourceArn=found["repositoryArn"])["tags"]
    assert (found["imageTagMutability"], tags) == ("IMMUTABLE", [{"Key": "team", "Value": "red"}])


def test_of_two_that_set_each_other_one_leads_and_the_other_is_told(server, sides):
    here, there = sides
    here.ecr.put_image_tag_mutability(repositoryName=NAME, imageTagMutability="IMMUTABLE")
    at_rest(server, *sides)
    own = own_client(server, there.name)
    own.put_replicated_settings(destination={"region": here.name, "registryId": OTHER}, settings=["TAG_MUTABILITY"])
    at_rest(server, *sides)

    def mutability(side):
        [found] = side.ecr.describe_repositories(repositoryNames=[NAME])["repositories"]
        return found["imageTagMutability"]

    there.ecr.put_image_tag_mutability(repositoryName=NAME, imageTagMutability="MUTABLE")
    at_rest(server, *sides)
    assert (mutability(here), mutability(there)) == ("IMMUTABLE", "MUTABLE")
    [told] = own.describe_replication_verifications()["verifications"]
    own.close()
    assert told["status"] == "FAILED"
    assert told["failureReason"].startswith("ReplicatedSettingsCircleException: The settings of the repository with")
    assert "one of the two must lead" in server.cli("replication", "status", "--region", there.name).stdout

    there_too = ("--region", here.name, "--upstream-allow", "127.0.0.0/8")
    assert "1 setting differs" in server.cli("replication", "verify", *there_too).stdout
    at_rest(server, *sides)
    assert (mutability(here), mutability(there)) == ("IMMUTABLE", "IMMUTABLE")
