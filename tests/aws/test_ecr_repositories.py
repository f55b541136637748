"""Repositories and what can be set on them, as AWS's own client sees it."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from holdfast.model.names import REPOSITORY_NAME_PATTERN
from tests.callers import Registry, refusal

ACCOUNT = "000000000000"
DIGEST = "sha256:" + "0" * 64
UPLOAD_ID = "01234567-89ab-cdef-0123-456789abcdef"
REPOSITORY_KEYS = {
    "repositoryArn",
    "registryId",
    "repositoryName",
    "repositoryUri",
    "createdAt",
    "imageTagMutability",
    "imageScanningConfiguration",
    "encryptionConfiguration",
}
SETTINGS = ("MUTABLE", "IMMUTABLE", "IMMUTABLE_WITH_EXCLUSION", "MUTABLE_WITH_EXCLUSION")
FILTERS = "imageTagMutabilityExclusionFilters"


def invalid(field, constraint):
    """What AWS answers about a member that breaks its constraint."""
    return (
        "InvalidParameterException",
        f"Invalid parameter at '{field}' failed to satisfy constraint: '{constraint}'",
    )


def arn(name, region="us-east-1", account=ACCOUNT):
    return f"arn:aws:ecr:{region}:{account}:repository/{name}"


def wildcards(*patterns):
    return [{"filterType": "WILDCARD", "filter": pattern} for pattern in patterns]


def names(answer):
    return [repository["repositoryName"] for repository in answer["repositories"]]


def tags_of(ecr, name):
    return {tag["Key"]: tag["Value"] for tag in ecr.list_tags_for_resource(resourceArn=arn(name))["tags"]}


# ---- Create, describe, delete


def test_a_new_repository_is_answered_with_every_default(product, name):
    before = datetime.now(UTC)

    created = product.ecr().create_repository(repositoryName=name)["repository"]

    assert set(created) == REPOSITORY_KEYS
    assert created["repositoryArn"] == arn(name)
    assert created["registryId"] == ACCOUNT
    assert created["repositoryName"] == name
    assert created["repositoryUri"] == f"{product.address}/{name}"
    assert timedelta(seconds=-1) < created["createdAt"] - before < timedelta(seconds=60)
    assert created["imageTagMutability"] == "MUTABLE"
    assert created["imageScanningConfiguration"] == {"scanOnPush": False}
    assert created["encryptionConfiguration"] == {"encryptionType": "AES256"}


def test_what_is_set_on_a_new_repository_is_kept(product, name):
    ecr = product.ecr()
    wanted = {
        "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        FILTERS: wildcards("dev-*", "*-snapshot"),
        "imageScanningConfiguration": {"scanOnPush": True},
        "encryptionConfiguration": {"encryptionType": "AES256"},
    }

    created = ecr.create_repository(repositoryName=name, tags=[{"Key": "Größe", "Value": ""}], **wanted)["repository"]

    assert {key: created[key] for key in wanted} == wanted
    assert set(created) == REPOSITORY_KEYS | {FILTERS}
    assert ecr.describe_repositories(repositoryNames=[name])["repositories"] == [created]
    assert tags_of(ecr, name) == {"Größe": ""}


def test_a_time_of_creation_is_a_json_number(product, name):
    product.ecr().create_repository(repositoryName=name)

    [found] = product.aws()("DescribeRepositories", {"repositoryNames": [name]}).json()["repositories"]

    assert isinstance(found["createdAt"], int | float)


def test_deleting_a_repository_answers_with_what_it_was(product, name):
    ecr = product.ecr()
    created = ecr.create_repository(repositoryName=name)["repository"]

    deleted = ecr.delete_repository(repositoryName=name)

    assert deleted["repository"] == created
    assert refusal(ecr.describe_repositories, repositoryNames=[name])[0] == "RepositoryNotFoundException"


def test_a_repository_that_is_made_again_starts_empty(product, name):
    repository = product.registry(name)
    repository.push_image("v1")
    ecr = product.ecr()
    ecr.tag_resource(resourceArn=arn(name), tags=[{"Key": "team", "Value": "a"}])
    ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability="IMMUTABLE")
    ecr.delete_repository(repositoryName=name, force=True)

    created = ecr.create_repository(repositoryName=name)["repository"]

    assert created["imageTagMutability"] == "MUTABLE"
    assert ecr.list_images(repositoryName=name)["imageIds"] == []
    assert tags_of(ecr, name) == {}
    assert repository("GET", "/manifests/v1").status == 404


def test_a_name_is_taken_once(product, name):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name)

    answer = refusal(ecr.create_repository, repositoryName=name)

    assert answer == (
        "RepositoryAlreadyExistsException",
        f"The repository with name '{name}' already exists in the registry with id '{ACCOUNT}'",
    )


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("DeleteRepository", {}),
        ("DeleteRepository", {"force": True}),
        ("PutImageTagMutability", {"imageTagMutability": "IMMUTABLE"}),
        ("BatchGetImage", {"imageIds": [{"imageTag": "v1"}]}),
        ("BatchDeleteImage", {"imageIds": [{"imageTag": "v1"}]}),
        ("ListImages", {}),
        ("ListImages", {"filter": {"imageStatus": "ARCHIVED"}}),
        ("DescribeImages", {}),
        ("DescribeImages", {"imageIds": [{"imageTag": "v1"}]}),
        ("DescribeImages", {"filter": {"imageStatus": "ARCHIVED"}}),
        ("BatchCheckLayerAvailability", {"layerDigests": [DIGEST]}),
        ("BatchCheckLayerAvailability", {"layerDigests": ["malformed"]}),
        ("InitiateLayerUpload", {}),
        (
            "UploadLayerPart",
            {"uploadId": UPLOAD_ID, "partFirstByte": 0, "partLastByte": 0, "layerPartBlob": "YQ=="},
        ),
        ("CompleteLayerUpload", {"uploadId": UPLOAD_ID, "layerDigests": [DIGEST]}),
        ("GetDownloadUrlForLayer", {"layerDigest": DIGEST}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_repository_that_is_not_there_is_named_in_the_refusal(product, name, operation, members):
    answer = product.aws().refusal(operation, {"repositoryName": "no/such", **members})

    assert answer == (
        "RepositoryNotFoundException",
        f"The repository with name 'no/such' does not exist in the registry with id '{ACCOUNT}'",
    )


def test_putting_an_image_into_no_repository_is_refused(product):
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []})

    answer = refusal(product.ecr().put_image, repositoryName="no/such", imageManifest=manifest)

    assert answer[0] == "RepositoryNotFoundException"


@pytest.mark.parametrize(
    ("operation", "members"),
    [("list_tags_for_resource", {}), ("tag_resource", {"tags": []}), ("untag_resource", {"tagKeys": ["a"]})],
)
def test_a_tagged_resource_that_is_not_there_is_named_in_the_refusal(product, operation, members):
    call = getattr(product.ecr(), operation)

    assert refusal(call, resourceArn=arn("no/such"), **members) == (
        "RepositoryNotFoundException",
        f"The repository with name 'no/such' does not exist in the registry with id '{ACCOUNT}'",
    )


def test_one_unknown_name_fails_the_whole_description(product, name):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name)

    answer = refusal(ecr.describe_repositories, repositoryNames=[name, "no/such"])

    assert answer == (
        "RepositoryNotFoundException",
        f"The repository with name 'no/such' does not exist in the registry with id '{ACCOUNT}'",
    )


def test_a_repository_with_images_goes_only_by_force(product, name):
    product.registry(name).push_image("v1")
    ecr = product.ecr()

    answer = refusal(ecr.delete_repository, repositoryName=name)
    kept = ecr.list_images(repositoryName=name)["imageIds"]
    ecr.delete_repository(repositoryName=name, force=True)

    where = f"The repository with name '{name}' in registry with id '{ACCOUNT}'"
    assert answer == ("RepositoryNotEmptyException", f"{where} cannot be deleted because it still contains images")
    assert len(kept) == 1
    assert refusal(ecr.list_images, repositoryName=name)[0] == "RepositoryNotFoundException"


# ---- Names


@pytest.mark.parametrize("text", ["ab", "1a", "a.b", "a__b", "a--b", "a/b/c", "a---b", "a" * 256])
def test_a_name_of_ecrs_grammar_is_taken(product, text):
    ecr = product.ecr(region="names-1")

    created = ecr.create_repository(repositoryName=text)["repository"]

    assert created["repositoryName"] == text


@pytest.mark.parametrize(
    "text", ["a..b", "a___b", "a_-b", "a._b", "a//b", "/a", "a/", "A1", "a-", "-a", "ab\n", "ä1", "a b", "a\u0660"]
)
def test_a_name_outside_ecrs_grammar_is_refused(product, text):
    answer = product.aws().refusal("CreateRepository", {"repositoryName": text})

    assert answer == invalid("repositoryName", f"must satisfy regular expression '{REPOSITORY_NAME_PATTERN}'")


@pytest.mark.parametrize(
    ("members", "field", "constraint"),
    [
        ({"repositoryName": "a"}, "repositoryName", "Member must have length greater than or equal to 2"),
        ({"repositoryName": "a" * 257}, "repositoryName", "Member must have length less than or equal to 256"),
        ({}, "repositoryName", "Member must not be null"),
        ({"repositoryName": None}, "repositoryName", "Member must not be null"),
        (
            {"repositoryName": "ab", "registryId": "12345678901"},
            "registryId",
            "must satisfy regular expression '[0-9]{12}'",
        ),
        (
            {"repositoryName": "ab", "imageTagMutability": "SOMETIMES"},
            "imageTagMutability",
            f"Member must satisfy enum value set: [{', '.join(SETTINGS)}]",
        ),
        (
            {"repositoryName": "ab", "encryptionConfiguration": {"encryptionType": "ROT13"}},
            "encryptionType",
            "Member must satisfy enum value set: [AES256, KMS, KMS_DSSE]",
        ),
        (
            {"repositoryName": "ab", "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "k" * 2049}},
            "kmsKey",
            "Member must have length less than or equal to 2048",
        ),
        (
            {"repositoryName": "ab", "encryptionConfiguration": {}},
            "encryptionType",
            "Member must not be null",
        ),
    ],
)
def test_a_broken_constraint_is_named(product, members, field, constraint):
    assert product.aws().refusal("CreateRepository", members) == invalid(field, constraint)


# ---- Lists


def test_repositories_are_listed_in_pages(product):
    ecr = product.ecr(region="pages-1")
    wanted = [f"app-{number}" for number in range(7)]
    for text in reversed(wanted):
        ecr.create_repository(repositoryName=text)

    pages = list(ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 3}))

    assert [len(page["repositories"]) for page in pages] == [3, 3, 1]
    assert [found for page in pages for found in names(page)] == wanted
    assert ["nextToken" in page for page in pages] == [True, True, False]


def test_a_full_last_page_has_no_token(product):
    ecr = product.ecr(region="pages-2")
    for text in ("aa", "bb"):
        ecr.create_repository(repositoryName=text)

    page = ecr.describe_repositories(maxResults=2)

    assert names(page) == ["aa", "bb"]
    assert "nextToken" not in page


def test_a_page_has_a_hundred_repositories_unless_another_size_is_asked_for(product):
    ecr = product.ecr(region="pages-3")
    for number in range(101):
        ecr.create_repository(repositoryName=f"app-{number:03}")

    first = ecr.describe_repositories()
    second = ecr.describe_repositories(nextToken=first["nextToken"])
    whole = ecr.describe_repositories(maxResults=1000)

    assert (len(first["repositories"]), names(second)) == (100, ["app-100"])
    assert len(whole["repositories"]) == 101


def test_a_list_goes_on_after_what_was_deleted_meanwhile(product):
    ecr = product.ecr(region="pages-4")
    for text in ("aa", "bb", "cc"):
        ecr.create_repository(repositoryName=text)
    first = ecr.describe_repositories(maxResults=1)
    ecr.delete_repository(repositoryName="aa")

    second = ecr.describe_repositories(nextToken=first["nextToken"])

    assert names(second) == ["bb", "cc"]


@pytest.mark.parametrize(
    ("operation", "size", "constraint"),
    [
        (operation, *case)
        for operation in ("DescribeRepositories", "ListImages", "DescribeImages")
        for case in [
            (0, "Member must have value greater than or equal to 1"),
            (-1, "Member must have value greater than or equal to 1"),
            (1001, "Member must have value less than or equal to 1000"),
        ]
    ],
)
def test_the_size_of_a_page_has_limits(product, operation, size, constraint):
    members = {"maxResults": size} | ({} if operation == "DescribeRepositories" else {"repositoryName": "ab"})

    assert product.aws().refusal(operation, members) == invalid("maxResults", constraint)


@pytest.mark.parametrize("member", [{"maxResults": 5}, {"nextToken": "x"}])
def test_named_repositories_come_in_no_pages(product, name, member):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name)

    code, message = refusal(ecr.describe_repositories, repositoryNames=[name], **member)

    assert code == "InvalidParameterException"
    assert next(iter(member)) in message


def encoded(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize("operation", ["DescribeRepositories", "ListImages", "DescribeImages"])
@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "nonsense!!",
        "é",
        "\u0000",
        "A" * 100_000,
        encoded({}),
        encoded(None),
        encoded([]),
        encoded(1.5),
        encoded(True),
        encoded(10**30),
        encoded(-(2**63) - 1),
        encoded(2**63),
        encoded([10**30, "v1"]),
        encoded([1, "v1", 2]),
        encoded(["v1", 1]),
    ],
    ids=lambda token: repr(token[:20]),
)
def test_a_token_that_no_page_gave_is_refused(product, name, operation, token):
    product.ecr().create_repository(repositoryName=name)
    members = {} if operation == "DescribeRepositories" else {"repositoryName": name}

    answer = product.aws().refusal(operation, {"nextToken": token, **members})

    product.ecr().delete_repository(repositoryName=name)
    assert answer == invalid("nextToken", "The token is not one that a previous call returned")


@pytest.mark.parametrize(
    ("made_by", "given_to"),
    [
        ("DescribeRepositories", "ListImages"),
        ("DescribeRepositories", "DescribeImages"),
        ("ListImages", "DescribeRepositories"),
        ("ListImages", "DescribeImages"),
        ("DescribeImages", "DescribeRepositories"),
        ("DescribeImages", "ListImages"),
    ],
)
def test_a_token_of_another_operation_is_refused(product, name, made_by, given_to):
    repository = product.registry(name)
    repository.push_image("v1")
    repository.push_image("v2")
    where = {operation: {"repositoryName": name} for operation in ("ListImages", "DescribeImages")}
    product.ecr().create_repository(repositoryName=f"{name}/other")
    token = product.aws()(made_by, {"maxResults": 1, **where.get(made_by, {})}).json()["nextToken"]

    answer = product.aws().refusal(given_to, {"nextToken": token, **where.get(given_to, {})})

    assert answer == invalid("nextToken", "The token is not one that a previous call returned")


# ---- How movable tags are


def test_mutability_is_answered_as_it_was_put(product, name):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name)
    wanted = {"imageTagMutability": "MUTABLE_WITH_EXCLUSION", FILTERS: wildcards("v*", "a-*-b*", "latest")}

    answer = ecr.put_image_tag_mutability(repositoryName=name, registryId=ACCOUNT, **wanted)

    answer.pop("ResponseMetadata")
    assert answer == {"registryId": ACCOUNT, "repositoryName": name, **wanted}
    [found] = ecr.describe_repositories(repositoryNames=[name])["repositories"]
    assert {key: found[key] for key in wanted} == wanted


def test_putting_plain_mutability_forgets_the_filters(product, name):
    ecr = product.ecr()
    ecr.create_repository(
        repositoryName=name, imageTagMutability="IMMUTABLE_WITH_EXCLUSION", **{FILTERS: wildcards("a")}
    )

    answer = ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability="IMMUTABLE")

    assert FILTERS not in answer
    assert FILTERS not in ecr.describe_repositories(repositoryNames=[name])["repositories"][0]


@pytest.mark.parametrize("operation", ["CreateRepository", "PutImageTagMutability"])
@pytest.mark.parametrize(
    ("setting", "filters", "field", "constraint"),
    [
        (
            setting,
            None,
            FILTERS,
            f"ImageTagMutabilityExclusionFilters can't be null when imageTagMutability is set as {setting}",
        )
        for setting in ("IMMUTABLE_WITH_EXCLUSION", "MUTABLE_WITH_EXCLUSION")
    ]
    + [
        (
            setting,
            wildcards("a"),
            FILTERS,
            f"ImageTagMutabilityExclusionFilters must be null when imageTagMutability is set as {setting}",
        )
        for setting in ("IMMUTABLE", "MUTABLE")
    ]
    + [
        ("IMMUTABLE_WITH_EXCLUSION", filters, field, constraint)
        for filters, field, constraint in [
            ([], FILTERS, "Member must have length greater than or equal to 1"),
            (wildcards(*"abcdef"), FILTERS, "Member must have length less than or equal to 5"),
            (wildcards("a*b*c*"), FILTERS, "A filter can contain a maximum of two wildcards (*)"),
            (wildcards("a", "***"), FILTERS, "A filter can contain a maximum of two wildcards (*)"),
            (wildcards(""), "filter", "Member must have length greater than or equal to 1"),
            (wildcards("a" * 129), "filter", "Member must have length less than or equal to 128"),
            (wildcards("a b"), "filter", "must satisfy regular expression '^[0-9a-zA-Z._*-]{1,128}$'"),
            (wildcards("v[0-9]"), "filter", "must satisfy regular expression '^[0-9a-zA-Z._*-]{1,128}$'"),
            (wildcards("v1\n"), "filter", "must satisfy regular expression '^[0-9a-zA-Z._*-]{1,128}$'"),
            (
                [{"filterType": "REGEX", "filter": "a"}],
                "filterType",
                "Member must satisfy enum value set: [WILDCARD]",
            ),
            ([{"filterType": "WILDCARD"}], "filter", "Member must not be null"),
        ]
    ],
)
def test_filters_that_cannot_be_are_refused(product, name, operation, setting, filters, field, constraint):
    if operation == "PutImageTagMutability":
        product.ecr().create_repository(repositoryName=name)
    members = {"repositoryName": name, "imageTagMutability": setting, FILTERS: filters}

    answer = product.aws().refusal(operation, members)

    assert answer == invalid(field, constraint)


# ---- Resource tags


def test_tags_are_merged_and_overwritten_and_removed(product, name):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name, tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])

    ecr.tag_resource(resourceArn=arn(name), tags=[{"Key": "b", "Value": "3"}, {"Key": "c", "Value": ""}])
    merged = tags_of(ecr, name)
    ecr.untag_resource(resourceArn=arn(name), tagKeys=["a", "absent"])

    assert merged == {"a": "1", "b": "3", "c": ""}
    assert tags_of(ecr, name) == {"b": "3", "c": ""}


def test_tags_are_answered_with_capital_keys_and_nothing_else(product, name):
    ecr, aws = product.ecr(), product.aws()
    ecr.create_repository(repositoryName=name)

    tagged = aws("TagResource", {"resourceArn": arn(name), "tags": [{"Key": "a", "Value": "b"}]})

    assert tagged.json() == {}
    assert aws("ListTagsForResource", {"resourceArn": arn(name)}).json() == {"tags": [{"Key": "a", "Value": "b"}]}
    assert aws("UntagResource", {"resourceArn": arn(name), "tagKeys": ["a"]}).json() == {}


def test_fifty_tags_are_enough(product, name):
    ecr = product.ecr()
    fifty = [{"Key": f"key-{number}", "Value": "x"} for number in range(50)]
    ecr.create_repository(repositoryName=name, tags=fifty)

    answer = refusal(ecr.tag_resource, resourceArn=arn(name), tags=[{"Key": "one-more", "Value": ""}])
    ecr.tag_resource(resourceArn=arn(name), tags=[{"Key": "key-7", "Value": "changed"}])

    assert answer[0] == "TooManyTagsException"
    assert len(tags_of(ecr, name)) == 50
    assert tags_of(ecr, name)["key-7"] == "changed"


def test_a_repository_with_too_many_tags_is_not_made(product, name):
    ecr = product.ecr()
    tags = [{"Key": f"key-{number}", "Value": "x"} for number in range(51)]

    answer = refusal(ecr.create_repository, repositoryName=name, tags=tags)

    assert answer[0] == "TooManyTagsException"
    assert refusal(ecr.describe_repositories, repositoryNames=[name])[0] == "RepositoryNotFoundException"


def test_the_longest_tags_are_kept(product, name):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name, tags=[{"Key": "k" * 128, "Value": "v" * 256}])

    assert tags_of(ecr, name) == {"k" * 128: "v" * 256}


@pytest.mark.parametrize("operation", ["CreateRepository", "TagResource"])
@pytest.mark.parametrize(
    "tags",
    [
        [{"Key": "", "Value": "x"}],
        [{"Key": "k" * 129, "Value": "x"}],
        [{"Key": "k", "Value": "v" * 257}],
        [{"Key": "aws:mine", "Value": "x"}],
        [{"Key": "AWS:mine", "Value": "x"}],
        [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}],
    ],
    ids=["empty key", "long key", "long value", "reserved", "reserved in capitals", "twice"],
)
def test_a_tag_that_aws_would_not_keep_is_refused(product, name, operation, tags):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=f"{name}/tagged")
    members = (
        {"repositoryName": name, "tags": tags}
        if operation == "CreateRepository"
        else {"resourceArn": arn(f"{name}/tagged"), "tags": tags}
    )

    code, _ = product.aws().refusal(operation, members)

    assert code == "InvalidTagParameterException"
    assert tags_of(ecr, f"{name}/tagged") == {}


@pytest.mark.parametrize("tag", [{"Key": "k\0", "Value": ""}, {"Key": "k", "Value": "a\0b"}])
def test_a_tag_that_no_database_keeps_is_refused(product, name, tag):
    product.ecr().create_repository(repositoryName=name)

    code, _ = product.aws().refusal("TagResource", {"resourceArn": arn(name), "tags": [tag]})

    assert code == "InvalidParameterException"
    assert tags_of(product.ecr(), name) == {}


def test_a_tag_needs_a_value(product, name):
    product.ecr().create_repository(repositoryName=name)

    answer = product.aws().refusal("TagResource", {"resourceArn": arn(name), "tags": [{"Key": "k"}]})

    assert answer == invalid("Value", "Member must not be null")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "arn:aws:ecr:us-east-1",
        f"arn:aws:ecr:us-east-1:{ACCOUNT}:registry/x",
        f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/",
        f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/A",
        f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/ab\n",
        "arn:aws:ecr:us-east-1:1234:repository/ab",
        f"arn:aws:ecr::{ACCOUNT}:repository/ab",
        f"arn:aws:s3:us-east-1:{ACCOUNT}:repository/ab",
        f"xyz:aws:ecr:us-east-1:{ACCOUNT}:repository/ab",
        f"arn:aws:ecr:eu-central-1:{ACCOUNT}:repository/ab",
        f"arn::ecr:us-east-1:{ACCOUNT}:repository/ab",
        f"arn:gcp:ecr:us-east-1:{ACCOUNT}:repository/ab",
        f"arn:aws-cn:ecr:us-east-1:{ACCOUNT}:repository/ab",
    ],
)
@pytest.mark.parametrize("operation", ["ListTagsForResource", "TagResource", "UntagResource"])
def test_an_arn_that_names_no_repository_of_this_region_is_refused(product, operation, text):
    members = {"resourceArn": text, "tags": [{"Key": "a", "Value": "b"}], "tagKeys": ["a"]}

    assert product.aws().refusal(operation, members) == invalid("resourceArn", "Invalid ARN")


# ---- Where a repository is


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1:5000", "127.0.0.1:5000"),
        ("registry.example", "registry.example"),
        ("[::1]:5000", "[::1]:5000"),
        ("api.ecr.eu-central-1.example.org", f"{ACCOUNT}.dkr.ecr.eu-central-1.example.org"),
        ("api.ecr.eu-central-1.localhost:5000", f"{ACCOUNT}.dkr.ecr.eu-central-1.localhost:5000"),
        ("ecr.eu-central-1.example.org", f"{ACCOUNT}.dkr.ecr.eu-central-1.example.org"),
        (f"{ACCOUNT}.dkr.ecr.eu-central-1.example.org:1", f"{ACCOUNT}.dkr.ecr.eu-central-1.example.org:1"),
        ("api.ecr.eu-central-1.amazonaws.com", f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com"),
    ],
)
def test_the_uri_mirrors_the_way_the_caller_came_in(product, name, host, address):
    product.ecr("eu-central-1").create_repository(repositoryName=name)

    answer = product.aws("eu-central-1")("DescribeRepositories", {"repositoryNames": [name]}, host=host)

    product.ecr("eu-central-1").delete_repository(repositoryName=name)
    assert answer.json()["repositories"][0]["repositoryUri"] == f"{address}/{name}"


def test_the_uri_is_where_docker_pushes(product, name):
    uri = product.ecr().create_repository(repositoryName=name)["repository"]["repositoryUri"]

    address, _, path = uri.partition("/")
    image = Registry(product.http(), path).push_image("v1")

    assert address == product.address
    [found] = product.ecr().list_images(repositoryName=name)["imageIds"]
    assert found == {"imageTag": "v1", "imageDigest": image.digest}


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-south-7", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_an_arn_is_in_the_partition_of_its_region(product, name, region, partition):
    created = product.ecr(region).create_repository(repositoryName=name)["repository"]

    assert created["repositoryArn"] == f"arn:{partition}:ecr:{region}:{ACCOUNT}:repository/{name}"
