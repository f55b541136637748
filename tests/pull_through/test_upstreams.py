"""Upstreams that lie, break off, lead elsewhere, want a rest, or want to know who asks."""

from __future__ import annotations

import pytest

from holdfast.model.errors import UpstreamUnavailable
from tests.caches import LARGE, NAME, with_large_layer


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
