"""Repository creation templates, and the repositories that a push makes by them."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from holdfast import registry
from holdfast.http import Request
from holdfast.model.callers import Caller
from holdfast.model.errors import AccessDenied, LimitExceeded, RepositoryNotFound
from holdfast.model.names import RepositoryRef
from holdfast.model.templates import Purpose, TemplateSettings
from tests import builders
from tests.builders import OCI_INDEX
from tests.callers import Http, Registry, refusal
from tests.registry.ground import HOME, Clock, open_ground

ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/path/creator"
FILTERS = "imageTagMutabilityExclusionFilters"
ON_PUSH = ["CREATE_ON_PUSH"]
POLICY = json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}]})
LIFECYCLE = json.dumps({"rules": [{
    "rulePriority": 1, "action": {"type": "expire"},
    "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 9},
}]}, separators=(",", ":"))  # fmt: skip
EVERYTHING = {
    "prefix": "team",
    "description": "What a team gets",
    "encryptionConfiguration": {"encryptionType": "AES256"},
    "resourceTags": [{"Key": "team", "Value": "a"}, {"Key": "Größe", "Value": ""}],
    "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
    FILTERS: [{"filterType": "WILDCARD", "filter": "dev-*"}],
    "repositoryPolicy": POLICY,
    "lifecyclePolicy": LIFECYCLE,
    "appliedFor": ["REPLICATION", "PULL_THROUGH_CACHE", "CREATE_ON_PUSH"],
    "customRoleArn": ROLE,
}


@pytest.fixture
def ecr(product, region):
    return product.ecr(region)


def create(ecr, prefix, applied_for=ON_PUSH, **members):
    """Make a template; what is answered of it."""
    made = ecr.create_repository_creation_template(prefix=prefix, appliedFor=applied_for, **members)
    return made["repositoryCreationTemplate"]


def known(ecr):
    """Every template of a registry."""
    pages = ecr.get_paginator("describe_repository_creation_templates").paginate()
    return [template for page in pages for template in page["repositoryCreationTemplates"]]


def invalid(field, constraint):
    return "InvalidParameterException", f"Invalid parameter at '{field}' failed to satisfy constraint: '{constraint}'"


def absent(prefix):
    return (
        "TemplateNotFoundException",
        f"The repository creation template with prefix '{prefix}' does not exist in the registry with id '{ACCOUNT}'",
    )


# ---- Create, describe, delete


def test_a_template_is_answered_with_every_default(ecr):
    before = datetime.now(UTC)

    answer = ecr.create_repository_creation_template(prefix="team", appliedFor=ON_PUSH)

    template = answer["repositoryCreationTemplate"]
    created_at = template.pop("createdAt")
    assert answer["registryId"] == ACCOUNT
    assert timedelta(seconds=-1) < created_at - before < timedelta(seconds=60)
    assert template.pop("updatedAt") == created_at
    assert template == {
        "prefix": "team",
        "appliedFor": ON_PUSH,
        "encryptionConfiguration": {"encryptionType": "AES256"},
        "imageTagMutability": "MUTABLE",
    }


def test_what_is_set_in_a_template_is_given_back(ecr):
    created = ecr.create_repository_creation_template(**EVERYTHING)["repositoryCreationTemplate"]

    described = ecr.describe_repository_creation_templates(prefixes=["team"])
    deleted = ecr.delete_repository_creation_template(prefix="team")

    assert {key: created[key] for key in EVERYTHING} == EVERYTHING
    assert set(created) == {*EVERYTHING, "createdAt", "updatedAt"}
    assert (described["registryId"], described["repositoryCreationTemplates"]) == (ACCOUNT, [created])
    assert (deleted["registryId"], deleted["repositoryCreationTemplate"]) == (ACCOUNT, created)
    assert known(ecr) == []


@pytest.mark.parametrize("key", ["", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/0123-abcd"])
def test_a_template_may_name_a_key(ecr, key):
    encryption = {"encryptionType": "KMS", "kmsKey": key}

    created = create(ecr, "team", encryptionConfiguration=encryption)

    assert created["encryptionConfiguration"] == {k: v for k, v in encryption.items() if v}


def test_empty_texts_are_as_if_they_were_not_there(ecr):
    created = create(ecr, "team", description="", repositoryPolicy="", lifecyclePolicy="", customRoleArn="")

    assert set(created) == {
        "prefix", "appliedFor", "encryptionConfiguration", "imageTagMutability", "createdAt", "updatedAt"
    }  # fmt: skip


def test_what_a_template_is_for_is_told_once(ecr):
    assert create(ecr, "team", ["REPLICATION", "CREATE_ON_PUSH", "REPLICATION"])["appliedFor"] == [
        "REPLICATION",
        "CREATE_ON_PUSH",
    ]


@pytest.mark.parametrize("prefix", ["a", "ROOT", "a/b-c_d.e", "team/", "x" * 256])
def test_a_prefix_is_given_back_as_it_was_given(ecr, prefix):
    create(ecr, prefix)

    [found] = ecr.describe_repository_creation_templates(prefixes=[prefix])["repositoryCreationTemplates"]

    assert found["prefix"] == prefix


@pytest.mark.parametrize(
    ("first", "second"), [("team", "team"), ("team", "team/"), ("team/", "team"), ("ROOT", "ROOT")]
)
def test_a_prefix_is_taken_once(ecr, first, second):
    created = create(ecr, first)

    answer = refusal(
        ecr.create_repository_creation_template, prefix=second, appliedFor=["REPLICATION"], description="another"
    )

    assert answer == (
        "TemplateAlreadyExistsException",
        f"A repository creation template with prefix '{second}' already exists in the registry with id '{ACCOUNT}'",
    )
    assert known(ecr) == [created]


LONG_TAG = [{"Key": "k" * 129, "Value": ""}]
MANY_TAGS = [{"Key": str(number), "Value": ""} for number in range(51)]
WRONG = {
    "prefix": ({"prefix": "Team"}, "prefix"),
    "no-prefix": ({"prefix": ""}, "prefix"),
    "long-prefix": ({"prefix": "x" * 257}, "prefix"),
    "no-purpose": ({"appliedFor": []}, "appliedFor"),
    "purpose": ({"appliedFor": ["PUSH"]}, "appliedFor"),
    "description": ({"description": "x" * 257}, "description"),
    "encryption": ({"encryptionConfiguration": {"encryptionType": "ROT13"}}, "encryptionType"),
    "key": ({"encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "alias/aws/ecr"}}, "kmsKey"),
    "long-tag": ({"resourceTags": LONG_TAG}, "resourceTags"),
    "many-tags": ({"resourceTags": MANY_TAGS}, "resourceTags"),
    "aws-tag": ({"resourceTags": [{"Key": "aws:a", "Value": ""}]}, "resourceTags"),
    "tag-twice": ({"resourceTags": [{"Key": "a", "Value": ""}] * 2}, "resourceTags"),
    "mutability": ({"imageTagMutability": "FROZEN"}, "imageTagMutability"),
    "no-filters": ({"imageTagMutability": "IMMUTABLE_WITH_EXCLUSION"}, FILTERS),
    "filters": ({FILTERS: [{"filterType": "WILDCARD", "filter": "a*"}]}, FILTERS),
    "stars": (
        {"imageTagMutability": "MUTABLE_WITH_EXCLUSION", FILTERS: [{"filterType": "WILDCARD", "filter": "*a*b*"}]},
        FILTERS,
    ),
    "policy": ({"repositoryPolicy": "{}"}, "PolicyText"),
    "long-policy": ({"repositoryPolicy": POLICY + " " * 10_240}, "repositoryPolicy"),
    "lifecycle": ({"lifecyclePolicy": '{"rules":[]}'}, "LifecyclePolicyText"),
    "long-lifecycle": ({"lifecyclePolicy": LIFECYCLE + " " * 30_720}, "lifecyclePolicy"),
    "role": ({"customRoleArn": "arn:aws:iam::1:role/x"}, "customRoleArn"),
    "user": ({"customRoleArn": f"arn:aws:iam::{ACCOUNT}:user/x"}, "customRoleArn"),
}
each_wrong = pytest.mark.parametrize(("members", "field"), WRONG.values(), ids=WRONG.keys())


@each_wrong
def test_a_template_that_cannot_be_is_not_made(product, region, members, field):
    code, message = product.aws(region).refusal(
        "CreateRepositoryCreationTemplate", {"prefix": "team", "appliedFor": ON_PUSH} | members
    )

    assert code == "InvalidParameterException"
    assert message.startswith(f"Invalid parameter at '{field}' failed to satisfy constraint")
    assert known(product.ecr(region)) == []


@pytest.mark.parametrize("operation", ["update", "delete"])
def test_a_template_that_is_not_there_cannot_be_changed_or_deleted(ecr, operation):
    create(ecr, "team")

    answer = refusal(getattr(ecr, f"{operation}_repository_creation_template"), prefix="team/")

    assert answer == absent("team/")


def test_one_unknown_prefix_fails_the_whole_description(ecr):
    create(ecr, "team")

    assert refusal(ecr.describe_repository_creation_templates, prefixes=["team", "other"]) == absent("other")


def test_templates_are_those_of_one_region(product, ecr, region):
    create(ecr, "team")

    assert known(product.ecr(f"{region}-2")) == []


# ---- Update


def test_an_update_changes_only_what_it_names(ecr):
    created = ecr.create_repository_creation_template(**EVERYTHING)["repositoryCreationTemplate"]

    answer = ecr.update_repository_creation_template(prefix="team", description="Another")

    updated = answer["repositoryCreationTemplate"]
    assert answer["registryId"] == ACCOUNT
    assert updated == created | {"description": "Another", "updatedAt": updated["updatedAt"]}
    assert updated["updatedAt"] > created["updatedAt"]
    assert known(ecr) == [updated]


CHANGES = [
    {"appliedFor": ["REPLICATION"]},
    {"encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1"}},
    {"encryptionConfiguration": {"encryptionType": "KMS_DSSE"}},
    {"resourceTags": [{"Key": "team", "Value": "b"}]},
    {"imageTagMutability": "MUTABLE_WITH_EXCLUSION"},
    {"imageTagMutability": "MUTABLE_WITH_EXCLUSION", FILTERS: [{"filterType": "WILDCARD", "filter": "v*"}]},
    {FILTERS: [{"filterType": "WILDCARD", "filter": "v*"}, {"filterType": "WILDCARD", "filter": "w"}]},
    {"repositoryPolicy": POLICY.replace("BatchGetImage", "PutImage")},
    {"lifecyclePolicy": LIFECYCLE.replace("9", "5")},
    {"customRoleArn": f"arn:aws:iam::{ACCOUNT}:role/other"},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: "-".join(change)[:40])
def test_each_member_can_be_changed(ecr, change):
    created = ecr.create_repository_creation_template(**EVERYTHING)["repositoryCreationTemplate"]

    ecr.update_repository_creation_template(prefix="team", **change)

    [updated] = known(ecr)
    assert updated == created | change | {"updatedAt": updated["updatedAt"]}


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ({"description": ""}, "description"),
        ({"customRoleArn": ""}, "customRoleArn"),
        ({"repositoryPolicy": ""}, "repositoryPolicy"),
        ({"lifecyclePolicy": ""}, "lifecyclePolicy"),
        ({"resourceTags": []}, "resourceTags"),
        ({"imageTagMutability": "MUTABLE"}, FILTERS),
    ],
)
def test_what_is_emptied_is_gone(ecr, change, gone):
    created = ecr.create_repository_creation_template(**EVERYTHING)["repositoryCreationTemplate"]

    ecr.update_repository_creation_template(prefix="team", **change)

    [updated] = known(ecr)
    assert gone not in updated
    assert set(updated) == set(created) - {gone}


@each_wrong
def test_a_change_that_cannot_be_changes_nothing(product, region, members, field):
    ecr = product.ecr(region)
    created = create(ecr, "team")

    code, message = product.aws(region).refusal("UpdateRepositoryCreationTemplate", {"prefix": "team"} | members)

    assert code == "InvalidParameterException"
    assert message.startswith(f"Invalid parameter at '{field}' failed to satisfy constraint")
    assert known(ecr) == [created]


# ---- Lists and limits


def test_templates_are_listed_by_prefix_a_page_at_a_time(ecr):
    for prefix in ("c", "a/b", "ROOT", "a", "b"):
        create(ecr, prefix)

    pages = list(ecr.get_paginator("describe_repository_creation_templates").paginate(
        PaginationConfig={"PageSize": 2}
    ))  # fmt: skip

    assert [[one["prefix"] for one in page["repositoryCreationTemplates"]] for page in pages] == [
        ["ROOT", "a"],
        ["a/b", "b"],
        ["c"],
    ]
    assert "nextToken" not in pages[-1]
    assert {page["registryId"] for page in pages} == {ACCOUNT}


def test_a_page_has_a_hundred_templates_whatever_the_caller_allows(ecr):
    for number in range(101):
        create(ecr, f"team-{number:03}")

    first = ecr.describe_repository_creation_templates(maxResults=1000)

    assert len(first["repositoryCreationTemplates"]) == 100
    assert len(known(ecr)) == 101


@pytest.mark.parametrize(("member", "value"), [("maxResults", 10), ("nextToken", "x")])
def test_paging_does_not_go_with_prefixes(ecr, member, value):
    answer = refusal(ecr.describe_repository_creation_templates, prefixes=["team"], **{member: value})

    assert answer == invalid(member, f"{member} cannot be used together with prefixes")


def test_a_token_that_nobody_was_given_is_refused(ecr):
    code, _ = refusal(ecr.describe_repository_creation_templates, nextToken="mine")

    assert code == "InvalidParameterException"


def test_no_more_than_a_hundred_prefixes_can_be_asked_for(ecr):
    answer = refusal(ecr.describe_repository_creation_templates, prefixes=["team"] * 101)

    assert answer == invalid("prefixes", "Member must have length less than or equal to 100")


def test_a_registry_has_only_so_many_templates(tmp_path):
    on = open_ground(tmp_path, Clock(), creation_templates=2)
    settings = TemplateSettings((Purpose.REPLICATION,))
    for prefix in ("a", "b"):
        registry.templates.create(on, HOME, prefix, settings)

    with pytest.raises(LimitExceeded):
        registry.templates.create(on, HOME, "c", settings)

    assert [template.prefix for template in registry.templates.page(on, HOME, "", 10)[0]] == ["a", "b"]
    on.database.close()


# ---- Which template a repository gets


@pytest.mark.parametrize(
    ("name", "purpose", "prefix"),
    [
        ("a/b/c", Purpose.CREATE_ON_PUSH, "a/b"),
        ("a/b", Purpose.CREATE_ON_PUSH, "a"),
        ("a/bb/c", Purpose.CREATE_ON_PUSH, "a"),
        ("a/b/c", Purpose.REPLICATION, "a"),
        ("ab/c", Purpose.CREATE_ON_PUSH, "ROOT"),
        ("aa", Purpose.CREATE_ON_PUSH, "ROOT"),
        ("s/l/a/s/h", Purpose.CREATE_ON_PUSH, "s/l/a/"),
        ("ab/c", Purpose.REPLICATION, None),
        ("a/b/c", Purpose.PULL_THROUGH_CACHE, None),
    ],
)
def test_the_nearest_template_that_is_for_it_wins(tmp_path, name, purpose, prefix):
    on = open_ground(tmp_path, Clock())
    push, both = (Purpose.CREATE_ON_PUSH,), (Purpose.CREATE_ON_PUSH, Purpose.REPLICATION)
    for known_prefix, purposes in {"ROOT": push, "a": both, "a/b": push, "s/l/a/": push, "s/l": push}.items():
        registry.templates.create(on, HOME, known_prefix, TemplateSettings(purposes))

    with on.database.snapshot() as tx:
        found = registry.templates.settings_for(tx, RepositoryRef(HOME, name), purpose)

    assert (found and found.prefix) == prefix
    on.database.close()


# ---- Create on push


@pytest.fixture
def docker(product, ecr):
    """Speak to any repository of the test's region, whether or not it is there."""
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]

    def repository(name):
        return Registry(Http(product.address, f"Basic {token}"), name)

    return repository


