"""Who may come in, which registry he came to, and in which words he is refused."""

import base64
import re

import pytest

from tests import builders
from tests.callers import Http

ACCOUNT = "000000000000"
OTHER_ACCOUNT = "111122223333"
ABSENT = f"sha256:{'0' * 64}"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def password(product, region: str = "us-east-1", **credentials: str) -> str:
    data = product.ecr(region, **credentials).get_authorization_token()["authorizationData"][0]
    return base64.b64decode(data["authorizationToken"]).decode().partition(":")[2]


def a_key(product, account: str = ACCOUNT) -> dict[str, str]:
    text = product.cli("account", "create-key", account).stdout
    key_id, secret = re.search(r"key_id = (\S+)", text), re.search(r"access_key = (\S+)", text)
    assert key_id, text
    assert secret, text
    return {"key_id": key_id[1], "secret": secret[1]}


def test_a_ping_with_a_login_is_answered(product):
    answer = product.http()("GET", "/v2/")

    assert answer.status == 200
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"
    assert answer.json() == {}


@pytest.mark.parametrize("path", ["/v2/", "/v2", "/v2/_catalog", "/v2/some/repo/manifests/latest", "/v2/no/such"])
def test_a_caller_without_a_login_is_challenged_as_by_ecr(product, path):
    answer = product.http("")("GET", path)

    assert answer.status == 401
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"
    assert answer.headers["www-authenticate"] == f'Basic realm="{product.url}/",service="ecr.amazonaws.com"'
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.body == b"Not Authorized\n"


def test_the_challenge_names_the_host_that_the_caller_used(product):
    host = f"{ACCOUNT}.dkr.ecr.us-east-1.registry.example:5000"

    answer = product.http("")("GET", "/v2/", host=host)

    assert answer.headers["www-authenticate"].startswith(f'Basic realm="http://{host}/",')


def test_a_challenge_to_head_has_no_body(product):
    http = product.http("")

    answer = http("HEAD", "/v2/")
    following = http("GET", "/healthz")

    assert (answer.status, answer.body) == (401, b"")
    assert following.body == b"alive\n"


def test_a_wrong_user_name_is_challenged(product):
    answer = product.http(basic("aws", password(product)))("GET", "/v2/")

    assert answer.status == 401
    assert "www-authenticate" in answer.headers


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic " + "A" * 8000,
        basic("AWS", ""),
        basic("AWS", "v1."),
        basic("AWS", "v1.AAAA"),
        basic("AWS", "v1." + "A" * 300),
        basic("AWS", "v1.é"),
        basic("AWS", "v2.AAAA"),
        basic("AWS:AWS", "v1.AAAA"),
        "Bearer v1.AAAA",
        "Digest username=AWS",
        "nothing",
    ],
)
def test_a_login_that_nobody_was_given_is_challenged(product, authorization):
    answer = product.http(authorization)("GET", "/v2/")

    assert answer.status == 401
    assert answer.body == b"Not Authorized\n"


def test_a_login_of_other_than_ascii_letters_is_challenged(product):
    answer = product.http("")("GET", "/v2/", authorization=b"Basic \xe9\xff")

    assert answer.status == 401


def test_a_token_whose_last_letter_was_changed_is_challenged(product):
    token = password(product)
    forged = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")

    answer = product.http(basic("AWS", forged))("GET", "/v2/")

    assert answer.status == 401


def test_a_good_token_as_bearer_is_challenged(product):
    answer = product.http(f"Bearer {password(product)}")("GET", "/v2/")

    assert answer.status == 401


def test_the_name_of_the_scheme_may_have_any_case(product):
    encoded = basic("AWS", password(product)).removeprefix("Basic ")

    answer = product.http(f"bASIC {encoded}")("GET", "/v2/")

    assert answer.status == 200


