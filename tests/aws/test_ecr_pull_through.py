"""Pull-through cache rules, and what is answered for images that only an upstream would have."""

from datetime import UTC, datetime, timedelta

import pytest

from holdfast import registry
from holdfast.model.caching import Upstream
from holdfast.model.errors import LimitExceeded
from holdfast.model.names import RepositoryRef
from tests import builders
from tests.callers import Http, Registry, refusal
from tests.registry.ground import HOME, Clock, open_ground

ACCOUNT = "000000000000"
OTHER = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/cache"
PUBLIC = "public.ecr.aws"
CLOSED = "127.0.0.1:9"  # may not be reached unless somebody allows it
HUB = "registry-1.docker.io"
ABSENT = "sha256:" + "0" * 64


@pytest.fixture
def ecr(product, region):
    return product.ecr(region)


@pytest.fixture
def secret(region):
    """The ARN of a secret that lies where the registry may read it."""
    return secret_in(region)


def secret_in(region, account=ACCOUNT, partition="aws"):
    return f"arn:{partition}:secretsmanager:{region}:{account}:secret:ecr-pullthroughcache/hub-AbCdEf"


def create(ecr, prefix="hub", url=PUBLIC, **members):
    """Make a rule; what is answered."""
    return plain(ecr.create_pull_through_cache_rule(ecrRepositoryPrefix=prefix, upstreamRegistryUrl=url, **members))


def plain(answer):
    """An answer without what boto3 adds."""
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def known(ecr):
    """Every rule of a registry."""
    pages = ecr.get_paginator("describe_pull_through_cache_rules").paginate()
    return [rule for page in pages for rule in page["pullThroughCacheRules"]]


def absent(prefix):
    rule = f"pull through cache rule with repository prefix '{prefix}'"
    return (
        "PullThroughCacheRuleNotFoundException",
        f"The {rule} does not exist in the registry with id '{ACCOUNT}'",
    )


def unsupported(url):
    return "UnsupportedUpstreamRegistryException", f"The upstream registry URL {url} is invalid."


# ---- Create, describe, delete


def test_a_rule_is_answered_with_what_it_has(ecr):
    before = datetime.now(UTC)

    created = create(ecr)

    created_at = created.pop("createdAt")
    assert timedelta(seconds=-1) < created_at - before < timedelta(seconds=60)
    assert created == {
        "ecrRepositoryPrefix": "hub",
        "upstreamRegistryUrl": PUBLIC,
        "upstreamRegistry": "ecr-public",
        "upstreamRepositoryPrefix": "ROOT",
        "registryId": ACCOUNT,
    }
    assert known(ecr) == [created | {"createdAt": created_at, "updatedAt": created_at}]


def test_a_rule_with_credentials_is_given_back_by_every_operation(ecr, secret):
    created = create(ecr, url=HUB, credentialArn=secret, upstreamRepositoryPrefix="library", registryId=ACCOUNT)
    shared = {key: value for key, value in created.items() if key not in {"upstreamRegistry", "createdAt"}}

    described = ecr.describe_pull_through_cache_rules(ecrRepositoryPrefixes=["hub"])["pullThroughCacheRules"]
    validated = plain(ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="hub"))
    deleted = plain(ecr.delete_pull_through_cache_rule(ecrRepositoryPrefix="hub", registryId=ACCOUNT))

    assert (created["credentialArn"], created["upstreamRepositoryPrefix"]) == (secret, "library")
    assert described == [created | {"updatedAt": created["createdAt"]}]
    assert validated["failure"]
    assert validated == shared | {"isValid": False, "failure": validated["failure"]}
    assert deleted == shared | {"createdAt": created["createdAt"]}
    assert known(ecr) == []


