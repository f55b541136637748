"""Where images are copied to, and how backfills stand, as AWS's own client sees it."""

import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.aws.regions import SECONDS, Region, bare, eventually
from tests.callers import refusal

ACCOUNT = "000000000000"
OTHER = "111122223333"
DIGEST = "sha256:" + "0" * 64
BACKFILL_ID = "01234567-89ab-cdef-0123-456789abcdef"
NO_ACCOUNT = "DestinationAccountNotFound"
NOWHERE = {"region": "eu-no-1", "registryId": "999999999999"}
WEST, EAST = ({"region": region, "registryId": ACCOUNT} for region in ("eu-west-1", "eu-east-1"))


@pytest.fixture
def region(product, request):
    return Region(product, request.node.nodeid)


def rule(*destinations, prefixes=None, deletes=None, filters=()):
    members = {"destinations": list(destinations)}
    if prefixes is not None:
        members["repositoryFilters"] = [{"filter": prefix, "filterType": "PREFIX_MATCH"} for prefix in prefixes]
    if filters:
        others = [{"filter": pattern, "filterType": kind} for kind, pattern in filters]
        members["repositoryFilters"] = members.get("repositoryFilters", []) + others
    if deletes is not None:
        members["deleteReplication"] = {"enabled": deletes}
    return members


def put(region, *rules):
    return region.ecr.put_replication_configuration(replicationConfiguration={"rules": list(rules)})


def refused(region, *rules):
    return region.aws().refusal("PutReplicationConfiguration", {"replicationConfiguration": {"rules": list(rules)}})


def configuration(region):
    return region.ecr.describe_registry()["replicationConfiguration"]


def destinations(count, start=0):
    return [{"region": f"eu-{number}-1", "registryId": ACCOUNT} for number in range(start, start + count)]


# ---- The configuration


def test_a_registry_is_copied_nowhere_by_default(region):
    assert bare(region.ecr.describe_registry()) == {
        "registryId": ACCOUNT,
        "replicationConfiguration": {"rules": []},
    }


FILTERS = [
    ("REPOSITORY_MATCH", "team/app"),
    ("REPOSITORY_EXCLUDE", "*/scratch"),
    ("TAG_MATCH", "v*"),
    ("TAG_EXCLUDE", "*-RC*"),
]


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [rule(WEST)],
        [rule(WEST, EAST, prefixes=["prod", "team/"], deletes=True), rule(EAST, deletes=False)],
        [rule({"region": "eu-west-1", "registryId": OTHER}, prefixes=["p" * 256])],
        [rule()],
        [rule(WEST, prefixes=[f"r{number}-" for number in range(100)])] * 25,
        [rule(*destinations(25))],
        [rule(WEST, prefixes=["prod/"], filters=FILTERS), rule(EAST, filters=FILTERS[-1:])],
    ],
    ids=["none", "bare", "whole", "another account", "no destination", "most rules", "most destinations", "filters"],
)
def test_rules_are_answered_as_they_were_put(region, rules):
    answer = put(region, *rules)

    assert bare(answer) == {"replicationConfiguration": {"rules": rules}}
    assert configuration(region) == {"rules": rules}


def test_rules_are_replaced_as_a_whole(region):
    put(region, rule(WEST), rule(EAST))

    put(region, rule(EAST))
    second = configuration(region)
    put(region)

    assert second == {"rules": [rule(EAST)]}
    assert configuration(region) == {"rules": []}


def test_a_registry_is_not_copied_to_itself(region):
    put(region, rule(WEST))
    itself = {"region": region.name, "registryId": ACCOUNT}

    answer = refused(region, rule(WEST), rule(EAST, itself))

    assert answer == (
        "InvalidParameterException",
        (
            "Invalid parameter at 'replicationConfiguration' failed to satisfy constraint: "
            "'Replication destination cannot be the same as the source registry'"
        ),
    )
    assert configuration(region) == {"rules": [rule(WEST)]}


