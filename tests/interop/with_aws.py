"""Amazon's own command line, from an empty registry to an image and back."""

from __future__ import annotations

import json
import ssl
import urllib.request
from typing import TYPE_CHECKING

from tests.builders import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, descriptor, digest
from tests.interop.places import expect, expect_same
from tests.interop.report import Checks

if TYPE_CHECKING:
    from tests.interop.places import Place

CHECKS = Checks()
LAYER = b"a layer that only the API has seen"
CONFIG = b'{"architecture":"amd64","os":"linux"}'


@CHECKS.add("aws ecr create-repository, and again", "aws")
def create_repository(at: Place) -> None:
    made = at.aws("create-repository", "--repository-name", "aws/app", "--tags", "Key=team,Value=one")["repository"]

    expect_same(made["repositoryUri"], f"{at.host}/aws/app")
    at.aws_refuses("RepositoryAlreadyExistsException", "create-repository", "--repository-name", "aws/app")


@CHECKS.add("aws ecr describe-repositories, describe-registry", "aws")
def describe(at: Place) -> None:
    names = at.aws("describe-repositories", "--query", "repositories[].repositoryName")

    expect("aws/app" in names, f"only {names}")
    expect_same(at.aws("describe-registry")["registryId"], "000000000000")
    at.aws_refuses("RepositoryNotFoundException", "describe-repositories", "--repository-names", "aws/none")


@CHECKS.add("aws ecr upload of layers, put-image", "aws")
def push(at: Place) -> None:
    upload_layers(at, "aws/app")
    text = manifest()

    image = on_app(at, "put-image", "--image-tag", "1", "--image-manifest", text)["image"]

    expect_same(image["imageId"], {"imageDigest": digest(text.encode()), "imageTag": "1"})


@CHECKS.add("aws ecr batch-check-layer-availability, get-download-url-for-layer", "aws")
def layers(at: Place) -> None:
    missing = digest(b"missing")
    answer = on_app(at, "batch-check-layer-availability", "--layer-digests", digest(LAYER), missing)
    url = on_app(at, "get-download-url-for-layer", "--layer-digest", digest(LAYER))["downloadUrl"]

    states = {layer["layerDigest"]: layer["layerAvailability"] for layer in answer["layers"]}
    expect_same(states.get(digest(LAYER)), "AVAILABLE")
    expect(states.get(missing) != "AVAILABLE", "a layer that was never pushed is available")
    trust = ssl.create_default_context(cafile=at.authority) if at.authority else None
    with urllib.request.urlopen(url, context=trust) as answer:
        expect_same(answer.read(), LAYER)


@CHECKS.add("aws ecr describe-images, list-images, batch-get-image", "aws")
def images(at: Place) -> None:
    [described] = on_app(at, "describe-images")["imageDetails"]
    [listed] = on_app(at, "list-images", "--filter", "tagStatus=TAGGED")["imageIds"]
    got = on_app(at, "batch-get-image", "--image-ids", "imageTag=1", "imageTag=none")

    expect_same(described["imageTags"], ["1"])
    expect_same(listed["imageDigest"], described["imageDigest"])
    expect_same(digest(got["images"][0]["imageManifest"].encode()), described["imageDigest"])
    expect_same(got["failures"][0]["failureCode"], "ImageNotFound")


@CHECKS.add("aws ecr put-image-tag-mutability", "aws")
def mutability(at: Place) -> None:
    text = on_app(at, "batch-get-image", "--image-ids", "imageTag=1")["images"][0]["imageManifest"]
    on_app(at, "put-image-tag-mutability", "--image-tag-mutability", "IMMUTABLE")

    at.aws_refuses(
        "ImageTagAlreadyExistsException",
        *("put-image", "--repository-name", "aws/app", "--image-tag", "1", "--image-manifest", text + "\n"),
    )
    on_app(at, "put-image-tag-mutability", "--image-tag-mutability", "MUTABLE")


@CHECKS.add("aws ecr tag-resource, list-tags-for-resource, untag-resource", "aws")
def tags(at: Place) -> None:
    arn = "arn:aws:ecr:us-east-1:000000000000:repository/aws/app"
    at.aws("tag-resource", "--resource-arn", arn, "--tags", "Key=stage,Value=test")
    at.aws("untag-resource", "--resource-arn", arn, "--tag-keys", "team")

    left = at.aws("list-tags-for-resource", "--resource-arn", arn)["tags"]

    expect_same(left, [{"Key": "stage", "Value": "test"}])


@CHECKS.add("aws ecr describe-images page by page", "aws")
def pages(at: Place) -> None:
    text = on_app(at, "batch-get-image", "--image-ids", "imageTag=1")["images"][0]["imageManifest"]
    for tag in ("2", "3"):
        on_app(at, "put-image", "--image-tag", tag, "--image-manifest", text + "\n" * int(tag))

    found = on_app(at, "describe-images", "--page-size", "1", "--query", "imageDetails[].imageTags[]")

    expect_same(sorted(found), ["1", "2", "3"])


@CHECKS.add("aws ecr batch-delete-image", "aws")
def delete_image(at: Place) -> None:
    answer = on_app(at, "batch-delete-image", "--image-ids", "imageTag=2", "imageTag=none")

    expect_same([image["imageTag"] for image in answer["imageIds"]], ["2"])
    expect_same([fault["failureCode"] for fault in answer["failures"]], ["ImageNotFound"])


@CHECKS.add("aws ecr delete-repository, without and with --force", "aws")
def delete_repository(at: Place) -> None:
    at.aws_refuses("RepositoryNotEmptyException", "delete-repository", "--repository-name", "aws/app")
    on_app(at, "delete-repository", "--force")

    at.aws_refuses("RepositoryNotFoundException", "list-images", "--repository-name", "aws/app")


@CHECKS.add("aws does not trust an unknown CA", "aws", only="TLS")
def distrust(at: Place) -> None:
    at.refuses(
        "SSL validation failed",
        *("env", "-u", "AWS_CA_BUNDLE", at.found["aws"], "--endpoint-url", at.url, "ecr", "describe-registry"),
    )


def on_app(at: Place, operation: str, *arguments: str):
    return at.aws(operation, "--repository-name", "aws/app", *arguments)


def upload_layers(at: Place, repository: str) -> None:
    """Upload what `manifest` needs."""
    here, part = ("--repository-name", repository), at.folder / "part"
    for blob in (LAYER, CONFIG):
        upload = (*here, "--upload-id", at.aws("initiate-layer-upload", *here)["uploadId"])
        part.write_bytes(blob)
        span = ("--part-first-byte", "0", "--part-last-byte", str(len(blob) - 1))
        at.aws("upload-layer-part", *upload, *span, "--layer-part-blob", f"fileb://{part}")
        at.aws("complete-layer-upload", *upload, "--layer-digests", digest(blob))


def manifest(**members: object) -> str:
    """The manifest of an image of one layer."""
    return json.dumps({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_CONFIG, CONFIG),
        "layers": [descriptor(OCI_LAYER, LAYER)],
        **members,
    })  # fmt: skip
