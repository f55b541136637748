"""Repositories under keys that can be taken away, and the keys of the registry itself, as an operator handles them."""

from __future__ import annotations

import os
import re

import pytest
from botocore.exceptions import ClientError

from holdfast.model.uploads import SMALL_BYTES
from tests import builders
from tests.callers import Registry, refusal

ACCOUNT = "000000000000"
SMALL, LARGE = b"small", os.urandom(3 * 1024 * 1024)
TYPES = ["KMS", "KMS_DSSE"]


def make_key(product, *arguments) -> str:
    """A key of the product's own; its ARN."""
    made = product.cli("kms", "create-key", *arguments)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def repository(product, name, kind="KMS", key=None) -> Registry:
    """A repository under a key."""
    encryption = {"encryptionType": kind, **({"kmsKey": key} if key else {})}
    product.ecr().create_repository(repositoryName=name, encryptionConfiguration=encryption)
    return Registry(product.http(), name)


def pull(registry, data) -> bytes:
    answer = registry("GET", f"/blobs/{builders.digest(data)}")
    assert answer.status == 200, answer.body
    return answer.body


def refused(call, **members) -> tuple[str, str, str]:
    """Code, message and KMS's own code of a refusal."""
    with pytest.raises(ClientError) as caught:
        call(**members)
    response = caught.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response.get("kmsError", "")


@pytest.mark.parametrize("kind", TYPES)
def test_what_is_pushed_under_a_named_key_is_pulled_again(product, name, kind):
    arn = make_key(product)
    registry = repository(product, name, kind, arn)

    document = registry.push_image("v1")
    for data in (SMALL, LARGE):
        registry.push_blob(data)

    described = product.ecr().describe_repositories(repositoryNames=[name])["repositories"][0]
    assert described["encryptionConfiguration"] == {"encryptionType": kind, "kmsKey": arn}
    assert [pull(registry, data) for data in (SMALL, LARGE)] == [SMALL, LARGE]
    assert (
        registry("GET", f"/blobs/{builders.digest(LARGE)}", range="bytes=1048000-2097999").body
        == LARGE[1048000:2098000]
    )
    assert registry("GET", "/manifests/v1").body == document.body


@pytest.mark.parametrize("kind", TYPES)
def test_a_disabled_key_is_refused_and_loses_nothing(product, name, kind):
    arn = make_key(product)
    registry = repository(product, name, kind, arn)
    document = registry.push_image("v1")
    registry.push_blob(LARGE)
    ecr, here = product.ecr(), {"repositoryName": name}
    upload = ecr.initiate_layer_upload(**here)["uploadId"]
    location = registry.begin_upload()
    words = ("KmsException", f"{arn} is disabled.", "DisabledException")

    assert product.cli("kms", "disable-key", arn).returncode == 0

    pulled = registry("GET", f"/blobs/{builders.digest(LARGE)}")
    assert (pulled.status, pulled.code, pulled.message) == (403, "DENIED", f"{arn} is disabled.")
    assert registry("POST", "/blobs/uploads/").status == 403
    assert registry.append(location, b"more").status == 403
    assert registry("POST", f"/blobs/uploads/?digest={builders.digest(b'new')}", b"new").status == 403
    assert registry("PUT", "/manifests/v2", document.body, content_type=document.media_type).status == 403
    assert refused(ecr.initiate_layer_upload, **here) == words
    part = {"uploadId": upload, "partFirstByte": 0, "partLastByte": 2, "layerPartBlob": b"abc"}
    assert refused(ecr.upload_layer_part, **here, **part) == words
    assert refused(ecr.put_image, **here, imageManifest=document.body.decode(), imageTag="v2") == words
    layer = {"layerDigest": document.json()["config"]["digest"]}
    assert refused(ecr.get_download_url_for_layer, **here, **layer) == words
    answer = ecr.batch_get_image(**here, imageIds=[{"imageTag": "v1"}])
    assert (answer["images"], [one["failureCode"] for one in answer["failures"]]) == ([], ["KmsError"])
    assert refused(ecr.create_repository, repositoryName=f"{name}-2",
                   encryptionConfiguration={"encryptionType": kind, "kmsKey": arn}) == words  # fmt: skip

    assert product.cli("kms", "enable-key", arn).returncode == 0

    assert pull(registry, LARGE) == LARGE
    assert registry.append(location, b"more").status == 202
    assert ecr.batch_get_image(**here, imageIds=[{"imageTag": "v1"}])["failures"] == []


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("alias/absent", f"Alias arn:aws:kms:us-east-1:{ACCOUNT}:alias/absent is not found."),
        ("1234abcd", f"Key 'arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd' does not exist"),
        (f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234", "Invalid arn eu-west-1"),
        ("arn:aws:kms:us-east-1:111122223333:key/1", "Key 'arn:aws:kms:us-east-1:111122223333:key/1' does not exist"),
        ("arn:aws:s3:::bucket", "Invalid arn arn:aws:s3:::bucket"),
        ("../etc/passwd", f"Key 'arn:aws:kms:us-east-1:{ACCOUNT}:key/../etc/passwd' does not exist"),
    ],
)
def test_a_key_that_is_not_there_is_told_in_the_words_of_kms(product, name, key, words):
    encryption = {"encryptionType": "KMS", "kmsKey": key}

    answer = refused(product.ecr().create_repository, repositoryName=name, encryptionConfiguration=encryption)

    assert answer == ("KmsException", words, "NotFoundException")
    assert refusal(product.ecr().list_images, repositoryName=name)[0] == "RepositoryNotFoundException"


