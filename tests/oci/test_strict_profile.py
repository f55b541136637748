"""With `--profile ecr-strict` the registry has the quirks that were measured on Amazon ECR."""

import json
from datetime import timedelta

import pytest

from tests import builders
from tests.builders import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Document,
)
from tests.callers import login_token

MIB = 1024 * 1024
DATA = b"0123456789"
DIGEST = builders.digest(DATA)
INVALID_JSON = "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'"


@pytest.fixture
def repository(strict_product, name):
    return strict_product.registry(name)


def test_an_expired_login_is_denied_without_a_challenge(strict_product):
    authorization = login_token(strict_product, timedelta(minutes=-1))

    answer = strict_product.http(authorization)("GET", "/v2/")

    assert (answer.status, answer.code) == (403, "DENIED")
    assert answer.message == "Your authorization token has expired. Reauthenticate and try again."
    assert "www-authenticate" not in answer.headers


def test_by_the_specification_an_expired_login_is_challenged_so_that_clients_log_in_again(product):
    authorization = login_token(product, timedelta(minutes=-1))

    answer = product.http(authorization)("GET", "/v2/")

    assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
    assert answer.message == "Your authorization token has expired. Reauthenticate and try again."
    assert answer.headers["www-authenticate"] == f'Basic realm="{product.url}/",service="ecr.amazonaws.com"'


def test_a_login_in_time_is_good(strict_product):
    answer = strict_product.http(login_token(strict_product, timedelta(minutes=1)))("GET", "/v2/")

    assert answer.status == 200


def test_a_caller_without_a_login_is_challenged(strict_product):
    answer = strict_product.http("")("GET", "/v2/")

    assert (answer.status, answer.body) == (401, b"Not Authorized\n")
    assert answer.headers["www-authenticate"] == f'Basic realm="{strict_product.url}/",service="ecr.amazonaws.com"'


def test_an_upload_is_opened_at_an_absolute_address(strict_product, repository):
    answer = repository("POST", "/blobs/uploads/")

    assert answer.status == 202
    assert answer.headers["location"].startswith(f"{strict_product.url}{repository.base}/blobs/uploads/")


def test_a_chunk_is_created_and_its_range_never_tells_of_later_ones(repository):
    location = repository.begin_upload()

    first = repository.append(location, b"a" * 5 * MIB, 0)
    second = repository.append(first.headers["location"], b"b" * 6 * MIB, 5 * MIB)

    assert [first.status, second.status] == [201, 201]
    assert [first.headers["range"], second.headers["range"]] == ["0-10485759"] * 2


def test_the_status_of_an_upload_is_not_told(repository):
    location = repository.begin_upload()
    repository.append(location, DATA)

    answer = repository.http("GET", location)

    assert (answer.status, answer.code) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert repository.complete(location, DIGEST).status == 201


def test_a_chunk_after_one_of_less_than_5_mib_is_refused(repository):
    location = repository.begin_upload()
    repository.append(location, DATA)

    answer = repository.append(location, DATA)

    assert (answer.status, answer.code) == (400, "BLOB_UPLOAD_INVALID")
    assert answer.message == "Layer parts must be at least 5242880 bytes in size, except for the last part"


def test_chunks_of_5_mib_and_a_rest_become_a_blob(repository):
    location = repository.begin_upload()
    chunks = [b"a" * 5 * MIB, b"b" * 5 * MIB, b"rest"]

    for chunk in chunks[:2]:
        repository.append(location, chunk)
    done = repository.complete(location, builders.digest(b"".join(chunks)), chunks[2])

    assert done.status == 201


def test_a_chunk_out_of_order_is_refused(repository):
    location = repository.begin_upload()
    repository.append(location, b"a" * 5 * MIB)

    answer = repository.append(location, DATA, 0)

    assert (answer.status, answer.code) == (416, "BLOB_UPLOAD_INVALID")
    assert answer.message == f"First byte of the layer part is 0 instead of {5 * MIB}"


def test_a_whole_blob_in_one_post_is_not_taken_but_an_upload_opened(repository):
    answer = repository.push_whole(DATA)

    assert answer.status == 202
    assert repository.complete(answer.headers["location"], DIGEST, DATA).status == 201


def test_a_completed_blob_is_told_at_an_absolute_address(strict_product, repository):
    answer = repository.complete(repository.begin_upload(), DIGEST, DATA)

    assert answer.headers["location"] == f"{strict_product.url}{repository.base}/blobs/{DIGEST}"


def test_a_blob_is_not_mounted_but_an_upload_opened(strict_product, repository):
    repository.push_blob(DATA)
    other = strict_product.registry(f"{repository.repository}-other")

    answer = other("POST", f"/blobs/uploads/?mount={DIGEST}&from={repository.repository}")

    assert answer.status == 202
    assert other("HEAD", f"/blobs/{DIGEST}").status == 404


