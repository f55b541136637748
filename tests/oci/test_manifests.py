"""Manifests: every kind there is, byte for byte; what is refused, and what holds what."""

import json

import pytest

from tests import builders
from tests.builders import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    EMPTY_CONFIG,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Document,
)
from tests.callers import Wire

ABSENT = f"sha256:{'0' * 64}"
EMPTY = builders.descriptor(EMPTY_CONFIG, b"{}")
MAXIMUM = 4 * 1024 * 1024


def an_artifact(repository, *, layers=(EMPTY,), **members):
    """An artifact as oras and cosign push it; its empty config is pushed."""
    repository.push_blob(b"{}")
    return builders.document(OCI_MANIFEST, config=EMPTY, layers=list(layers), **members)


def padded(repository, size):
    """A manifest of exactly that many bytes."""
    image = an_artifact(repository, annotations={"padding": ""})
    padding = b"x" * (size - len(image.body))
    return Document(image.body.replace(b'"padding": ""', b'"padding": "' + padding + b'"'), OCI_MANIFEST)


KINDS = {
    "Docker image": lambda r: builders.an_image(r.push_blob, docker=True),
    "Docker list": lambda r: builders.an_index(r.push_image(docker=True), media_type=DOCKER_LIST),
    "OCI image": lambda r: builders.an_image(r.push_blob),
    "OCI index": lambda r: builders.an_index(r.push_image("a"), r.push_image("b")),
    "index of an index": lambda r: builders.an_index(pushed_index(r)),
    "empty index": lambda _: builders.an_index(),
    "image without layers": lambda r: an_artifact(r, layers=()),
    "layers as Go writes an empty list": lambda r: Document(
        an_artifact(r).body.replace(b"[" + json.dumps(EMPTY).encode() + b"]", b"null"), OCI_MANIFEST
    ),
    "artifact": lambda r: an_artifact(r, artifactType="application/vnd.example.sbom"),
    "artifact with subject": lambda r: an_artifact(r, subject=r.push_image().descriptor),
    "artifact with a subject to come": lambda r: an_artifact(r, subject={**EMPTY, "digest": ABSENT}),
    "index as artifact": lambda r: builders.an_index(
        r.push_image(), artifactType="application/vnd.example.bundle", subject=r.push_image().descriptor
    ),
    "unknown members": lambda r: an_artifact(r, com_example={"any": [1, None, "ü"]}),
    "inline data": lambda r: an_artifact(r, layers=[{**EMPTY, "data": "e30="}]),
    "layout of its own": lambda r: Document(
        b"\n" + json.dumps(an_artifact(r).json(), indent=3).encode() + b" \n", OCI_MANIFEST
    ),
}


def pushed_index(repository):
    index = builders.an_index(repository.push_image("child"))
    assert repository.push_manifest(index).status == 201
    return index


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_comes_back_byte_for_byte(product, name, kind):
    repository = product.registry(name)
    document = KINDS[kind](repository)

    pushed = repository.push_manifest(document, "it")

    assert pushed.status == 201, pushed
    for reference in ("it", document.digest):
        pulled = repository("GET", f"/manifests/{reference}")
        assert (pulled.status, pulled.body) == (200, document.body)
        assert pulled.headers["content-type"] == document.media_type
        assert pulled.headers["docker-content-digest"] == document.digest


def test_a_push_tells_digest_and_location(product, name):
    repository = product.registry(name)
    image = builders.an_image(repository.push_blob)

    answer = repository.push_manifest(image, "v1")

    assert (answer.status, answer.body) == (201, b"")
    assert answer.headers["docker-content-digest"] == image.digest
    assert answer.headers["location"] == f"/v2/{name}/manifests/{image.digest}"
    assert repository.http("GET", answer.headers["location"]).body == image.body
    assert "oci-subject" not in answer.headers
    assert "oci-tag" not in answer.headers


@pytest.mark.parametrize("by_tag", [True, False])
def test_head_tells_all_but_the_bytes(product, name, by_tag):
    repository = product.registry(name)
    image = repository.push_image("v1")

    answer = repository("HEAD", f"/manifests/{'v1' if by_tag else image.digest}")

    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == str(len(image.body))
    assert answer.headers["content-type"] == OCI_MANIFEST
    assert answer.headers["docker-content-digest"] == image.digest


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("condition", ['"{}"', 'W/"{}"', '"x", "{}"', "*"], ids=range(4))
def test_a_manifest_that_the_caller_has_is_not_sent_again(product, name, method, condition):
    repository = product.registry(name)
    image = repository.push_image("v1")

    answer = repository(method, "/manifests/v1", if_none_match=condition.format(image.digest))

    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["etag"] == f'"{image.digest}"'


