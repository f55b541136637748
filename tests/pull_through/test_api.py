"""The ECR API of a cached repository, and what our own operations say of a cache."""

from __future__ import annotations

import re

import pytest

from tests import builders
from tests.caches import NAME, Cache
from tests.grants import LOGIN, PULL, allow

ABSENT = builders.digest(b"absent")


def batch(cache, *ids, **members):
    """What BatchGetImage tells: manifests, and codes of failures by their images."""
    answer = cache.call("BatchGetImage", repositoryName=cache.at.name, imageIds=list(ids), **members)
    if "__type" in answer:
        return answer["__type"], answer["message"]
    failures = {tuple(one["imageId"].values()): one["failureCode"] for one in answer["failures"]}
    return [one["imageManifest"].encode() for one in answer["images"]], failures


def layer_url(cache, digest, **members):
    answer = cache.call("GetDownloadUrlForLayer", repositoryName=cache.at.name, layerDigest=digest, **members)
    return re.sub(r"^https?://[^/]+", "", answer["downloadUrl"]) if "downloadUrl" in answer else answer["__type"]


def test_a_batch_brings_what_only_an_upstream_has(cache, upstream):
    first, second = upstream.add_image(NAME, "v1", seed="first"), upstream.add_image(NAME, seed="second")

    found, failures = batch(
        cache,
        {"imageTag": "v1"},
        {"imageDigest": second.digest},
        {"imageTag": "v1", "imageDigest": second.digest},
        {"imageTag": "v2"},
        {"imageDigest": ABSENT},
        {"imageDigest": "nonsense"},
    )

    assert found == [first.body, second.body]
    assert failures == {
        (second.digest, "v1"): "ImageTagDoesNotMatchDigest",
        ("v2",): "ImageNotFound",
        (ABSENT,): "ImageNotFound",
        ("nonsense",): "InvalidImageDigest",
    }
    cache.settle()
    assert cache.images() == {first.digest: ["v1"], second.digest: []}
    assert batch(cache, {"imageTag": "v1"}) == ([first.body], {})
    assert upstream.count("GET", "manifests/v1") == 1


def test_what_comes_by_tag_is_converted_for_who_accepts_something_else(cache, upstream):
    image = upstream.add_image(NAME, "v1")
    asked = {"repositoryName": cache.at.name, "acceptedMediaTypes": [builders.DOCKER_MANIFEST]}

    [by_tag] = cache.call("BatchGetImage", imageIds=[{"imageTag": "v1"}], **asked)["images"]
    [by_digest] = cache.call("BatchGetImage", imageIds=[{"imageDigest": image.digest}], **asked)["images"]

    assert by_tag["imageManifestMediaType"] == builders.DOCKER_MANIFEST
    assert by_digest["imageManifest"].encode() == image.body


def test_a_stale_tag_is_asked_for_again_and_served_all_the_same_if_that_fails(cache, upstream):
    upstream.add_image(NAME, "v1", seed="first")
    cache.cached("v1")
    second = upstream.add_image(NAME, "v1", seed="second")
    cache.clock.pass_(hours=25)

    assert batch(cache, {"imageTag": "v1"}) == ([second.body], {})

    cache.settle()
    cache.clock.pass_(hours=25)
    for method in ("GET", "HEAD"):
        upstream.trick(method, "", lambda handler: handler.error(500, "UNKNOWN"))
    assert batch(cache, {"imageTag": "v1"}, {"imageTag": "v2"}) == ([second.body], {("v2",): "UpstreamUnavailable"})


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (500, "answered 500"),
        (401, "The authentication to the upstream registry failed. Verify that the credenti"),
        (429, "429"),
    ],
)
def test_if_an_upstream_is_why_nothing_is_had_that_is_said(cache, upstream, status, text):
    upstream.trick("GET", "", lambda handler: handler.error(status, "SO"))

    code, message = batch(cache, {"imageTag": "v1"})

    assert code == "UnableToGetUpstreamImageException"
    assert text in message


def test_layers_come_by_the_addresses_that_are_given_for_them(cache, upstream):
    image = upstream.add_image(NAME, "v1", seed=cache.prefix)
    layer = image.json()["layers"][0]["digest"]
    assert layer_url(cache, layer) == "RepositoryNotFoundException"
    batch(cache, {"imageTag": "v1"})

    for _ in range(2):  # fetched, and while the image is still on its way
        assert cache.ask(layer_url(cache, layer)).body == upstream.blobs[layer]
    cache.settle()
    assert cache.ask(layer_url(cache, layer)).body == upstream.blobs[layer]
    assert upstream.count("GET", f"blobs/{layer}") == 1
    assert layer_url(cache, ABSENT) == "LayersNotFoundException"
    upstream.trick("HEAD", "blobs", lambda handler: handler.error(500, "UNKNOWN"))
    assert layer_url(cache, builders.digest(b"another")) == "UnableToGetUpstreamLayerException"


