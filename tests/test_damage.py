"""Damaged bytes through the front doors: never served, shown as absent, repaired by a push, told to who watches."""

from __future__ import annotations

import http.client
import json
from contextlib import closing

import pytest

from tests import builders, databases
from tests.test_hard_times import files

MIB = 1024 * 1024


@pytest.fixture
def running(start):
    """A product of two workers that repairs nothing by itself."""
    return start("--workers", "2", "--background", "off")


def flip(file, position):
    raw = bytearray(file.read_bytes())
    raw[position] ^= 1
    file.write_bytes(raw)


def the_file(product, before):
    [new] = set(files(product)) - set(before)
    return new


def an_image_of(data, **members):
    config = builders.descriptor(builders.OCI_CONFIG, b"config")
    layers = [builders.descriptor(builders.OCI_LAYER, data)]
    return builders.document(builders.OCI_MANIFEST, config=config, layers=layers, **members)


def status(product):
    return json.loads(product.cli("scrub", "status", "--json").stdout)


def test_a_lost_layer_is_absent_for_every_client_until_it_is_pushed_again(running):
    repository, ecr = running.registry("some/thing"), running.ecr()
    data = bytes(MIB)
    repository.push_blob(b"config")
    repository.push_blob(data)
    repository.push_manifest(an_image_of(data), "v1")
    [lost] = files(running)
    lost.unlink()
    digest = builders.digest(data)

    refused = repository("GET", f"/blobs/{digest}")
    head = repository("HEAD", f"/blobs/{digest}")
    [layer] = ecr.batch_check_layer_availability(repositoryName="some/thing", layerDigests=[digest])["layers"]
    with pytest.raises(ecr.exceptions.LayerInaccessibleException):
        ecr.get_download_url_for_layer(repositoryName="some/thing", layerDigest=digest)
    unmounted = repository("POST", f"/blobs/uploads/?mount={digest}&from=some/thing")
    needed = repository.push_manifest(an_image_of(data, annotations={"another": "one"}), "v2")
    found = status(running)
    repository.push_blob(data)

    assert (refused.status, refused.code, head.status) == (404, "BLOB_UNKNOWN", 404)
    assert "missing or damaged" in refused.message
    assert layer["layerAvailability"] == "UNAVAILABLE"
    assert unmounted.status == 202
    assert (needed.status, needed.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert [(one["digest"], one["repositories"]) for one in found["damaged"]] == [(digest, ["some/thing"])]
    assert repository("GET", f"/blobs/{digest}").body == data
    assert ecr.get_download_url_for_layer(repositoryName="some/thing", layerDigest=digest)["layerDigest"] == digest
    assert status(running)["damaged"] == []
    assert status(running)["setApart"] == 1
    kinds = [json.loads(line)["detail-type"] for line in running.cli("events", "list").stdout.splitlines()]
    assert [kind for kind in kinds if kind.startswith("Layer")] == ["Layer Damaged", "Layer Repaired"]


def test_a_flipped_bit_is_found_by_the_first_pull_and_told_to_machines(running):
    repository = running.registry("some/thing")
    repository.push_blob(bytes(2 * MIB))
    before = files(running)
    data = b"x" * (3 * MIB)
    digest = repository.push_blob(data)
    flip(the_file(running, before), 2 * MIB)

    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        running.http()("GET", f"/v2/some/thing/blobs/{digest}")
    numbers = running.http("")("GET", "/metrics").body.decode()

    assert repository("HEAD", f"/blobs/{digest}").status == 404
    assert "holdfast_damaged_blobs 1.0" in numbers
    assert "do not prove themselves" in running.log.read_text()


def test_a_store_that_is_away_is_no_damage(running):
    repository = running.registry("some/thing")
    digests = [repository.push_blob(bytes([seed]) * MIB) for seed in range(3)]
    folder = running.data / "objects"
    folder.rename(running.data / "elsewhere")

    away = [repository("GET", f"/blobs/{digest}") for digest in digests]
    shown = repository("HEAD", f"/blobs/{digests[0]}")
    (running.data / "elsewhere").rename(folder)

    assert {(answer.status, answer.code) for answer in away} == {(503, "UNAVAILABLE")}
    assert shown.status == 200
    assert repository("GET", f"/blobs/{digests[0]}").status == 200


def test_a_small_layer_that_is_damaged_in_the_database_is_never_served(running):
    repository = running.registry("some/thing")
    repository.push_blob(b"another")
    digest = repository.push_blob(b"small")
    with closing(databases.look_of(running)) as database:
        find = "SELECT o.key, o.sealed FROM objects o JOIN blobs b ON b.object_key = o.key WHERE b.digest = :digest"
        [(key, sealed)] = databases.run(database, find, digest=digest).fetchall()
        flipped = sealed[:-1] + bytes([sealed[-1] ^ 1])
        databases.run(database, "UPDATE objects SET sealed = :sealed WHERE key = :key", sealed=flipped, key=key)

    found = running.cli("scrub", "run", "--digest", digest)

    assert found.returncode == 1
    assert f"damaged     {digest}" in found.stdout
    assert repository("GET", f"/blobs/{digest}").code == "BLOB_UNKNOWN"
    repository.push_blob(b"small")
    assert repository("GET", f"/blobs/{digest}").body == b"small"


def test_a_manifest_that_is_damaged_in_the_database_is_absent_until_it_is_pushed_again(running):
    repository, ecr = running.registry("some/thing"), running.ecr()
    image = builders.an_image(repository.push_blob, seed=1)
    repository.push_manifest(image, "v1")
    damaged = image.body.replace(b'"layers"', b'"Layers"')
    with closing(databases.look_of(running)) as database:
        databases.run(database, "UPDATE manifest_bodies SET body = :body", body=damaged)

    found = running.cli("scrub", "run", "--repository", "some/thing", "--json")
    pulled = repository("GET", "/manifests/v1")
    told = ecr.batch_get_image(repositoryName="some/thing", imageIds=[{"imageTag": "v1"}])["failures"]
    again = repository.push_manifest(image, "v1")

    assert {"digest": image.digest, "kind": "KeptManifest", "verdict": "damaged"}.items() <= {
        name: value for line in found.stdout.splitlines() for name, value in json.loads(line).items()
        if json.loads(line)["verdict"] == "damaged"
    }.items()  # fmt: skip
    assert (pulled.status, pulled.code) == (404, "MANIFEST_UNKNOWN")
    assert "damaged" in pulled.message
    assert [one["failureCode"] for one in told] == ["ImageInaccessible"]
    assert again.status == 201
    assert repository("GET", "/manifests/v1").body == image.body
