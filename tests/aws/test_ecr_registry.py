"""Registries: one an account and region, their credentials, and who may reach them."""

import base64
import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.callers import Aws, Http, refusal
from tests.conftest import Product

ACCOUNT = "000000000000"
OTHER = "111122223333"
DIGEST = "sha256:" + "0" * 64
UPLOAD_ID = "01234567-89ab-cdef-0123-456789abcdef"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A product of two accounts, with a key of the second."""
    running = Product(tmp_path_factory.mktemp("two-accounts") / "data")
    assert running.cli("account", "create", OTHER).returncode == 0
    made = running.cli("account", "create-key", OTHER, "--description", "the other account").stdout
    keys = re.search(r"aws_access_key_id = (\S+)\naws_secret_access_key = (\S+)", made).groups()
    yield running, dict(zip(("key_id", "secret"), keys, strict=True))
    assert running.stop() == 0


def authorization(client, **members):
    """The single element that GetAuthorizationToken answers."""
    [data] = client.get_authorization_token(**members)["authorizationData"]
    return data


# ---- Credentials


def test_a_token_is_answered_with_every_key(product):
    before = datetime.now(UTC)

    data = authorization(product.ecr())

    assert set(data) == {"authorizationToken", "expiresAt", "proxyEndpoint"}
    assert data["proxyEndpoint"] == f"http://{product.address}"
    assert timedelta(hours=12, seconds=-1) < data["expiresAt"] - before < timedelta(hours=12, seconds=60)


def test_the_expiry_of_a_token_is_a_json_number(product):
    [data] = product.aws()("GetAuthorizationToken").json()["authorizationData"]

    assert isinstance(data["expiresAt"], int | float)


def test_a_token_logs_in(product):
    token = authorization(product.ecr())["authorizationToken"]

    answer = Http(product.address, f"Basic {token}")("GET", "/v2/")

    assert answer.status == 200


def test_each_registry_that_is_named_gets_a_token(product):
    answer = product.aws("eu-central-1")(
        "GetAuthorizationToken",
        {"registryIds": [ACCOUNT, OTHER]},
        host="api.ecr.eu-central-1.example.org",
    )

    endpoints = [data["proxyEndpoint"] for data in answer.json()["authorizationData"]]
    assert endpoints == [f"http://{account}.dkr.ecr.eu-central-1.example.org" for account in (ACCOUNT, OTHER)]


@pytest.mark.parametrize(
    ("registries", "constraint"),
    [
        ([], "Member must have length greater than or equal to 1"),
        ([ACCOUNT] * 11, "Member must have length less than or equal to 10"),
        (["nonsense"], "must satisfy regular expression '[0-9]{12}'"),
        ([ACCOUNT + "\n"], "must satisfy regular expression '[0-9]{12}'"),
        (["\u0660" * 12], "must satisfy regular expression '[0-9]{12}'"),
    ],
)
def test_registries_that_cannot_be_named_are_refused(product, registries, constraint):
    code, message = product.aws().refusal("GetAuthorizationToken", {"registryIds": registries})

    assert code == "InvalidParameterException"
    assert message == f"Invalid parameter at 'registryIds' failed to satisfy constraint: '{constraint}'"


# ---- The registry itself


def test_a_registry_describes_itself(product):
    answer = product.ecr().describe_registry()

    answer.pop("ResponseMetadata")
    assert answer == {"registryId": ACCOUNT, "replicationConfiguration": {"rules": []}}


# ---- Regions


def test_each_region_is_a_registry_of_its_own(product, name):
    here, there = product.ecr("eu-west-1"), product.ecr("ap-south-1")
    here.create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")

    created = there.create_repository(repositoryName=name)["repository"]
    here.delete_repository(repositoryName=name)

    assert created["repositoryArn"] == f"arn:aws:ecr:ap-south-1:{ACCOUNT}:repository/{name}"
    assert created["imageTagMutability"] == "MUTABLE"
    assert there.describe_repositories(repositoryNames=[name])["repositories"] == [created]


def test_a_login_reaches_the_region_it_was_made_in(product, name):
    product.ecr("eu-west-2").create_repository(repositoryName=name)
    logins = [
        Http(product.address, "Basic " + authorization(product.ecr(region))["authorizationToken"])
        for region in ("eu-west-2", "us-east-1")
    ]

    answers = [login("GET", f"/v2/{name}/tags/list").status for login in logins]

    assert answers == [200, 404]


def test_a_region_that_was_never_used_is_empty(product):
    assert product.ecr("mars-north-1").describe_repositories()["repositories"] == []


# ---- Accounts


def test_accounts_do_not_see_each_other(shared, name):
    product, key = shared
    product.ecr().create_repository(repositoryName=name)

    created = product.ecr(**key).create_repository(repositoryName=name)["repository"]

    assert created["registryId"] == OTHER
    assert created["repositoryArn"] == f"arn:aws:ecr:us-east-1:{OTHER}:repository/{name}"
    for client, account in ((product.ecr(), ACCOUNT), (product.ecr(**key), OTHER)):
        listed = client.describe_repositories()["repositories"]
        assert {repository["registryId"] for repository in listed} == {account}


MEMBERS = {
    "CreateRepository": {},
    "DeleteRepository": {"force": True},
    "PutImage": {"imageManifest": "{}"},
    "BatchGetImage": {"imageIds": [{"imageTag": "v1"}]},
    "BatchDeleteImage": {"imageIds": [{"imageTag": "v1"}]},
    "ListImages": {},
    "DescribeImages": {},
    "BatchCheckLayerAvailability": {"layerDigests": [DIGEST]},
    "InitiateLayerUpload": {},
    "UploadLayerPart": {
        "uploadId": UPLOAD_ID,
        "partFirstByte": 0,
        "partLastByte": 0,
        "layerPartBlob": "YQ==",
    },
    "CompleteLayerUpload": {"uploadId": UPLOAD_ID, "layerDigests": [DIGEST]},
    "GetDownloadUrlForLayer": {"layerDigest": DIGEST},
    "PutImageTagMutability": {"imageTagMutability": "IMMUTABLE"},
    "SetRepositoryPolicy": {"policyText": "{}"},
    "GetRepositoryPolicy": {},
    "DeleteRepositoryPolicy": {},
}


@pytest.mark.parametrize("exists", [True, False], ids=["there", "not there"])
@pytest.mark.parametrize("operation", MEMBERS)
def test_another_account_is_denied_and_learns_nothing(shared, operation, exists):
    product, key = shared
    repository = f"t/denied-{operation.lower()}-{exists}".lower()
    if exists:
        product.registry(repository).push_image("v1")

    answer = Aws(product.address, **key)(
        operation, {"registryId": ACCOUNT, "repositoryName": repository, **MEMBERS[operation]}
    )

    arn = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{repository}"
    body = answer.json()
    assert (answer.status, body["__type"]) == (400, "AccessDeniedException")
    assert (
        body["message"]
        == body["Message"]
        == (
            f"User: arn:aws:iam::{OTHER}:root is not authorized to perform: ecr:{operation} on resource: {arn} "
            f"because no resource-based policy allows the ecr:{operation} action"
        )
    )
    known = product.ecr().describe_repositories(maxResults=1000)["repositories"]
    assert (repository in {item["repositoryName"] for item in known}) is exists


@pytest.mark.parametrize("operation", ["ListTagsForResource", "TagResource", "UntagResource"])
def test_the_tags_of_another_account_are_out_of_reach(shared, operation, name):
    product, key = shared
    product.ecr().create_repository(repositoryName=name)
    members = {
        "resourceArn": f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{name}",
        "tags": [{"Key": "a", "Value": "b"}],
        "tagKeys": ["a"],
    }

    code, message = Aws(product.address, **key).refusal(operation, members)

    assert code == "AccessDeniedException"
    assert message.endswith(f"because no resource-based policy allows the ecr:{operation} action")


def test_the_list_of_another_account_is_out_of_reach(shared):
    product, key = shared

    code, message = refusal(product.ecr(**key).describe_repositories, registryId=ACCOUNT)

    assert code == "AccessDeniedException"
    assert f"ecr:DescribeRepositories on resource: arn:aws:ecr:us-east-1:{ACCOUNT}:repository/* because" in message


@pytest.mark.parametrize("operation", ["create", "update", "delete", "validate"])
def test_the_cache_rules_of_another_account_are_out_of_reach(shared, operation):
    product, key = shared
    members = {"upstreamRegistryUrl": "quay.io"} if operation == "create" else {}

    code, message = refusal(
        getattr(product.ecr(**key), f"{operation}_pull_through_cache_rule"),
        registryId=ACCOUNT,
        ecrRepositoryPrefix="quay",
        **members,
    )

    assert code == "AccessDeniedException"
    assert f"ecr:{operation.capitalize()}PullThroughCacheRule on resource: *" in message


def test_a_login_of_another_account_pulls_nothing(shared, name):
    product, key = shared
    product.registry(name).push_image("v1")
    token = authorization(product.ecr(**key), registryIds=[ACCOUNT])["authorizationToken"]
    http = Http(product.address, f"Basic {token}")

    answers = [
        http("GET", f"/v2/{name}/manifests/v1").status,
        http("GET", f"/v2/{name}/manifests/v1", host=f"{ACCOUNT}.dkr.ecr.us-east-1.example.org").status,
        http("GET", f"/v2/{name}/tags/list?ns={ACCOUNT}.dkr.ecr.us-east-1.example.org").status,
        http("POST", f"/v2/{name}/blobs/uploads/").status,
    ]

    assert answers == [403] * 4


def test_a_token_names_the_user_aws(product):
    token = authorization(product.ecr())["authorizationToken"]

    assert base64.b64decode(token).startswith(b"AWS:")