UPSTREAMS = [
    ("ecr-public", PUBLIC, False),
    ("k8s", "registry.k8s.io", False),
    ("quay", "quay.io", False),
    ("docker-hub", HUB, True),
    ("github-container-registry", "ghcr.io", True),
    ("gitlab-container-registry", "registry.gitlab.com", True),
    ("azure-container-registry", "my0registry.azurecr.io", True),
    ("chainguard", "cgr.dev", True),
    ("ecr", f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com", False),
    ("ecr", f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn", False),
]
each_upstream = pytest.mark.parametrize(("kind", "url", "needs_secret"), UPSTREAMS, ids=[row[1] for row in UPSTREAMS])


@each_upstream
def test_the_kind_of_an_upstream_is_told_by_its_address(ecr, secret, kind, url, needs_secret):
    credentials = {"credentialArn": secret} if needs_secret else {}

    derived = create(ecr, "derived", url, **credentials)
    named = create(ecr, "named", url, upstreamRegistry=kind, **credentials)

    assert derived["upstreamRegistry"] == named["upstreamRegistry"] == kind


@each_upstream
def test_an_upstream_that_asks_for_credentials_is_unsupported_without(ecr, kind, url, needs_secret):
    if not needs_secret:
        assert "credentialArn" not in create(ecr, url=url)
        return

    assert refusal(create, ecr=ecr, url=url) == unsupported(url)
    assert known(ecr) == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "docker.io",
        "https://public.ecr.aws",
        "public.ecr.aws/",
        "public.ecr.aws\n",
        "PUBLIC.ECR.AWS",
        "-.azurecr.io",
        "localhost",
        "registry.example:0",
        "registry.example:99999",
    ],
)
def test_an_unknown_upstream_is_unsupported(ecr, url):
    assert refusal(create, ecr=ecr, url=url) == unsupported(url)
    assert known(ecr) == []


@pytest.mark.parametrize("url", ["registry.example", "registry.example:5000", "127.0.0.1:5000", "a.b.azurecr.io"])
def test_any_other_host_is_an_upstream_of_no_kind(ecr, secret, url):
    created = create(ecr, url=url, credentialArn=secret)

    assert created["upstreamRegistryUrl"] == url
    assert "upstreamRegistry" not in created
    assert known(ecr)[0]["upstreamRegistryUrl"] == url


def test_ecr_itself_knows_its_own_list_only(strict_product):
    assert refusal(create, ecr=strict_product.ecr(), url="registry.example") == unsupported("registry.example")


def test_a_kind_that_is_not_that_of_the_address_is_unsupported(ecr):
    assert refusal(create, ecr=ecr, url=PUBLIC, upstreamRegistry="quay") == unsupported(PUBLIC)


def test_the_address_of_an_upstream_is_told_in_part_when_it_is_long(ecr):
    assert refusal(create, ecr=ecr, url="x" * 10_000) == unsupported("x" * 300)


def test_the_ecr_of_another_account_is_read_in_a_role(ecr):
    url = f"{OTHER}.dkr.ecr.eu-west-1.amazonaws.com"

    without = refusal(create, ecr=ecr, url=url)
    created = create(ecr, url=url, customRoleArn=ROLE)

    assert without == unsupported(url)
    assert (created["upstreamRegistry"], created["customRoleArn"]) == ("ecr", ROLE)


@pytest.mark.parametrize(
    "place",
    [
        {"region": "eu-central-9"},
        {"account": OTHER},
        {"partition": "aws-cn"},
    ],
)
def test_a_secret_that_lies_elsewhere_cannot_be_accessed(ecr, region, place):
    elsewhere = secret_in(**{"region": region} | place)

    code, message = refusal(create, ecr=ecr, url=HUB, credentialArn=elsewhere)

    assert code == "UnableToAccessSecretException"
    assert elsewhere in message
    assert known(ecr) == []


def test_the_root_is_filled_from_the_root_only(ecr):
    code, message = refusal(create, ecr=ecr, prefix="ROOT", upstreamRepositoryPrefix="library")

    assert code == "InvalidParameterException"
    assert message.startswith("Invalid parameter at 'upstreamRepositoryPrefix'")
    assert create(ecr, "ROOT", upstreamRepositoryPrefix="ROOT")["ecrRepositoryPrefix"] == "ROOT"


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"ecrRepositoryPrefix": "Hub"}, "ecrRepositoryPrefix"),
        ({"ecrRepositoryPrefix": "h"}, "ecrRepositoryPrefix"),
        ({"ecrRepositoryPrefix": "h" * 31}, "ecrRepositoryPrefix"),
        ({"upstreamRepositoryPrefix": "/library"}, "upstreamRepositoryPrefix"),
        ({"upstreamRegistry": "docker"}, "upstreamRegistry"),
        ({"credentialArn": "arn:aws:secretsmanager:us-east-1:000000000000:secret:mine-AbCdEf"}, "credentialArn"),
        ({"customRoleArn": "creator"}, "customRoleArn"),
        ({"customRoleArn": "x" * 2049}, "customRoleArn"),
        ({"registryId": "1"}, "registryId"),
    ],
)
def test_a_member_that_breaks_its_constraint_is_refused(product, region, members, field):
    code, message = product.aws(region).refusal(
        "CreatePullThroughCacheRule", {"ecrRepositoryPrefix": "hub", "upstreamRegistryUrl": PUBLIC} | members
    )

    assert code == "InvalidParameterException"
    assert message.startswith(f"Invalid parameter at '{field}' failed to satisfy constraint")
    assert known(product.ecr(region)) == []


