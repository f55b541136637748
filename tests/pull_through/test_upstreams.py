"""Upstreams that lie, break off, lead elsewhere, want a rest, or want to know who asks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.blobs.spool import Room
from holdfast.model.errors import UpstreamUnavailable
from holdfast.model.names import RepositoryRef
from holdfast.registry.pull_through import Upstreams, importing
from tests import builders
from tests.caches import LARGE, LOOPBACK, NAME, Cache, opened, with_large_layer
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


def test_a_list_of_referrers_without_end_has_one(cache, upstream):
    image = upstream.add_image(NAME, "v1")
    cache.cached("v1")
    cache.clock.pass_(hours=7)
    asked = upstream.count("GET", "referrers")
    one = {"mediaType": builders.OCI_MANIFEST, "digest": builders.digest(b"one"), "size": 1}
    more = f'</v2/{NAME}/referrers/{image.digest}?last=1>; rel="next"'
    page = builders.document(builders.OCI_INDEX, manifests=[one] * 10).body
    upstream.trick("GET", "referrers", lambda handler: handler.say(200, page, link=more))

    assert cache.pull(f"/referrers/{image.digest}").json()["manifests"] == []
    assert upstream.count("GET", "referrers") - asked <= 30


def test_an_index_of_more_than_anybody_needs_is_served_and_not_kept(cache, upstream):
    of_many = [
        {"mediaType": builders.OCI_MANIFEST, "digest": builders.digest(b"%d" % n), "size": 1} for n in range(2001)
    ]
    index = upstream.add(NAME, builders.document(builders.OCI_INDEX, manifests=of_many), "v1")

    assert cache.cached("v1").body == index.body

    assert cache.images() == {}
    assert upstream.count("GET", "manifests") == 1


def test_no_more_manifests_are_on_their_way_than_fit(cache, upstream, monkeypatch):
    monkeypatch.setattr(importing, "MOST_COMING", 2)
    members = [upstream.add_image(NAME, seed=seed) for seed in "abcd"]
    index = upstream.add(NAME, builders.an_index(*members), "v1")

    assert cache.pull("/manifests/v1").body == index.body
    for _ in range(3):
        cache.work(seconds=3)

    assert len(cache.under_way()) == 2
    assert upstream.count("GET", "manifests/sha256") <= 2


def test_a_layer_that_is_larger_than_layers_may_be_is_not_begun(cache, upstream):
    image = with_large_layer(upstream, "v1", data=cache.prefix.encode() + LARGE)
    layer = image.json()["layers"][0]["digest"]
    cache.options(at_once=1)
    cache.pull("/manifests/v1")
    upstream.trick("GET", f"blobs/{layer}", lambda handler: handler.cut(200, b"much more", 10**15))

    assert cache.pull(f"/blobs/{layer}").status == 413
    assert upstream.count("GET", f"blobs/{layer}") == 1


def test_an_upstream_that_refuses_one_thing_is_not_asked_for_it_each_time(cache, upstream):
    image = upstream.add_image(NAME, "v1")
    upstream.trick("GET", "manifests/private", lambda handler: handler.error(403, "DENIED"))

    assert [cache.pull("/manifests/private").status for _ in range(3)] == [403] * 3
    assert upstream.count("GET", "manifests/private") == 1
    assert cache.pull("/manifests/v1").body == image.body


def test_who_reads_slowly_reads_what_is_kept_and_holds_no_other_copy(on, upstream, tmp_path):
    upstreams = Upstreams([LOOPBACK], tmp_path)
    upstreams.room = Room(0)  # all that is not read at once goes to a file
    cache = Cache(replace(on, upstreams=upstreams), upstream)
    data = cache.prefix.encode() + LARGE
    layer = with_large_layer(upstream, "v1", data=data).json()["layers"][0]["digest"]
    cache.options(at_once=1)
    cache.pull("/manifests/v1")
    reader = opened(cache.on, cache.at, layer)
    begun = bytes(reader.read(0)) if reader.has(0, lambda: None) else b""
    spool = reader._flight.spool
    cache.settle()

    while len(begun) < len(data):
        begun += bytes(reader.read(len(begun)))

    assert begun == data
    assert spool._holders == 0
    reader.close()
    for known in upstreams._known.values():
        known.puller._wire.close()
