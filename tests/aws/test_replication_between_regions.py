"""Images that are copied to other regions and accounts of the same installation."""

import json

import pytest

from tests import builders
from tests.aws.regions import Region, eventually

ACCOUNT = "000000000000"


@pytest.fixture
def here(product, request):
    """The registry that images are pushed to."""
    return Region(product, request.node.nodeid)


@pytest.fixture
def there(product, request):
    """The registry that they are copied to."""
    return Region(product, f"{request.node.nodeid} there")


def place(region, account=ACCOUNT):
    return {"region": region.name, "registryId": account}


def put(here, *destinations, **members):
    rules = [{"destinations": list(destinations), **members}]
    here.ecr.put_replication_configuration(replicationConfiguration={"rules": rules})


def statuses(here, repository, digest):
    answer = here.ecr.describe_image_replication_status(repositoryName=repository, imageId={"imageDigest": digest})
    return [(one["status"], one.get("failureCode")) for one in answer["replicationStatuses"]]


def copied(here, repository, digest, expected=("COMPLETE", None)):
    """Wait until an image was copied everywhere."""
    found = eventually(
        lambda: statuses(here, repository, digest), lambda seen: "IN_PROGRESS" not in {one for one, _ in seen}
    )
    assert set(found) == {expected}


def images_of(region, repository):
    """Each image with its tags; nothing if there is no repository."""
    try:
        found = region.ecr.describe_images(repositoryName=repository)["imageDetails"]
    except region.ecr.exceptions.RepositoryNotFoundException:
        return {}
    return {one["imageDigest"]: set(one.get("imageTags", ())) for one in found}


def events_of(product, region, action):
    told = map(json.loads, product.cli("events", "list").stdout.splitlines())
    return [one for one in told if one["region"] == region.name and one["detail"].get("action-type") == action]


def test_an_image_comes_with_all_its_bytes(product, here, there, name):
    put(here, place(there))
    registry = here.registry(name)
    image = registry.push_image("v1")

    copied(here, name, image.digest)

    copy = there.existing(name)
    assert copy("GET", "/manifests/v1").body == image.body
    for part in [image.json()["config"], *image.json()["layers"]]:
        assert builders.digest(copy("GET", f"/blobs/{part['digest']}").body) == part["digest"]
    [event] = events_of(product, there, "REPLICATE")
    assert event["detail-type"] == "ECR Replication Action"
    assert event["resources"] == [f"arn:aws:ecr:{there.name}:{ACCOUNT}:repository/{name}"]
    assert event["detail"] == {
        "result": "SUCCESS",
        "repository-name": name,
        "image-digest": image.digest,
        "source-account": ACCOUNT,
        "action-type": "REPLICATE",
        "source-region": here.name,
        "image-tag": "v1",
    }


def test_indexes_and_referrers_come_with_what_they_need(here, there, name):
    registry = here.registry(name)
    arm, intel = registry.push_image(seed="arm"), registry.push_image(seed="intel")
    index = builders.an_index(arm, intel)
    put(here, place(there))
    registry.push_manifest(index, "v1")
    signature = registry.push_image(seed="signature", subject=index.descriptor)

    copied(here, name, index.digest)
    copied(here, name, signature.digest)

    assert images_of(there, name) == {
        arm.digest: set(),
        intel.digest: set(),
        index.digest: {"v1"},
        signature.digest: set(),
    }
    listed = there.existing(name)("GET", f"/referrers/{index.digest}").json()["manifests"]
    assert [one["digest"] for one in listed] == [signature.digest]


def test_tags_follow_to_where_they_go(here, there, name):
    put(here, place(there))
    registry = here.registry(name)
    old, new = registry.push_image("latest", seed="old"), registry.push_image("latest", seed="new")
    registry.push_manifest(new, "v2")

    eventually(lambda: images_of(there, name), lambda seen: seen == {old.digest: set(), new.digest: {"latest", "v2"}})


def test_a_tag_that_is_frozen_there_stays_and_the_image_comes_without_it(here, there, name):
    there.ecr.create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")
    ours = there.existing(name).push_image("v1", seed="ours")
    put(here, place(there))
    image = here.registry(name).push_image("v1", seed="theirs")

    copied(here, name, image.digest)

    assert images_of(there, name) == {ours.digest: {"v1"}, image.digest: set()}


def test_a_copy_is_not_copied_further_and_not_back(here, there, product, request, name):
    third = Region(product, f"{request.node.nodeid} third")
    put(here, place(there))
    put(there, place(third), place(here))
    image = here.registry(name).push_image("v1")

    copied(here, name, image.digest)

    assert statuses(there, name, image.digest) == []
    assert images_of(third, name) == {}


def test_repositories_there_are_made_by_a_template(here, there, name):
    there.ecr.create_repository_creation_template(
        prefix="ROOT", appliedFor=["REPLICATION"], imageTagMutability="IMMUTABLE", description="for copies"
    )
    put(here, place(there), repositoryFilters=[{"filter": name, "filterType": "PREFIX_MATCH"}])
    image = here.registry(name).push_image("v1")

    copied(here, name, image.digest)

    [made] = there.ecr.describe_repositories(repositoryNames=[name])["repositories"]
    assert made["imageTagMutability"] == "IMMUTABLE"


