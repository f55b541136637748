"""How replication stands and whether copies agree, through boto3 and the command line."""

from __future__ import annotations

import json

import pytest

from tests.aws.regions import Region, eventually, own_client
from tests.callers import refusal

ACCOUNT = "000000000000"


@pytest.fixture
def here(product, request):
    """The registry that images are pushed to."""
    return Region(product, request.node.nodeid)


@pytest.fixture
def there(product, request):
    """The registry that they are copied to."""
    return Region(product, f"{request.node.nodeid} there")


@pytest.fixture
def own(product, here):
    """boto3, which was told of our own operations, in the region of the source."""
    client = own_client(product, here.name)
    yield client
    client.close()


def test_a_copy_that_lost_an_image_is_found_and_gets_it_back(here, there, own, product):
    to = {"region": there.name, "registryId": ACCOUNT}
    repository = here.registry("app")
    rules = [{"destinations": [to]}]
    here.ecr.put_replication_configuration(replicationConfiguration={"rules": rules})
    digest = repository.push_image("v1").digest

    def states():
        [one] = own.describe_replication_destinations()["destinations"]
        return {name: one[name] for name in ("waitingCount", "failedCount", "completedCount", "lagSeconds")}

    def checked():
        """How they agree, compared once."""
        own.start_replication_verification(repositoryName="app", destination=to)
        look = lambda: own.describe_replication_verifications()["verifications"]  # noqa: E731
        [found] = eventually(look, lambda seen: [one["status"] for one in seen] == ["IN_SYNC"])
        return found

    done = {"waitingCount": 0, "failedCount": 0, "completedCount": 1, "lagSeconds": 0}
    eventually(states, lambda seen: seen == done)
    first = checked()
    there.ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageDigest": digest}])
    cli = ("--region", here.name)
    ended = product.cli("replication", "verify", "app", "--no-repair", *cli)
    assert (ended.returncode, ended.stdout) == (
        1, f"app → {there.name}/{ACCOUNT}: 0 images and tags agree; 1 image is missing, 1 tag is missing\n"
    )  # fmt: skip
    told = json.loads(product.cli("replication", "verify", "--json", *cli).stdout)
    eventually(states, lambda seen: seen == done)
    second = checked()

    assert [(one["status"], one["repairs"]) for one in told] == [("REPAIRING", 1)]
    assert (first["agreeingCount"], first["contentDigest"]) == (2, second["contentDigest"])
    assert there.ecr.describe_images(repositoryName="app")["imageDetails"][0]["imageTags"] == ["v1"]
    shown = product.cli("replication", "status", *cli).stdout
    assert shown == f"{there.name}/{ACCOUNT}: 0 images wait; 1 is there, 0 failed.\n"


def test_a_repository_that_is_not_copied_there_cannot_be_compared(here, there, own):
    here.ecr.create_repository(repositoryName="app")

    code, message = refusal(
        own.start_replication_verification,
        repositoryName="app",
        destination={"region": there.name, "registryId": ACCOUNT},
    )

    assert code == "InvalidParameterException"
    assert f"no replication rule copies 'app' to {there.name} of {ACCOUNT}" in message


def test_rules_peers_and_queues_are_set_on_the_command_line(here, there, product, request):
    def run(*arguments):
        ended = product.cli("replication", *arguments, "--region", here.name)
        return ended.stdout if ended.returncode == 0 else ended.stderr

    place = f"{there.name}/{ACCOUNT}"
    rule = f"1  {place} --prefix team/ --tag 'v*' --exclude-tag '*-rc' --deletes\n"
    words = ("--prefix", "team/", "--tag", "v*", "--exclude-tag", "*-rc", "--deletes")
    assert run("rule", "add", there.name, *words).startswith(rule)
    assert run("rule", "add", there.name, *words) == f"holdfast: There is such a rule already: {rule}"
    assert "it must be a region, or with an account" in run("rule", "add", f"{there.name}/1234")
    assert run("rule", "list") == rule
    [kept] = here.ecr.describe_registry()["replicationConfiguration"]["rules"]
    assert [one["filterType"] for one in kept["repositoryFilters"]] == ["PREFIX_MATCH", "TAG_MATCH", "TAG_EXCLUDE"]

    assert "kind" in run("peer", "put", place, "https://there.example")
    secret = ("--kind", "holdfast", "--secret", "ecr-replication/nosuch")
    assert "There is no secret 'ecr-replication/nosuch'" in run("peer", "put", place, "https://there.example", *secret)
    peer = f"{place} is https://there.example/copies/ (OCI), without a secret\n"
    put = run("peer", "put", place, "https://there.example", "--kind", "oci", "--prefix", "copies/")
    assert put == f"{peer}Next: holdfast replication peer test {place}\n"
    assert run("peer", "test", place).startswith("holdfast: there.example: ")
    assert run("peer", "list") == peer
    assert "only a registry that speaks ECR's API" in run("settings", place, "scan-on-push")
    assert "is a registry of this installation again" in run("peer", "remove", place)
    assert run("settings", place, "scan-on-push", "resource-tags") == (
        f"scan-on-push, resource-tags of repositories that are copied to {place} go there, too.\n"
    )

    assert run("cancel", place).startswith(f"0 images are not copied to {place}")
    assert run("rule", "remove", "1").startswith(f"Removed: {place}")
    assert run("rule", "list").startswith("There are no rules")


def test_all_that_waits_for_a_destination_is_cancelled_by_one_call(here, there, own):
    to = {"region": there.name, "registryId": ACCOUNT}
    here.ecr.put_replication_configuration(replicationConfiguration={"rules": [{"destinations": [to]}]})
    own.put_replicated_settings(destination=to, settings=["SCAN_ON_PUSH"])

    answer = own.cancel_replications(destination=to)

    [one] = own.describe_replication_destinations()["destinations"]
    assert (answer["destination"], answer["cancelledCount"], answer["isMore"]) == (to, 0, False)
    assert (one["cancelledCount"], one["replicatedSettings"], one["failures"]) == (0, ["SCAN_ON_PUSH"], [])
