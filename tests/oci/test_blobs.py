"""Blobs out: whole, in ranges, on conditions, by a signed address; and gone when deleted."""

import hashlib
import random
from datetime import timedelta

import pytest

from tests import builders
from tests.callers import Http, layer_url

ABSENT = f"sha256:{'0' * 64}"
TEXT = b"0123456789"
TEXT_DIGEST = builders.digest(TEXT)
MIB = 1024 * 1024
LARGE = random.Random(1).randbytes(5 * MIB + 12345)  # several sealed segments of 1 MiB, and a rest
LARGE_DIGEST = builders.digest(LARGE)
EMPTY_DIGEST = builders.digest(b"")


@pytest.fixture(scope="module")
def blobs(product):
    """A repository with a short blob, one of several MiB, and an empty one. Nobody deletes from it."""
    repository = product.registry("t/blobs-that-stay")
    for data in (TEXT, LARGE, b""):
        repository.push_blob(data)
    return repository


def test_head_tells_length_and_digest_and_has_no_body(blobs):
    answer = blobs("HEAD", f"/blobs/{TEXT_DIGEST}")

    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == "10"
    assert answer.headers["docker-content-digest"] == TEXT_DIGEST
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"] == f'"{TEXT_DIGEST}"'


def test_get_serves_the_bytes(blobs):
    answer = blobs("GET", f"/blobs/{TEXT_DIGEST}")

    assert (answer.status, answer.body) == (200, TEXT)
    assert answer.headers["content-length"] == "10"
    assert answer.headers["docker-content-digest"] == TEXT_DIGEST


def test_a_blob_of_several_segments_comes_back_as_it_was(blobs):
    answer = blobs("GET", f"/blobs/{LARGE_DIGEST}")

    assert (answer.status, len(answer.body)) == (200, len(LARGE))
    assert builders.digest(answer.body) == LARGE_DIGEST


@pytest.mark.parametrize(
    ("span", "start", "end"),
    [
        ("0-0", 0, 1),
        ("0-9", 0, 10),
        ("3-5", 3, 6),
        ("9-9", 9, 10),
        ("7-", 7, 10),
        ("0-", 0, 10),
        ("4-1000", 4, 10),
        ("4-999999999999999999", 4, 10),
        ("-1", 9, 10),
        ("-10", 0, 10),
        ("-11", 0, 10),
        ("-999999999999999999", 0, 10),
    ],
)
def test_a_range_is_served_as_partial_content(blobs, span, start, end):
    answer = blobs("GET", f"/blobs/{TEXT_DIGEST}", range=f"bytes={span}")

    assert (answer.status, answer.body) == (206, TEXT[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/10"
    assert answer.headers["content-length"] == str(end - start)
    assert answer.headers["docker-content-digest"] == TEXT_DIGEST


@pytest.mark.parametrize("span", ["10-", "10-12", "11-", "999999999999999999-", "-0"])
def test_a_range_outside_the_blob_cannot_be_satisfied(blobs, span):
    answer = blobs("GET", f"/blobs/{TEXT_DIGEST}", range=f"bytes={span}")

    assert (answer.status, answer.code) == (416, "SIZE_INVALID")
    assert answer.headers["content-range"] == "bytes */10"


@pytest.mark.parametrize(
    "header",
    [
        "bytes=0-1,4-5",
        "bytes=0-1, -1",
        "bytes=5-2",
        "bytes=a-b",
        "bytes=-",
        "bytes=",
        "bytes 0-1",
        "lines=0-1",
        "bytes=0x0-0x1",
        "bytes=\u0660-\u0661".encode().decode("latin-1"),  # digits, but not ASCII ones
        "bytes=0-9999999999999999999999999999",
    ],
)
def test_several_ranges_and_what_is_no_range_are_ignored(blobs, header):
    answer = blobs("GET", f"/blobs/{TEXT_DIGEST}", range=header)

    assert (answer.status, answer.body) == (200, TEXT)
    assert "content-range" not in answer.headers


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (border + before, border + after)
        for border in (MIB, 2 * MIB, 5 * MIB)
        for before, after in [(-1, 0), (-1, 1), (0, 1), (-100, 100), (0, 1000)]
    ]
    + [(MIB, 2 * MIB), (MIB - 1, 3 * MIB + 1), (5 * MIB - 1, len(LARGE)), (len(LARGE) - 1, len(LARGE)), (1, len(LARGE))]
    + [(MIB + skew, MIB + skew + 50) for skew in range(-300, 300, 37)],  # segments are a little shorter than 1 MiB
)
def test_ranges_at_the_borders_of_segments_are_exact(blobs, start, end):
    answer = blobs("GET", f"/blobs/{LARGE_DIGEST}", range=f"bytes={start}-{end - 1}")

    assert answer.status == 206
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(LARGE)}"
    assert answer.body == LARGE[start:end]


