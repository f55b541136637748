"""Pulls through a cache rule by a server of two processes: what is asked for is fetched once, whatever dies."""

from __future__ import annotations

import re
import threading
import time
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPException

import pytest

from holdfast import boot, registry, settings
from holdfast.registry.backends import HOME
from tests.caches import LARGE, NAME, with_large_layer
from tests.callers import Http
from tests.conftest import Product
from tests.hostile import Hostile

ALLOWED = ("--upstream-allow", "127.0.0.0/8")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A product that may reach registries on this machine."""
    running = Product(tmp_path_factory.mktemp("cache") / "data", *ALLOWED, "--workers", "2")
    yield running
    running.stop()
    assert "Traceback" not in running.log.read_text()


@pytest.fixture
def upstream():
    with Hostile() as running:
        yield running


@pytest.fixture
def prefix(cache, upstream, request):
    """A rule for the upstream, which speaks plain HTTP."""
    prefix = f"p{abs(hash(request.node.nodeid)) % 10**9}"
    add_rule(cache, prefix, upstream)
    return prefix


def add_rule(product, prefix, upstream):
    product.ecr().create_pull_through_cache_rule(ecrRepositoryPrefix=prefix, upstreamRegistryUrl=upstream.address)
    options(product, prefix, is_plain=True)


def options(product, prefix, **members):
    """Say of a rule what `holdfast cache set` does, without a program of its own."""
    environment = {"HOLDFAST_DATA": str(product.data)} | product.environment
    on = boot.open_existing(settings.read({}, environment))
    registry.caching.set_options(on, HOME, prefix, lambda before: replace(before, **members))
    on.database.close()


@pytest.fixture
def pull(cache, prefix):
    """Ask for something of the repository behind the rule, over a connection of its own."""
    login = f"Basic {token(cache)}"

    def ask(path):
        return Http(cache.address, login)("GET", f"/v2/{prefix}/{NAME}{path}")

    return ask


def token(cache):
    return cache.ecr().get_authorization_token()["authorizationData"][0]["authorizationToken"]


def until(what, seconds=30):
    """Wait until something is so; what is not within the time fails."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


def is_here(cache, prefix, digest):
    ecr = cache.ecr()
    with suppress(ecr.exceptions.RepositoryNotFoundException):
        found = ecr.describe_images(repositoryName=f"{prefix}/{NAME}")["imageDetails"]
        return any(image["imageDigest"] == digest for image in found)
    return False


def test_a_layer_is_fetched_once_whoever_wants_it_and_the_image_is_kept(cache, upstream, prefix, pull):
    image = with_large_layer(upstream, "v1", data=LARGE[::-1])
    layer = image.json()["layers"][0]["digest"]
    go_on, got = threading.Event(), []

    def dawdles(handler):
        go_on.wait(20)
        return False

    upstream.trick("GET", f"blobs/{layer}", dawdles)
    assert pull("/manifests/v1").body == image.body
    threads = [threading.Thread(target=lambda: got.append(pull(f"/blobs/{layer}").body)) for _ in range(6)]
    for thread in threads:
        thread.start()
    until(lambda: upstream.count("GET", f"blobs/{layer}"))
    go_on.set()
    for thread in threads:
        thread.join(30)

    assert got == [LARGE[::-1]] * 6
    assert upstream.count("GET", f"blobs/{layer}") == 1
    until(lambda: is_here(cache, prefix, image.digest))
    assert pull("/manifests/v1").body == image.body


def test_a_client_of_bytes_that_turn_out_wrong_is_cut_off(cache, upstream, prefix, pull):
    image = with_large_layer(upstream, "v1", data=b"right" + LARGE)
    layer = image.json()["layers"][0]["digest"]
    options(cache, prefix, at_once=1)  # nothing is fetched ahead of whoever asks
    pull("/manifests/v1")
    upstream.trick("GET", f"blobs/{layer}", lambda handler: handler.say(200, b"wrong" + LARGE))

    with pytest.raises(Exception, match=r"IncompleteRead|reset|closed"):
        pull(f"/blobs/{layer}")

    upstream.behave()
    assert until(lambda: (again := pull(f"/blobs/{layer}")).status == 200 and again).body == b"right" + LARGE


def test_the_ecr_api_alone_pulls_an_image(cache, upstream, prefix):
    image = upstream.add_image(NAME, "v1")
    ecr, name = cache.ecr(), f"{prefix}/{NAME}"

    [found] = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "v1"}])["images"]
    layers = [one["digest"] for one in image.json()["layers"]]
    urls = [ecr.get_download_url_for_layer(repositoryName=name, layerDigest=one)["downloadUrl"] for one in layers]

    assert found["imageManifest"].encode() == image.body
    paths = [re.sub(r"^https?://[^/]+", "", url) for url in urls]
    assert [Http(cache.address)("GET", path).body for path in paths] == [upstream.blobs[one] for one in layers]


def test_new_credentials_of_a_secret_are_shown(cache, upstream, prefix, pull):
    upstream.basic = "name:right"
    upstream.add_image(NAME, "v1")
    secrets = cache.aws_client("secretsmanager")
    secret = secrets.create_secret(
        Name=f"ecr-pullthroughcache/{prefix}", SecretString='{"username": "name", "accessToken": "wrong"}'
    )["ARN"]
    ecr = cache.ecr()
    ecr.update_pull_through_cache_rule(ecrRepositoryPrefix=prefix, credentialArn=secret)

    answer = pull("/manifests/v1")
    assert (answer.status, answer.code) == (403, "DENIED")
    assert answer.message.startswith("The authentication to the upstream registry failed. Verify that the credenti")
    tried = ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix=prefix)
    assert not tried["isValid"]
    assert tried["failure"].startswith("The authentication to the upstream registry failed.")

    secrets.put_secret_value(SecretId=secret, SecretString='{"username": "name", "accessToken": "right"}')
    assert ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix=prefix)["isValid"]
    assert until(lambda: (again := pull("/manifests/v1")).status == 200 and again)


def test_a_process_that_dies_while_it_fetches_leaves_nothing_but_what_is_fetched_again(tmp_path, upstream):
    product = Product(tmp_path / "data", *ALLOWED, "--workers", "1")
    add_rule(product, "hub", upstream)
    image = with_large_layer(upstream, "v1", data=b"dies" + LARGE)
    layer = image.json()["layers"][0]["digest"]
    is_over = threading.Event()

    def half(handler):
        handler.cut(200, (b"dies" + LARGE)[:2_000_000], len(LARGE) + 4)
        is_over.wait(20)

    http = Http(product.address, f"Basic {token(product)}")
    upstream.trick("GET", f"blobs/{layer}", half, 1)
    http("GET", f"/v2/hub/{NAME}/manifests/v1")

    def read():
        with suppress(OSError, HTTPException):  # its server dies
            http("GET", f"/v2/hub/{NAME}/blobs/{layer}")

    threading.Thread(target=read).start()
    until(lambda: upstream.count("GET", f"blobs/{layer}"))
    product.kill()
    is_over.set()
    product.start()

    http = Http(product.address, f"Basic {token(product)}")
    assert http("GET", f"/v2/hub/{NAME}/blobs/{layer}").body == b"dies" + LARGE
    until(lambda: is_here(product, "hub", image.digest))
    product.stop()