def test_a_login_ends_at_once_with_its_key(start):
    product = start("--workers", "2")
    disabled, deleted = a_key(product), a_key(product)
    docker = [product.http(basic("AWS", password(product, **key))) for key in (disabled, deleted)]
    assert [http("GET", "/v2/").status for http in docker] == [200, 200]

    product.cli("account", "disable-key", disabled["key_id"])
    product.cli("account", "delete-key", deleted["key_id"])

    assert [http("GET", "/v2/").status for http in docker] == [401, 401]


def test_a_login_comes_back_when_its_key_is_enabled_again(start):
    product = start()
    key = a_key(product)
    docker = product.http(basic("AWS", password(product, **key)))
    product.cli("account", "disable-key", key["key_id"])
    assert docker("GET", "/v2/").status == 401

    product.cli("account", "enable-key", key["key_id"])

    assert docker("GET", "/v2/").status == 200


def test_an_error_has_the_form_of_the_specification_and_the_request_id(product, name):
    answer = product.registry(name)("GET", "/manifests/absent")

    assert answer.status == 404
    assert answer.headers["content-type"] == "application/json"
    assert UUID.fullmatch(answer.headers["x-request-id"])
    assert answer.json() == {
        "errors": [
            {
                "code": "MANIFEST_UNKNOWN",
                "message": "Requested image not found",
                "detail": {"requestId": answer.headers["x-request-id"]},
            }
        ]
    }


def test_every_error_has_an_id_of_its_own(product, name):
    repository = product.registry(name)

    ids = {repository("GET", "/manifests/absent").headers["x-request-id"] for _ in range(3)}

    assert len(ids) == 3


@pytest.mark.parametrize(
    "path",
    [
        "/v2/x",
        "/v2//",
        "/v2/some/repo",
        "/v2/some/repo/tags/other",
        "/v2/some/repo/manifests/a/b",
        "/v2/manifests/latest",
        "/v2/blobs/uploads/",
        "/v2/some/repo/nothing/here",
        "/v2/_catalog/x",
        "/v2x",
    ],
)
def test_an_unknown_endpoint_is_not_found(product, path):
    answer = product.http()("GET", path)

    assert answer.status == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v2/", {"GET", "HEAD"}),
        ("DELETE", "/v2/_catalog", {"GET"}),
        ("PUT", "/v2/some/repo/tags/list", {"GET"}),
        ("POST", "/v2/some/repo/manifests/latest", {"GET", "HEAD", "PUT", "DELETE"}),
        ("PUT", f"/v2/some/repo/blobs/{ABSENT}", {"GET", "HEAD", "DELETE"}),
        ("GET", "/v2/some/repo/blobs/uploads/", {"POST"}),
        ("POST", "/v2/some/repo/blobs/uploads/some-id", {"GET", "PATCH", "PUT", "DELETE"}),
        ("OPTIONS", "/v2/", {"GET", "HEAD"}),
    ],
)
def test_a_method_that_an_endpoint_does_not_know_is_told_which_ones_it_does(product, method, path, allowed):
    answer = product.http()(method, path)

    assert (answer.status, answer.code) == (405, "UNSUPPORTED")
    assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    "bad_name",
    ["UPPER", "a--/b", "-a", "a-", "a/.b", "a//b", "a/", "a..b", "a___b", "ä", "a%20b", "a%00b", "b" * 257, "a"],
)
def test_a_name_that_cannot_exist_is_refused(product, bad_name):
    answer = product.http()("GET", f"/v2/{bad_name.replace('ä', '%C3%A4')}/tags/list")

    assert (answer.status, answer.code) == (400, "NAME_INVALID")


@pytest.mark.parametrize(
    "good_name", ["a0", "a/b/c/d", "a.b_c__d-e---f", "b" * 256, "manifests/blobs/uploads", "x/tags"]
)
def test_a_name_that_may_exist_is_merely_unknown(product, good_name):
    answer = product.http()("GET", f"/v2/{good_name}/tags/list")

    assert (answer.status, answer.code) == (404, "NAME_UNKNOWN")
    assert answer.message == (
        f"The repository with name '{good_name}' does not exist in the registry with id '{ACCOUNT}'"
    )


