"""Which images are signed when they come, as AWS's own client sees it."""

import pytest

from tests.aws.regions import Region, bare
from tests.callers import refusal

ACCOUNT = "000000000000"
OTHER = "111122223333"
DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def region(product, request):
    return Region(product, request.node.nodeid)


def profile(region, name="some", account=ACCOUNT):
    return f"arn:aws:signer:{region.name}:{account}:/signing-profiles/{name}"


def rule(arn, *patterns):
    if not patterns:
        return {"signingProfileArn": arn}
    return {
        "signingProfileArn": arn,
        "repositoryFilters": [{"filter": pattern, "filterType": "WILDCARD_MATCH"} for pattern in patterns],
    }


def put(region, *rules):
    return region.ecr.put_signing_configuration(signingConfiguration={"rules": list(rules)})


def refused(region, *rules):
    return region.aws().refusal("PutSigningConfiguration", {"signingConfiguration": {"rules": list(rules)}})


def absent():
    return (
        "SigningConfigurationNotFoundException",
        f"Signing configuration does not exist in the registry with id '{ACCOUNT}'",
    )


# ---- The configuration


def test_a_registry_signs_nothing_by_default(region):
    assert refusal(region.ecr.get_signing_configuration) == absent()
    assert refusal(region.ecr.delete_signing_configuration) == absent()


@pytest.mark.parametrize("number", range(4))
def test_rules_are_answered_as_they_were_put(region, number):
    rules = [
        [],
        [rule(profile(region))],
        [rule(profile(region, "a_1"), "*", "team/*", "a*b"), rule(profile(region, "b2", OTHER), "p" * 256)],
        [rule(profile(region, f"p{n}"), *(f"r{m}" for m in range(100))) for n in range(10)],
    ][number]

    answer = put(region, *rules)

    assert bare(answer) == {"signingConfiguration": {"rules": rules}}
    assert bare(region.ecr.get_signing_configuration()) == {
        "registryId": ACCOUNT,
        "signingConfiguration": {"rules": rules},
    }


def test_rules_are_replaced_as_a_whole(region):
    put(region, rule(profile(region, "a1"), "*"), rule(profile(region, "b1")))

    put(region, rule(profile(region, "b1"), "team/*"))

    [only] = region.ecr.get_signing_configuration()["signingConfiguration"]["rules"]
    assert only == rule(profile(region, "b1"), "team/*")


def test_a_deleted_configuration_is_answered_and_gone(region):
    put(region, rule(profile(region)))

    answer = region.ecr.delete_signing_configuration()

    assert bare(answer) == {"registryId": ACCOUNT, "signingConfiguration": {"rules": [rule(profile(region))]}}
    assert refusal(region.ecr.get_signing_configuration) == absent()
    assert refusal(region.ecr.delete_signing_configuration) == absent()


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "some",
        "arn:aws:signer:eu-west-1:000000000000:/signing-profiles/a",
        "arn:aws:signer:eu-west-1:000000000000:/signing-profiles/a-b",
        "arn:aws:signer:eu-west-1:1:/signing-profiles/ab",
        "arn:aws:kms:eu-west-1:000000000000:/signing-profiles/ab",
        "arn:aws:signer:eu-west-1:000000000000:/signing-profiles/ab\n",
        "arn:aws:signer:eu-west-1:000000000000:/signing-profiles/" + "a" * 150,
    ],
)
def test_a_profile_must_be_one(region, arn):
    put(region)

    code, message = refused(region, rule(arn))

    assert code == "InvalidParameterException"
    assert "'signingProfileArn'" in message
    assert region.ecr.get_signing_configuration()["signingConfiguration"] == {"rules": []}


@pytest.mark.parametrize("patterns", [["A"], [""], ["a" * 257], ["a//b"], ["/a"], [f"r{n}" for n in range(101)]])
def test_filters_that_cannot_be_are_refused(region, patterns):
    code, message = refused(region, rule(profile(region), *patterns))

    assert code == "InvalidParameterException"
    assert "'filter'" in message or "'repositoryFilters'" in message
    assert refusal(region.ecr.get_signing_configuration) == absent()


