"""Pulls through a cache rule: what an upstream has is served, kept, and looked after; whatever the upstream does."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPException

import pytest

from holdfast import boot, registry, settings
from holdfast.registry.backends import HOME
from tests import builders
from tests.callers import Http
from tests.conftest import Product
from tests.grants import LOGIN, PULL, allow, policy
from tests.hostile import Hostile

NAME = "some/where"
LARGE = os.urandom(3_000_000)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A product that may reach registries on this machine."""
    running = Product(tmp_path_factory.mktemp("cache") / "data", "--upstream-allow", "127.0.0.0/8", "--workers", "2")
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
    cache.ecr().create_pull_through_cache_rule(ecrRepositoryPrefix=prefix, upstreamRegistryUrl=upstream.address)
    options(cache, prefix, is_plain=True)
    return prefix


def options(product, prefix, **members):
    """Say of a rule what `holdfast cache set` does, without a program of its own."""
    with_backends(
        product, lambda on: registry.caching.set_options(on, HOME, prefix, lambda before: replace(before, **members))
    )


def with_backends(product, do):
    environment = {"HOLDFAST_DATA": str(product.data), "HOLDFAST_UPSTREAM_ALLOW": "127.0.0.0/8"} | product.environment
    on = boot.open_existing(settings.read({}, environment))
    try:
        return do(on)
    finally:
        on.database.close()


@pytest.fixture
def pull(cache, prefix):
    """Ask for something of the repository behind the rule."""
    login = f"Basic {token(cache)}"

    def ask(path, method="GET", name=NAME, **headers):
        return Http(cache.address, login)(method, f"/v2/{prefix}/{name}{path}", **headers)

    return ask


def token(cache, **credentials):
    return cache.ecr(**credentials).get_authorization_token()["authorizationData"][0]["authorizationToken"]


def with_large_layer(upstream, *tags, data=LARGE):
    config = b"{}"
    upstream.add_blob(config)
    upstream.add_blob(data)
    return upstream.add(
        NAME,
        builders.document(
            builders.OCI_MANIFEST,
            config=builders.descriptor(builders.OCI_CONFIG, config),
            layers=[builders.descriptor(builders.OCI_LAYER, data)],
        ),
        *tags,
    )