def test_a_layer_is_served_from_elsewhere(strict_product, repository):
    repository.push_blob(DATA)

    answer = repository("GET", f"/blobs/{DIGEST}", range="bytes=0-1")
    followed = strict_product.http("")("GET", answer.headers["location"], range="bytes=0-1")

    assert answer.status == 307
    assert (followed.status, followed.body) == (206, b"01")


def test_head_of_a_blob_is_answered_in_place(repository):
    repository.push_blob(DATA)

    answer = repository("HEAD", f"/blobs/{DIGEST}")

    assert (answer.status, answer.headers["content-length"]) == (200, "10")
    assert answer.headers["docker-content-digest"] == DIGEST


@pytest.mark.parametrize("by_tag", [True, False])
def test_get_of_a_manifest_does_not_tell_the_digest_but_head_does(repository, by_tag):
    image = repository.push_image("v1")
    reference = "v1" if by_tag else image.digest

    got = repository("GET", f"/manifests/{reference}")
    head = repository("HEAD", f"/manifests/{reference}")

    assert (got.status, got.body) == (200, image.body)
    assert "docker-content-digest" not in got.headers
    assert head.headers["docker-content-digest"] == image.digest


def test_a_push_of_a_manifest_tells_no_location(repository):
    answer = repository.push_manifest(builders.an_image(repository.push_blob), "v1")

    assert answer.status == 201
    assert "location" not in answer.headers
    assert "docker-content-digest" in answer.headers


@pytest.mark.parametrize("docker", [True, False], ids=["Docker to OCI", "OCI to Docker"])
def test_an_image_pulled_by_tag_is_converted_to_the_family_that_is_accepted(repository, docker):
    image = repository.push_image("v1", docker=docker)
    accepted, config, layer = (
        (OCI_MANIFEST, OCI_CONFIG, OCI_LAYER) if docker else (DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_LAYER)
    )

    got = repository("GET", "/manifests/v1", accept=f"text/html, {accepted};q=0.5")
    head = repository("HEAD", "/manifests/v1", accept=accepted)

    assert got.headers["content-type"] == got.json()["mediaType"] == accepted
    assert got.json()["config"] == {**image.json()["config"], "mediaType": config}
    assert got.json()["layers"] == [{**image.json()["layers"][0], "mediaType": layer}]
    assert head.headers["docker-content-digest"] == builders.digest(got.body)
    assert head.headers["content-length"] == str(len(got.body))


@pytest.mark.parametrize("accept", [None, "*/*", f"{OCI_MANIFEST}, {DOCKER_MANIFEST}", OCI_INDEX], ids=range(4))
def test_an_image_is_not_converted_if_its_own_type_is_accepted_or_nothing_better(repository, accept):
    image = repository.push_image("v1", docker=True)

    assert repository("GET", "/manifests/v1", accept=accept).body == image.body


def test_an_image_pulled_by_digest_is_never_converted(repository):
    image = repository.push_image("v1", docker=True)

    assert repository("GET", f"/manifests/{image.digest}", accept=OCI_MANIFEST).body == image.body


def test_an_index_is_never_converted(repository):
    index = builders.an_index(repository.push_image("child"), media_type=DOCKER_LIST)
    repository.push_manifest(index, "v1")

    answer = repository("GET", "/manifests/v1", accept=f"{OCI_INDEX}, {OCI_MANIFEST}")

    assert answer.body == index.body


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"no JSON", OCI_MANIFEST),
        (b"{}", None),
        (b'{"schemaVersion": 2, "layers": []}', None),
        (builders.document(OCI_MANIFEST, config=None).body, OCI_MANIFEST),
    ],
    ids=["no JSON", "empty", "no media type", "no config"],
)
def test_what_is_no_manifest_is_called_a_parameter_of_invalid_syntax(repository, body, content_type):
    answer = repository("PUT", "/manifests/v1", body, content_type=content_type)

    assert (answer.status, answer.code, answer.message) == (405, "UNSUPPORTED", INVALID_JSON)


def test_an_image_without_layers_is_refused(repository):
    repository.push_blob(b"{}")
    image = builders.document(OCI_MANIFEST, config=builders.descriptor(OCI_CONFIG, b"{}"), layers=[])

    answer = repository.push_manifest(image, "v1")

    assert (answer.status, answer.code, answer.message) == (405, "UNSUPPORTED", INVALID_JSON)


def test_an_unknown_kind_of_manifest_is_refused(repository):
    answer = repository("PUT", "/manifests/v1", b'{"schemaVersion": 2}', content_type="application/vnd.example+json")

    assert (answer.status, answer.code) == (405, "UNSUPPORTED")


