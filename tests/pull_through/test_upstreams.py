"""Upstreams that lie, break off, lead elsewhere, want a rest, or want to know who asks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.model.errors import UpstreamUnavailable
from holdfast.model.names import RepositoryRef
from tests import builders
from tests.caches import LARGE, NAME, Cache, with_large_layer
from tests.registry.ground import HOME, create, push_blob


def test_a_blob_that_is_not_what_it_is_called_is_neither_served_whole_nor_kept(cache, upstream):
    data = cache.prefix.encode() + LARGE
    image = with_large_layer(upstream, "v1", data=data)
    layer = image.json()["layers"][0]["digest"]
    cache.options(at_once=1)  # nothing is fetched ahead of whoever asks
    cache.pull("/manifests/v1")
    upstream.trick("GET", f"blobs/{layer}", lambda handler: handler.say(200, b"wrong" + data[5:]))

    with pytest.raises(UpstreamUnavailable, match="sent other bytes"):
        cache.pull(f"/blobs/{layer}")

    upstream.behave()
    assert cache.pull(f"/blobs/{layer}").body == data


def test_a_manifest_that_is_not_what_it_is_called_is_not_served(cache, upstream):
    image = upstream.add_image(NAME, "v1")
    upstream.trick("GET", "manifests", lambda handler: handler.say(200, b"{}", content_type=image.media_type))

    assert cache.pull(f"/manifests/{image.digest}").status == 503


def test_an_upstream_that_breaks_off_is_asked_for_the_rest(cache, upstream):
    data = cache.prefix.encode() + LARGE
    image = with_large_layer(upstream, "v1", data=data)
    layer = image.json()["layers"][0]["digest"]
    upstream.trick("GET", f"blobs/{layer}", lambda handler: handler.cut(200, data[:1_500_000], len(data)), 1)
    cache.pull("/manifests/v1")

    assert cache.pull(f"/blobs/{layer}").body == data


def test_an_upstream_that_leads_to_a_private_address_leads_nowhere(cache, upstream):
    upstream.trick("GET", "manifests", lambda handler: handler.say(307, location="http://169.254.169.254/latest"))

    answer = cache.pull("/manifests/v1")

    assert answer.status == 503
    assert "--upstream-allow" in answer.message


def test_an_upstream_that_wants_a_rest_gets_it(cache, upstream):
    upstream.trick("GET", "manifests", lambda handler: handler.error(429, "TOOMANYREQUESTS", retry_after="60"))

    answer = cache.pull("/manifests/v1")

    assert (answer.status, answer.code) == (429, "TOOMANYREQUESTS")
    assert cache.pull("/manifests/v2").status == 429
    assert upstream.count("GET", "manifests") == 1


def test_what_an_upstream_does_not_have_is_not_asked_for_each_time(cache, upstream):
    for _ in range(3):
        answer = cache.pull("/manifests/v1")
        assert (answer.status, answer.code) == (404, "NAME_UNKNOWN")

    assert upstream.count("GET", "manifests/v1") == 1
    assert cache.images() == {}


def test_an_upstream_that_says_that_it_has_a_layer_of_others_does_not_get_it_served(cache, upstream):
    secret = b"nobody's but ours" + LARGE
    ours = RepositoryRef(HOME, f"ours/{cache.prefix}")
    create(cache.on, ours)
    push_blob(cache.on, ours, secret)
    layer = builders.digest(secret)
    with_large_layer(upstream, "v1", data=secret)
    del upstream.blobs[layer]
    upstream.trick("HEAD", f"blobs/{layer}", lambda handler: handler.say(200, content_length=str(len(secret))))
    cache.call("CreateRepository", repositoryName=cache.at.name)

    assert cache.pull(f"/blobs/{layer}").status == 404
    cache.pull("/manifests/v1")
    cache.clock.pass_(seconds=3)
    assert cache.pull(f"/blobs/{layer}").status == 404


def test_what_one_rule_is_told_says_nothing_of_another(cache, upstream):
    image = upstream.add_image(NAME, "v1")
    upstream.trick("GET", "manifests/v1", lambda handler: handler.error(404, "MANIFEST_UNKNOWN"), 1)
    upstream.trick("GET", "manifests/v2", lambda handler: handler.error(429, "TOOMANYREQUESTS", retry_after="60"), 1)
    other = Cache(cache.on, upstream)
    assert cache.pull("/manifests/v1").status == 404
    assert cache.pull("/manifests/v2").status == 429

    assert other.pull("/manifests/v1").body == image.body


def test_one_thing_that_fails_does_not_take_the_rest_with_it(cache, upstream):
    image = upstream.add_image(NAME, "v1")
    upstream.trick("GET", "manifests/broken", lambda handler: handler.error(500, "UNKNOWN"))

    assert [cache.pull("/manifests/broken").status for _ in range(2)] == [503, 503]
    assert cache.pull("/manifests/v1").body == image.body
    assert upstream.count("GET", "manifests/broken") == 1


def test_after_its_rest_an_upstream_is_tried_by_one_request(on, upstream):
    now = [1000.0]
    cache = Cache(replace(on, monotonic=lambda: now[0]), upstream)
    tried = []

    def fails_after_others_asked(handler):
        if not tried:
            tried.append([cache.pull(f"/manifests/v{number}").status for number in (2, 3)])
        return handler.cut(200, b"", 10)

    upstream.trick("GET", "manifests", lambda handler: handler.cut(200, b"", 10), 1)
    assert cache.pull("/manifests/v1").status == 503
    upstream.trick("GET", "manifests", fails_after_others_asked, 1)
    now[0] += 6
    assert cache.pull("/manifests/v1").status == 503

    assert tried == [[503, 503]]
    assert upstream.count("GET", "manifests") == 2