def repositories(ecr):
    return [repository["repositoryName"] for repository in ecr.describe_repositories()["repositories"]]


def test_a_push_makes_the_repository_that_a_template_describes(ecr, docker):
    ecr.create_repository_creation_template(**EVERYTHING)

    image = docker("team/app").push_image("v1")

    [repository] = ecr.describe_repositories(repositoryNames=["team/app"])["repositories"]
    assert repository["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
    assert repository[FILTERS] == EVERYTHING[FILTERS]
    assert repository["encryptionConfiguration"] == {"encryptionType": "AES256"}
    assert repository["imageScanningConfiguration"] == {"scanOnPush": False}
    tags = ecr.list_tags_for_resource(resourceArn=repository["repositoryArn"])["tags"]
    assert sorted(tags, key=lambda tag: tag["Key"]) == sorted(EVERYTHING["resourceTags"], key=lambda tag: tag["Key"])
    assert ecr.get_repository_policy(repositoryName="team/app")["policyText"] == POLICY
    assert ecr.get_lifecycle_policy(repositoryName="team/app")["lifecyclePolicyText"] == LIFECYCLE
    assert docker("team/app")("GET", "/manifests/v1").body == image.body


def test_a_plain_template_makes_a_plain_repository(ecr, docker):
    create(ecr, "ROOT")

    docker("app").push_image("v1")

    [repository] = ecr.describe_repositories()["repositories"]
    assert (repository["repositoryName"], repository["imageTagMutability"]) == ("app", "MUTABLE")
    assert refusal(ecr.get_repository_policy, repositoryName="app")[0] == "RepositoryPolicyNotFoundException"
    assert refusal(ecr.get_lifecycle_policy, repositoryName="app")[0] == "LifecyclePolicyNotFoundException"


DATA = b"a whole layer"
DIGEST = builders.digest(DATA)
EMPTY_INDEX = builders.an_index()


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/blobs/uploads/", b"", 202),
        ("POST", f"/blobs/uploads/?digest={DIGEST}", DATA, 201),
        ("POST", f"/blobs/uploads/?mount={DIGEST}&from=not/there", b"", 202),
        ("PUT", "/manifests/v1", EMPTY_INDEX.body, 201),
    ],
    ids=["begin", "whole", "mount", "manifest"],
)
def test_every_way_to_begin_a_push_makes_the_repository(ecr, docker, method, path, body, status):
    create(ecr, "team")

    answer = docker("team/app")(method, path, body, content_type=OCI_INDEX)

    assert answer.status == status
    assert repositories(ecr) == ["team/app"]