def test_a_manifest_under_the_digest_of_something_else_is_refused(repository):
    image = builders.an_image(repository.push_blob)
    wrong = builders.digest(b"something else")

    answer = repository.push_manifest(image, wrong)

    assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")
    assert answer.message == (
        f"The image with digest '{wrong}' in repository '{repository.repository}' and registry ID '000000000000' "
        "does not match the image digest that Amazon ECR has calculated."
    )


def test_an_index_whose_children_are_missing_is_refused(repository):
    child = builders.an_image(repository.push_blob)

    answer = repository.push_manifest(builders.an_index(child), "v1")

    assert (answer.status, answer.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert f"Images with digests '[{child.digest}]' required" in answer.message


def test_a_member_of_a_list_is_not_deleted(repository):
    child = repository.push_image("child")
    index = builders.an_index(child)
    repository.push_manifest(index, "index")

    answer = repository("DELETE", f"/manifests/{child.digest}")

    assert answer.code == "UNSUPPORTED"
    assert answer.message == f"Requested image referenced by manifest list: [{index.digest}]"


def test_a_tag_that_is_immutable_is_not_overwritten(strict_product, repository):
    repository.push_image("v1", seed="first")
    strict_product.ecr().put_image_tag_mutability(repositoryName=repository.repository, imageTagMutability="IMMUTABLE")

    answer = repository.push_manifest(builders.an_image(repository.push_blob, seed="second"), "v1")

    assert (answer.status, answer.code) == (400, "TAG_INVALID")


def many_tags(repository, count):
    image = repository.push_image("t000")
    for start in range(0, count, 10):
        query = "&".join(f"tag=t{number:03}" for number in range(start, min(start + 10, count)))
        repository.push_manifest(image, f"{image.digest}?{query}")


def test_a_list_of_tags_is_text_of_100_a_page_and_links_absolutely(strict_product, repository):
    many_tags(repository, 101)

    answer = repository("GET", "/tags/list")

    url = f"{strict_product.url}{repository.base}/tags/list?n=100&last=t099"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert json.loads(answer.body)["tags"] == [f"t{number:03}" for number in range(100)]
    assert answer.headers["link"] == f'<{url}>; rel="next"'
    assert repository.http("GET", url).json()["tags"] == ["t100"]


@pytest.mark.parametrize("path", ["tags/list", "_catalog"])
def test_a_page_of_more_than_a_thousand_is_refused(strict_product, repository, path):
    target = f"{repository.base}/tags/list" if path == "tags/list" else "/v2/_catalog"

    answers = [strict_product.http()("GET", f"{target}?n={n}") for n in (1000, 1001)]

    assert answers[0].status == 200
    assert (answers[1].status, answers[1].code) == (405, "UNSUPPORTED")
    assert answers[1].message == (
        "Invalid parameter at 'maxResults' failed to satisfy constraint: "
        "'Member must have value less than or equal to 1000'"
    )


def test_by_the_specification_a_page_of_more_than_a_thousand_is_merely_shorter(product, name):
    repository = product.registry(name)
    repository.push_image("v1")

    answer = repository("GET", "/tags/list?n=5000")

    assert (answer.status, answer.json()["tags"]) == (200, ["v1"])


def test_the_catalogue_is_text(strict_product):
    answer = strict_product.http()("GET", "/v2/_catalog")

    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_referrers_are_listed_as_an_index(repository):
    subject = repository.push_image("v1")
    signature = builders.an_index(subject=subject.descriptor, artifactType="application/vnd.example.signature")

    pushed = repository.push_manifest(signature)
    answer = repository("GET", f"/referrers/{subject.digest}")

    assert pushed.headers["oci-subject"] == subject.digest
    assert answer.headers["content-type"] == OCI_INDEX
    assert [found["digest"] for found in answer.json()["manifests"]] == [signature.digest]


def test_an_empty_blob_and_an_empty_closing_put_work_nevertheless(repository):
    """ECR answered both with 500; nobody can rely on that."""
    empty = repository.complete(repository.begin_upload(), builders.digest(b""))
    location = repository.begin_upload()
    repository.append(location, DATA, 0)
    closed = repository.complete(location, DIGEST)

    assert [empty.status, closed.status] == [201, 201]


def test_an_image_keeps_its_bytes_in_both_profiles(repository):
    image = Document(
        json.dumps(builders.an_image(repository.push_blob).json(), indent=7).encode() + b"\n", OCI_MANIFEST
    )

    repository.push_manifest(image, "v1")

    assert repository("GET", "/manifests/v1").body == image.body
