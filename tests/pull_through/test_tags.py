"""Tags of a cache: asked for again when their time is over, on command, and after they were restored."""

from __future__ import annotations

from holdfast import registry
from holdfast.model.images import ImageId
from tests import builders
from tests.caches import NAME
from tests.registry.ground import put


def test_a_tag_is_asked_for_again_when_its_time_is_over(cache, upstream):
    first = upstream.add_image(NAME, "v1", seed="first")
    cache.cached("v1")
    second = upstream.add_image(NAME, "v1", seed="second")
    assert cache.pull("/manifests/v1").body == first.body

    cache.clock.pass_(hours=25)
    assert cache.cached("v1").body == second.body

    assert cache.images() == {first.digest: [], second.digest: ["v1"]}
    assert cache.pull("/manifests/v1").body == second.body
    assert cache.pull(f"/manifests/{first.digest}").body == first.body


def test_what_is_cached_is_served_when_the_upstream_is_down(cache, upstream):
    image = upstream.add_image(NAME, "v1")
    cache.cached("v1")
    cache.clock.pass_(hours=25)
    upstream.trick("GET", "", lambda handler: handler.error(500, "UNKNOWN"))
    upstream.trick("HEAD", "", lambda handler: handler.error(500, "UNKNOWN"))

    assert cache.pull("/manifests/v1").body == image.body
    answer = cache.pull("/manifests/v2")
    assert (answer.status, answer.code) == (503, "UNAVAILABLE")
    assert "answered 500" in answer.message


def test_a_tag_is_refreshed_on_command(cache, upstream):
    upstream.add_image(NAME, "v1", seed="first")
    cache.cached("v1")
    second = upstream.add_image(NAME, "v1", seed="second")

    answer = cache.call("RefreshPullThroughCacheTag", service="holdfast", repositoryName=cache.at.name, imageTag="v1")

    assert answer["imageDigest"] == second.digest
    assert cache.pull("/manifests/v1").body == second.body


def test_an_immutable_tag_stays_what_it_was_first(cache, upstream):
    cache.call("CreateRepository", repositoryName=cache.at.name, imageTagMutability="IMMUTABLE")
    first = upstream.add_image(NAME, "v1", seed="first")
    cache.cached("v1")

    upstream.add_image(NAME, "v1", seed="second")
    cache.clock.pass_(hours=25)

    assert cache.cached("v1").body == first.body


def test_a_cached_image_that_was_restored_is_looked_after_as_before(cache, upstream):
    first = upstream.add_image(NAME, "v1", seed="first")
    cache.cached("v1")
    put(cache.on, cache.at, first, "pushed")
    registry.images.delete(cache.on, cache.at, [ImageId(first.digest)])

    registry.undelete.restore_image(cache.on, cache.at, first.digest)

    second = upstream.add_image(NAME, "v1", seed="second")
    upstream.add_image(NAME, "pushed", seed="second")
    assert cache.pull("/manifests/v1").body == first.body
    cache.clock.pass_(hours=25)
    assert cache.pull("/manifests/v1").body == second.body
    assert cache.pull("/manifests/pushed").body == first.body


def test_what_is_cached_is_served_when_the_upstream_sends_nonsense(cache, upstream):
    image = upstream.add_image(NAME, "v1")
    cache.cached("v1")
    cache.clock.pass_(hours=25)
    upstream.trick("HEAD", "manifests/v1", lambda handler: handler.say(200, docker_content_digest=builders.digest(b"")))
    upstream.trick("GET", "manifests/v1", lambda handler: handler.say(200, b"{}", content_type=image.media_type))

    assert cache.pull("/manifests/v1").body == image.body


def test_a_tag_that_is_pushed_while_its_upstream_is_asked_is_asked_for_no_more(cache, upstream):
    upstream.add_image(NAME, "v1")
    cache.cached("v1")
    cache.clock.pass_(hours=25)
    ours = builders.an_image(cache.upload, seed="ours")
    upstream.trick("HEAD", "manifests/v1", lambda _: put(cache.on, cache.at, ours, "v1") is None, 1)
    cache.pull("/manifests/v1")

    cache.clock.pass_(hours=25)
    upstream.add_image(NAME, "v1", seed="second")

    assert cache.cached("v1").body == ours.body


def test_an_index_whose_member_did_not_come_comes_when_it_is_pulled_again(cache, upstream):
    member = upstream.add_image(NAME)
    index = upstream.add(NAME, builders.an_index(member), "v1")
    lost = dict(upstream.blobs)
    upstream.blobs.clear()
    cache.pull("/manifests/v1")
    for _ in range(60):
        for flight in list(cache.on.upstreams.flights.values()):
            assert flight.ended.wait(30)
        cache.on.upstreams.forget(cache.standing().rule)
        cache.work(minutes=30)
    assert cache.under_way() == []

    upstream.blobs.update(lost)
    cache.on.upstreams.forget(cache.standing().rule)
    cache.clock.pass_(hours=25)
    cache.cached("v1")

    assert cache.images() == {index.digest: ["v1"], member.digest: []}