def until(what, seconds=30):
    """Wait until something is so; what is not within the time fails."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


def images(cache, prefix, name=NAME):
    try:
        return cache.ecr().describe_images(repositoryName=f"{prefix}/{name}")["imageDetails"]
    except cache.ecr().exceptions.RepositoryNotFoundException:
        return []


def is_here(cache, prefix, digest):
    return any(image["imageDigest"] == digest for image in images(cache, prefix))


# ---- What is served


def test_an_image_is_served_while_it_comes_and_is_kept(cache, upstream, prefix, pull):
    image = with_large_layer(upstream, "v1")

    by_tag = pull("/manifests/v1")
    assert (by_tag.status, by_tag.body, by_tag.headers["content-type"]) == (200, image.body, image.media_type)
    assert by_tag.headers["docker-content-digest"] == image.digest
    layer = image.json()["layers"][0]["digest"]
    assert int(pull(f"/blobs/{layer}", "HEAD").headers["content-length"]) == len(LARGE)
    assert pull(f"/blobs/{layer}").body == LARGE
    assert pull(f"/blobs/{layer}", range="bytes=1000000-1000009").body == LARGE[1_000_000:1_000_010]
    until(lambda: is_here(cache, prefix, image.digest))

    assert pull("/manifests/v1").body == image.body
    assert pull(f"/manifests/{image.digest}").body == image.body
    assert pull(f"/blobs/{layer}").body == LARGE
    assert upstream.count("GET", "manifests/v1") == 1
    assert upstream.count("GET", f"manifests/{image.digest}") == 0
    assert upstream.count("GET", f"blobs/{layer}") == 1


def test_the_first_pull_may_name_a_digest(upstream, pull):
    image = upstream.add_image(NAME)

    assert pull(f"/manifests/{image.digest}").body == image.body
    assert pull(f"/manifests/{builders.digest(b'absent')}").code == "MANIFEST_UNKNOWN"


def test_every_member_of_an_index_comes(cache, upstream, prefix, pull):
    members = [upstream.add_image(NAME, seed=seed) for seed in "ab"]
    index = upstream.add(NAME, builders.an_index(*members), "v1")

    assert pull("/manifests/v1").body == index.body

    until(lambda: is_here(cache, prefix, index.digest))
    assert {image["imageDigest"] for image in images(cache, prefix)} == {index.digest} | {one.digest for one in members}


def test_what_refers_to_an_image_follows(cache, upstream, prefix, pull):
    upstream.has_referrers = True
    image = upstream.add_image(NAME, "v1")
    signature = upstream.add_image(NAME, seed="sig", subject=image.descriptor, artifactType="application/sig")

    pull("/manifests/v1")
    listed = pull(f"/referrers/{image.digest}").json()["manifests"]

    assert [one["digest"] for one in listed] == [signature.digest]
    until(lambda: is_here(cache, prefix, signature.digest))
    assert [one["digest"] for one in pull(f"/referrers/{image.digest}").json()["manifests"]] == [signature.digest]


def test_a_layer_is_fetched_once_whoever_wants_it(cache, upstream, prefix, pull):
    image = with_large_layer(upstream, "v1", data=LARGE[::-1])
    layer = image.json()["layers"][0]["digest"]
    pull("/manifests/v1")
    go_on, got = threading.Event(), []

    def dawdles(handler):
        go_on.wait(20)
        return False

    upstream.trick("GET", f"blobs/{layer}", dawdles)
    https = [Http(cache.address, f"Basic {token(cache)}") for _ in range(6)]

    def read(http):
        got.append(http("GET", f"/v2/{prefix}/{NAME}/blobs/{layer}").body)

    threads = [threading.Thread(target=read, args=(http,)) for http in https]
    for thread in threads:
        thread.start()
    until(lambda: upstream.count("GET", f"blobs/{layer}"))
    go_on.set()
    for thread in threads:
        thread.join(30)

    assert got == [LARGE[::-1]] * 6
    assert upstream.count("GET", f"blobs/{layer}") == 1


def test_containerd_names_the_upstream_by_its_own_host(cache, upstream, prefix, pull):
    image = upstream.add_image(NAME, "v1")
    http = Http(cache.address, f"Basic {token(cache)}")

    assert http("GET", f"/v2/{NAME}/manifests/v1?ns={upstream.address}").body == image.body
    assert http("GET", f"/v2/{NAME}/manifests/v1?ns=other.example").code == "NAME_UNKNOWN"


# ---- Tags


def test_a_tag_is_asked_for_again_when_its_time_is_over(cache, upstream, prefix, pull):
    options(cache, prefix, tag_seconds=0)
    first = upstream.add_image(NAME, "v1", seed="first")
    assert pull("/manifests/v1").body == first.body
    until(lambda: is_here(cache, prefix, first.digest))

    second = upstream.add_image(NAME, "v1", seed="second")
    assert pull("/manifests/v1").body == second.body
    until(lambda: is_here(cache, prefix, second.digest))

    assert pull("/manifests/v1").body == second.body
    assert pull(f"/manifests/{first.digest}").body == first.body


def test_what_is_cached_is_served_when_the_upstream_is_down(cache, upstream, prefix, pull):
    options(cache, prefix, tag_seconds=0)
    image = upstream.add_image(NAME, "v1")
    pull("/manifests/v1")
    until(lambda: is_here(cache, prefix, image.digest))

    upstream.trick("GET", "", lambda handler: handler.error(500, "UNKNOWN"))
    upstream.trick("HEAD", "", lambda handler: handler.error(500, "UNKNOWN"))

    assert pull("/manifests/v1").body == image.body
    answer = pull("/manifests/v2")
    assert (answer.status, answer.code) == (503, "UNAVAILABLE")
    assert "answered 500" in answer.message


def test_a_tag_is_refreshed_on_command(cache, upstream, prefix, pull):
    first = upstream.add_image(NAME, "v1", seed="first")
    pull("/manifests/v1")
    until(lambda: is_here(cache, prefix, first.digest))
    second = upstream.add_image(NAME, "v1", seed="second")
    assert pull("/manifests/v1").body == first.body

    done = cache.cli("cache", "refresh", f"{prefix}/{NAME}:v1", "--upstream-allow", "127.0.0.0/8")

    assert second.digest in done.stdout, done.stderr
    assert pull("/manifests/v1").body == second.body


def test_an_immutable_tag_stays(cache, upstream, prefix, pull):
    options(cache, prefix, tag_seconds=0)
    name = f"{prefix}/{NAME}"
    cache.ecr().create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")
    first = upstream.add_image(NAME, "v1", seed="first")
    pull("/manifests/v1")
    until(lambda: is_here(cache, prefix, first.digest))

    upstream.add_image(NAME, "v1", seed="second")

    assert pull("/manifests/v1").body == first.body


# ---- Bad upstreams


def test_a_blob_that_is_not_what_it_is_called_is_neither_served_whole_nor_kept(upstream, pull):
    image = with_large_layer(upstream, "v1", data=b"right" + LARGE)
    layer = image.json()["layers"][0]["digest"]
    pull("/manifests/v1")
    upstream.trick("GET", f"blobs/{layer}", lambda handler: handler.say(200, b"wrong" + LARGE))

    with pytest.raises(Exception, match=r"IncompleteRead|reset|closed"):
        pull(f"/blobs/{layer}")

    upstream.behave()
    assert until(lambda: (again := pull(f"/blobs/{layer}")).status == 200 and again).body == b"right" + LARGE


def test_a_manifest_that_is_not_what_it_is_called_is_not_served(upstream, pull):
    image = upstream.add_image(NAME, "v1")
    upstream.trick("GET", "manifests", lambda handler: handler.say(200, b"{}", content_type=image.media_type))

    assert pull(f"/manifests/{image.digest}").status == 503


def test_an_upstream_that_breaks_off_is_asked_for_the_rest(upstream, pull):
    image = with_large_layer(upstream, "v1", data=b"rest" + LARGE)
    layer = image.json()["layers"][0]["digest"]
    pull("/manifests/v1")
    upstream.trick("GET", "blobs", lambda handler: handler.cut(200, (b"rest" + LARGE)[:1_500_000], len(LARGE) + 4), 1)

    assert pull(f"/blobs/{layer}").body == b"rest" + LARGE


def test_an_upstream_that_leads_to_a_private_address_leads_nowhere(upstream, pull):
    upstream.trick("GET", "manifests", lambda handler: handler.say(307, location="http://169.254.169.254/latest"))

    answer = pull("/manifests/v1")

    assert answer.status == 503
    assert "no address that may be reached" in answer.message


def test_an_upstream_that_wants_a_rest_gets_it(upstream, pull):
    upstream.trick("GET", "manifests", lambda handler: handler.error(429, "TOOMANYREQUESTS", retry_after="60"))

    answer = pull("/manifests/v1")

    assert (answer.status, answer.code) == (429, "TOOMANYREQUESTS")
    assert pull("/manifests/v2").status == 429


def test_what_an_upstream_does_not_have_is_not_asked_for_each_time(cache, upstream, prefix, pull):
    for _ in range(8):
        answer = pull("/manifests/v1")
        assert (answer.status, answer.code) == (404, "NAME_UNKNOWN")

    assert upstream.count("GET", "manifests/v1") <= 2  # once for each process
    assert images(cache, prefix) == []


# ---- Who may


def test_credentials_of_a_secret_are_shown_and_new_ones_as_well(cache, upstream, prefix, pull):
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


def test_whoever_may_not_import_or_create_is_told_that_there_is_nothing(cache, upstream, prefix, pull):
    image = upstream.add_image(NAME, "v1")
    iam = cache.aws_client("iam")
    iam.create_user(UserName=prefix)
    key = iam.create_access_key(UserName=prefix)["AccessKey"]

    def as_user(*actions):
        iam.put_user_policy(UserName=prefix, PolicyName="it", PolicyDocument=policy(LOGIN, allow([*PULL, *actions])))
        login = token(cache, key_id=key["AccessKeyId"], secret=key["SecretAccessKey"])
        return Http(cache.address, f"Basic {login}")("GET", f"/v2/{prefix}/{NAME}/manifests/v1")

    assert as_user("ecr:BatchImportUpstreamImage").code == "NAME_UNKNOWN"
    assert as_user("ecr:CreateRepository").code == "NAME_UNKNOWN"
    cache.ecr().create_repository(repositoryName=f"{prefix}/{NAME}")
    assert as_user("ecr:CreateRepository").code == "MANIFEST_UNKNOWN"
    assert upstream.count("GET", "manifests") == 0
    assert as_user("ecr:BatchImportUpstreamImage").body == image.body
    until(lambda: is_here(cache, prefix, image.digest))
    assert as_user().body == image.body


# ---- Afterwards


def test_an_event_tells_that_a_tag_came_and_a_template_shapes_the_repository(cache, upstream, prefix, pull):
    image = upstream.add_image(NAME, "v1")
    cache.ecr().create_repository_creation_template(
        prefix=prefix, appliedFor=["PULL_THROUGH_CACHE"], imageTagMutability="IMMUTABLE"
    )

    pull("/manifests/v1")
    until(lambda: is_here(cache, prefix, image.digest))

    [made] = cache.ecr().describe_repositories(repositoryNames=[f"{prefix}/{NAME}"])["repositories"]
    assert made["imageTagMutability"] == "IMMUTABLE"
    told = with_backends(cache, lambda on: [one.event for one in registry.events.page(on)])
    [event] = [one for one in told if one.detail.get("ecr-repository-prefix") == prefix]
    assert event.detail_type == "ECR Pull Through Cache Action"
    assert event.detail == {
        "rule-version": "1",
        "sync-status": "SUCCESS",
        "ecr-repository-prefix": prefix,
        "repository-name": f"{prefix}/{NAME}",
        "upstream-registry-url": upstream.address,
        "image-tag": "v1",
        "image-digest": image.digest,
    }


def test_a_process_that_dies_while_it_fetches_leaves_nothing_but_what_is_fetched_again(tmp_path, upstream):
    product = Product(tmp_path / "data", "--upstream-allow", "127.0.0.0/8", "--workers", "1")
    product.ecr().create_pull_through_cache_rule(ecrRepositoryPrefix="hub", upstreamRegistryUrl=upstream.address)
    options(product, "hub", is_plain=True)
    image = with_large_layer(upstream, "v1", data=b"dies" + LARGE)
    layer = image.json()["layers"][0]["digest"]
    is_over = threading.Event()

    def half(handler):
        handler.cut(200, (b"dies" + LARGE)[:2_000_000], len(LARGE) + 4)
        is_over.wait(20)

    http = Http(product.address, f"Basic {token(product)}")
    http("GET", f"/v2/hub/{NAME}/manifests/v1")
    upstream.trick("GET", f"blobs/{layer}", half, 1)

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


def test_a_cache_has_room_for_so_many_bytes_and_keeps_what_was_pushed(cache, upstream, prefix, pull):
    first = with_large_layer(upstream, "v1", data=b"first" + LARGE)
    pull("/manifests/v1")
    until(lambda: is_here(cache, prefix, first.digest))
    second = with_large_layer(upstream, "v2", data=b"second" + LARGE)
    pull("/manifests/v2")
    until(lambda: is_here(cache, prefix, second.digest))
    options(cache, prefix, budget_bytes=len(LARGE) + 100_000)

    with_backends(cache, registry.pull_through.evicting.evict_all)

    assert not is_here(cache, prefix, first.digest)
    assert is_here(cache, prefix, second.digest)
