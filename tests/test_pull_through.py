"""Pulls through a cache rule by a server of two processes: what is asked for is fetched once, whatever dies."""

from __future__ import annotations

import json
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
from tests.callers import Http, Registry
from tests.conftest import Product
from tests.grants import LOGIN, PULL, allow, policy
from tests.hostile import Hostile

OTHER = "111122223333"
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
    on = opened(product)
    registry.caching.set_options(on, HOME, prefix, lambda before: replace(before, **members))
    on.database.close()


def opened(product):
    """What a product keeps, opened beside it."""
    return boot.open_existing(settings.read({}, {"HOLDFAST_DATA": str(product.data)} | product.environment))


@pytest.fixture
def pull(cache, prefix):
    """Ask for something of the repository behind the rule, over a connection of its own."""
    login = f"Basic {token(cache)}"

    def ask(path):
        return Http(cache.address, login)("GET", f"/v2/{prefix}/{NAME}{path}")

    return ask


def token(cache, **credentials):
    return cache.ecr(**credentials).get_authorization_token()["authorizationData"][0]["authorizationToken"]


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


def test_an_ecr_of_another_account_is_read_in_a_role_that_a_key_assumes(cache):
    on = opened(cache)
    registry.accounts.create(on, OTHER)
    key, secret = registry.accounts.create_key(on, OTHER)
    on.database.close()
    theirs = {"key_id": key.id, "secret": secret}
    cache.ecr(**theirs).create_repository(repositoryName="app")
    image = Registry(Http(cache.address, f"Basic {token(cache, **theirs)}"), "app").push_image("v1")
    ours, iam = cache.aws_client("iam"), cache.aws_client("iam", **theirs)
    user = ours.create_user(UserName="cache")["User"]["Arn"]
    allowed = policy(allow("sts:AssumeRole"))
    ours.put_user_policy(UserName="cache", PolicyName="it", PolicyDocument=allowed)
    key = ours.create_access_key(UserName="cache")["AccessKey"]
    trust = {"Effect": "Allow", "Principal": {"AWS": user}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName="reader", PolicyName="it", PolicyDocument=policy(LOGIN, allow([*PULL])))
    text = json.dumps({"username": key["AccessKeyId"], "accessToken": key["SecretAccessKey"]})
    kept = cache.aws_client("secretsmanager").create_secret(Name="ecr-pullthroughcache/role", SecretString=text)

    ecr = cache.ecr()
    ecr.create_pull_through_cache_rule(
        ecrRepositoryPrefix="role", upstreamRegistryUrl=cache.address, credentialArn=kept["ARN"], customRoleArn=role
    )
    options(cache, "role", is_plain=True)

    told = ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="role")
    assert told["isValid"], told
    assert Http(cache.address, f"Basic {token(cache)}")("GET", "/v2/role/app/manifests/v1").body == image.body
    iam.update_assume_role_policy(
        RoleName="reader", PolicyDocument=policy({**trust, "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"}})
    )
    told = ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="role")
    assert not told["isValid"]
    assert f"does not let {key['AccessKeyId']} assume {role}" in told["failure"]


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


def test_who_makes_room_is_told_what_goes_and_why_the_rest_stays(cache, upstream, prefix, pull):
    image = with_large_layer(upstream, "v1", data=LARGE + b"room")
    pull("/manifests/v1")
    until(lambda: is_here(cache, prefix, image.digest))
    options(cache, prefix, budget_bytes=1)

    stays = cache.cli("cache", "evict")
    assert (stays.returncode, stays.stdout.split()[:2]) == (0, ["0", "images"])
    assert f"{prefix} still has" in stays.stdout
    goes = cache.cli("cache", "evict", *ALLOWED)
    assert (goes.returncode, goes.stdout.split()[:2]) == (0, ["1", "image"])
    assert not is_here(cache, prefix, image.digest)