@pytest.mark.parametrize(
    ("rules", "code", "words"),
    [
        ([rule(WEST)] * 26, "InvalidParameterException", "'rules'"),
        ([rule(*destinations(101))], "InvalidParameterException", "'destinations'"),
        ([rule(WEST, prefixes=[])], "InvalidParameterException", "'repositoryFilters'"),
        ([rule(WEST, prefixes=list(map(str, range(100, 201))))], "InvalidParameterException", "'repositoryFilters'"),
        ([rule(WEST, prefixes=["a"])], "InvalidParameterException", "'filter'"),
        ([rule(WEST, prefixes=["a" * 257])], "InvalidParameterException", "'filter'"),
        ([rule(WEST, prefixes=["Prod"])], "InvalidParameterException", "'filter'"),
        ([rule(WEST, prefixes=["prod*"])], "InvalidParameterException", "'filter'"),
        ([rule({"region": "West", "registryId": ACCOUNT})], "InvalidParameterException", "'region'"),
        ([rule({"region": "eu-west-1", "registryId": "1"})], "InvalidParameterException", "'registryId'"),
        ([rule({"region": "eu-west-1"})], "InvalidParameterException", "'registryId'"),
        ([{}], "InvalidParameterException", "'destinations'"),
        ([rule(WEST) | {"deleteReplication": {}}], "InvalidParameterException", "'enabled'"),
        ([rule(WEST) | {"deleteReplication": {"enabled": "yes"}}], "SerializationException", "enabled"),
        (
            [rule(WEST) | {"repositoryFilters": [{"filter": "prod", "filterType": "WILDCARD"}]}],
            "InvalidParameterException",
            "'filterType'",
        ),
        ([rule(*destinations(26))], "ValidationException", "more than 25 destinations"),
        ([rule(*destinations(20)), rule(*destinations(20, 10))], "ValidationException", "more than 25 destinations"),
        ([rule(WEST, EAST, WEST)], "ValidationException", "same destination twice"),
        ([rule(WEST, prefixes=["ab", "ab"])], "ValidationException", "same repository filter twice"),
        ([rule(WEST, filters=[("TAG_MATCH", "ab")] * 2)], "ValidationException", "same repository filter twice"),
        ([rule(WEST, filters=[("TAG_MATCH", "a/b")])], "InvalidParameterException", "'filter'"),
        ([rule(WEST, filters=[("REPOSITORY_MATCH", "A*")])], "InvalidParameterException", "'filter'"),
    ],
)
def test_rules_that_cannot_be_are_refused_and_change_nothing(region, rules, code, words):
    put(region, rule(EAST))

    answer = refused(region, *rules)

    assert answer[0] == code
    assert words in answer[1]
    assert configuration(region) == {"rules": [rule(EAST)]}


def test_as_ecr_itself_there_are_filters_of_prefixes_only(strict_product, request):
    region = Region(strict_product, request.node.nodeid)
    put(region, rule(WEST, prefixes=["prod/"]))

    code, message = refused(region, rule(WEST, filters=FILTERS[:1]))

    assert code == "InvalidParameterException"
    assert message.endswith("'Member must satisfy enum value set: [PREFIX_MATCH]'")
    assert configuration(region) == {"rules": [rule(WEST, prefixes=["prod/"])]}


# ---- Images


def status_of(region, repository, **image_id):
    return region.ecr.describe_image_replication_status(
        repositoryName=repository, imageId=image_id or {"imageTag": "v1"}
    )


def test_an_image_that_no_rule_copies_has_no_status(region):
    put(region, rule(WEST, prefixes=["other"]))
    image = region.registry("some").push_image("v1")

    answer = status_of(region, "some", imageDigest=image.digest)

    assert bare(answer) == {
        "repositoryName": "some",
        "imageId": {"imageDigest": image.digest},
        "replicationStatuses": [],
    }