@pytest.mark.parametrize(("first", "second"), [("hub", "hub"), ("hub", "hub/"), ("hub/", "hub"), ("ROOT", "ROOT")])
def test_a_prefix_is_taken_once(ecr, first, second):
    create(ecr, first)

    code, message = refusal(create, ecr=ecr, prefix=second, url="quay.io")

    assert code == "PullThroughCacheRuleAlreadyExistsException"
    assert message == (
        f"A pull through cache rule with repository prefix '{second}' already exists "
        f"in the registry with id '{ACCOUNT}'"
    )
    assert [rule["upstreamRegistryUrl"] for rule in known(ecr)] == [PUBLIC]


@pytest.mark.parametrize("prefix", ["team/hub", "hub/", "a--b", "h" * 30])
def test_a_prefix_is_given_back_as_it_was_given(ecr, prefix):
    create(ecr, prefix)

    [rule] = ecr.describe_pull_through_cache_rules(ecrRepositoryPrefixes=[prefix])["pullThroughCacheRules"]

    assert rule["ecrRepositoryPrefix"] == prefix


@pytest.mark.parametrize("operation", ["update", "delete", "validate"])
def test_a_rule_that_is_not_there_cannot_be_used(ecr, secret, operation):
    members = {"credentialArn": secret} if operation == "update" else {}

    answer = refusal(getattr(ecr, f"{operation}_pull_through_cache_rule"), ecrRepositoryPrefix="hub", **members)

    assert answer == absent("hub")


def test_one_unknown_prefix_fails_the_whole_description(ecr):
    create(ecr)

    answer = refusal(ecr.describe_pull_through_cache_rules, ecrRepositoryPrefixes=["hub", "other"])

    assert answer == absent("other")


def test_a_registry_has_only_so_many_rules(ecr):
    for number in range(50):
        create(ecr, f"hub-{number:02}")

    code, message = refusal(create, ecr=ecr, prefix="hub-50")

    assert (code, "50" in message) == ("LimitExceededException", True)
    assert len(known(ecr)) == 50


def test_how_many_rules_a_registry_has_can_be_chosen(tmp_path):
    on = open_ground(tmp_path, Clock(), cache_rules=1)
    registry.caching.create(on, HOME, "hub", Upstream("quay", "quay.io"))

    with pytest.raises(LimitExceeded):
        registry.caching.create(on, HOME, "other", Upstream("quay", "quay.io"))

    on.database.close()


def test_rules_are_listed_by_prefix_a_page_at_a_time(ecr, product, region):
    for prefix in ("cc", "aa/b", "ROOT", "aa", "bb"):
        create(ecr, prefix)

    paginator = ecr.get_paginator("describe_pull_through_cache_rules")
    pages = list(paginator.paginate(PaginationConfig={"PageSize": 2}))

    prefixes = [[rule["ecrRepositoryPrefix"] for rule in page["pullThroughCacheRules"]] for page in pages]
    assert prefixes == [["ROOT", "aa"], ["aa/b", "bb"], ["cc"]]
    assert "nextToken" not in pages[-1]
    assert known(product.ecr(f"{region}-2")) == []


@pytest.mark.parametrize(
    "members",
    [
        {"ecrRepositoryPrefixes": ["hub"], "maxResults": 10},
        {"ecrRepositoryPrefixes": ["hub"], "nextToken": "x"},
        {"ecrRepositoryPrefixes": ["hub"] * 101},
        {"ecrRepositoryPrefixes": []},
        {"nextToken": "mine"},
        {"maxResults": 1001},
    ],
    ids=["size-with-names", "token-with-names", "many-names", "no-names", "token", "size"],
)
def test_what_cannot_be_listed_is_refused(product, region, members):
    code, _ = product.aws(region).refusal("DescribePullThroughCacheRules", members)

    assert code == "InvalidParameterException"


# ---- Update


def test_credentials_can_be_changed(ecr, secret):
    created = create(ecr, url=HUB, credentialArn=secret)

    updated = plain(ecr.update_pull_through_cache_rule(ecrRepositoryPrefix="hub", credentialArn=f"{secret}-2"))

    assert updated == {
        "ecrRepositoryPrefix": "hub",
        "registryId": ACCOUNT,
        "upstreamRepositoryPrefix": "ROOT",
        "credentialArn": f"{secret}-2",
        "updatedAt": updated["updatedAt"],
    }
    assert updated["updatedAt"] > created["createdAt"]
    assert known(ecr) == [created | updated]