@pytest.mark.parametrize(
    "confusing", ["c/blobs/uploads", "c/manifests", "c/blobs/uploads/manifests", "c/tags/list", "c/referrers/blobs"]
)
def test_a_repository_named_like_an_endpoint_works(product, confusing):
    repository = product.registry(confusing)

    image = repository.push_image("list")

    assert repository("GET", "/manifests/list").body == image.body
    assert repository("GET", "/tags/list").json() == {"name": confusing, "tags": ["list"]}
    assert repository("HEAD", f"/blobs/{image.json()['config']['digest']}").status == 200


@pytest.mark.parametrize(
    ("method", "tail"),
    [
        ("GET", "/tags/list"),
        ("GET", "/manifests/latest"),
        ("HEAD", "/manifests/latest"),
        ("GET", f"/manifests/{ABSENT}"),
        ("PUT", "/manifests/latest"),
        ("DELETE", "/manifests/latest"),
        ("DELETE", f"/manifests/{ABSENT}"),
        ("GET", f"/blobs/{ABSENT}"),
        ("HEAD", f"/blobs/{ABSENT}"),
        ("DELETE", f"/blobs/{ABSENT}"),
        ("POST", "/blobs/uploads/"),
        ("POST", f"/blobs/uploads/?digest={ABSENT}"),
        ("POST", f"/blobs/uploads/?mount={ABSENT}&from=other/repo"),
        ("GET", "/blobs/uploads/some-id"),
        ("PATCH", "/blobs/uploads/some-id"),
        ("PUT", f"/blobs/uploads/some-id?digest={ABSENT}"),
        ("DELETE", "/blobs/uploads/some-id"),
        ("GET", f"/referrers/{ABSENT}"),
    ],
)
def test_a_repository_that_is_not_there_is_unknown_to_every_endpoint(product, method, tail):
    answer = product.http()(method, f"/v2/not/there{tail}", b"{}" if method in {"PUT", "PATCH"} else None)

    assert answer.status == 404
    assert method == "HEAD" or answer.code == "NAME_UNKNOWN"