def test_an_image_is_copied_once_to_each_destination_of_its_rules(region):
    put(region, rule(WEST, prefixes=["so"]), rule(EAST, WEST), rule(NOWHERE))
    image = region.registry("some").push_image("v1")

    pushed = status_of(region, "some")
    ended = eventually(lambda: status_of(region, "some"), lambda it: "IN_PROGRESS" not in _statuses(it))

    assert pushed["imageId"] == {"imageDigest": image.digest, "imageTag": "v1"}
    assert ended["replicationStatuses"] == [
        EAST | {"status": "COMPLETE"},
        NOWHERE | {"status": "FAILED", "failureCode": NO_ACCOUNT},
        WEST | {"status": "COMPLETE"},
    ]


def _statuses(answer):
    return {status["status"] for status in answer["replicationStatuses"]}


def test_an_image_that_came_before_the_rules_is_not_copied(region):
    region.registry("some").push_image("v1")

    put(region, rule(WEST))

    assert status_of(region, "some")["replicationStatuses"] == []


def test_what_is_not_there_is_not_copied(region):
    missing = refusal(status_of, region=region, repository="some")
    region.registry("some").push_image("v1")

    by_tag = refusal(status_of, region=region, repository="some", imageTag="v2")
    by_digest = refusal(status_of, region=region, repository="some", imageDigest=DIGEST)
    by_none = region.aws().refusal("DescribeImageReplicationStatus", {"repositoryName": "some", "imageId": {}})

    assert missing[0] == "RepositoryNotFoundException"
    assert by_tag[0] == by_digest[0] == "ImageNotFoundException"
    assert by_none[0] == "InvalidParameterException"


# ---- Backfills


def start(region, destination=WEST):
    return region.ecr.start_replication_backfill(destination=destination)


def results_of(region, backfill_id, **members):
    return region.ecr.describe_replication_backfill_results(replicationBackfillId=backfill_id, **members)


def is_over(answer):
    return answer["status"] in {"COMPLETE", "FAILED", "STOPPED"}


def finished(region, destination=WEST):
    """The id of a backfill that is over."""
    backfill_id = start(region, destination)["replicationBackfillId"]
    eventually(lambda: results_of(region, backfill_id), is_over)
    return backfill_id


def test_a_backfill_begins_with_being_prepared(region):
    put(region, rule(WEST))
    before = datetime.now(UTC) - timedelta(seconds=1)

    answer = bare(start(region))

    assert before < answer.pop("startedAt") < before + timedelta(seconds=60)
    assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer.pop("replicationBackfillId"))
    assert answer == {"registryId": ACCOUNT, "destination": WEST, "status": "PREPARING"}


def test_a_backfill_of_nothing_completes(region):
    put(region, rule(WEST))

    backfill_id = finished(region)
    answer = bare(results_of(region, backfill_id))

    assert answer.pop("startedAt") <= answer.pop("endedAt")
    assert answer == {
        "registryId": ACCOUNT,
        "replicationBackfillId": backfill_id,
        "destination": WEST,
        "status": "COMPLETE",
        "progress": {
            "totalReplicationCount": 0,
            "completedReplicationCount": 0,
            "failedReplicationCount": 0,
            "failureCodes": [],
        },
        "results": [],
    }


def test_a_backfill_tells_how_each_image_with_each_tag_ended(region):
    registry = region.registry("some")
    tagged, untagged = registry.push_image("v1"), registry.push_image()
    registry.push_manifest(tagged, "v2")
    region.registry("other").push_image("v1")
    put(region, rule(NOWHERE, prefixes=["so"]))

    answer = results_of(region, finished(region, NOWHERE))

    ids = [{"imageDigest": tagged.digest, "imageTag": tag} for tag in ("v1", "v2")] + [{"imageDigest": untagged.digest}]
    assert (answer["status"], answer["failureCode"]) == ("FAILED", "TooManyReplicationsFailed")
    assert answer["progress"] == {
        "totalReplicationCount": 3,
        "completedReplicationCount": 0,
        "failedReplicationCount": 3,
        "failureCodes": [NO_ACCOUNT],
    }
    assert sorted(answer["results"], key=str) == sorted(
        ({"repositoryName": "some", "imageId": id_, "status": "FAILED", "failureCode": NO_ACCOUNT} for id_ in ids),
        key=str,
    )