def test_layers_are_sealed_again_where_another_key_is_wanted(product, here, there, name):
    key = product.cli("kms", "create-key", "--region", there.name).stdout.strip()
    there.ecr.create_repository(repositoryName=name, encryptionConfiguration={"encryptionType": "KMS", "kmsKey": key})
    put(here, place(there))
    image = here.registry(name).push_image("v1")

    copied(here, name, image.digest)
    product.cli("kms", "disable-key", key)

    layer = image.json()["layers"][0]["digest"]
    assert here.existing(name)("GET", f"/blobs/{layer}").status == 200
    assert there.existing(name)("GET", f"/blobs/{layer}").status != 200


# ---- Other accounts


ALLOWED = {"Sid": "copies", "Effect": "Allow", "Action": ["ecr:CreateRepository", "ecr:ReplicateImage"]}


def allow(account, there, *, source=ACCOUNT, actions=None):
    statement = ALLOWED | {
        "Principal": {"AWS": f"arn:aws:iam::{source}:root"},
        "Resource": f"arn:aws:ecr:{there}:{account.id}:repository/*",
    }
    if actions is not None:
        statement["Action"] = actions
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    account.client("ecr", there).put_registry_policy(policyText=text)


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (["ecr:CreateRepository", "ecr:ReplicateImage"], ("COMPLETE", None)),
        (["ecr:ReplicateImage"], ("FAILED", "AccessDeniedException")),
        (["ecr:CreateRepository"], ("FAILED", "AccessDeniedException")),
        (None, ("FAILED", "AccessDeniedException")),
    ],
    ids=["both", "no repository", "no images", "nothing"],
)
def test_another_account_decides_what_is_copied_to_it(here, there, account, name, actions, expected):
    if actions is not None:
        allow(account, there.name, actions=actions)
    put(here, place(there, account.id))
    image = here.registry(name).push_image("v1")

    copied(here, name, image.digest, expected)


# ---- Deletions


DELETES = {"deleteReplication": {"enabled": True}}


def test_deletions_are_followed_only_where_a_rule_says_so(here, there, product, request, name):
    other = Region(product, f"{request.node.nodeid} other")
    rules = [{"destinations": [place(there)], **DELETES}, {"destinations": [place(other)]}]
    here.ecr.put_replication_configuration(replicationConfiguration={"rules": rules})
    registry = here.registry(name)
    kept, gone = registry.push_image("kept"), registry.push_image("gone")
    registry.push_manifest(kept, "also")
    for region in (there, other):
        eventually(
            lambda region=region: images_of(region, name),
            lambda seen: seen == {kept.digest: {"kept", "also"}, gone.digest: {"gone"}},
        )

    here.ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": "also"}, {"imageTag": "gone"}])

    eventually(lambda: images_of(there, name), lambda seen: seen == {kept.digest: {"kept"}})
    assert images_of(other, name) == {kept.digest: {"kept", "also"}, gone.digest: {"gone"}}


def test_what_is_here_again_is_not_deleted_there(here, there, name):
    put(here, place(there), **DELETES)
    registry = here.registry(name)
    image = registry.push_image("v1")
    copied(here, name, image.digest)

    here.ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageDigest": image.digest}])
    registry.push_manifest(image, "v1")

    copied(here, name, image.digest)
    eventually(lambda: images_of(there, name), lambda seen: seen == {image.digest: {"v1"}})


def test_an_archived_image_is_not_copied_by_a_backfill(here, there, name):
    image = here.registry(name).push_image("v1")
    here.ecr.update_image_storage_class(
        repositoryName=name, imageId={"imageDigest": image.digest}, targetStorageClass="ARCHIVE"
    )
    put(here, place(there))
    begun = here.ecr.start_replication_backfill(destination=place(there))["replicationBackfillId"]

    ended = eventually(
        lambda: here.ecr.describe_replication_backfill_results(replicationBackfillId=begun),
        lambda seen: seen["status"] in {"COMPLETE", "FAILED"},
    )

    assert [one.get("failureCode") for one in ended["results"]] in ([], ["ImageArchived"])


def test_a_backfill_copies_what_came_before_the_rule(here, there, name):
    registry = here.registry(name)
    image = registry.push_image("v1")
    registry.push_manifest(image, "v2")
    untagged = registry.push_image()
    put(here, place(there))
    begun = here.ecr.start_replication_backfill(destination=place(there))["replicationBackfillId"]

    ended = eventually(
        lambda: here.ecr.describe_replication_backfill_results(replicationBackfillId=begun),
        lambda seen: seen["status"] in {"COMPLETE", "FAILED"},
    )

    assert ended["progress"]["completedReplicationCount"] == 3
    assert images_of(there, name) == {image.digest: {"v1", "v2"}, untagged.digest: set()}