def test_whoever_names_no_key_gets_the_default_one(product, name, region):
    ecr = product.ecr(region)

    made = [
        ecr.create_repository(
            repositoryName=f"{name}-{kind.lower().replace('_', '-')}", encryptionConfiguration={"encryptionType": kind}
        )
        for kind in TYPES
    ]

    arns = {one["repository"]["encryptionConfiguration"]["kmsKey"] for one in made}
    assert len(arns) == 1
    [line] = [line for line in product.cli("kms", "list-keys").stdout.splitlines() if f":{region}:" in line]
    assert line.startswith(f"{arns.pop()}  enabled   alias/aws/ecr  ")


def test_an_alias_and_an_id_name_the_same_key(product, name):
    arn = make_key(product, "--alias", "alias/of-this-test", "--description", "for a test")

    for index, key in enumerate(["alias/of-this-test", arn.rpartition("/")[2], arn]):
        repository(product, f"{name}-{index}", key=key)

    found = product.ecr().describe_repositories(repositoryNames=[f"{name}-{index}" for index in range(3)])
    assert {one["encryptionConfiguration"]["kmsKey"] for one in found["repositories"]} == {arn}
    again = product.cli("kms", "create-key", "--alias", "alias/of-this-test")
    assert (again.returncode, again.stderr) == (
        1, "holdfast: The alias 'alias/of-this-test' names another key already.\n",
    )  # fmt: skip


def test_layers_are_mounted_under_one_key_only(product, name):
    arn = make_key(product)
    source = repository(product, f"{name}/source", key=arn)
    same, other = (
        repository(product, f"{name}/same", key=arn),
        repository(product, f"{name}/other", key=make_key(product)),
    )
    plain = product.registry(f"{name}/plain")
    digest = source.push_blob(LARGE)

    answers = [one("POST", f"/blobs/uploads/?mount={digest}&from={name}/source") for one in (same, other, plain)]

    assert [answer.status for answer in answers] == [201, 202, 202]
    assert pull(same, LARGE) == LARGE
    for one in (other, plain):
        assert one("HEAD", f"/blobs/{digest}").status == 404


def test_a_key_with_aes256_is_refused(product, name):
    encryption = {"encryptionType": "AES256", "kmsKey": "alias/some"}

    code, _, _ = refused(product.ecr().create_repository, repositoryName=name, encryptionConfiguration=encryption)

    assert code == "InvalidParameterException"


def test_the_bytes_of_a_named_key_do_not_open_without_it(start):
    """What lies on disk after the key's row is gone: the rest of the data folder does not open it."""
    product = start()
    registry = repository(product, "some/repository", key=make_key(product))
    registry.push_blob(SMALL)
    product.registry("plain").push_blob(SMALL + b"plain")

    texts = b"".join(path.read_bytes() for path in product.data.rglob("*") if path.is_file() and path.suffix != ".log")

    assert SMALL not in texts


def test_a_rotation_is_used_by_running_servers_and_moves_what_is_there(start):
    product = start("--workers", "2")
    arn = make_key(product)
    plain = product.registry("plain")
    named = repository(product, "named", "KMS_DSSE", arn)
    for registry in (plain, named):
        registry.push_blob(LARGE)
        registry.push_blob(SMALL)

    assert "Version 2 wraps everything from now on" in product.cli("kms", "rotate").stdout
    assert "version 2 wraps everything within five minutes" in product.cli("kms", "rotate", "--key", arn).stdout
    for registry in (plain, named):
        registry.push_blob(b"after" * SMALL_BYTES)
    rewrapped = product.cli("kms", "rewrap")
    status = product.cli("kms", "status").stdout

    assert rewrapped.stdout == "4 objects and all secrets are under the newest versions.\n"
    told = [line.split("  ")[-1] for line in status.splitlines() if " version " in line]
    assert (told[0], *told[2:]) == ("0 objects, 0 secrets", "0 objects", "3 objects")
    assert re.fullmatch("3 objects, [1-9] secrets", told[1])  # some are made when somebody first needs them
    for registry in (plain, named):
        assert [pull(registry, data) for data in (LARGE, SMALL)] == [LARGE, SMALL]
    assert product.ecr().describe_repositories()["repositories"], "the secret of the access key opens"


def test_a_version_in_use_is_not_retired(start):
    product = start()
    product.cli("kms", "rotate")

    answer = product.cli("kms", "retire", "1")

    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith("holdfast: Version 1 stays: ")
