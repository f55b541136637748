"""Pushes below a rule: no upstream is in their way, and what one has need not be sent."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import pytest

from holdfast import registry
from holdfast.registry.pull_through import upstreams
from tests import builders
from tests.caches import LARGE, NAME, Cache, with_large_layer
from tests.grants import LOGIN, PULL, PUSH, allow
from tests.registry.ground import put

ABSENT = builders.digest(b"nowhere")
IMPORT = ["ecr:BatchImportUpstreamImage", "ecr:CreateRepository"]
REFUSALS = {401: "UNAUTHORIZED", 403: "DENIED", 429: "TOOMANYREQUESTS", 500: "UNKNOWN"}


def is_sent(cache, **who):
    """Whether a client that looks first pushes a layer and a tag."""
    found = [cache.pull(path, "HEAD", **who).status for path in (f"/blobs/{ABSENT}", "/manifests/v1")]
    return found == [404, 404]


@pytest.mark.parametrize("status", REFUSALS)
def test_an_upstream_that_refuses_is_not_in_the_way_of_a_push(cache, upstream, status):
    cache.call("CreateRepository", repositoryName=cache.at.name)
    for method in ("HEAD", "GET"):
        upstream.trick(method, "", lambda handler: handler.error(status, REFUSALS[status]))

    assert is_sent(cache)
    assert cache.pull("/manifests/v1").status in {403, 429, 503}  # whoever wants to have it is told why not


def test_an_upstream_that_is_gone_is_not_in_the_way_of_a_push(on):
    cache = Cache(on, SimpleNamespace(address="127.0.0.1:1"))
    cache.call("CreateRepository", repositoryName=cache.at.name)

    assert is_sent(cache)
    assert cache.pull("/manifests/v1").status == 503


def test_a_push_does_not_wait_for_an_upstream_that_does_not_answer(cache, upstream, monkeypatch):
    cache.call("CreateRepository", repositoryName=cache.at.name)
    ends = threading.Event()
    upstream.trick("HEAD", "", lambda _: not ends.wait(20))
    monkeypatch.setattr(upstreams, "SOON_SECONDS", 0.1)

    assert is_sent(cache)
    assert upstream.count("HEAD", "") == 1  # nor does the next one
    ends.set()


def test_a_tag_that_is_to_be_asked_for_again_is_told_at_once_to_whoever_pushes(cache, upstream, monkeypatch):
    image = upstream.add_image(NAME, "v1")
    cache.cached("v1")
    cache.clock.pass_(hours=25)
    ends = threading.Event()
    upstream.trick("HEAD", "", lambda _: not ends.wait(20))
    monkeypatch.setattr(upstreams, "SOON_SECONDS", 0.1)

    assert cache.pull("/manifests/v1", "HEAD").headers["docker-content-digest"] == image.digest
    ends.set()


def test_whoever_may_only_pull_is_told_that_the_upstream_is_the_reason(cache, upstream):
    cache.call("CreateRepository", repositoryName=cache.at.name)
    upstream.trick("HEAD", "", lambda handler: handler.error(500, "UNKNOWN"))
    upstream.trick("GET", "", lambda handler: handler.error(500, "UNKNOWN"))
    puller = cache.user("puller", LOGIN, allow([*PULL, *IMPORT]))
    pusher = cache.user("pusher", LOGIN, allow([*PULL, *PUSH, *IMPORT]))

    assert cache.pull(f"/blobs/{ABSENT}", "HEAD", who=puller).status == 503
    assert cache.pull("/manifests/v1", "HEAD", who=puller).status == 503
    assert is_sent(cache, who=pusher)


@pytest.mark.parametrize("is_through_the_api", [False, True])
def test_what_a_client_need_not_push_is_brought(cache, upstream, is_through_the_api):
    cache.call("CreateRepository", repositoryName=cache.at.name)
    theirs = with_large_layer(upstream, data=cache.prefix.encode() + LARGE)
    layer = theirs.json()["layers"][0]
    parts = {part: theirs.json()[part] for part in ("config", "layers")}
    ours = builders.document(builders.OCI_MANIFEST, annotations={"a": "b"}, **parts)

    assert cache.pull(f"/blobs/{layer['digest']}", "HEAD").status == 200
    if is_through_the_api:
        answer = cache.call("PutImage", repositoryName=cache.at.name, imageManifest=ours.body.decode(), imageTag="v1")
        assert answer["image"]["imageId"]["imageDigest"] == ours.digest
    else:
        assert cache.push("v1", ours).status == 201

    assert cache.pull(f"/blobs/{layer['digest']}").body == cache.prefix.encode() + LARGE
    assert cache.images() == {ours.digest: ["v1"]}


def test_what_a_client_need_not_push_comes_although_the_upstream_stumbles(on, upstream):
    seconds = count()
    cache = Cache(replace(on, monotonic=lambda: float(next(seconds))), upstream)
    cache.call("CreateRepository", repositoryName=cache.at.name)
    image = with_large_layer(upstream, data=cache.prefix.encode() + LARGE)
    upstream.trick("GET", "blobs", lambda handler: handler.cut(200, b"", 10), 1)

    assert cache.push("v1", image).status == 201


def test_a_member_that_a_client_need_not_push_is_brought(cache, upstream):
    cache.call("CreateRepository", repositoryName=cache.at.name)
    member = upstream.add_image(NAME)
    index = builders.an_index(member)
    assert cache.pull(f"/manifests/{member.digest}", "HEAD").status == 200

    pushing = threading.Thread(target=lambda: pushed.append(cache.push("v1", index).status))
    pushed = []
    pushing.start()
    while pushing.is_alive():
        cache.settle()
    pushing.join()

    assert pushed == [201]
    assert cache.images() == {index.digest: ["v1"], member.digest: []}


def test_what_nobody_has_is_missed_as_ever(cache, upstream):
    cache.call("CreateRepository", repositoryName=cache.at.name)
    member = builders.an_image(upstream.add_blob, seed="nobody's")

    assert cache.push("v1", builders.an_index(member)).code == "MANIFEST_BLOB_UNKNOWN"
    upstream.blobs.clear()
    assert cache.push("v1", member).code == "MANIFEST_BLOB_UNKNOWN"


def test_a_tag_that_is_pushed_while_it_is_on_its_way_stays_as_it_was_pushed(cache, upstream):
    upstream.add_image(NAME, "v1", seed="theirs")
    cache.pull("/manifests/v1", "HEAD")  # as clients do before they push

    ours = builders.an_image(cache.upload, seed="ours")
    assert cache.push("v1", ours).status == 201
    cache.settle()

    assert cache.pull("/manifests/v1").body == ours.body
    cache.clock.pass_(hours=25)
    assert cache.pull("/manifests/v1").body == ours.body


def test_an_image_that_somebody_pushed_as_well_is_never_let_go(cache, upstream):
    image = upstream.add_image(NAME, "v1")
    cache.cached("v1")
    put(cache.on, cache.at, image, "ours")
    cache.options(budget_bytes=1)

    registry.pull_through.evicting.evict_all(cache.on)

    assert cache.images() == {image.digest: ["ours", "v1"]}