def test_a_layer_is_mounted_into_a_repository_that_the_push_makes(ecr, docker):
    create(ecr, "team")
    docker("team/source").push_blob(DATA)

    answer = docker("team/app")("POST", f"/blobs/uploads/?mount={DIGEST}&from=team/source")

    assert answer.status == 201
    assert docker("team/app")("HEAD", f"/blobs/{DIGEST}").status == 200


def test_a_push_through_the_api_makes_the_repository(ecr):
    create(ecr, "team")

    upload = ecr.initiate_layer_upload(repositoryName="team/app")["uploadId"]

    assert upload
    assert repositories(ecr) == ["team/app"]


@pytest.mark.parametrize(
    ("prefix", "applied_for"), [("other", ON_PUSH), ("team/app", ON_PUSH), ("team", ["REPLICATION"])]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/blobs/uploads/"),
        ("POST", f"/blobs/uploads/?digest={DIGEST}"),
        ("POST", f"/blobs/uploads/?mount={DIGEST}&from=not/there"),
        ("PUT", "/manifests/v1"),
    ],
    ids=["begin", "whole", "mount", "manifest"],
)
def test_without_a_template_for_it_a_push_fails_as_ever(ecr, docker, prefix, applied_for, method, path):
    create(ecr, prefix, applied_for)

    answer = docker("team/app")(method, path, EMPTY_INDEX.body, content_type=OCI_INDEX)

    assert (answer.status, answer.code) == (404, "NAME_UNKNOWN")
    assert refusal(ecr.initiate_layer_upload, repositoryName="team/app")[0] == "RepositoryNotFoundException"
    assert repositories(ecr) == []