@pytest.mark.parametrize(
    "changed",
    [
        {"signingProfileArn": None},
        {"repositoryFilters": []},
        {"repositoryFilters": [{"filter": "a", "filterType": "PREFIX_MATCH"}]},
        {"repositoryFilters": [{"filter": "a"}]},
    ],
)
def test_rules_that_are_not_whole_are_refused(region, changed):
    code, _ = refused(region, rule(profile(region)) | changed)

    assert code == "InvalidParameterException"


def test_there_are_up_to_ten_rules(region):
    code, message = refused(region, *(rule(profile(region, f"p{number}")) for number in range(11)))

    assert code == "InvalidParameterException"
    assert "'rules'" in message


def test_a_profile_has_one_rule_and_is_of_this_region(region):
    put(region, rule(profile(region)))

    twice = refused(region, rule(profile(region, "a1")), rule(profile(region, "a1"), "*"))
    elsewhere = refused(region, rule(f"arn:aws:signer:eu-west-1:{ACCOUNT}:/signing-profiles/some"))

    assert twice == ("ValidationException", "A signing profile can be used by one rule only")
    assert elsewhere[0] == "ValidationException"
    assert elsewhere[1].endswith(f"must be of the region '{region.name}'")
    assert region.ecr.get_signing_configuration()["signingConfiguration"] == {"rules": [rule(profile(region))]}


# ---- Images


def status_of(region, repository, **image_id):
    return region.ecr.describe_image_signing_status(repositoryName=repository, imageId=image_id or {"imageTag": "v1"})


def profiles_of(answer):
    return [status["signingProfileArn"] for status in answer["signingStatuses"]]


def test_an_image_that_no_rule_signs_has_no_status(region):
    put(region, rule(profile(region), "other"))
    image = region.registry("some").push_image("v1")

    answer = status_of(region, "some")

    assert bare(answer) == {
        "registryId": ACCOUNT,
        "repositoryName": "some",
        "imageId": {"imageDigest": image.digest, "imageTag": "v1"},
        "signingStatuses": [],
    }


def test_an_image_is_signed_with_the_profile_of_every_rule_and_the_signing_fails(region):
    put(
        region,
        rule(profile(region, "a1")),
        rule(profile(region, "b1"), "team/*"),
        rule(profile(region, "c1"), "te"),
    )
    image = region.registry("team/app").push_image("v1")

    answer = status_of(region, "team/app", imageDigest=image.digest)

    assert answer["imageId"] == {"imageDigest": image.digest}
    assert answer["signingStatuses"] == [
        {
            "signingProfileArn": profile(region, name),
            "status": "FAILED",
            "failureCode": "SigningServiceNotAvailable",
            "failureReason": "No signing service is connected to this registry",
        }
        for name in ("a1", "b1")
    ]


def test_what_refers_to_an_image_is_not_signed(region):
    put(region, rule(profile(region)))
    registry = region.registry("some")
    image = registry.push_image("v1")

    signature = registry.push_image("sig", subject=image.descriptor)

    assert profiles_of(status_of(region, "some", imageDigest=signature.digest)) == []
    assert profiles_of(status_of(region, "some", imageDigest=image.digest)) == [profile(region)]


def test_an_image_that_came_before_or_after_the_rules_is_not_signed(region):
    registry = region.registry("some")
    registry.push_image("v1")
    put(region, rule(profile(region)))
    registry.push_image("v2")
    region.ecr.delete_signing_configuration()
    registry.push_image("v3")

    signed = [bool(profiles_of(status_of(region, "some", imageTag=tag))) for tag in ("v1", "v2", "v3")]

    assert signed == [False, True, False]


def test_what_is_not_there_is_not_signed(region):
    missing = refusal(status_of, region=region, repository="some")
    region.registry("some").push_image("v1")

    by_tag = refusal(status_of, region=region, repository="some", imageTag="v2")
    by_digest = refusal(status_of, region=region, repository="some", imageDigest=DIGEST)
    by_none = region.aws().refusal("DescribeImageSigningStatus", {"repositoryName": "some", "imageId": {}})

    assert missing[0] == "RepositoryNotFoundException"
    assert by_tag[0] == by_digest[0] == "ImageNotFoundException"
    assert by_none[0] == "InvalidParameterException"


def test_the_signatures_of_another_account_are_out_of_reach(region):
    members = {"registryId": OTHER, "repositoryName": "some", "imageId": {"imageTag": "v1"}}

    assert region.aws().refusal("DescribeImageSigningStatus", members)[0] == "AccessDeniedException"
