"""Tags, repositories and referrers, in order and page by page."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import builders
from tests.builders import EMPTY_CONFIG, OCI_INDEX, OCI_MANIFEST
from tests.callers import Http, Registry

ABSENT = f"sha256:{'0' * 64}"
EMPTY = builders.descriptor(EMPTY_CONFIG, b"{}")
SBOM, SIGNATURE = "application/vnd.example.sbom+json", "application/vnd.example.signature"


def next_page(answer):
    """Where a Link header leads, or None."""
    link = answer.headers.get("link")
    if link is None:
        return None
    found = re.fullmatch(r'<([^>]+)>; rel="next"', link)
    assert found, link
    return found[1]


def pages(http, path, member):
    """The member of every page, following Link."""
    found = []
    while path is not None:
        answer = http("GET", path)
        assert answer.status == 200, answer
        found.append(answer.json()[member])
        path = next_page(answer)
    return found


def tagged(product, name, tags):
    """A repository with an image under many tags."""
    repository = product.registry(name)
    image = repository.push_image("temporary")
    for start in range(0, len(tags), 10):
        query = "&".join(f"tag={tag}" for tag in tags[start : start + 10])
        repository.push_manifest(image, f"{image.digest}?{query}")
    repository("DELETE", "/manifests/temporary")
    return repository


def push_referrer(repository, subject, **members):
    artifact = builders.document(
        OCI_MANIFEST, **{"config": EMPTY, "layers": [EMPTY], "subject": subject.descriptor, **members}
    )
    answer = repository.push_manifest(artifact)
    assert answer.status == 201, answer
    return artifact


def test_a_repository_without_tags_has_an_empty_list(product, name):
    answer = product.registry(name)("GET", "/tags/list")

    assert (answer.status, answer.json()) == (200, {"name": name, "tags": []})
    assert answer.headers["content-type"] == "application/json"
    assert "link" not in answer.headers


def test_tags_are_in_the_order_of_their_bytes(product, name):
    tags = ["b", "a", "B", "_", "1", "10", "2", "a.b", "a-b", "a_b", "aa", "Z"]
    repository = tagged(product, name, tags)

    answer = repository("GET", "/tags/list")

    assert answer.json()["tags"] == sorted(tags)


def test_n_limits_the_list_and_links_to_the_rest(product, name):
    repository = tagged(product, name, ["a", "b", "c"])

    answer = repository("GET", "/tags/list?n=2")

    assert answer.json()["tags"] == ["a", "b"]
    assert next_page(answer) == f"/v2/{name}/tags/list?n=2&last=b"


@pytest.mark.parametrize("n", [3, 4, 1000, 1001, 10**17])
def test_there_is_no_link_where_nothing_is_left(product, name, n):
    repository = tagged(product, name, ["a", "b", "c"])

    answer = repository("GET", f"/tags/list?n={n}")

    assert answer.json()["tags"] == ["a", "b", "c"]
    assert "link" not in answer.headers


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("a", ["b", "c"]),
        ("c", []),
        ("zzz", []),
        ("", ["a", "b", "c"]),
        ("aa", ["b", "c"]),
        ("%00", ["a", "b", "c"]),
        ("a%00b", ["b", "c"]),
    ],
)
def test_last_is_where_the_list_begins_after(product, name, last, expected):
    repository = tagged(product, name, ["a", "b", "c"])

    answer = repository("GET", f"/tags/list?last={last}")

    assert (answer.status, answer.json()["tags"]) == (200, expected)


def test_n_and_last_go_together(product, name):
    repository = tagged(product, name, ["a", "b", "c", "d"])

    assert repository("GET", "/tags/list?n=2&last=a").json()["tags"] == ["b", "c"]


def test_n_of_zero_is_an_empty_list_without_a_link(product, name):
    repository = tagged(product, name, ["a"])

    answer = repository("GET", "/tags/list?n=0")

    assert (answer.status, answer.json()["tags"]) == (200, [])
    assert "link" not in answer.headers


@pytest.mark.parametrize("n", ["-1", "x", "", "1.5", "0x10", "1" * 30, "+1", "%201"], ids=range(8))
@pytest.mark.parametrize("path", ["tags/list", "_catalog"])
def test_an_n_that_is_no_number_is_refused(product, name, n, path):
    product.registry(name)
    target = f"/v2/{name}/tags/list?n={n}" if path == "tags/list" else f"/v2/_catalog?n={n}"

    answer = product.http()("GET", target)

    assert (answer.status, answer.code) == (400, "UNSUPPORTED")


def test_links_lead_through_all_tags(product, name):
    tags = [f"v{number}" for number in range(25)]
    repository = tagged(product, name, tags)

    found = pages(repository.http, f"{repository.base}/tags/list?n=10", "tags")

    assert [len(page) for page in found] == [10, 10, 5]
    assert [tag for page in found for tag in page] == sorted(tags)


def test_links_lead_on_when_tags_come_and_go(product, name):
    repository = tagged(product, name, [f"v{number}" for number in range(10, 20)])
    first = repository("GET", "/tags/list?n=5")

    repository("DELETE", "/manifests/v14")
    repository.push_image("v0")

    assert repository.http("GET", next_page(first)).json()["tags"] == ["v15", "v16", "v17", "v18", "v19"]


def test_a_list_without_n_has_pages_of_a_thousand(product, name):
    tags = [f"v{number:04}" for number in range(1001)]
    repository = product.registry(name)
    # An image has at most 1000 tags, so there are two.
    for image, chosen in [(repository.push_image("v0000", seed="a"), tags[:600]),
                          (repository.push_image("v0600", seed="b"), tags[600:])]:  # fmt: skip
        for start in range(0, len(chosen), 10):
            query = "&".join(f"tag={tag}" for tag in chosen[start : start + 10])
            repository.push_manifest(image, f"{image.digest}?{query}")

    found = pages(repository.http, f"{repository.base}/tags/list", "tags")

    assert found == [tags[:1000], tags[1000:]]


@pytest.fixture(scope="module")
def docker_of_a_region(product):
    """Somebody whose registry holds 25 repositories and no others."""
    client = product.ecr("ap-catalog-1")
    for number in range(25):
        client.create_repository(repositoryName=f"team-{number % 3}/app-{number}")
    token = client.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    return Http(product.address, f"Basic {token}")


REPOSITORIES = sorted(f"team-{number % 3}/app-{number}" for number in range(25))


def test_the_catalogue_lists_all_repositories_in_order(docker_of_a_region):
    answer = docker_of_a_region("GET", "/v2/_catalog")

    assert (answer.status, answer.json()) == (200, {"repositories": REPOSITORIES})
    assert "link" not in answer.headers


def test_links_lead_through_the_catalogue(docker_of_a_region):
    first = docker_of_a_region("GET", "/v2/_catalog?n=10")

    found = pages(docker_of_a_region, "/v2/_catalog?n=10", "repositories")

    assert [len(page) for page in found] == [10, 10, 5]
    assert [repository for page in found for repository in page] == REPOSITORIES
    assert next_page(first) == f"/v2/_catalog?n=10&last={REPOSITORIES[9].replace('/', '%2F')}"


def test_the_catalogue_begins_after_last(docker_of_a_region):
    answer = docker_of_a_region("GET", f"/v2/_catalog?n=2&last={REPOSITORIES[20]}")

    assert answer.json()["repositories"] == REPOSITORIES[21:23]


def test_n_of_zero_is_an_empty_catalogue(docker_of_a_region):
    answer = docker_of_a_region("GET", "/v2/_catalog?n=0")

    assert answer.json() == {"repositories": []}
    assert "link" not in answer.headers


def test_a_registry_without_repositories_has_an_empty_catalogue(product):
    token = product.ecr("ap-empty-1").get_authorization_token()["authorizationData"][0]["authorizationToken"]

    answer = product.http(f"Basic {token}")("GET", "/v2/_catalog")

    assert (answer.status, answer.json()) == (200, {"repositories": []})


@pytest.mark.parametrize("subject", [ABSENT, f"sha512:{'0' * 128}"])
def test_what_nobody_refers_to_has_an_empty_index_of_referrers(product, name, subject):
    answer = product.registry(name)("GET", f"/referrers/{subject}")

    assert answer.status == 200
    assert answer.headers["content-type"] == OCI_INDEX
    assert answer.json() == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    assert "oci-filters-applied" not in answer.headers


@pytest.mark.parametrize("reference", ["latest", "sha256:abc", f"md5:{'0' * 32}"])
def test_referrers_of_what_is_no_digest_are_refused(product, name, reference):
    answer = product.registry(name)("GET", f"/referrers/{reference}")

    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


def test_referrers_are_described_with_type_and_annotations(product, name):
    repository = product.registry(name)
    repository.push_blob(b"{}")
    subject = repository.push_image("v1")
    notes = {"org.example.format": "json", "ü": "☃"}
    sbom = push_referrer(repository, subject, artifactType=SBOM, annotations=notes)

    answer = repository("GET", f"/referrers/{subject.digest}")

    assert answer.json()["manifests"] == [{**sbom.descriptor, "artifactType": SBOM, "annotations": notes}]


def test_a_type_that_nothing_can_have_is_refused(product, name):
    repository = product.registry(name)
    subject = repository.push_image()

    answer = repository("GET", f"/referrers/{subject.digest}?artifactType=a%00")

    assert (answer.status, answer.code) == (400, "UNSUPPORTED")


@pytest.mark.parametrize("members", [{}, {"artifactType": ""}], ids=["missing", "empty"])
def test_a_referrer_without_artifact_type_has_that_of_its_config(product, name, members):
    repository = product.registry(name)
    repository.push_blob(b"{}")
    subject = repository.push_image("v1")
    config = {**EMPTY, "mediaType": SIGNATURE}
    signature = push_referrer(repository, subject, config=config, **members)

    answer = repository("GET", f"/referrers/{subject.digest}")

    assert answer.json()["manifests"] == [{**signature.descriptor, "artifactType": SIGNATURE}]


def test_an_index_may_refer(product, name):
    repository = product.registry(name)
    subject = repository.push_image("v1")
    plain = builders.an_index(subject=subject.descriptor)
    typed = builders.an_index(subject=subject.descriptor, artifactType=SBOM, annotations={"a": "b"})
    for index in (plain, typed):
        repository.push_manifest(index)

    answer = repository("GET", f"/referrers/{subject.digest}")

    assert answer.json()["manifests"] == [
        plain.descriptor,
        {**typed.descriptor, "artifactType": SBOM, "annotations": {"a": "b"}},
    ]


def test_referrers_are_filtered_by_type(product, name):
    repository = product.registry(name)
    repository.push_blob(b"{}")
    subject = repository.push_image("v1")
    sbom = push_referrer(repository, subject, artifactType=SBOM)
    push_referrer(repository, subject, artifactType=SIGNATURE)
    by_config = push_referrer(repository, subject, config={**EMPTY, "mediaType": SBOM})

    answer = repository("GET", f"/referrers/{subject.digest}?artifactType={SBOM.replace('+', '%2B')}")

    assert answer.headers["oci-filters-applied"] == "artifactType"
    assert [found["digest"] for found in answer.json()["manifests"]] == [sbom.digest, by_config.digest]


def test_a_filter_that_nothing_passes_gives_an_empty_index(product, name):
    repository = product.registry(name)
    repository.push_blob(b"{}")
    subject = repository.push_image("v1")
    push_referrer(repository, subject, artifactType=SBOM)

    answer = repository("GET", f"/referrers/{subject.digest}?artifactType=other")

    assert (answer.status, answer.json()["manifests"]) == (200, [])
    assert answer.headers["oci-filters-applied"] == "artifactType"


def test_referrers_may_come_before_their_subject(product, name):
    repository = product.registry(name)
    repository.push_blob(b"{}")
    subject = builders.an_image(repository.push_blob)
    artifact = push_referrer(repository, subject)

    before = repository("GET", f"/referrers/{subject.digest}").json()["manifests"]
    repository.push_manifest(subject, "v1")
    after = repository("GET", f"/referrers/{subject.digest}").json()["manifests"]

    assert [found["digest"] for found in before] == [artifact.digest]
    assert before == after


def test_a_deleted_referrer_is_not_listed(product, name):
    repository = product.registry(name)
    repository.push_blob(b"{}")
    subject = repository.push_image("v1")
    artifact = push_referrer(repository, subject)

    repository("DELETE", f"/manifests/{artifact.digest}")

    assert repository("GET", f"/referrers/{subject.digest}").json()["manifests"] == []


def test_referrers_of_another_repository_are_not_listed(product, name):
    here, there = product.registry(name), product.registry(f"{name}-other")
    there.push_blob(b"{}")
    subject = here.push_image("v1")
    push_referrer(there, subject)

    assert here("GET", f"/referrers/{subject.digest}").json()["manifests"] == []


@pytest.mark.parametrize("wanted", [None, SBOM])
def test_links_lead_through_more_than_a_thousand_referrers(product, name, wanted):
    repository = product.registry(name)
    repository.push_blob(b"{}")
    subject = repository.push_image("v1")
    if wanted is not None:
        push_referrer(repository, subject, artifactType=SIGNATURE)

    def push(numbers):
        mine = Registry(Http(product.address, repository.http.authorization), name)
        return [push_referrer(mine, subject, artifactType=SBOM, annotations={"n": str(n)}).digest for n in numbers]

    with ThreadPoolExecutor(8) as pool:
        digests = [one for some in pool.map(push, [range(start, 1010, 8) for start in range(8)]) for one in some]
    query = f"?artifactType={wanted.replace('+', '%2B')}" if wanted else ""
    found = pages(repository.http, f"{repository.base}/referrers/{subject.digest}{query}", "manifests")

    assert [len(page) for page in found] == [1000, 10]
    assert sorted(item["digest"] for page in found for item in page) == sorted(digests)


@pytest.mark.parametrize("last", ["x", "-1", "9" * 30, ""])
def test_a_page_of_referrers_that_nobody_linked_to_is_the_first(product, name, last):
    repository = product.registry(name)
    repository.push_blob(b"{}")
    subject = repository.push_image("v1")
    artifact = push_referrer(repository, subject)

    answer = repository("GET", f"/referrers/{subject.digest}?last={last}")

    assert [found["digest"] for found in answer.json()["manifests"]] == [artifact.digest]