@pytest.mark.parametrize(
    "members",
    [{"resourceTags": [{"Key": "a", "Value": "b"}]}, {"encryptionConfiguration": {"encryptionType": "KMS"}}],
    ids=["tags", "kms"],
)
def test_a_template_that_needs_a_role_and_names_none_makes_nothing(product, ecr, docker, members, name):
    create(ecr, "t", **members)

    answer = docker(name)("POST", "/blobs/uploads/")

    assert (answer.status, answer.code) == (404, "NAME_UNKNOWN")
    assert repositories(ecr) == []
    assert f"repository {name} is not created: the template 't' sets tags or KMS but no customRoleArn" in (
        product.log.read_text()
    )


def test_a_push_makes_a_repository_under_the_key_of_its_template(ecr, docker):
    create(ecr, "team", encryptionConfiguration={"encryptionType": "KMS"}, customRoleArn=ROLE)

    answer = docker("team/app")("POST", "/blobs/uploads/")

    [made] = ecr.describe_repositories(repositoryNames=["team/app"])["repositories"]
    assert answer.status == 202
    assert made["encryptionConfiguration"]["encryptionType"] == "KMS"
    assert ":key/" in made["encryptionConfiguration"]["kmsKey"]


def test_a_key_that_is_not_there_is_told_to_a_push_too(ecr, docker):
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/absent"
    create(ecr, "team", encryptionConfiguration={"encryptionType": "KMS", "kmsKey": key}, customRoleArn=ROLE)

    answer = docker("team/app")("POST", "/blobs/uploads/")
    code, _ = refusal(ecr.initiate_layer_upload, repositoryName="team/app")

    assert (answer.status, answer.code, code) == (403, "DENIED", "KmsException")
    assert repositories(ecr) == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/manifests/v1", None),
        ("HEAD", f"/blobs/{DIGEST}", None),
        ("GET", "/tags/list", None),
        ("DELETE", "/manifests/v1", None),
        ("PATCH", "/blobs/uploads/some-id", DATA),
        ("POST", "/blobs/uploads/?digest=sha256:short", DATA),
        ("PUT", "/manifests/v1", b"{}"),
        ("PUT", f"/manifests/{DIGEST}", EMPTY_INDEX.body),
        ("PUT", "/manifests/-", EMPTY_INDEX.body),
        ("PUT", "/manifests/v1", builders.an_image(builders.digest).body),
        ("PUT", "/manifests/v1", builders.an_index(EMPTY_INDEX).body),
    ],
)
def test_what_is_no_push_or_is_refused_makes_nothing(ecr, docker, method, path, body):
    create(ecr, "team")

    answer = docker("team/app")(method, path, body)

    assert 400 <= answer.status < 500
    assert repositories(ecr) == []