def test_the_last_bytes_of_a_blob_of_several_segments_are_served(blobs):
    answer = blobs("GET", f"/blobs/{LARGE_DIGEST}", range=f"bytes=-{12345 + 10}")

    assert answer.body == LARGE[-12355:]


def test_if_range_with_the_etag_allows_the_range(blobs):
    answer = blobs("GET", f"/blobs/{TEXT_DIGEST}", range="bytes=2-3", if_range=f'"{TEXT_DIGEST}"')

    assert (answer.status, answer.body) == (206, b"23")


@pytest.mark.parametrize("condition", [f'"{ABSENT}"', f'W/"{TEXT_DIGEST}"', "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_if_range_with_anything_else_serves_all(blobs, condition):
    answer = blobs("GET", f"/blobs/{TEXT_DIGEST}", range="bytes=2-3", if_range=condition)

    assert (answer.status, answer.body) == (200, TEXT)


@pytest.mark.parametrize(
    "condition", [f'"{TEXT_DIGEST}"', f'W/"{TEXT_DIGEST}"', f'"other" , "{TEXT_DIGEST}"', "*"], ids=range(4)
)
def test_a_blob_that_the_caller_has_is_not_sent_again(blobs, condition):
    answer = blobs("GET", f"/blobs/{TEXT_DIGEST}", if_none_match=condition)

    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["etag"] == f'"{TEXT_DIGEST}"'


def test_a_blob_that_the_caller_does_not_have_is_sent(blobs):
    answer = blobs("GET", f"/blobs/{TEXT_DIGEST}", if_none_match=f'"{LARGE_DIGEST}"')

    assert (answer.status, answer.body) == (200, TEXT)


def test_a_blob_that_is_not_there_is_unknown_even_to_a_caller_who_has_it(blobs):
    answer = blobs("GET", f"/blobs/{ABSENT}", if_none_match=f'"{ABSENT}"')

    assert (answer.status, answer.code) == (404, "BLOB_UNKNOWN")


def test_an_empty_blob_is_served(blobs):
    head = blobs("HEAD", f"/blobs/{EMPTY_DIGEST}")
    got = blobs("GET", f"/blobs/{EMPTY_DIGEST}")

    assert (head.status, head.headers["content-length"]) == (200, "0")
    assert (got.status, got.body, got.headers["content-length"]) == (200, b"", "0")


@pytest.mark.parametrize("span", ["0-", "0-0", "-1"])
def test_an_empty_blob_has_no_ranges(blobs, span):
    answer = blobs("GET", f"/blobs/{EMPTY_DIGEST}", range=f"bytes={span}")

    assert answer.status == 416
    assert answer.headers["content-range"] == "bytes */0"


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_connection_goes_on_after_every_kind_of_answer(blobs, method):
    statuses = [
        blobs(method, f"/blobs/{digest}", **headers).status
        for digest, headers in [
            (TEXT_DIGEST, {"range": "bytes=0-1"}),
            (TEXT_DIGEST, {"range": "bytes=99-"}),
            (TEXT_DIGEST, {"if_none_match": "*"}),
            (EMPTY_DIGEST, {}),
            (ABSENT, {}),
            (LARGE_DIGEST, {}),
        ]
    ]

    assert statuses == ([206, 416, 304, 200, 404, 200] if method == "GET" else [200, 200, 304, 200, 404, 200])


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_blob_that_is_not_there_is_unknown(blobs, algorithm):
    answer = blobs("GET", f"/blobs/{builders.digest(b'never pushed', algorithm)}")

    assert (answer.status, answer.code) == (404, "BLOB_UNKNOWN")


@pytest.mark.parametrize("reference", ["sha256:abc", f"md5:{'0' * 32}", f"sha256:{'A' * 64}", f"sha256:{'0' * 65}"])
def test_a_digest_that_this_registry_cannot_prove_is_unknown(blobs, reference):
    answer = blobs("GET", f"/blobs/{reference}")

    assert (answer.status, answer.code) == (404, "BLOB_UNKNOWN")


@pytest.mark.parametrize("reference", ["latest", "sha256:", "sha256", ":", "sha256:%2e%2e"])
def test_what_is_no_digest_is_refused(blobs, reference):
    answer = blobs("GET", f"/blobs/{reference}")

    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


def test_a_sha512_blob_is_pushed_and_pulled_by_its_own_digest(product, name):
    repository = product.registry(name)
    digest = builders.digest(TEXT, "sha512")

    pushed = repository.push_whole(TEXT, digest)

    assert (pushed.status, pushed.headers["docker-content-digest"]) == (201, digest)
    assert repository("HEAD", f"/blobs/{digest}").headers["content-length"] == "10"
    assert repository("GET", f"/blobs/{digest}", range="bytes=1-2").body == b"12"


def test_a_blob_is_known_by_the_digest_it_was_pushed_with_only(product, name):
    repository = product.registry(name)

    repository.push_whole(TEXT, builders.digest(TEXT, "sha512"))

    assert repository("HEAD", f"/blobs/{TEXT_DIGEST}").status == 404


def test_a_blob_of_another_repository_is_unknown(product, name):
    product.registry(name).push_blob(TEXT)

    answer = product.registry(f"{name}-other")("GET", f"/blobs/{TEXT_DIGEST}")

    assert (answer.status, answer.code) == (404, "BLOB_UNKNOWN")


def test_a_deleted_blob_is_gone(product, name):
    repository = product.registry(name)
    repository.push_blob(TEXT)

    deleted = repository("DELETE", f"/blobs/{TEXT_DIGEST}")

    assert deleted.status == 202
    assert repository("HEAD", f"/blobs/{TEXT_DIGEST}").status == 404
    assert repository("GET", f"/blobs/{TEXT_DIGEST}").status == 404


def test_a_deleted_blob_stays_in_other_repositories(product, name):
    here, there = product.registry(name), product.registry(f"{name}-other")
    here.push_blob(TEXT)
    there.push_blob(TEXT)

    here("DELETE", f"/blobs/{TEXT_DIGEST}")

    assert there("GET", f"/blobs/{TEXT_DIGEST}").body == TEXT


def test_a_deleted_blob_can_be_pushed_again(product, name):
    repository = product.registry(name)
    repository.push_blob(TEXT)
    repository("DELETE", f"/blobs/{TEXT_DIGEST}")

    repository.push_blob(TEXT)

    assert repository("GET", f"/blobs/{TEXT_DIGEST}").body == TEXT


def test_a_blob_that_an_image_needs_is_not_deleted(product, name):
    repository = product.registry(name)
    image = repository.push_image("v1").json()

    for digest in (image["config"]["digest"], image["layers"][0]["digest"]):
        answer = repository("DELETE", f"/blobs/{digest}")

        assert (answer.status, answer.code) == (405, "UNSUPPORTED")
        assert repository("HEAD", f"/blobs/{digest}").status == 200


def test_a_blob_may_go_after_its_image(product, name):
    repository = product.registry(name)
    image = repository.push_image("v1")
    repository("DELETE", f"/manifests/{image.digest}")

    answer = repository("DELETE", f"/blobs/{image.json()['layers'][0]['digest']}")

    assert answer.status == 202


def test_deleting_an_unknown_blob_says_so(product, name):
    repository = product.registry(name)

    answer = repository("DELETE", f"/blobs/{ABSENT}")

    assert (answer.status, answer.code) == (404, "BLOB_UNKNOWN")


def test_deleting_what_is_no_digest_is_refused(product, name):
    repository = product.registry(name)

    answer = repository("DELETE", "/blobs/latest")

    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


@pytest.fixture(scope="module")
def signed(strict_product):
    """The path of a signed address of a layer, and a caller without a login."""
    repository = strict_product.registry("t/signed-layers")
    repository.push_blob(LARGE)
    location = repository("GET", f"/blobs/{LARGE_DIGEST}").headers["location"]
    return location.removeprefix(strict_product.url), Http(strict_product.address)


def test_ecr_says_where_a_layer_is(strict_product, name):
    repository = strict_product.registry(name)
    repository.push_blob(TEXT)

    answer = repository("GET", f"/blobs/{TEXT_DIGEST}")

    assert (answer.status, answer.body) == (307, b"")
    assert answer.headers["location"].startswith(f"{strict_product.url}/layers/")


def test_ecr_does_not_say_where_a_layer_is_that_is_not_there(strict_product, name):
    answer = strict_product.registry(name)("GET", f"/blobs/{ABSENT}")

    assert (answer.status, answer.code) == (404, "BLOB_UNKNOWN")


def test_a_signed_address_needs_no_login(signed):
    path, nobody = signed

    answer = nobody("GET", path)

    assert answer.status == 200
    assert hashlib.sha256(answer.body).hexdigest() == LARGE_DIGEST.removeprefix("sha256:")


def test_a_signed_address_honours_ranges_and_head(signed):
    path, nobody = signed

    part = nobody("GET", path, range=f"bytes={MIB - 5}-{MIB + 4}")
    head = nobody("HEAD", path)

    assert (part.status, part.body) == (206, LARGE[MIB - 5 : MIB + 5])
    assert (head.status, head.headers["content-length"]) == (200, str(len(LARGE)))


@pytest.mark.parametrize("position", [0, 10, 40, 80, -1, -20])
def test_a_signed_address_that_was_changed_is_worthless(signed, position):
    path, nobody = signed
    text = list(path.removeprefix("/layers/"))
    text[position] = "A" if text[position] != "A" else "Q"

    answer = nobody("GET", "/layers/" + "".join(text))

    assert answer.status == 403
    assert answer.code == "DENIED"


@pytest.mark.parametrize("path", ["/layers/", "/layers/x", "/layers/%00", "/layers/a/b", "/layers/" + "A" * 5000])
def test_an_address_that_was_never_signed_is_worthless(signed, path):
    _, nobody = signed

    assert nobody("GET", path).status == 403


def test_a_login_token_is_no_signed_address(strict_product, signed):
    _, nobody = signed
    token = strict_product.ecr().get_authorization_token()["authorizationData"][0]["authorizationToken"]

    assert nobody("GET", f"/layers/{token}").status == 403


def test_a_signed_address_is_good_for_reading_only(signed):
    path, nobody = signed

    statuses = [nobody(method, path, b"").status for method in ("PUT", "POST", "DELETE")]

    assert statuses == [405, 405, 405]


def test_a_signed_address_is_worthless_after_its_time(strict_product, signed):
    _, nobody = signed

    in_time = layer_url(strict_product, "t/signed-layers", LARGE_DIGEST, timedelta(minutes=1))
    too_late = layer_url(strict_product, "t/signed-layers", LARGE_DIGEST, timedelta(minutes=-1))

    assert nobody("GET", in_time).status == 200
    assert nobody("GET", too_late).status == 403


def test_a_signed_address_of_a_deleted_blob_leads_nowhere(strict_product, name):
    repository = strict_product.registry(name)
    repository.push_blob(TEXT)
    path = repository("GET", f"/blobs/{TEXT_DIGEST}").headers["location"].removeprefix(strict_product.url)
    repository("DELETE", f"/blobs/{TEXT_DIGEST}")

    answer = Http(strict_product.address)("GET", path)

    assert (answer.status, answer.code) == (404, "BLOB_UNKNOWN")
