"""Images and tags, as AWS's own client sees them; the registry protocol shows the same ones."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from tests import builders
from tests.builders import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    an_image,
    an_index,
    descriptor,
    document,
)
from tests.callers import refusal

ACCOUNT = "000000000000"
ABSENT = ["sha256:" + digit * 64 for digit in "ab"]
DETAIL_KEYS = {
    "registryId",
    "repositoryName",
    "imageDigest",
    "imageTags",
    "imageSizeInBytes",
    "imagePushedAt",
    "imageManifestMediaType",
    "artifactMediaType",
    "imageStatus",
}


def where(name, *, registry="the registry"):
    return f"the repository with name '{name}' in {registry} with id '{ACCOUNT}'"


def invalid(field, constraint):
    """What AWS answers about a member that breaks its constraint."""
    return (
        "InvalidParameterException",
        f"Invalid parameter at '{field}' failed to satisfy constraint: '{constraint}'",
    )


def put(ecr, name, manifest, tag=None, **members):
    """Put a manifest through the API."""
    tagged = {} if tag is None else {"imageTag": tag}
    answer = ecr.put_image(repositoryName=name, imageManifest=manifest.body.decode(), **tagged, **members)
    return answer["image"]


def refused(ecr, name, manifest, tag=None, **members):
    """Put a manifest that must be refused: code and message."""
    tagged = {} if tag is None else {"imageTag": tag}
    return refusal(ecr.put_image, repositoryName=name, imageManifest=manifest.body.decode(), **tagged, **members)


def pushed(repository, seed, **members):
    """A manifest whose blobs are there, and that is not itself put yet."""
    return an_image(repository.push_blob, seed=seed, **members)


def ids(ecr, name, **members):
    """Every (digest, tag) of a repository."""
    found = ecr.list_images(repositoryName=name, **members)["imageIds"]
    return [(item["imageDigest"], item.get("imageTag")) for item in found]


def get(ecr, name, *image_ids, **members):
    answer = ecr.batch_get_image(repositoryName=name, imageIds=list(image_ids), **members)
    return answer["images"], answer["failures"]


def delete(ecr, name, *image_ids):
    answer = ecr.batch_delete_image(repositoryName=name, imageIds=list(image_ids))
    return answer["imageIds"], answer["failures"]


def describe(ecr, name, **members):
    return ecr.describe_images(repositoryName=name, **members)["imageDetails"]


# ---- PutImage


def test_a_put_image_is_answered_with_every_key(product, name):
    repository = product.registry(name)
    manifest = pushed(repository, "a")

    image = put(product.ecr(), name, manifest, "v1")

    assert image == {
        "registryId": ACCOUNT,
        "repositoryName": name,
        "imageId": {"imageDigest": manifest.digest, "imageTag": "v1"},
        "imageManifest": manifest.body.decode(),
        "imageManifestMediaType": OCI_MANIFEST,
    }


def test_a_manifest_is_kept_to_the_byte(product, name):
    ecr, repository = product.ecr(), product.registry(name)
    members = pushed(repository, "a").json() | {"annotations": {"é": "/\u2028"}}
    spaced = json.dumps(members, indent=7, ensure_ascii=False)
    manifest = builders.Document(f"\n {spaced}\n\t".encode(), OCI_MANIFEST)

    image = put(ecr, name, manifest, "v1")

    assert image["imageId"]["imageDigest"] == "sha256:" + hashlib.sha256(manifest.body).hexdigest()
    assert get(ecr, name, {"imageTag": "v1"})[0][0]["imageManifest"].encode() == manifest.body
    assert repository("GET", "/manifests/v1").body == manifest.body


def test_an_image_without_a_tag_is_answered_without_one(product, name):
    manifest = pushed(product.registry(name), "a")

    image = put(product.ecr(), name, manifest)

    assert image["imageId"] == {"imageDigest": manifest.digest}
    assert ids(product.ecr(), name) == [(manifest.digest, None)]


def test_the_same_image_under_the_same_tag_exists_already(product, name):
    ecr, manifest = product.ecr(), pushed(product.registry(name), "a")
    put(ecr, name, manifest, "v1")

    answer = refused(ecr, name, manifest, "v1")

    assert answer == (
        "ImageAlreadyExistsException",
        f"Image with digest '{manifest.digest}' and tag 'v1' already exists in " + where(name, registry="registry"),
    )


def test_the_same_image_without_a_tag_exists_already(product, name):
    ecr, manifest = product.ecr(), pushed(product.registry(name), "a")
    put(ecr, name, manifest, "v1")

    answer = refused(ecr, name, manifest)

    assert answer == (
        "ImageAlreadyExistsException",
        f"Image with digest '{manifest.digest}' and tag 'null' already exists in " + where(name, registry="registry"),
    )


def test_an_image_takes_a_further_tag_and_keeps_its_time(product, name):
    ecr, manifest = product.ecr(), pushed(product.registry(name), "a")
    put(ecr, name, manifest, "v1")
    [before] = describe(ecr, name)

    image = put(ecr, name, manifest, "v2")

    [after] = describe(ecr, name)
    assert image["imageId"] == {"imageDigest": manifest.digest, "imageTag": "v2"}
    assert after["imageTags"] == ["v1", "v2"]
    assert after["imagePushedAt"] == before["imagePushedAt"]


def test_a_movable_tag_moves_and_leaves_the_old_image_untagged(product, name):
    ecr, repository = product.ecr(), product.registry(name)
    old, new = pushed(repository, "old"), pushed(repository, "new")
    put(ecr, name, old, "v1")

    put(ecr, name, new, "v1")

    assert ids(ecr, name) == [(old.digest, None), (new.digest, "v1")]
    assert repository("GET", "/manifests/v1").body == new.body


def test_a_wrong_digest_beside_a_manifest_is_refused(product, name):
    ecr, manifest = product.ecr(), pushed(product.registry(name), "a")

    answer = refused(ecr, name, manifest, "v1", imageDigest=ABSENT[0])

    image = f"The image with digest '{ABSENT[0]}' in repository '{name}' and registry ID '{ACCOUNT}'"
    fault = "does not match the image digest that Amazon ECR has calculated."
    assert answer == ("ImageDigestDoesNotMatchException", f"{image} {fault}")
    assert ids(ecr, name) == []


@pytest.mark.parametrize("digest", ["nonsense", "", "sha256:", "md5:" + "0" * 32, "é"])
def test_a_digest_that_is_none_matches_no_manifest(product, name, digest):
    manifest = pushed(product.registry(name), "a")

    assert refused(product.ecr(), name, manifest, imageDigest=digest)[0] == "ImageDigestDoesNotMatchException"


def test_the_right_digest_beside_a_manifest_is_taken(product, name):
    manifest = pushed(product.registry(name), "a")

    image = put(product.ecr(), name, manifest, imageDigest=manifest.digest)

    assert image["imageId"]["imageDigest"] == manifest.digest


def test_layers_that_are_not_there_are_named(product, name):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name)
    layers = [{"mediaType": OCI_LAYER, "digest": digest, "size": 1} for digest in ABSENT]
    manifest = document(OCI_MANIFEST, config=layers[0], layers=[*layers, layers[1]])

    answer = refused(ecr, name, manifest, "v1")

    missing = f"Layers with digests '[{', '.join(ABSENT)}]' required for pushing image into repository"
    place = f"with name '{name}' in the registry with id '{ACCOUNT}'"
    assert answer == ("LayersNotFoundException", f"{missing} {place} do not exist")
    assert ids(ecr, name) == []


def test_images_that_an_index_needs_are_named(product, name):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name)
    index = document(
        OCI_INDEX, manifests=[{"mediaType": OCI_MANIFEST, "digest": digest, "size": 1} for digest in ABSENT]
    )

    answer = refused(ecr, name, index, "v1")

    missing = f"Images with digests '[{', '.join(ABSENT)}]' required for pushing image into repository"
    place = f"with name '{name}' in the registry with id '{ACCOUNT}'"
    assert answer == ("ReferencedImagesNotFoundException", f"{missing} {place} do not exist")


def test_a_layer_of_another_repository_is_not_there(product, name):
    manifest = pushed(product.registry(name), "a")
    product.ecr().create_repository(repositoryName=f"{name}/other")

    assert refused(product.ecr(), f"{name}/other", manifest)[0] == "LayersNotFoundException"


@pytest.mark.parametrize("body", ["nonsense", "{", "\u0000", '{"schemaVersion": 2,}', "[" * 100_000])
def test_a_manifest_that_is_no_json_is_refused_in_ecrs_words(product, name, body):
    product.ecr().create_repository(repositoryName=name)

    answer = refusal(product.ecr().put_image, repositoryName=name, imageManifest=body)

    assert answer == invalid("ImageManifest", "Invalid JSON syntax")


EMPTY = {"mediaType": OCI_CONFIG, "digest": ABSENT[0], "size": 2}


@pytest.mark.parametrize(
    "members",
    [
        [1],
        {},
        {"schemaVersion": 2, "config": EMPTY, "layers": []},
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": EMPTY},
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [EMPTY]},
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": EMPTY, "layers": {}},
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": EMPTY, "layers": [{"digest": "x", "size": 1}]},
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": EMPTY | {"size": -1}, "layers": []},
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": EMPTY | {"size": 2**63}, "layers": []},
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": EMPTY | {"size": "2"}, "layers": []},
        {"schemaVersion": 2, "mediaType": OCI_INDEX},
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "layers": [EMPTY]},
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": EMPTY, "layers": [], "manifests": [EMPTY]},
        {"schemaVersion": 1, "fsLayers": [{"blobSum": ABSENT[0]}]},
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.artifact.manifest.v1+json", "blobs": []},
        {"schemaVersion": 2, "mediaType": "text/plain", "config": EMPTY, "layers": []},
    ],
    ids=lambda members: json.dumps(members)[:70],
)
def test_a_document_that_is_no_manifest_is_refused(product, name, members):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name)

    code, message = refusal(ecr.put_image, repositoryName=name, imageManifest=json.dumps(members))

    assert code == "InvalidParameterException"
    assert message.startswith("Invalid parameter at 'ImageManifest' failed to satisfy constraint: '")
    assert ids(ecr, name) == []


def test_a_manifest_without_a_media_type_needs_one_beside_it(product, name):
    ecr = product.ecr()
    members = pushed(product.registry(name), "a").json()
    del members["mediaType"]
    manifest = builders.Document(json.dumps(members).encode(), OCI_MANIFEST)

    answer = refused(ecr, name, manifest)
    image = put(ecr, name, manifest, imageManifestMediaType=OCI_MANIFEST)

    assert answer[0] == "InvalidParameterException"
    assert image["imageManifestMediaType"] == OCI_MANIFEST


def test_two_media_types_must_be_one(product, name):
    manifest = pushed(product.registry(name), "a")

    answer = refused(product.ecr(), name, manifest, imageManifestMediaType=DOCKER_MANIFEST)

    assert answer[0] == "InvalidParameterException"


def padded(repository, length):
    """A manifest of exactly so many bytes."""
    members = pushed(repository, "padded").json()
    bare = len(json.dumps(members | {"annotations": {"pad": ""}}))
    padding = {"annotations": {"pad": "x" * (length - bare)}}
    return builders.Document(json.dumps(members | padding).encode(), OCI_MANIFEST)


def test_a_manifest_of_four_mebibytes_is_the_largest(product, name):
    ecr, repository = product.ecr(), product.registry(name)
    largest, larger = padded(repository, 4 * 2**20), padded(repository, 4 * 2**20 + 1)

    image = put(ecr, name, largest, "largest")
    answer = refused(ecr, name, larger)

    assert len(largest.body) == 4 * 2**20
    assert image["imageId"]["imageDigest"] == largest.digest
    assert repository("GET", "/manifests/largest").body == largest.body
    assert answer == invalid("imageManifest", "Member must have length less than or equal to 4194304")


def test_a_manifest_is_measured_in_bytes_too(product, name):
    ecr, repository = product.ecr(), product.registry(name)
    wide = json.dumps(pushed(repository, "a").json() | {"annotations": {"é": "é" * 3_000_000}}, ensure_ascii=False)

    answer = refusal(ecr.put_image, repositoryName=name, imageManifest=wide)

    assert answer == invalid("ImageManifest", "The manifest is larger than 4194304 bytes")


@pytest.mark.parametrize("tag", ["v", "_", "A" * 300, "1.2-3_4", "latest"])
def test_a_tag_of_the_grammar_is_taken(product, name, tag):
    ecr, manifest = product.ecr(), pushed(product.registry(name), "a")

    put(ecr, name, manifest, tag)

    assert ids(ecr, name) == [(manifest.digest, tag)]


@pytest.mark.parametrize(
    "tag",
    ["", "A" * 301, "-v", ".v", "a b", "a/b", "a:b", "é", "v1\n", "a@b", "*"],
    ids=["empty", "long", "dash", "dot", "space", "slash", "colon", "accent", "newline", "at", "star"],
)
def test_a_tag_outside_the_grammar_is_refused(product, name, tag):
    ecr, manifest = product.ecr(), pushed(product.registry(name), "a")
    members = {"repositoryName": name, "imageManifest": manifest.body.decode(), "imageTag": tag}

    code, message = product.aws().refusal("PutImage", members)

    assert code == "InvalidParameterException"
    assert message.startswith("Invalid parameter at 'imageTag' failed to satisfy constraint: '")
    assert ids(ecr, name) == []


def test_an_image_has_at_most_a_thousand_tags(product, name):
    ecr, repository = product.ecr(), product.registry(name)
    manifest = repository.push_image(seed="a")
    for tens in range(100):
        tags = "&".join(f"tag=v{tens}{ones}" for ones in range(10))
        assert repository.push_manifest(manifest, f"{manifest.digest}?{tags}").status == 201

    answer = refused(ecr, name, manifest, "one-more")
    again = refused(ecr, name, manifest, "v00")

    assert answer[0] == "LimitExceededException"
    assert again[0] == "ImageAlreadyExistsException"
    assert len(ids(ecr, name, maxResults=1000)) == 1000


# ---- How movable tags are


def test_a_frozen_tag_is_not_moved(product, name):
    ecr, repository = product.ecr(), product.registry(name)
    ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability="IMMUTABLE")
    old, new = pushed(repository, "old"), pushed(repository, "new")
    put(ecr, name, old, "v1")

    answer = refused(ecr, name, new, "v1")
    again = refused(ecr, name, old, "v1")

    taken = f"The image tag 'v1' already exists in the '{name}' repository"
    assert answer == (
        "ImageTagAlreadyExistsException",
        f"{taken} and cannot be overwritten because the tag is immutable.",
    )
    assert again[0] == "ImageAlreadyExistsException"
    assert ids(ecr, name) == [(old.digest, "v1")]


def test_freezing_tags_concerns_later_pushes_only(product, name):
    ecr, repository = product.ecr(), product.registry(name)
    old, new = repository.push_image("v1", seed="old"), pushed(repository, "new")

    ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability="IMMUTABLE")

    assert repository("GET", "/manifests/v1").body == old.body
    assert refused(ecr, name, new, "v1")[0] == "ImageTagAlreadyExistsException"
    assert put(ecr, name, new, "v2")["imageId"]["imageTag"] == "v2"


def test_a_frozen_tag_can_be_deleted_and_pushed_again(product, name):
    ecr, repository = product.ecr(), product.registry(name)
    ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability="IMMUTABLE")
    repository.push_image("v1", seed="old")
    new = pushed(repository, "new")

    delete(ecr, name, {"imageTag": "v1"})
    put(ecr, name, new, "v1")

    assert ids(ecr, name) == [(new.digest, "v1")]


def test_a_refused_tag_leaves_no_image_behind(product, name):
    ecr, repository = product.ecr(), product.registry(name)
    ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability="IMMUTABLE")
    old, new = repository.push_image("v1", seed="old"), pushed(repository, "new")

    refused(ecr, name, new, "v1")

    assert ids(ecr, name) == [(old.digest, "v1")]


# The filter → tags that it matches, and tags that it does not.
FILTERED = {
    "latest": (["latest"], ["latest2", "xlatest", "Latest"]),
    "dev-*": (["dev-", "dev-1", "dev-a-b"], ["dev", "xdev-1"]),
    "*-rc": (["-rc", "v1-rc"][1:], ["v1-rc1", "rc"]),
    "v*.0*": (["v1.0", "v.0", "v1.0.1"], ["v1x0", "v1", "1.0"]),
    "v1.0": (["v1.0"], ["v1x0", "v1.00"]),
    "*": (["anything", "v1"], []),
}


@pytest.mark.parametrize("setting", ["IMMUTABLE_WITH_EXCLUSION", "MUTABLE_WITH_EXCLUSION"])
@pytest.mark.parametrize("pattern", FILTERED)
def test_a_filter_turns_the_setting_around_for_the_tags_it_matches(product, name, setting, pattern):
    ecr, repository = product.ecr(), product.registry(name)
    ecr.put_image_tag_mutability(
        repositoryName=name,
        imageTagMutability=setting,
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": pattern}],
    )
    old, new = pushed(repository, "old"), pushed(repository, "new")
    matched, others = FILTERED[pattern]
    for tag in matched + others:
        put(ecr, name, old, tag)

    movable, frozen = (matched, others) if setting.startswith("IMM") else (others, matched)
    moved = [put(ecr, name, new, tag)["imageId"]["imageTag"] for tag in movable]
    codes = {refused(ecr, name, new, tag)[0] for tag in frozen}

    assert moved == movable
    assert codes == ({"ImageTagAlreadyExistsException"} if frozen else set())


def test_one_of_several_filters_is_enough(product, name):
    ecr, repository = product.ecr(), product.registry(name)
    filters = [{"filterType": "WILDCARD", "filter": pattern} for pattern in ("nightly", "dev-*")]
    ecr.put_image_tag_mutability(
        repositoryName=name,
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=filters,
    )
    old, new = pushed(repository, "old"), pushed(repository, "new")
    for tag in ("nightly", "dev-1", "v1"):
        put(ecr, name, old, tag)

    put(ecr, name, new, "nightly")
    put(ecr, name, new, "dev-1")

    assert refused(ecr, name, new, "v1")[0] == "ImageTagAlreadyExistsException"
    assert ids(ecr, name) == [(old.digest, "v1"), (new.digest, "dev-1"), (new.digest, "nightly")]


# ---- Both doors show the same


def test_an_image_put_by_the_api_is_pulled_by_the_registry_protocol(product, name):
    repository = product.registry(name)
    manifest = pushed(repository, "a", docker=True)

    put(product.ecr(), name, manifest, "v1")

    by_tag, by_digest = repository("GET", "/manifests/v1"), repository("GET", f"/manifests/{manifest.digest}")
    assert (by_tag.status, by_tag.body) == (200, manifest.body)
    assert by_tag.headers["content-type"] == DOCKER_MANIFEST
    assert by_tag.headers["docker-content-digest"] == manifest.digest
    assert by_digest.body == manifest.body
    assert repository("GET", "/tags/list").json()["tags"] == ["v1"]


def test_an_image_pushed_by_the_registry_protocol_is_got_by_the_api(product, name):
    manifest = product.registry(name).push_image("v1")

    images, failures = get(product.ecr(), name, {"imageTag": "v1"})

    assert failures == []
    assert images == [
        {
            "registryId": ACCOUNT,
            "repositoryName": name,
            "imageId": {"imageDigest": manifest.digest, "imageTag": "v1"},
            "imageManifest": manifest.body.decode(),
            "imageManifestMediaType": OCI_MANIFEST,
        }
    ]


def test_what_one_door_deletes_is_gone_from_the_other(product, name):
    ecr, repository = product.ecr(), product.registry(name)
    kept, gone = repository.push_image("kept"), repository.push_image("gone")

    delete(ecr, name, {"imageTag": "gone"})
    repository("DELETE", f"/manifests/{kept.digest}")

    assert repository("GET", f"/manifests/{gone.digest}").status == 404
    assert ids(ecr, name) == []


# ---- BatchGetImage


def test_images_are_got_by_tag_by_digest_and_by_both(product, name):
    ecr, manifest = product.ecr(), product.registry(name).push_image("v1")
    asked = [
        {"imageTag": "v1"},
        {"imageDigest": manifest.digest},
        {"imageDigest": manifest.digest, "imageTag": "v1"},
    ]

    images, failures = get(ecr, name, *asked)

    assert failures == []
    assert [image["imageId"] for image in images] == [asked[2], asked[1], asked[2]]
    assert {image["imageManifest"] for image in images} == {manifest.body.decode()}


def test_an_image_asked_for_twice_is_answered_once(product, name):
    ecr, manifest = product.ecr(), product.registry(name).push_image("v1")

    images, _ = get(ecr, name, {"imageDigest": manifest.digest}, {"imageDigest": manifest.digest})

    assert len(images) == 1


NULL = "Invalid request parameters: both tag and digest cannot be null"
DIGEST_REGEX = "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"


@pytest.mark.parametrize("operation", ["BatchGetImage", "BatchDeleteImage"])
@pytest.mark.parametrize(
    ("image_id", "code", "reason"),
    [
        ({}, "MissingDigestAndTag", NULL),
        ({"imageTag": "absent"}, "ImageNotFound", "Requested image not found"),
        ({"imageDigest": ABSENT[0]}, "ImageNotFound", "Requested image not found"),
        ({"imageDigest": ABSENT[0], "imageTag": "absent"}, "ImageNotFound", "Requested image not found"),
        ({"imageDigest": "md5:00"}, "ImageNotFound", "Requested image not found"),
        ({"imageDigest": "nonsense"}, "InvalidImageDigest", DIGEST_REGEX),
        ({"imageDigest": ""}, "InvalidImageDigest", DIGEST_REGEX),
        ({"imageDigest": f"{ABSENT[0]}\n"}, "InvalidImageDigest", DIGEST_REGEX),
        ({"imageDigest": "sha256:xyz", "imageTag": "v1"}, "InvalidImageDigest", DIGEST_REGEX),
        ({"imageTag": "a b"}, "InvalidImageTag", None),
        ({"imageDigest": ABSENT[0], "imageTag": "v1"}, "ImageTagDoesNotMatchDigest", None),
    ],
)
def test_what_cannot_be_had_is_told_item_by_item(product, name, operation, image_id, code, reason):
    manifest = product.registry(name).push_image("v1")
    good = {"imageDigest": manifest.digest}

    answer = product.aws()(operation, {"repositoryName": name, "imageIds": [image_id, good]})

    body = answer.json()
    assert answer.status == 200
    [failure] = body["failures"]
    assert set(failure) == {"imageId", "failureCode", "failureReason"}
    assert failure["imageId"] == image_id
    assert failure["failureCode"] == code
    assert reason is None or failure["failureReason"] == reason
    assert len(body["images" if operation == "BatchGetImage" else "imageIds"]) == 1


@pytest.mark.parametrize("operation", ["BatchGetImage", "BatchDeleteImage", "DescribeImages"])
@pytest.mark.parametrize(("count", "word"), [(0, "greater than or equal to 1"), (101, "less than or equal to 100")])
def test_a_batch_has_one_to_a_hundred_items(product, operation, count, word):
    members = {"repositoryName": "ab", "imageIds": [{"imageTag": "v1"}] * count}

    answer = product.aws().refusal(operation, members)

    assert answer == invalid("imageIds", f"Member must have length {word}")


def test_a_batch_of_a_hundred_is_answered(product, name):
    manifest = product.registry(name).push_image("v1")
    asked = [{"imageDigest": manifest.digest}, *({"imageTag": f"absent-{number}"} for number in range(99))]

    images, failures = get(product.ecr(), name, *asked)

    assert (len(images), len(failures)) == (1, 99)


@pytest.mark.parametrize("docker", [True, False])
def test_an_image_got_by_tag_is_told_in_the_words_that_are_accepted(product, name, docker):
    stored, other = (DOCKER_MANIFEST, OCI_MANIFEST) if docker else (OCI_MANIFEST, DOCKER_MANIFEST)
    config, layer = (OCI_CONFIG, OCI_LAYER) if docker else (DOCKER_CONFIG, DOCKER_LAYER)
    manifest = product.registry(name).push_image("v1", docker=docker)
    ecr = product.ecr()

    [as_is] = get(ecr, name, {"imageTag": "v1"}, acceptedMediaTypes=[other, stored])[0]
    [converted] = get(ecr, name, {"imageTag": "v1"}, acceptedMediaTypes=[other])[0]
    [by_digest] = get(ecr, name, {"imageDigest": manifest.digest}, acceptedMediaTypes=[other])[0]

    assert (as_is["imageManifestMediaType"], as_is["imageManifest"]) == (stored, manifest.body.decode())
    assert (by_digest["imageManifestMediaType"], by_digest["imageManifest"]) == (stored, manifest.body.decode())
    told = json.loads(converted["imageManifest"])
    assert converted["imageManifestMediaType"] == told["mediaType"] == other
    assert (told["config"]["mediaType"], told["layers"][0]["mediaType"]) == (config, layer)
    assert told["layers"][0]["digest"] == manifest.json()["layers"][0]["digest"]


@pytest.mark.parametrize("value", ["1e999", "9" * 5000])
def test_an_image_with_members_that_cannot_be_read_is_told_as_it_is(product, name, value):
    repository = product.registry(name)
    image = repository.push_image(seed="a")
    odd = builders.Document(image.body[:-1] + f', "x": {value}}}'.encode(), OCI_MANIFEST)
    repository.push_manifest(odd, "v1")

    [told] = get(product.ecr(), name, {"imageTag": "v1"}, acceptedMediaTypes=[DOCKER_MANIFEST])[0]

    assert (told["imageManifestMediaType"], told["imageManifest"]) == (OCI_MANIFEST, odd.body.decode())


def test_an_index_is_never_told_as_an_image(product, name):
    repository = product.registry(name)
    child = repository.push_image(seed="child")
    index = an_index(child)
    repository.push_manifest(index, "v1")

    [image] = get(product.ecr(), name, {"imageTag": "v1"}, acceptedMediaTypes=[DOCKER_MANIFEST])[0]

    assert image["imageManifestMediaType"] == OCI_INDEX
    assert image["imageManifest"] == index.body.decode()


# ---- BatchDeleteImage


def test_deleting_one_of_two_tags_leaves_the_image(product, name):
    ecr, repository = product.ecr(), product.registry(name)
    manifest = repository.push_image("v1", seed="a")
    repository.push_manifest(manifest, "v2")

    removed, failures = delete(ecr, name, {"imageTag": "v1"})

    assert removed == [{"imageDigest": manifest.digest, "imageTag": "v1"}]
    assert failures == []
    assert ids(ecr, name) == [(manifest.digest, "v2")]


def test_deleting_the_last_tag_deletes_the_image(product, name):
    ecr, manifest = product.ecr(), product.registry(name).push_image("v1")

    removed, _ = delete(ecr, name, {"imageTag": "v1"})

    assert removed == [{"imageDigest": manifest.digest, "imageTag": "v1"}]
    assert ids(ecr, name) == []


def test_deleting_a_digest_deletes_every_tag_of_it(product, name):
    ecr, repository = product.ecr(), product.registry(name)
    manifest = repository.push_image("v1", seed="a")
    repository.push_manifest(manifest, "v2")

    removed, _ = delete(ecr, name, {"imageDigest": manifest.digest})

    assert removed == [{"imageDigest": manifest.digest, "imageTag": tag} for tag in ("v1", "v2")]
    assert ids(ecr, name) == []


def test_deleting_an_untagged_image_answers_with_its_digest_only(product, name):
    ecr, manifest = product.ecr(), product.registry(name).push_image()

    removed, _ = delete(ecr, name, {"imageDigest": manifest.digest})

    assert removed == [{"imageDigest": manifest.digest}]


def test_deleting_a_digest_with_a_tag_removes_that_tag_only(product, name):
    ecr, repository = product.ecr(), product.registry(name)
    manifest = repository.push_image("v1", seed="a")
    repository.push_manifest(manifest, "v2")

    removed, failures = delete(ecr, name, {"imageDigest": manifest.digest, "imageTag": "v1"})

    assert (removed, failures) == ([{"imageDigest": manifest.digest, "imageTag": "v1"}], [])
    assert ids(ecr, name) == [(manifest.digest, "v2")]


def test_an_image_that_an_index_lists_is_kept_until_the_index_goes(product, name):
    ecr, repository = product.ecr(), product.registry(name)
    child = repository.push_image(seed="child")
    index = an_index(child)
    repository.push_manifest(index, "v1")

    _, failures = delete(ecr, name, {"imageDigest": child.digest})
    removed, _ = delete(ecr, name, {"imageTag": "v1"}, {"imageDigest": child.digest})

    assert failures == [
        {
            "imageId": {"imageDigest": child.digest},
            "failureCode": "ImageReferencedByManifestList",
            "failureReason": f"Requested image referenced by manifest list: [{index.digest}]",
        }
    ]
    assert removed == [{"imageDigest": index.digest, "imageTag": "v1"}, {"imageDigest": child.digest}]


def test_the_last_tag_of_an_image_that_an_index_lists_stays(product, name):
    ecr, repository = product.ecr(), product.registry(name)
    child = repository.push_image("child")
    repository.push_manifest(an_index(child), "v1")

    removed, failures = delete(ecr, name, {"imageTag": "child"})

    assert removed == []
    assert failures[0]["failureCode"] == "ImageReferencedByManifestList"
    assert repository("GET", "/manifests/child").status == 200


def test_one_failure_stops_no_other_deletion(product, name):
    ecr, repository = product.ecr(), product.registry(name)
    first, last = repository.push_image("first"), repository.push_image("last")

    removed, failures = delete(ecr, name, {"imageTag": "first"}, {"imageTag": "absent"}, {"imageTag": "last"})

    assert [item["imageDigest"] for item in removed] == [first.digest, last.digest]
    assert [failure["imageId"] for failure in failures] == [{"imageTag": "absent"}]


# ---- ListImages


def test_every_tag_and_every_untagged_image_is_listed(product, name):
    ecr, repository = product.ecr(), product.registry(name)
    tagged, untagged = repository.push_image("v2"), repository.push_image()
    repository.push_manifest(tagged, "v1")

    assert ids(ecr, name) == [(tagged.digest, "v1"), (tagged.digest, "v2"), (untagged.digest, None)]
    assert ids(ecr, name, filter={"tagStatus": "TAGGED"}) == [(tagged.digest, "v1"), (tagged.digest, "v2")]
    assert ids(ecr, name, filter={"tagStatus": "UNTAGGED"}) == [(untagged.digest, None)]
    assert len(ids(ecr, name, filter={"tagStatus": "ANY"})) == 3


@pytest.mark.parametrize(("status", "count"), [("ACTIVE", 1), ("ANY", 1), ("ARCHIVED", 0), ("ACTIVATING", 0)])
def test_images_are_listed_by_their_status(product, name, status, count):
    ecr = product.ecr()
    product.registry(name).push_image("v1")

    assert len(ids(ecr, name, filter={"imageStatus": status})) == count
    assert len(describe(ecr, name, filter={"imageStatus": status})) == count


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_a_page_may_end_between_two_tags_of_an_image(product, name, size):
    ecr, repository = product.ecr(), product.registry(name)
    for seed, tags in [("a", ["a1", "a2", "a3"]), ("b", []), ("c", ["c1"]), ("d", ["d1", "d2"])]:
        manifest = repository.push_image(seed=seed)
        for tag in tags:
            repository.push_manifest(manifest, tag)
    whole = ids(ecr, name)

    pages = list(ecr.get_paginator("list_images").paginate(repositoryName=name, PaginationConfig={"PageSize": size}))

    assert [tag for _, tag in whole] == ["a1", "a2", "a3", None, "c1", "d1", "d2"]
    assert [len(page["imageIds"]) for page in pages[:-1]] == [size] * (len(pages) - 1)
    assert [(i["imageDigest"], i.get("imageTag")) for page in pages for i in page["imageIds"]] == whole
    assert "nextToken" not in pages[-1]


def test_a_filter_holds_on_every_page(product, name):
    ecr, repository = product.ecr(), product.registry(name)
    for number in range(5):
        repository.push_image(f"v{number}" if number % 2 else None, seed=f"{number}")
    paging = {"repositoryName": name, "filter": {"tagStatus": "UNTAGGED"}, "PaginationConfig": {"PageSize": 2}}

    listed = [len(page["imageIds"]) for page in ecr.get_paginator("list_images").paginate(**paging)]
    described = [len(page["imageDetails"]) for page in ecr.get_paginator("describe_images").paginate(**paging)]

    assert listed == described == [2, 1]


@pytest.mark.parametrize("operation", ["ListImages", "DescribeImages"])
@pytest.mark.parametrize(("member", "words"), [("tagStatus", "TAGGED"), ("imageStatus", "ACTIVE")])
def test_a_filter_has_known_words(product, operation, member, words):
    members = {"repositoryName": "ab", "filter": {member: "SOMETIMES"}}

    code, message = product.aws().refusal(operation, members)

    assert code == "InvalidParameterException"
    assert f"'{member}'" in message
    assert words in message


# ---- DescribeImages


def test_an_image_is_described_with_every_key(product, name):
    before = datetime.now(UTC)
    manifest = product.registry(name).push_image("v1")

    [detail] = describe(product.ecr(), name, imageIds=[{"imageTag": "v1"}])

    assert set(detail) == DETAIL_KEYS
    assert detail["registryId"] == ACCOUNT
    assert detail["repositoryName"] == name
    assert detail["imageDigest"] == manifest.digest
    assert detail["imageTags"] == ["v1"]
    assert timedelta(seconds=-1) < detail["imagePushedAt"] - before < timedelta(seconds=60)
    assert detail["imageManifestMediaType"] == OCI_MANIFEST
    assert detail["artifactMediaType"] == OCI_CONFIG
    assert detail["imageStatus"] == "ACTIVE"


def test_the_size_of_an_image_is_that_of_its_config_and_layers(product, name):
    repository = product.registry(name)
    config, layers = b"{}", [b"x" * 1000, b"y" * 234]
    for blob in (config, *layers):
        repository.push_blob(blob)
    manifest = document(
        OCI_MANIFEST, config=descriptor(OCI_CONFIG, config), layers=[descriptor(OCI_LAYER, layer) for layer in layers]
    )

    put(product.ecr(), name, manifest)

    assert describe(product.ecr(), name)[0]["imageSizeInBytes"] == 1236


def test_the_size_of_an_index_is_that_of_its_largest_member(product, name):
    repository = product.registry(name)
    children = [repository.push_image(seed="x" * length) for length in (1, 500, 20)]
    index = an_index(*children)
    repository.push_manifest(index, "v1")

    sizes = {detail["imageDigest"]: detail["imageSizeInBytes"] for detail in describe(product.ecr(), name)}

    assert sizes[index.digest] == max(sizes[child.digest] for child in children) > 1000


def test_sizes_that_cannot_be_true_are_refused(product, name):
    repository = product.registry(name)
    repository.push_blob(b"{}")
    huge = descriptor(OCI_LAYER, b"{}") | {"size": 2**63 - 1}
    manifest = document(OCI_MANIFEST, config=descriptor(OCI_CONFIG, b"{}"), layers=[huge, huge])

    assert refused(product.ecr(), name, manifest, "v1")[0] == "InvalidParameterException"


def test_an_untagged_image_is_described_without_tags(product, name):
    product.registry(name).push_image()

    [detail] = describe(product.ecr(), name)

    assert set(detail) == DETAIL_KEYS - {"imageTags"}


def test_the_subject_of_an_artifact_is_described(product, name):
    repository = product.registry(name)
    image = repository.push_image("v1")
    repository.push_image(seed="signature", subject=image.descriptor, artifactType="application/x-signature")

    details = {detail.get("subjectManifestDigest"): detail for detail in describe(product.ecr(), name)}

    assert set(details) == {None, image.digest}
    assert details[image.digest]["artifactMediaType"] == "application/x-signature"


def test_the_subject_of_an_artifact_may_be_absent(product, name):
    repository = product.registry(name)
    manifest = pushed(repository, "a", subject={"mediaType": OCI_MANIFEST, "digest": ABSENT[0], "size": 7})

    put(product.ecr(), name, manifest)

    assert describe(product.ecr(), name)[0]["subjectManifestDigest"] == ABSENT[0]


@pytest.mark.parametrize(
    ("image_id", "shown"),
    [
        ({"imageTag": "absent"}, "{imageDigest:'null', imageTag:'absent'}"),
        ({"imageDigest": ABSENT[0]}, f"{{imageDigest:'{ABSENT[0]}', imageTag:'null'}}"),
        ({"imageDigest": ABSENT[0], "imageTag": "v1"}, f"{{imageDigest:'{ABSENT[0]}', imageTag:'v1'}}"),
    ],
)
def test_one_unknown_image_fails_the_whole_description(product, name, image_id, shown):
    product.registry(name).push_image("v1")

    answer = refusal(product.ecr().describe_images, repositoryName=name, imageIds=[{"imageTag": "v1"}, image_id])

    assert answer == (
        "ImageNotFoundException",
        f"The image with imageId {shown} does not exist within {where(name)}",
    )


def test_an_image_without_digest_and_tag_cannot_be_described(product, name):
    product.registry(name).push_image("v1")

    code, message = refusal(product.ecr().describe_images, repositoryName=name, imageIds=[{}])

    assert code == "InvalidParameterException"
    assert "both tag and digest cannot be null" in message


def test_an_image_named_in_two_ways_is_described_once(product, name):
    manifest = product.registry(name).push_image("v1")

    details = describe(product.ecr(), name, imageIds=[{"imageTag": "v1"}, {"imageDigest": manifest.digest}])

    assert [detail["imageDigest"] for detail in details] == [manifest.digest]


def test_images_are_described_in_pages(product, name):
    ecr, repository = product.ecr(), product.registry(name)
    wanted = [repository.push_image(f"v{number}").digest for number in range(5)]

    pages = list(ecr.get_paginator("describe_images").paginate(repositoryName=name, PaginationConfig={"PageSize": 2}))

    assert [len(page["imageDetails"]) for page in pages] == [2, 2, 1]
    assert [detail["imageDigest"] for page in pages for detail in page["imageDetails"]] == wanted
    assert ["nextToken" in page for page in pages] == [True, True, False]


@pytest.mark.parametrize("member", [{"maxResults": 5}, {"nextToken": "x"}])
def test_named_images_come_in_no_pages(product, name, member):
    product.registry(name).push_image("v1")

    code, message = refusal(product.ecr().describe_images, repositoryName=name, imageIds=[{"imageTag": "v1"}], **member)

    assert code == "InvalidParameterException"
    assert next(iter(member)) in message


def test_a_docker_manifest_list_is_kept_like_an_index(product, name):
    repository = product.registry(name)
    index = an_index(repository.push_image(seed="child", docker=True), media_type=DOCKER_LIST)

    image = put(product.ecr(), name, index, "v1")

    assert image["imageManifestMediaType"] == DOCKER_LIST
    assert repository("GET", "/manifests/v1").headers["content-type"] == DOCKER_LIST