def test_the_api_asks_for_the_same_leave_as_the_registry_protocol(cache, upstream):
    image = upstream.add_image(NAME, "v1", seed=cache.prefix)
    layer = image.json()["layers"][0]["digest"]
    puller = cache.user("puller", LOGIN, allow([*PULL]))
    importer = cache.user("importer", LOGIN, allow([*PULL, "ecr:BatchImportUpstreamImage"]))

    assert batch(cache, {"imageTag": "v1"}, who=puller)[0] == "RepositoryNotFoundException"
    assert batch(cache, {"imageTag": "v1"}, who=importer)[0] == "RepositoryNotFoundException"
    cache.call("CreateRepository", repositoryName=cache.at.name)
    assert batch(cache, {"imageTag": "v1"}, who=puller) == ([], {("v1",): "ImageNotFound"})
    assert layer_url(cache, layer, who=puller) == "LayersNotFoundException"
    assert upstream.asked == []
    assert batch(cache, {"imageTag": "v1"}, who=importer) == ([image.body], {})
    assert cache.ask(layer_url(cache, layer, who=importer)).body == upstream.blobs[layer]


def test_what_looks_without_pulling_asks_no_upstream(cache, upstream):
    upstream.add_image(NAME, "v1")
    cache.call("CreateRepository", repositoryName=cache.at.name)

    described = cache.call("DescribeImages", repositoryName=cache.at.name, imageIds=[{"imageTag": "v1"}])
    checked = cache.call("BatchCheckLayerAvailability", repositoryName=cache.at.name, layerDigests=[ABSENT])

    assert described["__type"] == "ImageNotFoundException"
    assert checked["layers"] == [{"layerDigest": ABSENT, "layerAvailability": "UNAVAILABLE"}]
    assert upstream.asked == []


# ---- Our own operations


def test_options_are_put_one_by_one_and_told(cache, upstream):
    def put(**members):
        answer = cache.call(
            "PutPullThroughCacheOptions", service="holdfast", ecrRepositoryPrefix=cache.prefix, **members
        )
        return answer.get("cache") or answer["__type"]

    told = put(tagSeconds=60, budgetBytes=10**9, atOnce=2)
    assert told == {
        "ecrRepositoryPrefix": cache.prefix,
        "upstreamRegistryUrl": upstream.address,
        "plainHttp": True,
        "tagSeconds": 60,
        "referrerSeconds": 21600,
        "budgetBytes": 10**9,
        "atOnce": 2,
    }
    assert put(budgetBytes=0) == {name: value for name, value in told.items() if name != "budgetBytes"}
    assert put(atOnce=0) == put(tagSeconds=-1) == put(caCertificates="no PEM") == "InvalidParameterException"
    absent = cache.call("PutPullThroughCacheOptions", service="holdfast", ecrRepositoryPrefix="absent")
    assert absent["__type"] == "PullThroughCacheRuleNotFoundException"


def test_how_caches_stand_is_told(on, cache, upstream):
    Cache(on, upstream)
    cache.options(at_once=1)  # nothing is fetched ahead, so nothing goes well after what goes wrong
    upstream.add_image(NAME, "v1")
    cache.cached("v1")
    coming = upstream.add_image(NAME, "v2", seed="coming")
    cache.pull("/manifests/v2")
    upstream.trick("GET", "manifests/v3", lambda handler: handler.error(500, "UNKNOWN"))
    cache.pull("/manifests/v3")

    def describe(**members):
        return cache.call("DescribePullThroughCaches", service="holdfast", **members)

    answer = describe()

    [one] = [one for one in answer["caches"] if one["ecrRepositoryPrefix"] == cache.prefix]
    assert (one["ecrRepositoryPrefix"], one["imageCount"], one["plainHttp"]) == (cache.prefix, 1, True)
    assert one["sizeBytes"] > 0
    assert "answered 500" in one["failureReason"]
    assert one["failedAt"]
    imports = [one for one in answer["imports"] if one["repositoryName"] == cache.at.name]
    assert [(one["imageTag"], one["imageDigest"]) for one in imports] == [("v2", coming.digest)]
    first = describe(maxResults=1)
    rest = describe(nextToken=first["nextToken"])
    assert [*first["caches"], *rest["caches"]] == answer["caches"]
    assert "imports" not in rest


def test_a_tag_that_no_upstream_has_or_gives_cannot_be_refreshed(cache, upstream):
    def refresh(tag, name=cache.at.name):
        members = {"repositoryName": name, "imageTag": tag}
        return cache.call("RefreshPullThroughCacheTag", service="holdfast", **members)["__type"]

    assert refresh("v1") == "RepositoryNotFoundException"
    cache.call("CreateRepository", repositoryName=cache.at.name)
    assert refresh("v1") == "ImageNotFoundException"
    upstream.trick("GET", "", lambda handler: handler.error(500, "UNKNOWN"))
    assert refresh("v1") == "UnableToGetUpstreamImageException"
    cache.call("CreateRepository", repositoryName="of-no-rule")
    assert refresh("v1", "of-no-rule") == "PullThroughCacheRuleNotFoundException"