def test_a_host_name_in_ecr_form_chooses_the_region(product, name):
    product.ecr("eu-west-1").create_repository(repositoryName=name)
    docker = product.http()

    there = docker("GET", f"/v2/{name}/tags/list", host=f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com")
    elsewhere = docker("GET", f"/v2/{name}/tags/list", host=f"{ACCOUNT}.dkr.ecr.eu-west-2.amazonaws.com:5000")
    without = docker("GET", f"/v2/{name}/tags/list")

    assert [there.status, elsewhere.status, without.status] == [200, 404, 404]


@pytest.mark.parametrize("host", ["{}.DKR.ECR.eu-west-1.Example.org:8443", "{}.dkr-ecr.eu-west-1.on.aws"])
def test_a_host_name_in_ecr_form_may_have_any_domain_case_and_port(product, name, host):
    product.ecr("eu-west-1").create_repository(repositoryName=name)

    answer = product.http()("GET", f"/v2/{name}/tags/list", host=host.format(ACCOUNT))

    assert answer.status == 200


def test_the_ns_parameter_of_containerd_chooses_the_region(product, name):
    product.ecr("eu-west-1").create_repository(repositoryName=name)
    docker = product.http()

    there = docker("GET", f"/v2/{name}/tags/list?ns={ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com")
    meaningless = docker("GET", f"/v2/{name}/tags/list?ns=docker.io")

    assert [there.status, meaningless.status] == [200, 404]


def test_the_host_name_counts_more_than_ns(product, name):
    product.ecr("eu-west-1").create_repository(repositoryName=name)

    answer = product.http()(
        "GET",
        f"/v2/{name}/tags/list?ns={ACCOUNT}.dkr.ecr.eu-west-2.amazonaws.com",
        host=f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com",
    )

    assert answer.status == 200


def test_the_region_of_the_login_counts_where_nothing_else_says_which(product, name):
    product.ecr("eu-west-1").create_repository(repositoryName=name)

    answer = product.http(basic("AWS", password(product, "eu-west-1")))("GET", f"/v2/{name}/tags/list")

    assert answer.status == 200


@pytest.fixture(scope="module")
def two_accounts(tmp_path_factory):
    """A product with a second account that has a repository, and each account's docker."""
    from tests.conftest import Product

    product = Product(tmp_path_factory.mktemp("accounts") / "data", "--workers", "1")
    product.cli("account", "create", OTHER_ACCOUNT)
    key = a_key(product, OTHER_ACCOUNT)
    product.ecr(**key).create_repository(repositoryName="theirs/app")
    yield product, product.http(), product.http(basic("AWS", password(product, **key)))
    product.stop()


@pytest.mark.parametrize(
    ("method", "tail", "action", "resource"),
    [
        ("GET", "/v2/theirs/app/tags/list", "ecr:ListImages", "theirs/app"),
        ("GET", "/v2/not/there/tags/list", "ecr:ListImages", "not/there"),
        ("GET", "/v2/theirs/app/manifests/latest", "ecr:BatchGetImage", "theirs/app"),
        ("GET", "/v2/not/there/manifests/latest", "ecr:BatchGetImage", "not/there"),
        ("GET", f"/v2/theirs/app/blobs/{ABSENT}", "ecr:GetDownloadUrlForLayer", "theirs/app"),
        ("POST", "/v2/theirs/app/blobs/uploads/", "ecr:InitiateLayerUpload", "theirs/app"),
        ("POST", "/v2/not/there/blobs/uploads/", "ecr:InitiateLayerUpload", "not/there"),
        ("PUT", "/v2/theirs/app/manifests/latest", "ecr:PutImage", "theirs/app"),
        ("DELETE", "/v2/not/there/manifests/latest", "ecr:BatchDeleteImage", "not/there"),
        ("GET", "/v2/_catalog", "ecr:DescribeRepositories", None),
    ],
)
@pytest.mark.parametrize("by_host", [True, False])
def test_another_accounts_registry_is_denied_in_words_that_tell_nothing_of_it(
    two_accounts, method, tail, action, resource, by_host
):
    _, ours, _ = two_accounts
    registry = f"{OTHER_ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"

    answer = ours(method, tail, host=registry) if by_host else ours(method, f"{tail}?ns={registry}")

    arn = f"arn:aws:ecr:us-east-1:{OTHER_ACCOUNT}:repository/{resource or '*'}"
    assert (answer.status, answer.code) == (403, "DENIED")
    assert answer.message == (
        f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: {action} on resource: {arn} "
        f"because no resource-based policy allows the {action} action"
    )


def test_each_account_sees_its_own_registry_under_one_address(two_accounts):
    product, ours, theirs = two_accounts
    product.ecr().create_repository(repositoryName="ours/app")

    seen = [docker("GET", "/v2/_catalog").json()["repositories"] for docker in (ours, theirs)]

    assert seen == [["ours/app"], ["theirs/app"]]


def test_a_blob_of_another_account_stays_unknown(two_accounts):
    product, ours, theirs = two_accounts
    data = b"their secret"
    pushed = theirs("POST", f"/v2/theirs/app/blobs/uploads/?digest={builders.digest(data)}", data)
    assert pushed.status == 201, pushed
    product.ecr().create_repository(repositoryName="ours/curious")

    known = ours("HEAD", f"/v2/ours/curious/blobs/{builders.digest(data)}")
    mounted = ours("POST", f"/v2/ours/curious/blobs/uploads/?mount={builders.digest(data)}&from=theirs/app")

    assert known.status == 404
    assert mounted.status == 202


def test_a_query_of_too_many_fields_is_refused(product, name):
    repository = product.registry(name)

    answer = repository("GET", "/tags/list?" + "&".join(["n=1"] * 101))

    assert (answer.status, answer.code) == (400, "UNSUPPORTED")


def test_two_connections_may_share_one_login(product):
    docker = product.http()

    answers = [Http(product.address, docker.authorization)("GET", "/v2/").status for _ in range(2)]

    assert answers == [200, 200]
