"""Principals whose pulls are not recorded, as AWS's own client sees them."""

from datetime import UTC, datetime, timedelta

import pytest

from holdfast import registry
from holdfast.model.errors import LimitExceeded
from tests.callers import refusal
from tests.registry.ground import HOME, Clock, open_ground

SCANNER = "arn:aws:iam::000000000000:role/tools/scanner"


@pytest.fixture
def ecr(product, region):
    return product.ecr(region)


def listed(ecr, **members):
    return ecr.list_pull_time_update_exclusions(**members)["pullTimeUpdateExclusions"]


def test_a_principal_is_excluded_and_counted_again(ecr):
    before = datetime.now(UTC)

    registered = ecr.register_pull_time_update_exclusion(principalArn=SCANNER)
    between = listed(ecr)
    deregistered = ecr.deregister_pull_time_update_exclusion(principalArn=SCANNER)

    assert registered["principalArn"] == deregistered["principalArn"] == SCANNER
    assert timedelta(seconds=-1) < registered["createdAt"] - before < timedelta(seconds=60)
    assert set(deregistered) == {"principalArn", "ResponseMetadata"}
    assert between == [SCANNER]
    assert listed(ecr) == []


def test_a_principal_is_excluded_once(ecr):
    ecr.register_pull_time_update_exclusion(principalArn=SCANNER)

    answer = refusal(ecr.register_pull_time_update_exclusion, principalArn=SCANNER)

    assert answer == (
        "ExclusionAlreadyExistsException",
        f"The pull time update exclusion for the principal '{SCANNER}' already exists",
    )
    assert listed(ecr) == [SCANNER]


def test_a_principal_that_is_not_excluded_cannot_be_counted_again(ecr):
    ecr.register_pull_time_update_exclusion(principalArn=SCANNER)

    answer = refusal(ecr.deregister_pull_time_update_exclusion, principalArn=f"{SCANNER}-2")

    assert answer == (
        "ExclusionNotFoundException",
        f"The pull time update exclusion for the principal '{SCANNER}-2' does not exist",
    )
    assert listed(ecr) == [SCANNER]


@pytest.mark.parametrize("operation", ["RegisterPullTimeUpdateExclusion", "DeregisterPullTimeUpdateExclusion"])
@pytest.mark.parametrize(
    "arn",
    [
        None,
        "",
        "scanner",
        "arn:aws:iam::000000000000:root",
        "arn:aws:iam::000000000000:group/tools",
        "arn:aws:iam::000000000000:role/",
        "arn:aws:iam::1:role/scanner",
        "arn:aws:sts::000000000000:assumed-role/scanner/session",
        f"{SCANNER}\n",
        SCANNER.ljust(201, "x"),
    ],
)
def test_what_is_no_role_or_user_is_refused(product, region, operation, arn):
    code, message = product.aws(region).refusal(operation, {"principalArn": arn})

    assert code == "InvalidParameterException"
    assert message.startswith("Invalid parameter at 'principalArn'")
    assert listed(product.ecr(region)) == []


@pytest.mark.parametrize(
    "arn", ["arn:aws:iam::111122223333:user/a.b@c", "arn:aws-cn:iam::000000000000:role/r" + "x" * 165]
)
def test_any_role_or_user_may_be_excluded(ecr, arn):
    ecr.register_pull_time_update_exclusion(principalArn=arn)

    assert listed(ecr) == [arn]


def test_exclusions_are_listed_by_arn_a_page_at_a_time(ecr):
    arns = [f"{SCANNER}-{letter}" for letter in "ecadb"]
    for arn in arns:
        ecr.register_pull_time_update_exclusion(principalArn=arn)

    pages = [ecr.list_pull_time_update_exclusions(maxResults=2)]
    while "nextToken" in pages[-1]:
        pages.append(ecr.list_pull_time_update_exclusions(maxResults=2, nextToken=pages[-1]["nextToken"]))

    assert [len(page["pullTimeUpdateExclusions"]) for page in pages] == [2, 2, 1]
    assert [arn for page in pages for arn in page["pullTimeUpdateExclusions"]] == sorted(arns)


@pytest.mark.parametrize("members", [{"nextToken": "mine"}, {"maxResults": 0}, {"maxResults": 1001}])
def test_what_cannot_be_listed_is_refused(product, region, members):
    code, _ = product.aws(region).refusal("ListPullTimeUpdateExclusions", members)

    assert code == "InvalidParameterException"


def test_exclusions_are_those_of_one_region(product, ecr, region):
    ecr.register_pull_time_update_exclusion(principalArn=SCANNER)

    assert listed(product.ecr(f"{region}-2")) == []


def test_a_registry_excludes_only_so_many(ecr):
    for number in range(100):
        ecr.register_pull_time_update_exclusion(principalArn=f"{SCANNER}-{number}")

    code, message = refusal(ecr.register_pull_time_update_exclusion, principalArn=SCANNER)

    assert (code, "100" in message) == ("LimitExceededException", True)
    assert len(listed(ecr, maxResults=1000)) == 100


def test_how_many_a_registry_excludes_can_be_chosen(tmp_path):
    on = open_ground(tmp_path, Clock(), pull_exclusions=2)
    for number in range(2):
        registry.pull_exclusions.register(on, HOME, f"{SCANNER}-{number}")

    with pytest.raises(LimitExceeded):
        registry.pull_exclusions.register(on, HOME, SCANNER)

    registry.pull_exclusions.deregister(on, HOME, f"{SCANNER}-0")
    registry.pull_exclusions.register(on, HOME, SCANNER)
    assert registry.pull_exclusions.page(on, HOME, "", 10) == ([SCANNER, f"{SCANNER}-1"], False)
    on.database.close()
