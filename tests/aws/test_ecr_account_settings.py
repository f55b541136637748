"""Account settings, as AWS's own client sees them."""

import json

import pytest

from tests import builders
from tests.callers import Http, Registry, refusal

ACCOUNT = "000000000000"
NAMES = "[BASIC_SCAN_TYPE_VERSION, REGISTRY_POLICY_SCOPE, BLOB_MOUNTING]"
DEFAULTS = {"BASIC_SCAN_TYPE_VERSION": "AWS_NATIVE", "REGISTRY_POLICY_SCOPE": "V2", "BLOB_MOUNTING": "DISABLED"}


def invalid(field, constraint):
    return "InvalidParameterException", (
        f"Invalid parameter at '{field}' failed to satisfy constraint: '{constraint}'"
    )  # fmt: skip


def pair(answer):
    """An answer without what boto3 adds."""
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


@pytest.mark.parametrize("name", DEFAULTS)
def test_what_nobody_has_set_has_a_default(product, region, name):
    answer = product.ecr(region).get_account_setting(name=name)

    assert pair(answer) == {"name": name, "value": DEFAULTS[name]}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("BASIC_SCAN_TYPE_VERSION", ["AWS_NATIVE"]),
        ("REGISTRY_POLICY_SCOPE", ["V1", "V2"]),
        ("BLOB_MOUNTING", ["ENABLED", "DISABLED", "ENABLED"]),
    ],
)
def test_what_is_set_is_kept(product, region, name, values):
    ecr = product.ecr(region)

    for value in values:
        put = ecr.put_account_setting(name=name, value=value)
        got = ecr.get_account_setting(name=name)

        assert pair(put) == pair(got) == {"name": name, "value": value}


def test_a_setting_is_that_of_one_region(product, region):
    product.ecr(region).put_account_setting(name="BLOB_MOUNTING", value="ENABLED")

    elsewhere = product.ecr(f"{region}-2").get_account_setting(name="BLOB_MOUNTING")

    assert elsewhere["value"] == "DISABLED"


def test_a_setting_that_there_is_not_is_refused_with_those_that_there_are(product, region):
    ecr, answer = product.ecr(region), invalid("name", f"Member must satisfy enum value set: {NAMES}")

    assert refusal(ecr.get_account_setting, name="BLOB_SHARING") == answer
    assert refusal(ecr.put_account_setting, name="BLOB_SHARING", value="ENABLED") == answer


@pytest.mark.parametrize(
    ("name", "value", "known"),
    [
        ("BASIC_SCAN_TYPE_VERSION", "CLAIR", "AWS_NATIVE"),
        ("REGISTRY_POLICY_SCOPE", "V3", "V2, V1"),
        ("BLOB_MOUNTING", "enabled", "DISABLED, ENABLED"),
        ("BLOB_MOUNTING", "", "DISABLED, ENABLED"),
    ],
)
def test_a_value_that_there_is_not_is_refused_and_changes_nothing(product, region, name, value, known):
    ecr = product.ecr(region)

    answer = refusal(ecr.put_account_setting, name=name, value=value)

    assert answer == invalid("value", f"Member must satisfy enum value set: [{known}]")
    assert ecr.get_account_setting(name=name)["value"] == DEFAULTS[name]


@pytest.mark.parametrize("members", [{"value": "V1"}, {"name": "BLOB_MOUNTING"}, {"name": "x" * 65, "value": "V1"}])
def test_a_member_that_breaks_its_constraint_is_refused(product, region, members):
    code, _ = product.aws(region).refusal("PutAccountSetting", members)

    assert code == "InvalidParameterException"


@pytest.mark.parametrize(("action", "value"), [("ecr:ReplicateImage", "V1"), ("ecr:*", "V2")])
def test_the_scope_goes_back_only_if_the_policy_of_the_registry_fits(product, region, action, value):
    ecr = product.ecr(region)
    statement = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": action, "Resource": "*"}
    ecr.put_registry_policy(policyText=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))

    if value == "V1":
        ecr.put_account_setting(name="REGISTRY_POLICY_SCOPE", value="V1")
    else:
        answer = refusal(ecr.put_account_setting, name="REGISTRY_POLICY_SCOPE", value="V1")
        assert answer == invalid("value", "The registry policy has actions that the scope V1 does not allow")

    assert ecr.get_account_setting(name="REGISTRY_POLICY_SCOPE")["value"] == value


# ---- BLOB_MOUNTING, where ECR's quirks are wanted


def docker(product, region, repository):
    """A repository of a region, spoken to as docker does."""
    ecr = product.ecr(region)
    ecr.create_repository(repositoryName=repository)
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    return Registry(Http(product.address, f"Basic {token}"), repository)


def test_a_layer_of_an_image_is_mounted_when_the_setting_lets_it(strict_product, region):
    source, target = (docker(strict_product, region, name) for name in ("source", "target"))
    layer = source.push_image("v1").json()["layers"][0]["digest"]
    path = f"/blobs/uploads/?mount={layer}&from=source"

    before = target("POST", path).status
    strict_product.ecr(region).put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
    enabled = target("POST", path)
    readable = target("HEAD", f"/blobs/{layer}").status
    strict_product.ecr(region).put_account_setting(name="BLOB_MOUNTING", value="DISABLED")
    after = target("POST", path).status

    assert (before, enabled.status, readable, after) == (202, 201, 200, 202)
    assert enabled.headers["docker-content-digest"] == layer


def test_a_layer_that_no_image_uses_is_not_mounted(strict_product, region):
    source, target = (docker(strict_product, region, name) for name in ("source", "target"))
    strict_product.ecr(region).put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
    digest = source.push_blob(b"of no image")

    answer = target("POST", f"/blobs/uploads/?mount={digest}&from=source")

    assert answer.status == 202
    assert target("HEAD", f"/blobs/{digest}").status == 404


@pytest.mark.parametrize("query", ["mount={digest}", "mount={digest}&from=not/there", "mount=latest&from=source"])
def test_what_cannot_be_mounted_is_uploaded_instead(strict_product, region, query):
    source, target = (docker(strict_product, region, name) for name in ("source", "target"))
    strict_product.ecr(region).put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
    digest = source.push_image("v1").json()["layers"][0]["digest"]

    answer = target("POST", f"/blobs/uploads/?{query.format(digest=digest)}")

    assert answer.status == 202


def test_by_the_specification_layers_are_mounted_whatever_the_setting_is(product, region):
    source, target = (docker(product, region, name) for name in ("source", "target"))
    digest = source.push_blob(b"of no image")

    answer = target("POST", f"/blobs/uploads/?mount={builders.digest(b'of no image')}&from=source")

    assert answer.status == 201
    assert target("HEAD", f"/blobs/{digest}").status == 200