def test_a_tag_that_moved_is_sent_to_a_caller_who_has_the_old_image(product, name):
    repository = product.registry(name)
    old = repository.push_image("v1", seed="old")
    new = repository.push_image("v1", seed="new")

    answer = repository("GET", "/manifests/v1", if_none_match=f'"{old.digest}"')

    assert (answer.status, answer.body) == (200, new.body)


@pytest.mark.parametrize(
    "accept", [None, "*/*", DOCKER_MANIFEST, "text/html", f"{OCI_INDEX}, {DOCKER_LIST}"], ids=range(5)
)
def test_bytes_are_the_same_whatever_is_accepted(product, name, accept):
    repository = product.registry(name)
    image = repository.push_image("v1")

    answer = repository("GET", "/manifests/v1", accept=accept)

    assert (answer.status, answer.body) == (200, image.body)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_push_by_digest_makes_no_tag(product, name, algorithm):
    repository = product.registry(name)
    image = builders.an_image(repository.push_blob)
    digest = builders.digest(image.body, algorithm)

    answer = repository.push_manifest(image, digest)

    assert (answer.status, answer.headers["docker-content-digest"]) == (201, digest)
    assert repository("GET", f"/manifests/{digest}").body == image.body
    assert repository("GET", f"/manifests/{digest}").headers["docker-content-digest"] == digest
    assert repository("GET", "/tags/list").json()["tags"] == []


def test_an_image_of_sha512_parts(product, name):
    repository = product.registry(name)
    parts = [b"{}", b"layer"]
    for part in parts:
        repository.push_whole(part, builders.digest(part, "sha512"))
    config, layer = (
        {"mediaType": kind, "digest": builders.digest(part, "sha512"), "size": len(part)}
        for kind, part in zip((OCI_CONFIG, OCI_LAYER), parts, strict=True)
    )
    image = builders.document(OCI_MANIFEST, config=config, layers=[layer])
    digest = builders.digest(image.body, "sha512")
    index = builders.document(
        OCI_INDEX, manifests=[{"mediaType": OCI_MANIFEST, "digest": digest, "size": len(image.body)}]
    )

    statuses = [repository.push_manifest(image, digest).status, repository.push_manifest(index, "v1").status]

    assert statuses == [201, 201]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_push_under_the_digest_of_something_else_is_refused(product, name, algorithm):
    repository = product.registry(name)
    image = builders.an_image(repository.push_blob)
    wrong = builders.digest(b"something else", algorithm)

    answer = repository.push_manifest(image, wrong)

    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert repository("GET", f"/manifests/{wrong}").status == 404
    assert repository("GET", f"/manifests/{image.digest}").status == 404


@pytest.mark.parametrize("reference", ["md5:" + "0" * 32, "sha256:abc", "a:b", f"sha256:{'A' * 64}"])
def test_a_push_under_a_digest_that_cannot_be_proved_is_refused(product, name, reference):
    repository = product.registry(name)

    answer = repository.push_manifest(builders.an_index(), reference)

    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


def test_a_push_by_digest_may_bring_tags(product, name):
    repository = product.registry(name)
    image = builders.an_image(repository.push_blob)
    tags = [f"v{number}" for number in range(10)]
    query = "&".join(f"tag={tag}" for tag in tags)

    answer = repository.push_manifest(image, f"{image.digest}?{query}")

    assert answer.status == 201
    assert [value for key, value in answer.all_headers if key == "OCI-Tag"] == tags
    assert {repository("GET", f"/manifests/{tag}").body for tag in tags} == {image.body}


@pytest.mark.parametrize("query", ["&".join(f"tag=v{n}" for n in range(11)), "tag=good&tag=-bad", "tag="], ids=range(3))
def test_a_push_with_tags_that_cannot_be_changes_nothing(product, name, query):
    repository = product.registry(name)
    image = builders.an_image(repository.push_blob)

    answer = repository.push_manifest(image, f"{image.digest}?{query}")

    assert (answer.status, answer.code) == (400, "TAG_INVALID")
    assert repository("GET", f"/manifests/{image.digest}").status == 404
    assert repository("GET", "/tags/list").json()["tags"] == []


