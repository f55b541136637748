"""A whole product whose bytes lie in S3."""

from __future__ import annotations

import http.client
import random
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import builders
from tests.callers import Registry
from tests.crash.test_kill import Ledger, audit, load_until_killed
from tests.seaweed import BUCKET
from tests.test_settings import serve

pytestmark = pytest.mark.xdist_group("object stores")

LAYER = 20 * 1024 * 1024  # three parts


@pytest.fixture
def prefix(name):
    return name[:60]


@pytest.fixture
def served(start, seaweed, faults, prefix):
    """A product whose store can be spoiled."""
    return start("--blobs", seaweed.url(prefix, endpoint=faults.endpoint, timeout="1"), **seaweed.environment)


def content(size: int = LAYER) -> bytes:
    return random.Random(size).randbytes(size)


def objects(seaweed, prefix: str) -> list[str]:
    return [found["Key"] for found in seaweed.s3().list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]


def test_layers_are_pushed_and_pulled(served, name, seaweed, prefix):
    data = content()
    target = served.registry(name)

    digest = target.push_blob(data)

    assert len(objects(seaweed, prefix)) == 1
    assert target("HEAD", f"/blobs/{digest}").headers["content-length"] == str(LAYER)
    assert target("GET", f"/blobs/{digest}").body == data
    for first, last in ((0, 0), (5, 70_000), (LAYER // 2, LAYER - 1)):
        answer = target("GET", f"/blobs/{digest}", range=f"bytes={first}-{last}")
        assert (answer.status, answer.body) == (206, data[first : last + 1])
    assert served.stop() == 0
    served.start()
    assert Registry(served.http(), name)("GET", f"/blobs/{digest}").body == data


def test_layers_in_several_parts_become_one_object(served, name, seaweed, prefix):
    data = content(9 * 1024 * 1024)
    target = served.registry(name)
    location = target("POST", "/blobs/uploads/").headers["location"]
    for first in range(0, len(data), 3 * 1024 * 1024):
        piece = data[first : first + 3 * 1024 * 1024]
        answer = target.http("PATCH", location, piece, content_range=f"{first}-{first + len(piece) - 1}")
        assert answer.status == 202

    answer = target.http("PUT", f"{location}?digest={builders.digest(data)}")

    assert answer.status == 201
    assert target("GET", f"/blobs/{builders.digest(data)}").body == data
    assert len(objects(seaweed, prefix)) == 1


def test_a_refused_layer_leaves_nothing(served, name, seaweed, prefix):
    target = served.registry(name)

    answer = target("POST", f"/blobs/uploads/?digest={builders.digest(b'other')}", content())

    assert (answer.status, answer.json()["errors"][0]["code"]) == (400, "DIGEST_INVALID")
    assert objects(seaweed, prefix) == []
    assert not seaweed.s3().list_multipart_uploads(Bucket=BUCKET, Prefix=prefix).get("Uploads")


def test_an_outage_is_told_and_passes(served, name, faults):
    data, target = content(), served.registry(name)
    digest = target.push_blob(data)
    faults.spoil = lambda _method, _path: "refused"

    with ThreadPoolExecutor() as threads:  # each is tried for seconds
        pulling = threads.submit(target, "GET", f"/blobs/{digest}")
        path = f"/blobs/uploads/?digest={builders.digest(content(70_000))}"
        pushing = threads.submit(Registry(served.http(), name), "POST", path, content(70_000))
        with pytest.raises(served.ecr().exceptions.ClientError) as told:
            upload_through_ecr(served.ecr(), name, content(70_000))
        pull, push = pulling.result(), pushing.result()

    for answer in (pull, push):
        assert (answer.status, answer.json()["errors"][0]["code"]) == (503, "UNAVAILABLE")
        assert int(answer.headers["retry-after"]) > 0
    assert told.value.response["Error"]["Code"] == "ServiceUnavailableException"
    assert told.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert target("HEAD", f"/blobs/{digest}").status == 200
    faults.heal()
    assert target("GET", f"/blobs/{digest}").body == data
    assert target("GET", f"/blobs/{target.push_blob(content(70_000))}").body == content(70_000)


def upload_through_ecr(ecr, name: str, data: bytes) -> None:
    upload = ecr.initiate_layer_upload(repositoryName=name)["uploadId"]
    ecr.upload_layer_part(
        repositoryName=name, uploadId=upload, partFirstByte=0, partLastByte=len(data) - 1, layerPartBlob=data
    )


@pytest.mark.parametrize("fault", ["cut", "wrong", "short"])
def test_a_pull_that_the_store_spoils_is_cut_short(served, name, faults, fault):
    data, target = content(), served.registry(name)
    digest = target.push_blob(data)
    before = len(faults.seen)
    faults.spoil = lambda _method, _path: fault if len(faults.seen) > before + 1 else None

    with pytest.raises(http.client.IncompleteRead) as broken:
        target("GET", f"/blobs/{digest}")

    assert data.startswith(broken.value.partial)


def test_a_lost_object_is_an_alarm_and_no_missing_blob(served, name, seaweed, prefix):
    target = served.registry(name)
    digest = target.push_blob(content())
    (key,) = objects(seaweed, prefix)
    seaweed.s3().delete_object(Bucket=BUCKET, Key=key)

    answer = target("GET", f"/blobs/{digest}")

    assert answer.status == 404  # so that a push repairs it
    assert f"Its object is {key.rpartition('/')[2]}" in served.log.read_text()
    assert target.push_blob(content()) == digest  # the same bytes heal it
    assert target("GET", f"/blobs/{digest}").body == content()


def test_many_pull_at_once(served, name):
    data, target = content(), served.registry(name)
    digest = target.push_blob(data)
    found: list[bool] = []

    def pull() -> None:
        found.append(Registry(served.http(), name)("GET", f"/blobs/{digest}").body == data)

    threads = [threading.Thread(target=pull) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [True] * 12


@pytest.mark.timeout(600)
def test_acknowledged_pushes_survive_kill_minus_nine(start, seaweed, prefix):
    chance, ledger = random.Random(20261128), Ledger()
    product = start("--blobs", seaweed.url(prefix), **seaweed.environment)
    product.ecr().create_repository(repositoryName="crash/test")

    for _ in range(5):
        load_until_killed(product, ledger, chance)
        product.start()
        audit(product, ledger)


@pytest.mark.parametrize(
    ("spoiled", "told"),
    [
        ({"bucket": "nowhere"}, "NoSuchBucket: The specified bucket does not exist"),
        ({"endpoint": "http://127.0.0.1:1"}, "Connection refused"),
    ],
)
def test_a_store_that_cannot_be_used_stops_the_start_with_one_line(seaweed, spoiled, told, tmp_path):
    answer = serve(
        tmp_path, "--listen", "127.0.0.1:0", "--blobs", seaweed.url("x", timeout="1", **spoiled),
        **seaweed.environment,
    )  # fmt: skip

    assert answer.returncode == 2
    assert answer.stderr.startswith("holdfast: --blobs: GET http://127.0.0.1:")
    assert told in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


# ---- Layers that the store seals


@pytest.fixture
def redirecting(start, seaweed, prefix):
    """A product that leaves encryption to the store, and sends clients there."""
    url = seaweed.url(prefix, sse="none")  # this server has no key to encrypt with
    return start("--blobs", url, "--seal", "store", "--blob-redirect", "on", **seaweed.environment)


def fetch(address: str, **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(address, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.status, answer.read()


def test_a_client_is_sent_to_the_store(redirecting, name):
    data, target = content(), redirecting.registry(name)
    digest = target.push_blob(data)

    answer = target("GET", f"/blobs/{digest}", range="bytes=5-9")

    assert (answer.status, answer.headers["docker-content-digest"]) == (307, digest)
    assert fetch(answer.headers["location"]) == (200, data)
    assert fetch(answer.headers["location"], Range="bytes=5-9") == (206, data[5:10])
    assert "a-secret-of-the-tests" not in answer.headers["location"]
    head = target("HEAD", f"/blobs/{digest}")
    assert (head.status, head.headers["content-length"]) == (200, str(LAYER))


def test_what_the_store_cannot_give_comes_from_here(redirecting, name):
    """A small layer lies in the database, and what lies under a named key is sealed by us."""
    small, large, target = content(1000), content(), redirecting.registry(name)
    redirecting.ecr().create_repository(repositoryName=f"{name}/kms", encryptionConfiguration={"encryptionType": "KMS"})
    under_key = Registry(redirecting.http(), f"{name}/kms")

    assert target("GET", f"/blobs/{target.push_blob(small)}").body == small
    assert under_key("GET", f"/blobs/{under_key.push_blob(large)}").body == large


def test_a_changed_setting_leaves_every_layer_readable(redirecting, name, seaweed, prefix):
    plain, sealed, target = content(), content(LAYER + 1), redirecting.registry(name)
    digest = target.push_blob(plain)
    flags = redirecting.flags

    for again in (flags[:2], flags):
        redirecting.stop()
        redirecting.flags = again
        redirecting.start()
        target = Registry(redirecting.http(), name)
        other = target.push_blob(sealed)  # sealed by us, the first time

        answers = [target("GET", f"/blobs/{one}") for one in (digest, other)]

        assert [answer.status for answer in answers] == [307 if again == flags else 200, 200]
        assert answers[1].body == sealed
        assert (answers[0].body or fetch(answers[0].headers["location"])[1]) == plain
    assert len(objects(seaweed, prefix)) == 2


def test_a_changed_layer_that_the_store_sealed_is_cut_short(redirecting, name, seaweed, prefix):
    data, target = content(), redirecting.registry(name)
    digest = target.push_blob(data)
    (key,) = objects(seaweed, prefix)
    seaweed.s3().put_object(Bucket=BUCKET, Key=key, Body=data[:100] + bytes([data[100] ^ 1]) + data[101:])
    redirecting.stop()
    redirecting.flags = redirecting.flags[:4]
    redirecting.start()
    target = Registry(redirecting.http(), name)

    with pytest.raises(http.client.IncompleteRead):
        target("GET", f"/blobs/{digest}")

    seaweed.s3().put_object(Bucket=BUCKET, Key=key, Body=data[:-1])
    assert Registry(redirecting.http(), name)("GET", f"/blobs/{digest}").status == 404


def test_a_layer_of_ecr_comes_from_the_store(start, seaweed, prefix, name):
    product = start(
        "--blobs", seaweed.url(prefix, sse="none"), "--seal", "store", "--blob-redirect", "on",
        "--profile", "ecr-strict", **seaweed.environment,
    )  # fmt: skip
    data, target = content(), product.registry(name)
    digest = target.push_blob(data)

    first = target("GET", f"/blobs/{digest}")

    assert first.status == 307
    second = target.http("GET", first.headers["location"])
    assert second.status == 307
    assert fetch(second.headers["location"]) == (200, data)