def test_pushes_at_the_same_time_make_one_repository(ecr, docker):
    create(ecr, "team", resourceTags=[{"Key": "a", "Value": "b"}], customRoleArn=ROLE)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: docker("team/app")("POST", "/blobs/uploads/").status, range(24)))

    assert answers == [202] * 24
    assert repositories(ecr) == ["team/app"]


def test_what_was_made_stays_as_it_is_when_its_template_changes_or_goes(ecr, docker):
    create(ecr, "team", imageTagMutability="IMMUTABLE")
    docker("team/app").push_image("v1")

    ecr.update_repository_creation_template(prefix="team", imageTagMutability="MUTABLE")
    ecr.delete_repository_creation_template(prefix="team")

    [repository] = ecr.describe_repositories()["repositories"]
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert docker("team/app").push_image("v2", seed="another")


def test_a_repository_that_is_there_is_left_as_it_is(ecr, docker):
    ecr.create_repository(repositoryName="team/app")
    create(ecr, "team", imageTagMutability="IMMUTABLE")

    docker("team/app").push_image("v1")

    assert ecr.describe_repositories()["repositories"][0]["imageTagMutability"] == "MUTABLE"


def test_whoever_may_not_create_repositories_makes_none_by_a_push(tmp_path):
    on, at = open_ground(tmp_path, Clock()), RepositoryRef(HOME, "team/app")
    stranger = Caller("111122223333", "AKIAEXAMPLE")
    request = Request("POST", "/", "", [], peer="127.0.0.1", is_secure=False)
    registry.templates.create(on, HOME, "team", TemplateSettings((Purpose.CREATE_ON_PUSH,)))

    def refuse():
        registry.access.require(on, stranger, "ecr:CreateRepository", at, request)

    with pytest.raises(AccessDenied) as caught:
        registry.repositories.ensure_for_push(on, at, may_create=refuse)

    assert "ecr:CreateRepository" in caught.value.message
    with pytest.raises(RepositoryNotFound):
        registry.repositories.get(on, at)
    on.database.close()


def test_a_registry_that_is_full_takes_no_repository_by_a_push(tmp_path):
    on, at = open_ground(tmp_path, Clock(), repositories=1), RepositoryRef(HOME, "team/app")
    registry.templates.create(on, HOME, "team", TemplateSettings((Purpose.CREATE_ON_PUSH,)))

    with pytest.raises(LimitExceeded):
        registry.repositories.ensure_for_push(on, at, may_create=lambda: None)

    with pytest.raises(RepositoryNotFound):
        registry.repositories.get(on, at)
    on.database.close()