def test_the_role_can_be_changed(ecr):
    created = create(ecr, url=f"{OTHER}.dkr.ecr.eu-west-1.amazonaws.com", customRoleArn=ROLE)

    updated = plain(ecr.update_pull_through_cache_rule(ecrRepositoryPrefix="hub", customRoleArn=f"{ROLE}-2"))

    assert updated["customRoleArn"] == f"{ROLE}-2"
    assert known(ecr) == [created | updated]


@pytest.mark.parametrize(
    ("url", "members", "code", "field"),
    [
        (HUB, {}, "InvalidParameterException", "credentialArn"),
        (HUB, {"customRoleArn": ROLE}, "InvalidParameterException", "credentialArn"),
        (HUB, {"credentialArn": secret_in("us-east-1", OTHER)}, "UnableToAccessSecretException", "secret"),
        (HUB, {"credentialArn": "x" * 50}, "InvalidParameterException", "credentialArn"),
        (PUBLIC, {}, "InvalidParameterException", "credentialArn"),
        (f"{OTHER}.dkr.ecr.eu-west-1.amazonaws.com", {}, "InvalidParameterException", "customRoleArn"),
        (
            f"{OTHER}.dkr.ecr.eu-west-1.amazonaws.com",
            {"customRoleArn": "creator"},
            "InvalidParameterException",
            "customRoleArn",
        ),
    ],
)
def test_a_change_that_cannot_be_changes_nothing(ecr, secret, url, members, code, field):
    create(ecr, url=url, credentialArn=secret, customRoleArn=ROLE)
    before = known(ecr)

    answer = refusal(ecr.update_pull_through_cache_rule, ecrRepositoryPrefix="hub", **members)

    assert answer[0] == code
    assert field in answer[1]
    assert known(ecr) == before


# ---- What only an upstream has


@pytest.fixture
def cached(product, ecr):
    """A repository below a rule, with an image."""
    create(ecr, url=CLOSED)
    ecr.create_repository(repositoryName="hub/app")
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    repository = Registry(Http(product.address, f"Basic {token}"), "hub/app")
    return repository, repository.push_image("v1")


UNREACHABLE = (
    f"The upstream registry {CLOSED} cannot give what was asked for: 127.0.0.1 has no address that may be reached "
    "(127.0.0.1); --upstream-allow allows networks"
)


def upstream_image(name="hub/app"):
    return "UnableToGetUpstreamImageException", (
        f"The image is not in the repository with name '{name}' in the registry with id '{ACCOUNT}', "
        f"and it cannot be pulled through. {UNREACHABLE}"
    )


def test_an_image_that_is_there_is_given_as_ever(ecr, cached):
    _, image = cached

    answer = ecr.batch_get_image(repositoryName="hub/app", imageIds=[{"imageTag": "v1"}])

    assert [one["imageManifest"].encode() for one in answer["images"]] == [image.body]
    assert answer["failures"] == []


@pytest.mark.parametrize("image_id", [{"imageTag": "v2"}, {"imageDigest": ABSENT}])
def test_an_image_that_only_an_upstream_may_have_cannot_be_got(ecr, cached, image_id):
    answer = refusal(ecr.batch_get_image, repositoryName="hub/app", imageIds=[image_id, {"imageTag": "v3"}])

    assert answer == upstream_image()


def test_with_one_image_there_the_others_are_told_one_by_one(ecr, cached):
    ids = [
        {"imageTag": "v1"},
        {"imageTag": "v2"},
        {"imageDigest": "nonsense"},
        {"imageTag": "v1", "imageDigest": ABSENT},
    ]

    answer = ecr.batch_get_image(repositoryName="hub/app", imageIds=ids)

    assert [one["imageId"]["imageTag"] for one in answer["images"]] == ["v1"]
    assert {failure["failureCode"]: failure["imageId"] for failure in answer["failures"]} == {
        "UpstreamUnavailable": ids[1],
        "InvalidImageDigest": ids[2],
        "ImageTagDoesNotMatchDigest": ids[3],
    }


def test_what_no_upstream_is_asked_for_is_told_as_ever(ecr, cached):
    answer = ecr.batch_get_image(
        repositoryName="hub/app", imageIds=[{}, {"imageTag": "v1", "imageDigest": ABSENT}]
    )  # fmt: skip

    assert [failure["failureCode"] for failure in answer["failures"]] == [
        "MissingDigestAndTag",
        "ImageTagDoesNotMatchDigest",
    ]


def test_an_image_of_a_repository_that_only_a_pull_would_make_cannot_be_got(ecr):
    create(ecr, url=CLOSED)

    answer = refusal(ecr.batch_get_image, repositoryName="hub/new", imageIds=[{"imageTag": "v1"}])

    assert answer == upstream_image("hub/new")