@pytest.mark.parametrize("tag", ["a" * 128, "_", "V1.0-rc.1_x", "1", "latest", "manifests", "sha256-" + "0" * 64])
def test_a_tag_may_be_anything_that_the_specification_allows(product, name, tag):
    repository = product.registry(name)

    image = repository.push_image(tag)

    assert repository("GET", f"/manifests/{tag}").body == image.body


@pytest.mark.parametrize("tag", ["a" * 129, "-a", ".a", "a+b", "a%20b", "a%00", "%C3%A4", "a%0A"], ids=range(8))
def test_a_tag_that_cannot_exist_is_refused_on_push_and_unknown_on_pull(product, name, tag):
    repository = product.registry(name)

    pushed = repository.push_manifest(builders.an_index(), tag)
    pulled = repository("GET", f"/manifests/{tag}")
    deleted = repository("DELETE", f"/manifests/{tag}")

    assert (pushed.status, pushed.code) == (400, "TAG_INVALID")
    assert (pulled.status, pulled.code) == (404, "MANIFEST_UNKNOWN")
    assert (deleted.status, deleted.code) == (404, "MANIFEST_UNKNOWN")


def test_a_push_that_is_repeated_is_welcome(product, name):
    repository = product.registry(name)
    image = repository.push_image("v1")

    again = repository.push_manifest(image, "v1")
    by_digest = repository.push_manifest(image)

    assert [again.status, by_digest.status] == [201, 201]
    assert repository("GET", "/tags/list").json()["tags"] == ["v1"]


def test_a_tag_moves_and_the_old_image_stays_by_its_digest(product, name):
    repository = product.registry(name)
    old = repository.push_image("v1", seed="old")

    new = repository.push_image("v1", seed="new")

    assert repository("GET", "/manifests/v1").body == new.body
    assert repository("GET", f"/manifests/{old.digest}").body == old.body


