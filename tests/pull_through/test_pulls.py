"""Pulls through a cache rule: what an upstream has is served, and kept."""

from __future__ import annotations

import pytest

from holdfast import registry
from holdfast.model.errors import DatabaseUnavailable
from tests import builders
from tests.caches import LARGE, NAME, with_large_layer
from tests.grants import LOGIN, PULL, allow
from tests.registry.ground import told


def test_an_image_is_served_while_it_comes_and_is_kept(cache, upstream):
    data = cache.prefix.encode() + LARGE
    image = with_large_layer(upstream, "v1", data=data)

    by_tag = cache.pull("/manifests/v1")
    assert (by_tag.status, by_tag.body, by_tag.headers["content-type"]) == (200, image.body, image.media_type)
    assert by_tag.headers["docker-content-digest"] == image.digest
    layer = image.json()["layers"][0]["digest"]
    assert int(cache.pull(f"/blobs/{layer}", "HEAD").headers["content-length"]) == len(data)
    assert cache.pull(f"/blobs/{layer}").body == data
    assert cache.pull(f"/blobs/{layer}", range="bytes=1000000-1000009").body == data[1_000_000:1_000_010]
    cache.settle()

    assert cache.images() == {image.digest: ["v1"]}
    assert cache.pull("/manifests/v1").body == image.body
    assert cache.pull(f"/manifests/{image.digest}").body == image.body
    assert cache.pull(f"/blobs/{layer}").body == data
    assert upstream.count("GET", "manifests/v1") == 1
    assert upstream.count("GET", f"manifests/{image.digest}") == 0
    assert upstream.count("GET", f"blobs/{layer}") == 1


def test_the_first_pull_may_name_a_digest(cache, upstream):
    image = upstream.add_image(NAME)

    assert cache.pull(f"/manifests/{image.digest}").body == image.body
    assert cache.pull(f"/manifests/{builders.digest(b'absent')}").code == "MANIFEST_UNKNOWN"


def test_every_member_of_an_index_comes(cache, upstream):
    members = [upstream.add_image(NAME, seed=seed) for seed in "ab"]
    index = upstream.add(NAME, builders.an_index(*members), "v1")

    assert cache.cached("v1").body == index.body

    assert set(cache.images()) == {index.digest} | {one.digest for one in members}


def test_what_refers_to_an_image_follows(cache, upstream):
    upstream.has_referrers = True
    image = upstream.add_image(NAME, "v1")
    signature = upstream.add_image(NAME, seed="sig", subject=image.descriptor, artifactType="application/sig")

    cache.pull("/manifests/v1")
    listed = cache.pull(f"/referrers/{image.digest}").json()["manifests"]
    assert [one["digest"] for one in listed] == [signature.digest]
    cache.settle()

    assert signature.digest in cache.images()
    listed = cache.pull(f"/referrers/{image.digest}").json()["manifests"]
    assert [one["digest"] for one in listed] == [signature.digest]


def test_containerd_names_the_upstream_by_its_own_host(cache, upstream):
    image = upstream.add_image(NAME, "v1")

    assert cache.ask(f"/v2/{NAME}/manifests/v1?ns={upstream.address}").body == image.body
    assert cache.ask(f"/v2/{NAME}/manifests/v1?ns=other.example").code == "NAME_UNKNOWN"


def test_whoever_may_not_import_or_create_is_told_that_there_is_nothing(cache, upstream):
    image = upstream.add_image(NAME, "v1")

    def as_user(*actions):
        name = f"user-{len(users)}"
        users.append(name)
        return cache.pull("/manifests/v1", who=cache.user(name, LOGIN, allow([*PULL, *actions])))

    users = []
    assert as_user("ecr:BatchImportUpstreamImage").code == "NAME_UNKNOWN"
    assert as_user("ecr:CreateRepository").code == "NAME_UNKNOWN"
    cache.call("CreateRepository", repositoryName=cache.at.name)
    assert as_user("ecr:CreateRepository").code == "MANIFEST_UNKNOWN"
    assert upstream.count("GET", "manifests") == 0
    assert as_user("ecr:BatchImportUpstreamImage").body == image.body
    cache.settle()
    assert as_user().body == image.body


def test_an_event_tells_that_a_tag_came_and_a_template_shapes_the_repository(cache, upstream):
    image = upstream.add_image(NAME, "v1")
    cache.call("CreateRepositoryCreationTemplate", prefix=cache.prefix, appliedFor=["PULL_THROUGH_CACHE"],
               imageTagMutability="IMMUTABLE")  # fmt: skip

    cache.cached("v1")

    [made] = cache.call("DescribeRepositories", repositoryNames=[cache.at.name])["repositories"]
    assert made["imageTagMutability"] == "IMMUTABLE"
    events = told(cache.on, "ECR Pull Through Cache Action")
    assert [one for one in events if one["ecr-repository-prefix"] == cache.prefix] == [
        {
            "rule-version": "1",
            "sync-status": "SUCCESS",
            "ecr-repository-prefix": cache.prefix,
            "repository-name": cache.at.name,
            "upstream-registry-url": upstream.address,
            "image-tag": "v1",
            "image-digest": image.digest,
        }
    ]


def test_a_cache_has_room_for_so_many_bytes_and_keeps_what_was_pushed(cache, upstream):
    first = with_large_layer(upstream, "v1", data=b"first" + LARGE)
    cache.cached("v1")
    second = with_large_layer(upstream, "v2", data=b"second" + LARGE)
    cache.cached("v2")
    cache.options(budget_bytes=len(LARGE) + 100_000)

    registry.pull_through.evicting.evict_all(cache.on)

    assert set(cache.images()) == {second.digest}
    assert cache.pull("/manifests/v1").body == first.body
    assert cache.standing().images == 1


def test_a_blob_for_which_there_was_no_thread_is_fetched_when_there_is_one(on, cache, upstream, monkeypatch):
    data = cache.prefix.encode() + LARGE
    layer = with_large_layer(upstream, "v1", data=data).json()["layers"][0]["digest"]
    cache.options(at_once=1)
    cache.pull("/manifests/v1")

    def begin(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(on.upstreams, "begin", begin)
        with pytest.raises(RuntimeError):
            cache.pull(f"/blobs/{layer}")
    cache.clock.pass_(seconds=15)

    assert cache.pull(f"/blobs/{layer}").body == data


def test_who_waits_for_a_blob_is_told_although_the_database_is_gone_when_it_fails(on, cache, upstream, monkeypatch):
    data = cache.prefix.encode() + LARGE
    layer = with_large_layer(upstream, "v1", data=data).json()["layers"][0]["digest"]
    cache.options(at_once=1)
    cache.pull("/manifests/v1")
    upstream.trick("GET", f"blobs/{layer}", lambda handler: handler.error(500, "UNKNOWN"), 1)

    def failed(*_):
        raise DatabaseUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(on.upstreams, "failed", failed)
        assert cache.pull(f"/blobs/{layer}").status == 503
    cache.clock.pass_(seconds=15)

    assert cache.pull(f"/blobs/{layer}").body == data