@pytest.mark.parametrize("name", ["hub", "other/app", "hubs/app"])
def test_beside_the_prefix_nothing_is_different(product, ecr, name):
    create(ecr)
    ecr.create_repository(repositoryName=name)

    answer = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "v1"}])

    assert [failure["failureCode"] for failure in answer["failures"]] == ["ImageNotFound"]
    assert refusal(
        ecr.batch_get_image, repositoryName="other/new", imageIds=[{"imageTag": "v1"}]
    )[0] == "RepositoryNotFoundException"  # fmt: skip


def test_a_layer_that_only_an_upstream_may_have_cannot_be_got(ecr, cached):
    repository, image = cached
    unused = repository.push_blob(b"of no image")
    layer = image.json()["layers"][0]["digest"]

    code, message = refusal(ecr.get_download_url_for_layer, repositoryName="hub/app", layerDigest=ABSENT)

    assert code == "UnableToGetUpstreamLayerException"
    assert message == (
        f"The layer is not in the repository with name 'hub/app' in the registry with id '{ACCOUNT}', "
        f"and it cannot be pulled through. {UNREACHABLE}"
    )
    assert ecr.get_download_url_for_layer(repositoryName="hub/app", layerDigest=layer)["layerDigest"] == layer
    code, _ = refusal(ecr.get_download_url_for_layer, repositoryName="hub/app", layerDigest=unused)
    assert code == "LayerInaccessibleException"
    code, _ = refusal(ecr.get_download_url_for_layer, repositoryName="hub/new", layerDigest=ABSENT)
    assert code == "RepositoryNotFoundException"


def test_a_layer_that_is_nowhere_is_not_found_without_a_rule(ecr):
    ecr.create_repository(repositoryName="app")

    code, _ = refusal(ecr.get_download_url_for_layer, repositoryName="app", layerDigest=ABSENT)

    assert code == "LayersNotFoundException"


def test_referrers_of_what_only_an_upstream_may_have_cannot_be_listed(ecr, cached):
    code, message = refusal(ecr.list_image_referrers, repositoryName="hub/app", subjectId={"imageDigest": ABSENT})

    assert code == "UnableToListUpstreamImageReferrersException"
    assert message == (
        f"The referrers of an image of the repository with name 'hub/app' in the registry with id '{ACCOUNT}' "
        f"cannot be listed at its upstream registry {CLOSED}"
    )


def test_referrers_of_what_is_there_are_listed(ecr, cached):
    repository, image = cached
    repository.push_image(subject=image.descriptor, artifactType="application/x-signature", seed="signature")
    early = builders.descriptor(builders.OCI_MANIFEST, b"not pushed yet")
    repository.push_image(subject=early, artifactType="application/x-signature", seed="early")
    plain_image = repository.push_image("v2")

    counts = [
        len(ecr.list_image_referrers(repositoryName="hub/app", subjectId={"imageDigest": digest})["referrers"])
        for digest in (image.digest, early["digest"], plain_image.digest)
    ]

    assert counts == [1, 1, 0]


def test_referrers_of_nothing_are_none_without_a_rule(ecr):
    ecr.create_repository(repositoryName="app")

    answer = ecr.list_image_referrers(repositoryName="app", subjectId={"imageDigest": ABSENT})

    assert answer["referrers"] == []
    code, _ = refusal(ecr.list_image_referrers, repositoryName="new", subjectId={"imageDigest": ABSENT})
    assert code == "RepositoryNotFoundException"


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("hub/lib/app", "hub/lib"),
        ("hub/lib", "hub"),
        ("hub/library/app", "hub"),
        ("sl/ash/app", "sl/ash/"),
        ("hub", "ROOT"),
        ("other", "ROOT"),
    ],
)
def test_the_nearest_rule_wins(tmp_path, name, prefix):
    on = open_ground(tmp_path, Clock())
    for known_prefix in ("ROOT", "hub", "hub/lib", "sl", "sl/ash/"):
        registry.caching.create(on, HOME, known_prefix, Upstream("quay", "quay.io"))

    with on.database.snapshot() as tx:
        rule = registry.caching.rule_for(tx, RepositoryRef(HOME, name))

    assert rule is not None
    assert rule.prefix == prefix
    on.database.close()


def test_without_rules_there_is_none(tmp_path):
    on = open_ground(tmp_path, Clock())

    with on.database.snapshot() as tx:
        rule = registry.caching.rule_for(tx, RepositoryRef(HOME, "hub/app"))

    assert rule is None
    on.database.close()