@pytest.mark.parametrize("missing", ["config", "layers"])
def test_an_image_whose_blobs_are_missing_is_refused_by_name(product, name, missing):
    repository = product.registry(name)
    image = builders.an_image(repository.push_blob).json()
    part = image[missing] if missing == "config" else image[missing][0]
    part["digest"] = ABSENT
    document = Document(json.dumps(image).encode(), OCI_MANIFEST)

    answer = repository.push_manifest(document, "v1")

    assert (answer.status, answer.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert ABSENT in answer.message
    assert repository("GET", "/manifests/v1").status == 404


def test_a_blob_of_another_repository_does_not_count(product, name):
    image = product.registry(name).push_image("v1")

    answer = product.registry(f"{name}-other").push_manifest(image, "v1")

    assert (answer.status, answer.code) == (404, "MANIFEST_BLOB_UNKNOWN")


def test_a_manifest_does_not_count_as_a_blob_nor_a_blob_as_a_manifest(product, name):
    repository = product.registry(name)
    image = repository.push_image("v1")
    unpushed = builders.an_image(repository.push_blob, seed="unpushed")
    repository.push_blob(unpushed.body)

    as_layer = repository.push_manifest(
        builders.document(OCI_MANIFEST, config=image.json()["config"], layers=[image.descriptor]), "x"
    )
    as_child = repository.push_manifest(builders.an_index(unpushed), "y")

    assert [as_layer.code, as_child.code] == ["MANIFEST_BLOB_UNKNOWN"] * 2


def test_an_index_whose_children_are_missing_is_refused_by_name(product, name):
    repository = product.registry(name)
    missing = [builders.an_image(repository.push_blob, seed=seed) for seed in "ab"]
    index = builders.an_index(repository.push_image(), *missing)

    answer = repository.push_manifest(index, "v1")

    digests = ", ".join(document.digest for document in missing)
    assert (answer.status, answer.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert answer.message == (
        f"Images with digests '[{digests}]' required for pushing image into repository "
        f"with name '{name}' in the registry with id '000000000000' do not exist"
    )


def test_an_index_may_hold_blobs_as_buildkit_writes_them(product, name):
    repository = product.registry(name)
    cache = b"cache of a layer"
    index = builders.document(OCI_INDEX, manifests=[builders.descriptor(OCI_LAYER, cache)])

    before = repository.push_manifest(index, "cache")
    repository.push_blob(cache)
    after = repository.push_manifest(index, "cache")

    assert [before.status, after.status] == [404, 201]


@pytest.mark.parametrize(
    "kind",
    [
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ],
)
def test_a_layer_that_lives_elsewhere_need_not_be_here(product, name, kind):
    repository = product.registry(name)
    foreign = {"mediaType": kind, "digest": ABSENT, "size": 5, "urls": ["https://example.com/layer"]}

    answer = repository.push_manifest(an_artifact(repository, layers=[foreign]), "windows")

    assert answer.status == 201


def test_a_subject_is_confirmed(product, name):
    repository = product.registry(name)
    subject = repository.push_image("v1")

    artifact = repository.push_manifest(an_artifact(repository, subject=subject.descriptor))
    index = repository.push_manifest(builders.an_index(subject=subject.descriptor))

    assert [artifact.headers["oci-subject"], index.headers["oci-subject"]] == [subject.digest] * 2


def test_a_manifest_may_say_its_type_only_inside_or_only_outside(product, name):
    repository = product.registry(name)
    inside = an_artifact(repository)
    outside = Document(json.dumps({k: v for k, v in inside.json().items() if k != "mediaType"}).encode(), OCI_MANIFEST)

    pushed_inside = repository("PUT", "/manifests/inside", inside.body)
    pushed_outside = repository("PUT", "/manifests/outside", outside.body, content_type=OCI_MANIFEST)

    assert [pushed_inside.status, pushed_outside.status] == [201, 201]
    for tag in ("inside", "outside"):
        assert repository("GET", f"/manifests/{tag}").headers["content-type"] == OCI_MANIFEST


@pytest.mark.parametrize(
    "content_type", [f"{OCI_MANIFEST}; charset=utf-8", f" {OCI_MANIFEST} ", OCI_MANIFEST.upper()], ids=range(3)
)
def test_parameters_and_case_of_the_content_type_do_not_matter(product, name, content_type):
    repository = product.registry(name)

    answer = repository("PUT", "/manifests/v1", an_artifact(repository).body, content_type=content_type)

    assert answer.status == 201
    assert repository("GET", "/manifests/v1").headers["content-type"] == OCI_MANIFEST


CONFIG_AND_LAYERS = {"config": EMPTY, "layers": []}
INVALID = {
    "another type outside": (builders.document(OCI_MANIFEST, **CONFIG_AND_LAYERS).body, OCI_INDEX),
    "no type at all": (b'{"schemaVersion": 2, "config": {}, "layers": []}', None),
    "no JSON": (b"this is no JSON", OCI_MANIFEST),
    "nothing": (b"", OCI_MANIFEST),
    "not UTF-8": (b'{"schemaVersion": 2, "x": "\xff"}', OCI_MANIFEST),
    "half of it": (builders.document(OCI_MANIFEST, **CONFIG_AND_LAYERS).body[:-1], OCI_MANIFEST),
    "more than it": (builders.document(OCI_MANIFEST, **CONFIG_AND_LAYERS).body + b"{}", OCI_MANIFEST),
    "a list": (b"[]", OCI_MANIFEST),
    "null": (b"null", OCI_MANIFEST),
    "deep nesting": (b'{"schemaVersion": 2, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", OCI_MANIFEST),
    "deep nesting in a known member": (b'{"config": ' + b'{"config":' * 50_000 + b"}" * 50_000 + b"}", OCI_MANIFEST),
    "no schemaVersion": (b'{"config": {}, "layers": []}', OCI_MANIFEST),
    "image without config": (builders.document(OCI_MANIFEST, layers=[]).body, OCI_MANIFEST),
    "image without layers": (builders.document(OCI_MANIFEST, config=EMPTY).body, OCI_MANIFEST),
    "index without manifests": (builders.document(OCI_INDEX).body, OCI_INDEX),
    "image and index": (builders.document(OCI_MANIFEST, **CONFIG_AND_LAYERS, manifests=[EMPTY]).body, OCI_MANIFEST),
    "index and image": (builders.document(OCI_INDEX, manifests=[], layers=[EMPTY]).body, OCI_INDEX),
    "index with config": (builders.document(OCI_INDEX, manifests=[], config=EMPTY).body, OCI_INDEX),
    "descriptor without digest": (
        builders.document(OCI_MANIFEST, config={"mediaType": OCI_CONFIG, "size": 2}, layers=[]).body,
        OCI_MANIFEST,
    ),
    "digest that is none": (
        builders.document(OCI_MANIFEST, config={**EMPTY, "digest": "sha256:../../etc/passwd"}, layers=[]).body,
        OCI_MANIFEST,
    ),
    "unknown algorithm": (
        builders.document(OCI_MANIFEST, config={**EMPTY, "digest": "md5:" + "0" * 32}, layers=[]).body,
        OCI_MANIFEST,
    ),
    "subject with a bad digest": (
        builders.document(OCI_MANIFEST, **CONFIG_AND_LAYERS, subject={**EMPTY, "digest": "x"}).body,
        OCI_MANIFEST,
    ),
    "negative size": (
        builders.document(OCI_MANIFEST, config={**EMPTY, "size": -1}, layers=[]).body,
        OCI_MANIFEST,
    ),
    "size as text": (builders.document(OCI_MANIFEST, config={**EMPTY, "size": "2"}, layers=[]).body, OCI_MANIFEST),
    "size beyond 64 bits": (
        builders.document(OCI_MANIFEST, config={**EMPTY, "size": 2**80}, layers=[]).body,
        OCI_MANIFEST,
    ),
    "sizes that add up to more than 64 bits": (
        builders.document(OCI_MANIFEST, config=EMPTY, layers=[{**EMPTY, "size": 2**63 - 1}] * 2).body,
        OCI_MANIFEST,
    ),
    "annotation that is no text": (
        builders.document(OCI_MANIFEST, **CONFIG_AND_LAYERS, annotations={"x": 1}).body,
        OCI_MANIFEST,
    ),
    "half a surrogate": (
        builders.document(OCI_MANIFEST, **CONFIG_AND_LAYERS, artifactType="\ud800").body,
        OCI_MANIFEST,
    ),
    "zero character in its type": (
        builders.document(OCI_MANIFEST, **CONFIG_AND_LAYERS, artifactType="a\0").body,
        OCI_MANIFEST,
    ),
    "zero character in the type of its config": (
        builders.document(OCI_MANIFEST, config={**EMPTY, "mediaType": "\0"}, layers=[]).body,
        OCI_MANIFEST,
    ),
}


@pytest.mark.parametrize("case", INVALID)
def test_what_is_no_manifest_is_refused(product, name, case):
    repository = product.registry(name)
    repository.push_blob(b"{}")
    body, content_type = INVALID[case]

    answer = repository("PUT", "/manifests/v1", body, content_type=content_type)

    assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")
    assert repository("GET", "/manifests/v1").status == 404


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (
            b'{"schemaVersion": 1, "name": "x", "tag": "y", "fsLayers": []}',
            "application/vnd.docker.distribution.manifest.v1+json",
        ),
        (b'{"schemaVersion": 1, "fsLayers": []}', DOCKER_MANIFEST),
        (b'{"schemaVersion": 2, "fsLayers": [{"blobSum": "x"}], "config": null}', DOCKER_MANIFEST),
        (b'{"schemaVersion": 3}', OCI_MANIFEST),
        (b'{"schemaVersion": 2}', "application/json"),
        (b'{"schemaVersion": 2, "mediaType": "application/vnd.oci.artifact.manifest.v1+json"}', None),
    ],
    ids=["schema 1", "schema 1 as 2", "schema 1 inside 2", "schema 3", "plain JSON", "artifact manifest"],
)
def test_kinds_of_manifest_that_are_not_kept_are_refused(product, name, body, content_type):
    repository = product.registry(name)

    answer = repository("PUT", "/manifests/v1", body, content_type=content_type)

    assert (answer.status, answer.code) == (400, "UNSUPPORTED")


def test_a_manifest_is_refused_before_it_is_sent_where_its_address_says_enough(product, name):
    repository = product.registry(name)
    head = (
        f"PUT {repository.base}/manifests/-bad HTTP/1.1\r\nHost: {product.address}\r\nContent-Length: 1000000\r\n"
        f"Authorization: {repository.http.authorization}\r\n\r\n"
    )

    with Wire(product.address) as wire:
        wire.send(head.encode())
        answer = wire.answer()

    assert (answer.status, answer.code) == (400, "TAG_INVALID")


def test_a_manifest_of_the_largest_size_is_kept(product, name):
    repository = product.registry(name)
    image = padded(repository, MAXIMUM)

    answer = repository.push_manifest(image, "large")

    assert answer.status == 201
    assert repository("GET", "/manifests/large").body == image.body


@pytest.mark.parametrize("streamed", [True, False])
def test_a_manifest_of_one_byte_more_is_refused(product, name, streamed):
    repository = product.registry(name)
    body = padded(repository, MAXIMUM + 1).body

    answer = repository(
        "PUT",
        "/manifests/large",
        iter([body]) if streamed else body,
        content_type=OCI_MANIFEST,
        transfer_encoding="chunked" if streamed else None,
    )

    assert (answer.status, answer.code) == (413, "MANIFEST_INVALID")
    assert repository("GET", "/manifests/large").status == 404


def test_an_immutable_tag_stays_where_it_is(product, name):
    repository = product.registry(name)
    first = repository.push_image("v1", seed="first")
    product.ecr().put_image_tag_mutability(repositoryName=name, imageTagMutability="IMMUTABLE")
    second = builders.an_image(repository.push_blob, seed="second")

    answer = repository.push_manifest(second, "v1")

    assert (answer.status, answer.code) == (400, "TAG_INVALID")
    assert answer.message == (
        f"The image tag 'v1' already exists in the '{name}' repository and cannot be overwritten "
        "because the tag is immutable."
    )
    assert repository("GET", "/manifests/v1").body == first.body
    assert repository("GET", f"/manifests/{second.digest}").status == 404


def test_an_immutable_tag_may_be_pushed_again_with_the_same_image(product, name):
    repository = product.registry(name)
    image = repository.push_image("v1")
    product.ecr().put_image_tag_mutability(repositoryName=name, imageTagMutability="IMMUTABLE")

    again = repository.push_manifest(image, "v1")
    another_tag = repository.push_manifest(image, "v2")

    assert [again.status, another_tag.status] == [201, 201]


def test_one_immutable_tag_of_several_refuses_them_all(product, name):
    repository = product.registry(name)
    repository.push_image("v1", seed="first")
    product.ecr().put_image_tag_mutability(repositoryName=name, imageTagMutability="IMMUTABLE")
    second = builders.an_image(repository.push_blob, seed="second")

    answer = repository.push_manifest(second, f"{second.digest}?tag=fresh&tag=v1")

    assert answer.code == "TAG_INVALID"
    assert repository("GET", "/tags/list").json()["tags"] == ["v1"]


@pytest.mark.parametrize(
    ("setting", "moved"),
    [("IMMUTABLE_WITH_EXCLUSION", {"dev-1", "latest"}), ("MUTABLE_WITH_EXCLUSION", {"v1", "prod"})],
)
def test_exclusion_filters_turn_the_rule_round(product, name, setting, moved):
    repository = product.registry(name)
    tags = ["dev-1", "latest", "v1", "prod"]
    for tag in tags:
        repository.push_image(tag, seed="first")
    filters = [{"filterType": "WILDCARD", "filter": pattern} for pattern in ("dev-*", "latest")]
    product.ecr().put_image_tag_mutability(
        repositoryName=name, imageTagMutability=setting, imageTagMutabilityExclusionFilters=filters
    )
    second = builders.an_image(repository.push_blob, seed="second")

    statuses = {tag: repository.push_manifest(second, tag).status for tag in tags}

    assert statuses == {tag: 201 if tag in moved else 400 for tag in tags}


def test_a_tag_that_names_another_image_by_now_is_not_deleted(product, name):
    repository = product.registry(name)
    before, now = (repository.push_image("v1", seed=seed) for seed in ("before", "now"))

    kept = repository("DELETE", "/manifests/v1", if_match=f'"{before.digest}"')
    wrong = repository("DELETE", "/manifests/v1", if_match='"v1"')
    found = repository("HEAD", "/manifests/v1").status
    gone = repository("DELETE", "/manifests/v1", if_match=f'"{now.digest}"')

    assert (kept.status, wrong.status, found, gone.status) == (404, 400, 200, 202)
    assert repository("HEAD", "/manifests/v1").status == 404


def test_a_deleted_tag_is_gone_and_its_image_stays(product, name):
    repository = product.registry(name)
    image = repository.push_image("v1")
    repository.push_manifest(image, "v2")

    answer = repository("DELETE", "/manifests/v1")

    assert answer.status == 202
    assert repository("GET", "/manifests/v1").code == "MANIFEST_UNKNOWN"
    assert repository("GET", "/manifests/v2").body == image.body
    assert repository("GET", f"/manifests/{image.digest}").body == image.body


def test_an_image_stays_when_its_last_tag_is_deleted(product, name):
    repository = product.registry(name)
    image = repository.push_image("v1")

    repository("DELETE", "/manifests/v1")

    assert repository("GET", f"/manifests/{image.digest}").body == image.body


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_deleted_image_is_gone_with_all_its_tags(product, name, algorithm):
    repository = product.registry(name)
    image = builders.an_image(repository.push_blob)
    digest = builders.digest(image.body, algorithm)
    repository.push_manifest(image, f"{digest}?tag=v1&tag=v2")

    answer = repository("DELETE", f"/manifests/{digest}")

    assert answer.status == 202
    for reference in ("v1", "v2", digest):
        assert repository("GET", f"/manifests/{reference}").code == "MANIFEST_UNKNOWN"
    assert repository("GET", "/tags/list").json()["tags"] == []


@pytest.mark.parametrize("reference", ["latest", ABSENT, f"sha512:{'0' * 128}"])
def test_deleting_what_is_not_there_says_so(product, name, reference):
    repository = product.registry(name)

    answer = repository("DELETE", f"/manifests/{reference}")

    assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")


def test_an_image_that_an_index_lists_is_not_deleted(product, name):
    repository = product.registry(name)
    child = repository.push_image("child")
    indexes = [builders.an_index(child, annotations={"number": text}) for text in "12"]
    for index in indexes:
        repository.push_manifest(index)

    answer = repository("DELETE", f"/manifests/{child.digest}")

    assert (answer.status, answer.code) == (405, "UNSUPPORTED")
    assert answer.message == (
        f"Requested image referenced by manifest list: [{indexes[0].digest}, {indexes[1].digest}]"
    )
    assert repository("GET", "/manifests/child").body == child.body


def test_the_tag_of_an_image_that_an_index_lists_may_go(product, name):
    repository = product.registry(name)
    child = repository.push_image("child")
    repository.push_manifest(builders.an_index(child), "index")

    answer = repository("DELETE", "/manifests/child")

    assert answer.status == 202
    assert repository("GET", f"/manifests/{child.digest}").body == child.body


def test_indexes_are_deleted_from_the_outside_in(product, name):
    repository = product.registry(name)
    child = repository.push_image("child")
    inner = builders.an_index(child)
    repository.push_manifest(inner)
    outer = builders.an_index(inner)
    repository.push_manifest(outer, "outer")

    too_early = repository("DELETE", f"/manifests/{inner.digest}")
    statuses = [repository("DELETE", f"/manifests/{document.digest}").status for document in (outer, inner, child)]

    assert too_early.status == 405
    assert statuses == [202, 202, 202]


def test_a_subject_may_be_deleted_before_its_referrers(product, name):
    repository = product.registry(name)
    subject = repository.push_image("v1")
    artifact = an_artifact(repository, subject=subject.descriptor)
    repository.push_manifest(artifact)

    answer = repository("DELETE", f"/manifests/{subject.digest}")

    assert answer.status == 202
    assert repository("GET", f"/manifests/{artifact.digest}").body == artifact.body


def test_a_deleted_image_can_be_pushed_again(product, name):
    repository = product.registry(name)
    image = repository.push_image("v1")
    repository("DELETE", f"/manifests/{image.digest}")

    answer = repository.push_manifest(image, "v1")

    assert answer.status == 201
    assert repository("GET", "/manifests/v1").body == image.body


def test_what_comes_by_the_registry_protocol_is_seen_by_the_ecr_api(product, name):
    repository = product.registry(name)
    image = repository.push_image("v1")

    found = product.ecr().batch_get_image(repositoryName=name, imageIds=[{"imageTag": "v1"}])["images"][0]

    assert found["imageManifest"].encode() == image.body
    assert found["imageManifestMediaType"] == OCI_MANIFEST
    assert found["imageId"] == {"imageDigest": image.digest, "imageTag": "v1"}