def test_the_paginator_walks_the_results_of_a_backfill(region):
    registry = region.registry("some")
    image = registry.push_image("v0")
    for number in range(1, 7):
        registry.push_manifest(image, f"v{number}")
    put(region, rule(WEST))
    backfill_id = finished(region)

    pages = list(
        region.ecr.get_paginator("describe_replication_backfill_results").paginate(
            replicationBackfillId=backfill_id, PaginationConfig={"PageSize": 3}
        )
    )

    assert [[item["imageId"]["imageTag"] for item in page["results"]] for page in pages] == [
        ["v0", "v1", "v2"], ["v3", "v4", "v5"], ["v6"],
    ]  # fmt: skip
    assert "nextToken" not in pages[-1]


def test_results_are_filtered_by_status(region):
    region.registry("some").push_image("v1")
    put(region, rule(NOWHERE))
    backfill_id = finished(region, NOWHERE)

    failed, complete = (results_of(region, backfill_id, resultStatusFilter=status) for status in ("FAILED", "COMPLETE"))

    assert len(failed["results"]) == 1
    assert complete["results"] == []
    assert complete["progress"]["failedReplicationCount"] == 1


def test_backfills_are_listed_newest_first(region):
    put(region, rule(*destinations(2)))
    made = [finished(region, destination) for destination in destinations(2)]
    made += [finished(region, destination) for destination in destinations(2)]

    answer = region.ecr.list_replication_backfills()
    paginator = region.ecr.get_paginator("list_replication_backfills")
    pages = list(paginator.paginate(PaginationConfig={"PageSize": 3}))

    assert answer["registryId"] == ACCOUNT
    assert [item["replicationBackfillId"] for item in answer["backfills"]] == made[::-1]
    assert [len(page["backfills"]) for page in pages] == [3, 1]
    assert [item for page in pages for item in page["backfills"]] == answer["backfills"]
    assert set(answer["backfills"][0]) == {
        "replicationBackfillId", "destination", "status", "progress", "startedAt", "endedAt",
    }  # fmt: skip


def test_a_registry_without_backfills_lists_none(region):
    assert bare(region.ecr.list_replication_backfills()) == {"registryId": ACCOUNT, "backfills": []}


def hurried(deed, code):
    """Do again what the background may be too quick for, until it is refused as it should."""
    deadline = time.monotonic() + SECONDS
    while (found := deed()) != code:
        assert time.monotonic() < deadline, found


def test_one_backfill_runs_at_a_time_for_each_region(region):
    put(region, rule(WEST))

    def start_until_refused():
        codes = [region.aws()("StartReplicationBackfill", {"destination": WEST}).json() for _ in range(2)]
        return codes[-1].get("__type")

    hurried(start_until_refused, "ReplicationBackfillInProgressException")


def test_so_many_backfills_run_at_a_time(region):
    put(region, rule(*destinations(11)))
    aws = region.aws()

    def start_all():
        answers = [aws("StartReplicationBackfill", {"destination": place}).json() for place in destinations(11)]
        return answers[-1].get("__type")

    hurried(start_all, "LimitExceededException")


def test_a_backfill_can_be_stopped(region):
    put(region, rule(WEST))

    def start_and_stop():
        begun = start(region)
        answer = region.aws()("StopReplicationBackfill", {"replicationBackfillId": begun["replicationBackfillId"]})
        eventually(lambda: results_of(region, begun["replicationBackfillId"]), is_over)
        found.append(answer.json() | {"begun": begun})
        return answer.json().get("status")

    found = []
    hurried(start_and_stop, "STOPPING")

    begun = found[-1]["begun"]
    assert found[-1]["destination"] == WEST
    assert results_of(region, begun["replicationBackfillId"])["status"] == "STOPPED"


def test_a_backfill_that_is_over_cannot_be_stopped(region):
    put(region, rule(WEST))
    backfill_id = finished(region)

    code, message = refusal(region.ecr.stop_replication_backfill, replicationBackfillId=backfill_id)

    assert code == "ReplicationBackfillInvalidStatusException"
    assert backfill_id in message
    assert "COMPLETE" in message


def test_a_destination_must_be_configured(region):
    put(region, rule(EAST))

    answer = refusal(start, region=region)

    assert answer == (
        "ValidationException",
        (
            f"The destination with region 'eu-west-1' and registryId '{ACCOUNT}' "
            "is not in the replication configuration of the registry"
        ),
    )
    assert region.ecr.list_replication_backfills()["backfills"] == []


@pytest.mark.parametrize("operation", ["StopReplicationBackfill", "DescribeReplicationBackfillResults"])
def test_a_backfill_that_is_not_there_isrefused(region, operation):
    absent = region.aws().refusal(operation, {"replicationBackfillId": BACKFILL_ID})
    malformed = region.aws().refusal(operation, {"replicationBackfillId": "not-an-id"})

    assert absent == (
        "ReplicationBackfillNotFoundException",
        f"The replication backfill with id '{BACKFILL_ID}' does not exist in the registry with id '{ACCOUNT}'",
    )
    assert malformed[0] == "InvalidParameterException"


def test_a_backfill_of_another_region_is_not_there(product, region, request):
    put(region, rule(WEST))
    backfill_id = start(region)["replicationBackfillId"]
    other = Region(product, f"{request.node.nodeid} other")

    assert refusal(results_of, region=other, backfill_id=backfill_id)[0] == "ReplicationBackfillNotFoundException"


@pytest.mark.parametrize(
    ("operation", "members", "member"),
    [
        ("StartReplicationBackfill", {}, "destination"),
        ("StartReplicationBackfill", {"destination": {"region": "eu-west-1"}}, "registryId"),
        ("StartReplicationBackfill", {"destination": {"region": "!", "registryId": ACCOUNT}}, "region"),
        ("ListReplicationBackfills", {"maxResults": 51}, "maxResults"),
        ("ListReplicationBackfills", {"maxResults": 0}, "maxResults"),
        ("ListReplicationBackfills", {"nextToken": "no token of ours"}, "nextToken"),
        ("ListReplicationBackfills", {"nextToken": "MQ=="}, "nextToken"),
        ("DescribeReplicationBackfillResults", {"maxResults": 1001}, "maxResults"),
        ("DescribeReplicationBackfillResults", {"resultStatusFilter": "STOPPED"}, "resultStatusFilter"),
        ("DescribeReplicationBackfillResults", {"nextToken": "WzEsImEiXQ=="}, "nextToken"),
    ],
)
def test_what_cannot_be_asked_of_backfills_isrefused(region, operation, members, member):
    if operation.startswith("Describe"):
        members = {"replicationBackfillId": BACKFILL_ID, **members}

    code, message = region.aws().refusal(operation, members)

    assert code == "InvalidParameterException"
    assert f"'{member}'" in message


@pytest.mark.parametrize(
    "operation",
    [
        "DescribeImageReplicationStatus",
        "StartReplicationBackfill",
        "StopReplicationBackfill",
        "DescribeReplicationBackfillResults",
        "ListReplicationBackfills",
    ],
)
def test_the_copies_of_another_account_are_out_of_reach(region, operation):
    members = {
        "registryId": OTHER,
        "repositoryName": "some",
        "imageId": {"imageTag": "v1"},
        "destination": WEST,
        "replicationBackfillId": BACKFILL_ID,
    }

    assert region.aws().refusal(operation, members)[0] == "AccessDeniedException"
